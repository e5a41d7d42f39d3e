"""The event store without those who are erased: its files of events and of rows that were none.

A file keeps its name, which says of which input files it is made, and is replaced in one rename; then the
ledger counts anew what it holds.

Belongs here: which rows of these files go. Does not belong here: rows that come in later (sources/keep.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import pyarrow.parquet as pq

from journey_analytics import failpoints
from journey_analytics.disk import put_in_place
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted, quoted_path
from journey_analytics.errors import ConfigError
from journey_analytics.project import Project
from journey_analytics.sources.erased import Gone
from journey_analytics.sources.formats import ROW_COLUMN
from journey_analytics.sources.keep import TYPED, counts_by_load, is_row_gone
from journey_analytics.sources.load import drop_typed, show_typed
from journey_analytics.sources.release import rows_given
from journey_analytics.sources.store import Load, Store

_IDS = ("customer_ref", "anonymous_ref", "alias_ref")
_NUMBER = "file_row_number"
_GONE = "rows_to_erase"


class StoredRows:
    """The rows of an event store that are erased.

    Args:
        engine: an open one.
        project: whose mappings say which ids a row in quarantine has.
        store: of the project.
        gone: what is erased.
    """

    def __init__(self, engine: DuckDBEngine, project: Project, store: Store, gone: Gone) -> None:
        self._engine = engine
        self._sources = {source.name: source for source in project.sources}
        self._store = store
        self._gone = gone

    @cached_property
    def events(self) -> dict[Path, dict[str, int]]:
        """How many events are erased, by file and load; files without any are left out."""
        found = {}
        for members in self._store.segments():
            path = self._store.events_path(members[0])
            if counts := counts_by_load(self._engine, f"({self._events_sql(members[0])})"):
                found[path] = counts
        return found

    @cached_property
    def quarantined(self) -> dict[Path, dict[str, int]]:
        """How many rows in quarantine are erased, by file and load, those of refused loads included."""
        found = {}
        for path in sorted((self._store.folder / "quarantine").glob("*.parquet")):
            if counts := counts_by_load(self._engine, f"({self._quarantine_sql(path)})"):
                found[path] = counts
        return found

    def take_out(self) -> None:
        """Take them all out, and count the loads anew."""
        events, quarantined = self.events, self.quarantined
        for members in self._store.segments():
            path = self._store.events_path(members[0])
            if path in events:
                self._rewrite(path, self._events_sql(members[0]))
            path = self._store.quarantine_path(members[0])
            if path in quarantined:
                self._rewrite(path, self._quarantine_sql(path))
            self._count_anew(members)
        for path in self._store.uncounted_quarantine():
            if path in quarantined:
                self._rewrite(path, self._quarantine_sql(path))
        for path in self._store.uncounted_events():
            # of a refused load, or one that was cut short: nothing reads it
            path.unlink()

    def _events_sql(self, load: Load) -> str:
        """The erased rows of the load's file of events: their numbers in it, and whose they are."""
        path = self._store.events_path(load)
        there = pq.read_schema(path).names
        missing = "".join(f", cast(null as varchar) as {name}" for name in _IDS if name not in there)
        batch_id = "batch_id" if "batch_id" in there else f"{quoted(load.batch_id)} as batch_id"
        return (
            f"select {_NUMBER}, {batch_id} from (select *{missing} from {_numbered(path)})"
            f"{self._gone.joins(load.source)} where {self._gone.is_gone(None)}"
        )

    def _quarantine_sql(self, path: Path) -> str:
        """The erased rows of a file of bad rows.

        A row's ids are what the mapping of today makes of it; where no row could be made of a text, or the
        mapping does not fit, every word may be one.
        """
        self._engine.execute(f"create or replace temp table {_GONE} ({_NUMBER} bigint)")
        for heap in self._engine.rows(
            f"select distinct source, batch_id from {_numbered(path)} order by all"
        ):
            rows = f"(from {_numbered(path)} where batch_id = {quoted(heap['batch_id'])})"
            if not self._note_by_ids(heap["source"], rows):
                named = " or ".join(self._gone.names_one(text) for text in ("value", "raw_row"))
                self._engine.execute(f"insert into {_GONE} select {_NUMBER} from {rows} where {named}")
        return f"select {_NUMBER}, batch_id from {_numbered(path)} semi join {_GONE} using ({_NUMBER})"

    def _note_by_ids(self, source: str, rows: str) -> bool:
        """Note the erased ones of a load's bad rows by their ids; whether the mapping could tell them."""
        known = self._sources.get(source)
        given = rows_given(self._engine, known, rows, numbered_by=_NUMBER) if known else None
        if known is None or given is None:
            return False
        try:
            show_typed(self._engine, known, given, 0)
        except ConfigError:
            return False
        self._engine.execute(
            f"insert into {_GONE} select {ROW_COLUMN} from {TYPED}{self._gone.joins(source)} "
            f"where {is_row_gone(self._gone, None)}"
        )
        drop_typed(self._engine)
        return True

    def _rewrite(self, path: Path, gone: str) -> None:
        """Put a file without these rows in the place of a file, on disk when this returns."""
        scratch = path.with_suffix(".tmp")
        left = f"{_numbered(path)} anti join ({gone}) using ({_NUMBER})"
        self._engine.execute(
            f"copy (select * exclude ({_NUMBER}) from {left}) "
            f"to {quoted(str(scratch))} (format parquet, compression zstd)"
        )
        put_in_place(scratch, path)
        failpoints.reach("erase.stored_file_replaced")

    def _count_anew(self, members: Sequence[Load]) -> None:
        """Let the ledger say what the files of a segment hold, also after an erasure that was cut short."""
        paths = self._store.events_path(members[0]), self._store.quarantine_path(members[0])
        there = [pq.read_metadata(path).num_rows for path in paths]
        if there == [sum(load.events for load in members), sum(load.quarantined for load in members)]:
            return
        events = counts_by_load(
            self._engine, self._store.rows_of_segment(members[0], is_shared=len(members) > 1)
        )
        bad = counts_by_load(self._engine, f"read_parquet({quoted_path(paths[1])})")
        self._store.commit(
            [
                self._store.recount(load, events.get(load.batch_id, 0), bad.get(load.batch_id, 0))
                for load in members
            ]
        )


def _numbered(path: Path) -> str:
    return f"read_parquet({quoted_path(path)}, file_row_number = true, hive_partitioning = false)"
