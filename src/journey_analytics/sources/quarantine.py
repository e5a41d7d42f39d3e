"""The quarantine: rows that were put aside at load, as people look for them.

Belongs here: counting the rows by source, load and reason, and showing them; of the loads in force, and of
those that the last run read and a gate refused, as long as their files are there.
Does not belong here: what puts a row aside (values.py), and bringing it back (release.py).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted, quoted_path
from journey_analytics.errors import Problem, SourceError, advise
from journey_analytics.sources.batches import in_force
from journey_analytics.sources.files import names_there
from journey_analytics.sources.load import QUARANTINE
from journey_analytics.sources.mapping import Source
from journey_analytics.sources.store import Load, Store


@dataclass(frozen=True)
class Heap:
    """The rows of one load that were put aside for one reason, and one of them.

    Attributes:
        rows: how many they are.
        is_loaded: whether the load counts; a gate refused it otherwise, or the run was cut short.
        file, row_number, column_name, value: of the first of them.
    """

    source: str
    batch_id: str
    reason: str
    rows: int
    is_loaded: bool
    file: str | None
    row_number: int | None
    column_name: str | None
    value: str | None


@dataclass(frozen=True)
class BadRow:
    """One row: where it stood, what is wrong with it, and all that was delivered, where it could be split."""

    source: str
    batch_id: str
    file: str | None
    row_number: int | None
    column_name: str | None
    value: str | None
    reason: str
    delivered: dict[str, Any] | None


def reasons(engine: DuckDBEngine, loads: Sequence[Load]) -> list[dict[str, Any]]:
    """Why rows of these loads are in the view QUARANTINE, most first.

    Returns:
        reason, column_name, rows (how many), and of the first of them file, row_number and value.
    """
    return engine.rows(
        "select reason, column_name, count(*) as rows, min(file) as file, "
        "arg_min(row_number, (file, row_number)) as row_number, arg_min(value, (file, row_number)) as value "
        f"from {QUARANTINE} where list_contains($loads::varchar[], batch_id) "
        "group by reason, column_name order by rows desc, reason, column_name",
        {"loads": [load.batch_id for load in loads]},
    )


class Quarantine:
    """The quarantine of the loads in force, and of those read after them that do not count.

    A refused load is nothing once its file is taken away: nothing of it came in, and nothing will.

    Args:
        engine: an open one, in which the rows are shown as a view.
        folder: the project's.
        store: of the project.
        sources: those of the project.
    """

    def __init__(self, engine: DuckDBEngine, folder: Path, store: Store, sources: Sequence[Source]) -> None:
        counting = in_force(store, sources)
        self._engine = engine
        parts = []
        if any(loads for _, loads in counting):
            parts.append(f"select *, true as is_loaded from ({store.quarantine_sql(counting)})")
        if uncounted := store.uncounted_quarantine():
            there = {source.name: names_there(folder, source) for source in sources}
            parts.append(_refused(uncounted, store, there))
        self._is_empty = not parts
        if parts:
            engine.create_view(QUARANTINE, " union all ".join(parts))

    def heaps(self, source: str | None = None, reason: str | None = None) -> list[Heap]:
        """The rows by source, load and reason, most first.

        Args:
            source: only those of this source.
            reason: only those whose reason has this text in it, in any case.
        """
        if self._is_empty:
            return []
        found = self._engine.rows(
            "select source, batch_id, reason, count(*) as rows, is_loaded, min(file) as file, "
            "arg_min(row_number, (file, row_number)) as row_number, "
            "arg_min(column_name, (file, row_number)) as column_name, "
            f"arg_min(value, (file, row_number)) as value from {QUARANTINE} "
            "where source = coalesce($source, source) "
            "and contains(lower(reason), lower(coalesce($reason, ''))) "
            "group by source, batch_id, reason, is_loaded order by rows desc, source, batch_id, reason",
            {"source": source, "reason": reason},
        )
        return [Heap(**row) for row in found]

    def rows(self, asked: str, most: int) -> list[BadRow]:
        """The rows of one load, or of one reason, in the order of their files.

        Args:
            asked: a load by the first letters of its id, or a reason by a part of its words.
            most: how many rows to show.

        Raises:
            SourceError: nothing in quarantine is called so.
        """
        heaps = self.heaps()
        loads = [heap.batch_id for heap in heaps if heap.batch_id.startswith(asked.lower())]
        reasons = [heap.reason for heap in heaps if asked.lower() in heap.reason.lower()]
        if not loads and not reasons:
            known = dict.fromkeys(heap.reason for heap in heaps)
            do = advise(asked, known, "reason") if heaps else "the quarantine is empty"
            raise SourceError(Problem(f"no load and no reason is called {asked!r}", "the quarantine", do))
        found = self._engine.rows(
            "select source, batch_id, file, row_number, column_name, value, reason, raw_row "
            f"from {QUARANTINE} where list_contains($loads::varchar[], batch_id) "
            "or list_contains($reasons::varchar[], reason) "
            "order by source, file, row_number, batch_id, reason limit $most",
            {"loads": loads, "reasons": reasons, "most": most},
        )
        return [_bad_row(row) for row in found]


def _refused(files: Sequence[Path], store: Store, there: Mapping[str, Collection[str]]) -> str:
    """SQL of the bad rows of the loads that the last run read, where none was counted in after them.

    Args:
        files: of the store.
        store: of the project.
        there: by source, the names of the files that it has now.
    """
    listed = ", ".join(quoted_path(path) for path in files)
    counted = {
        load.source: load.received_us for load in sorted(store.loads, key=lambda load: load.received_us)
    }
    later = "".join(
        f" and (source <> {quoted(source)} or received_us > {last})" for source, last in counted.items()
    )
    # a row of files that were read together by a query is of none of them; a member of an archive, of that
    listed_names = {source: ", ".join(map(quoted, sorted(names))) for source, names in there.items() if names}
    are_there = " or ".join(
        f"(source = {quoted(source)} and coalesce(split_part(file, '/', 1) in ({names}), true))"
        for source, names in listed_names.items()
    )
    return (
        f"select * from (select *, false as is_loaded from read_parquet([{listed}]) where true{later} "
        "qualify received_us = max(received_us) over (partition by source)) "
        f"where {are_there or 'false'}"
    )


def _bad_row(row: dict[str, Any]) -> BadRow:
    raw = row.pop("raw_row")
    return BadRow(**row, delivered=None if raw is None else json.loads(raw))
