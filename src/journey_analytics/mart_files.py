"""The files of a new snapshot: written, or linked to where the snapshot before it holds the same.

Every file is in the order that its mart's contract says, down to the key, so that equal rows give equal
bytes. After a night that made some customers anew, the files of days on which no row changed are taken over
from the snapshot before it, as hard links: a file that was published is never written to.

Belongs here: which files a mart has, writing one, linking one. Does not belong here: the snapshot as a whole
and the pointer (marts.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from journey_analytics import failpoints
from journey_analytics.contracts import Contract, Split, contracts, files_of
from journey_analytics.disk import sha256_of
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.models import marts
from journey_analytics.engine.sql_text import quoted, quoted_path
from journey_analytics.nights import of_changed, of_others, published_rows
from journey_analytics.work import CHANGED

if TYPE_CHECKING:
    from journey_analytics.marts import Snapshot

ROW_GROUP = 122_880
_PIECE = ROW_GROUP // 2
"""Rows asked for in one piece. The engine ends a row group where a vector of rows ends, or a batch of nearly
as many, and both follow from where a file's rows stand in their table; with two pieces one ends wherever they
stand, so that equal rows give equal bytes."""
_ROWS_AT_ONCE = 1_000_000
File = dict[str, Any]


def write_marts(engine: DuckDBEngine, folder: Path, base: Snapshot | None) -> dict[str, dict[str, Any]]:
    """Write or link the files of every mart, and say what the manifest says of each.

    Args:
        engine: holds the mart tables; after a night, the rows of customers made anew are in `changed`.
        folder: of the new snapshot, empty.
        base: the snapshot that holds the rows of all other customers; None when all were made anew.

    Returns:
        By mart: rows, and its files with path, rows, bytes and sha256. What is new is still to be synced.
    """
    # how nulls are encoded must not depend on what the engine knows of the table that the rows come from
    engine.execute("set disabled_optimizers = 'statistics_propagation'")
    try:
        written = {}
        for name in marts():
            files = _write_mart(engine, folder, contracts()[name], base)
            written[name] = {"rows": sum(file["rows"] for file in files), "files": files}
            failpoints.reach("publish.mart_written")
        return written
    finally:
        engine.execute("reset disabled_optimizers")


def _write_mart(engine: DuckDBEngine, folder: Path, contract: Contract, base: Snapshot | None) -> list[File]:
    known: dict[str, File] = {}
    if base is not None:
        known = {file["path"]: file for file in base.manifest["marts"][contract.table]["files"]}
    writer = _Writer(engine, folder, contract, base, known)
    source = _Source(engine, contract, base if contract.per_customer else None, known)
    changed, single = source.rows_by_day(), files_of(contract.table, is_split=False)
    if contract.split is None:
        return [writer.write(single, source.rows()) if changed else writer.link(single)]
    new = {contract.split.path(contract.table, day) for day in changed}
    files = [writer.link(name) for name in source.taken_over(new)]
    for run in _runs(changed):
        files += writer.write_days(contract.split, source.rows(run))
    # without a row there is one empty file all the same, so that every reader finds the columns
    return sorted(files, key=itemgetter("path")) or [writer.write(single, f"{source.rows()} limit 0")]


def _runs(rows_by_day: dict[date, int]) -> list[list[date]]:
    """The days in runs that have together few enough rows to be sorted at once, or one each."""
    runs: list[list[date]] = []
    free = 0
    for day, rows in sorted(rows_by_day.items()):
        if not runs or rows > free:
            runs.append([])
            free = _ROWS_AT_ONCE
        runs[-1].append(day)
        free -= rows
    return runs


@dataclass(frozen=True)
class _Source:
    """Where the rows of a mart's new files come from.

    Attributes:
        base: holds the rows of customers who did not change; None when the mart's table has all rows.
        known: the files of the snapshot before.
    """

    engine: DuckDBEngine
    contract: Contract
    base: Snapshot | None
    known: dict[str, File]

    def rows_by_day(self) -> dict[date, int]:
        """Which files are to be written, by their first day, and how many rows they have at most.

        Of a mart in one file the day is none, and it is missing when no row changed.
        """
        split = self.contract.split
        day = split.first_day if split else "null"
        if self.base is None:
            rows = self.engine.rows(
                f"select {day} as day, count(*) as n from {self.contract.table} group by day"
            )
            return {row["day"]: row["n"] for row in rows} or ({} if split else {None: 0})
        before, new = f"{self.contract.table}_before", self._new
        published = published_rows(self.base, self.contract)
        with self.engine.schema(CHANGED):
            self.engine.create_table(
                before,
                f"select {self._columns} from {of_changed(published, self.contract)}"
                if published
                else f"{new} limit 0",
            )
        old = f"from {CHANGED}.{before}"
        rows = self.engine.rows(
            f"select {day} as day, count(*) as n "
            f"from (({old} except all {new}) union all ({new} except all {old})) group by day"
        )
        self.engine.execute(f"drop table {CHANGED}.{before}")
        return {row["day"]: row["n"] + self._published(row["day"]) for row in rows}

    def taken_over(self, new: Collection[str]) -> list[str]:
        """The files of the snapshot before that stay as they are, beside the new ones."""
        return [] if self.base is None else [name for name in self.known if "/" in name and name not in new]

    def rows(self, days: Sequence[date] = ()) -> str:
        """A SELECT of the rows of these days, which follow one another among those with rows; or of all."""
        split, table = self.contract.split, self.contract.table
        if split is None or not days:
            return f"select {self._columns} from {table}"
        if self.base is None:
            return f"select {self._columns} from {table} where {split.holds(days[0], days[-1])}"
        listed = ", ".join(f"date '{day}'" for day in days)
        rows = f"{self._new} where {split.first_day} in ({listed})"
        names = [name for name in (split.path(table, day) for day in days) if name in self.known]
        if names:
            paths = ", ".join(quoted_path(self.base.folder / name) for name in names)
            others = of_others(f"read_parquet([{paths}], hive_partitioning = false)", self.contract)
            rows += f" union all select {self._columns} from {others}"
        return rows

    def _published(self, day: date | None) -> int:
        split = self.contract.split
        name = split.path(self.contract.table, day) if split and day else ""
        return int(self.known[name]["rows"]) if name in self.known else 0

    @property
    def _new(self) -> str:
        return f"select {self._columns} from {CHANGED}.{self.contract.table}"

    @property
    def _columns(self) -> str:
        return ", ".join(f'cast("{c.name}" as {c.type}) as "{c.name}"' for c in self.contract.columns)


@dataclass(frozen=True)
class _Writer:
    """Writes and links the files of one mart."""

    engine: DuckDBEngine
    folder: Path
    contract: Contract
    base: Snapshot | None
    known: dict[str, File]

    def link(self, name: str) -> File:
        """Take over a file of the snapshot before."""
        path, old = self._paths(name)
        os.link(old, path)
        failpoints.reach("publish.file_linked")
        return self.known[name]

    def write_days(self, split: Split, rows: str) -> list[File]:
        """Write a file for each day or month of rows that are few enough to be sorted at once."""
        with self._sorted(rows, f"{split.first_day}, ") as table:
            found = self.engine.rows(
                f"select {split.first_day} as day, min(rowid) as first, count(*) as n "
                f"from {table} group by day"
            )

            def write(row: dict[str, Any]) -> File:
                return self._copy(split.path(self.contract.table, row["day"]), table, row["first"], row["n"])

            # a day's file is too small to keep more than one processor busy
            with ThreadPoolExecutor(self.engine.threads) as pool:
                return list(pool.map(write, found))

    def write(self, name: str, rows: str) -> File:
        """Write a file of rows in any order."""
        with self._sorted(rows) as table:
            return self._copy(name, table, 0, self.engine.count(table))

    @contextmanager
    def _sorted(self, rows: str, before: str = "") -> Iterator[str]:
        """A table of rows in the order of the contract, in the block."""
        table = f"{self.contract.table}_in_files"
        order = ", ".join(f'"{column}"' for column in self.contract.sorted_by)
        self.engine.create_table(table, f"from ({rows}) order by {before}{order}")
        yield table
        # not when writing failed: the database ends with the run, and what went wrong is what is told
        self.engine.execute(f"drop table {table}")

    def _copy(self, name: str, table: str, first: int, rows: int) -> File:
        """Write a file of these rows of a table; where the snapshot before has the same bytes, link those."""
        path, old = self._paths(name)
        about = ", ".join(f"{key}: {quoted(value)}" for key, value in _metadata(self.contract.table).items())
        end = first + rows
        pieces = " union all ".join(
            f"from {table} where rowid >= {begin} and rowid < {min(begin + _PIECE, end)}"
            for begin in range(first, end, _PIECE) or (first,)
        )
        with self.engine.cursor() as cursor:
            copied = cursor.execute(
                f"copy ({pieces}) to {quoted(str(path))} (format parquet, compression zstd, "
                f"row_group_size {ROW_GROUP}, kv_metadata {{{about}}})"
            ).fetchall()
        made = {"rows": int(copied[0][0]), "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        if name in self.known and self.known[name]["sha256"] == made["sha256"] == sha256_of(old):
            path.unlink()
            os.link(old, path)
        return {"path": name, **made}

    def _paths(self, name: str) -> tuple[Path, Path]:
        """Where a file is to be, and where the snapshot before may have it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path, (self.folder if self.base is None else self.base.folder) / name


@cache
def _metadata(table: str) -> dict[str, str]:
    """What a mart's files say of themselves; of each column as JSON what its type does not."""
    contract = contracts()[table]
    columns = {
        column.name: column.model_dump(
            include={"description", "unit", "nullable", "values", "min", "max"}, exclude_none=True
        )
        for column in contract.columns
    }
    return {
        "journey_table": contract.table,
        "journey_description": contract.description,
        "journey_grain": contract.grain,
        "journey_key": ", ".join(contract.key),
        "journey_columns": json.dumps(columns, ensure_ascii=False),
    }
