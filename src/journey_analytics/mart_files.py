"""The files of a new snapshot: written, or linked to where the snapshot before it holds the same.

Every file is in the order of its mart's key, so that equal rows give equal bytes. After a night that made
some customers anew, the files of days on which no row changed are taken over from the snapshot before it, as
hard links: a file that was published is never written to.

Belongs here: which files a mart has, writing one, linking one. Does not belong here: the snapshot as a whole
and the pointer (marts.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from journey_analytics import failpoints
from journey_analytics.contracts import Contract, Split, contracts
from journey_analytics.disk import sha256_of
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.models import marts
from journey_analytics.engine.sql_text import quoted, quoted_path
from journey_analytics.nights import of_changed, of_others, published_rows
from journey_analytics.tables import in_file_order
from journey_analytics.work import CHANGED

if TYPE_CHECKING:
    from journey_analytics.marts import Snapshot

_ROW_GROUP = 122_880
File = dict[str, Any]
Part = tuple[str, str | None]
"""A file's path inside the snapshot, and a SELECT of its rows; None where no row changed."""


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
    parts = (
        _parts_with_changes(engine, contract, base, known)
        if base is not None and contract.per_customer
        else _parts(engine, contract)
    )

    def write_or_link(part: Part) -> File:
        name, rows = part
        path, old = folder / name, base.folder / name if base is not None and name in known else None
        path.parent.mkdir(parents=True, exist_ok=True)
        if rows is None and old is not None:
            os.link(old, path)
            failpoints.reach("publish.file_linked")
            return known[name]
        return {"path": name, **_write(engine, path, contract, rows or "", old)}

    # a day's file is too small to keep more than one processor busy
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(write_or_link, parts))


def _write(engine: DuckDBEngine, path: Path, contract: Contract, rows: str, old: Path | None) -> File:
    """Write a file in the order of the mart's key; where an old one has the same bytes, link that."""
    # tables that are spread over files are made in their order, which is kept
    order = "" if contract.split else f"order by {in_file_order(contract)}"
    about = ", ".join(f"{key}: {quoted(value)}" for key, value in _metadata(contract.table).items())
    with engine.cursor() as cursor:
        copied = cursor.execute(
            f"copy (select * from ({rows}) {order}) to {quoted(str(path))} (format parquet, "
            f"compression zstd, row_group_size {_ROW_GROUP}, kv_metadata {{{about}}})"
        ).fetchall()
    made = {"rows": int(copied[0][0]), "bytes": path.stat().st_size, "sha256": sha256_of(path)}
    if old is not None and old.stat().st_size == made["bytes"] and sha256_of(old) == made["sha256"]:
        path.unlink()
        os.link(old, path)
    return made


def _parts(engine: DuckDBEngine, contract: Contract) -> Iterator[Part]:
    """Every file of a mart."""
    rows, split = f"select {_columns(contract)} from {contract.table}", contract.split
    days = (
        [
            row["day"]
            for row in engine.rows(
                f"select distinct {split.first_day} as day from {contract.table} order by day"
            )
        ]
        if split
        else []
    )
    if split is None or not days:
        yield _single_file(contract), rows
        return
    for day in days:
        yield _file(contract, split, day), f"{rows} where {split.holds(day)}"


def _parts_with_changes(
    engine: DuckDBEngine, contract: Contract, base: Snapshot, known: dict[str, File]
) -> Iterator[Part]:
    """Every file of a mart made per customer; a day's rows are those of the other customers and the new."""
    columns, before, split = _columns(contract), f"{contract.table}_before", contract.split
    new = f"select {columns} from {CHANGED}.{contract.table}"
    published = published_rows(base, contract)
    with engine.schema(CHANGED):
        engine.create_table(
            before,
            f"select {columns} from {of_changed(published, contract)}" if published else f"{new} limit 0",
        )
    old = f"from {CHANGED}.{before}"
    changed = engine.rows(
        f"select distinct {split.first_day if split else 'null'} as day "
        f"from (({old} except all {new}) union all ({new} except all {old}))"
    )
    if split is None:
        yield _single_file(contract), f"select * from {contract.table}" if changed else None
        return
    days = {_file(contract, split, row["day"]): row["day"] for row in changed}
    gathered = _gather(engine, contract, split, base, days, known)
    days_left = {
        row["day"] for row in engine.rows(f"select distinct {split.first_day} as day from {gathered}")
    }
    names = sorted((known.keys() | days.keys()) - {_single_file(contract)})
    if not any(name not in days or days[name] in days_left for name in names):
        yield _single_file(contract), f"{new} limit 0"
        return
    for name in names:
        if name not in days:
            yield name, None
        elif days[name] in days_left:
            yield name, f"select * from {gathered} where {split.holds(days[name])}"


def _gather(
    engine: DuckDBEngine,
    contract: Contract,
    split: Split,
    base: Snapshot,
    days: dict[str, date],
    known: dict[str, File],
) -> str:
    """A table of all rows of some files: those of the other customers as published, and the new ones."""
    columns = _columns(contract)
    listed = ", ".join(f"date '{day}'" for day in days.values()) or "null"
    rows = f"select {columns} from {CHANGED}.{contract.table} where {split.first_day} in ({listed})"
    paths = ", ".join(quoted_path(base.folder / name) for name in days if name in known)
    if paths:
        others = of_others(f"read_parquet([{paths}], hive_partitioning = false)", contract)
        rows += f" union all select {columns} from {others}"
    gathered = f"{contract.table}_of_days"
    with engine.schema(CHANGED):
        engine.create_table(gathered, f"{rows} order by {in_file_order(contract)}")
    return f"{CHANGED}.{gathered}"


def _single_file(contract: Contract) -> str:
    """Of a mart that is not split, or has no rows."""
    return f"{contract.table}.parquet"


def _file(contract: Contract, split: Split, first: date) -> str:
    return f"{contract.table}/{split.folder(first)}/part-0.parquet"


def _columns(contract: Contract) -> str:
    return ", ".join(f'cast("{c.name}" as {c.type}) as "{c.name}"' for c in contract.columns)


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
