"""Writes the typed rows of a load to the store, and counts them.

Belongs here: which rows are events and which go to quarantine, what a file of events holds, and the engine's
own words when the rows cannot be read to their end. Does not belong here: typing (values.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted
from journey_analytics.errors import ConfigError, Problem, SourceError
from journey_analytics.local_days import utc_offsets
from journey_analytics.sources.formats import FILE_COLUMN, ROW_COLUMN, Rejects, rejects_sql
from journey_analytics.sources.mapping import Source
from journey_analytics.sources.store import Load, Store
from journey_analytics.sources.values import EVENT_TYPES, QUARANTINE_TYPES, first_line

TYPED = "typed_rows"
"""The view of a load's rows as `typed_sql` makes them."""


@dataclass(frozen=True)
class RawRows:
    """Rows as delivered: SQL of them, and what was left when their file was split into rows."""

    rows: str
    rejects: tuple[Rejects, ...] = ()


def keep(engine: DuckDBEngine, store: Store, source: Source, load: Load, raw: RawRows) -> Load:
    """Write the typed rows to the store, the good ones as events and the others as quarantine.

    Args:
        engine: holds the view TYPED of the rows.
        store: says where the files go.
        source: whose rows they are.
        load: all that is known of the load before its rows are counted.
        raw: the rows as delivered.

    Returns:
        The load with its counts and days.

    Raises:
        SourceError: a file breaks off while it is read.
    """
    mapping = source.mapping
    columns = [f"cast({name} as {EVENT_TYPES[name]}) as {name}" for name in load.columns]
    # only a source whose days are replaced needs to know them, only one whose clocks change its offsets
    if mapping.mode == "replace_day":
        day = f"timezone('{mapping.timezone}', make_timestamptz(occurred_us))"
        columns.append(f"cast({day} as date) as local_day")
    if mapping.timezone != "UTC":
        columns.append("local_us - occurred_us as utc_offset_us")
    good = f"select {', '.join(columns)} from {TYPED} where fault is null"
    rows = int(engine.rows(f"select count(*) as n from {raw.rows}")[0]["n"])
    events = _copy(engine, source, good, store.events_path(load))
    # rows that are all events need no second look for what is wrong with them
    faulty = "fault is not null" if events < rows else "false"
    quarantine = _quarantine_sql(load, raw.rejects, faulty)
    quarantined = _copy(engine, source, quarantine, store.quarantine_path(load))
    stored = store.stored_events(load)
    days = (
        engine.rows(f"select distinct local_day as day from {stored} order by day")
        if mapping.mode == "replace_day"
        else []
    )
    ambiguous, shifted = _clock_changes(engine, ZoneInfo(mapping.timezone), stored)
    return replace(
        load,
        rows=events + quarantined,
        events=events,
        quarantined=quarantined,
        times_ambiguous=ambiguous,
        times_shifted=shifted,
        days=tuple(row["day"] for row in days),
    )


def _clock_changes(engine: DuckDBEngine, zone: ZoneInfo, stored: str) -> tuple[int, int]:
    """How many local times stand twice on the source's clocks (taken as the later), and how many never."""
    if zone.key == "UTC":
        return 0, 0
    local = f"(select occurred_us + utc_offset_us as local_us from {stored} where utc_offset_us is not null)"
    span = engine.rows(f"select min(local_us) as first, max(local_us) as last from {local}")[0]
    if span["first"] is None:
        return 0, 0
    offsets = utc_offsets(zone, span["first"], span["last"]).rows()
    counts = {True: 0, False: 0}
    for (_, change_us, before), (_, _, after) in pairwise(offsets):
        low, high = sorted((change_us + before, change_us + after))
        found = engine.rows(
            f"select count(*) as n from {local} where local_us >= {low} and local_us < {high}"
        )
        counts[after < before] += int(found[0]["n"])
    return counts[True], counts[False]


def _quarantine_sql(load: Load, rejects: Sequence[Rejects], faulty: str) -> str:
    """Every bad row of the load: those no row could be made of, and those that could not be typed."""
    parts = [
        f"select * from ({rejects_sql(reject)}) where {ROW_COLUMN} > {load.rows_before}" for reject in rejects
    ]
    parts.append(
        f"select {FILE_COLUMN}, {ROW_COLUMN}, column_name, left(value, 1000) as value, reason "
        f"from {TYPED} where {faulty}"
    )
    known = {
        "source": quoted(load.source),
        "file": FILE_COLUMN,
        "row_number": ROW_COLUMN,
        "received_us": str(load.received_us),
        "batch_id": quoted(load.batch_id),
    }
    columns = ", ".join(f"cast({known.get(c, c)} as {kind}) as {c}" for c, kind in QUARANTINE_TYPES.items())
    united = "\nunion all\n".join(parts)
    return f"select {columns} from ({united}) order by file, row_number, reason"


def _copy(engine: DuckDBEngine, source: Source, select: str, path: Path) -> int:
    """Write the rows of a SELECT to a Parquet file, and say how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    copy = f"copy ({select}) to {quoted(str(path))} (format parquet, compression zstd)"
    try:
        return int(engine.rows(copy)[0]["Count"])
    except duckdb.Error as cause:
        raise broken(source, cause, "columns") from cause


def make_temp(engine: DuckDBEngine, source: Source, what: str, select: str, key: str) -> None:
    """Make a table or view of the rows; what breaks is the mapping's fault or the data's."""
    try:
        engine.execute(f"create or replace temp {what} as {select}")
    except duckdb.Error as cause:
        raise broken(source, cause, key) from cause


def broken(source: Source, cause: duckdb.Error, key: str) -> ConfigError | SourceError:
    """What a statement over the rows broke on, at the key of the mapping that asked for it."""
    if isinstance(cause, duckdb.BinderException | duckdb.CatalogException | duckdb.ParserException):
        what = f"the SQL of source {source.name!r} does not fit its files: {first_line(cause)}"
        return ConfigError(source.problem(what, (key,), "correct the names in the mapping"))
    return SourceError(
        Problem(
            f"source {source.name!r} breaks off while it is read: {first_line(cause)}",
            str(source.file.place((key,), value=True)),
            "get the file again, or use try_cast where a value may not fit; the marts were not touched",
        )
    )
