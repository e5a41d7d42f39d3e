"""Writes the typed rows of a load to the store, and counts them.

Belongs here: which rows are events and which go to quarantine, what a file of events holds, and the engine's
own words when the rows cannot be read to their end. Does not belong here: typing (values.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from journey_analytics.engine.duckdb import DuckDBEngine, first_line, too_little_memory
from journey_analytics.engine.sql_text import quoted, quoted_path
from journey_analytics.errors import ConfigError, JourneyError, Problem, SourceError
from journey_analytics.local_days import DAY_US, utc_offsets
from journey_analytics.sources.erased import Gone
from journey_analytics.sources.formats import (
    FAULT_COLUMN,
    FILE_COLUMN,
    ROW_COLUMN,
    TEXT_COLUMN,
    Rejects,
    rejects_sql,
)
from journey_analytics.sources.mapping import Source
from journey_analytics.sources.store import Load, Store
from journey_analytics.sources.values import EVENT_TYPES, QUARANTINE_TYPES

TYPED = "typed_rows"
"""The view of a load's rows as `typed_sql` makes them."""
_BATCHES = "batches_of_files"


@dataclass(frozen=True)
class RawRows:
    """Rows as delivered: SQL of them, and what was left when their file was split into rows."""

    rows: str
    rejects: tuple[Rejects, ...] = ()


def keep(
    engine: DuckDBEngine, store: Store, source: Source, loads: Sequence[Load], raw: RawRows
) -> list[Load]:
    """Write the typed rows to the store, the good ones as events and the others as quarantine.

    Args:
        engine: holds the view TYPED of the rows.
        store: says where the files go.
        source: whose rows they are.
        loads: those of one segment, each with all that is known before its rows are counted; of several each
            has one file, and no two files have one name.
        raw: the rows as delivered.

    Returns:
        The loads with their counts and days.

    Raises:
        SourceError: a file breaks off while it is read.
    """
    mapping, first = source.mapping, loads[0]
    columns = [f"cast({name} as {EVENT_TYPES[name]}) as {name}" for name in first.columns]
    # only a source whose days are replaced needs to know them, only one whose clocks change its offsets
    if mapping.mode == "replace_day":
        columns.append(f"{_local_day(source)} as local_day")
    if mapping.timezone != "UTC":
        columns.append("local_us - occurred_us as utc_offset_us")
    rows_of_files = ""
    batch_id = quoted(first.batch_id)
    if len(loads) > 1:
        _name_batches(engine, loads)
        rows_of_files = f" inner join {_BATCHES} on {TYPED}.{FILE_COLUMN} = {_BATCHES}.file"
        batch_id = f"{_BATCHES}.batch_id"
        columns.append(batch_id)
    gone = Gone(engine, store.erasures)
    typed = f"{TYPED}{rows_of_files}{gone.joins(source.name) if gone else ''}"
    is_gone = is_row_gone(gone, first.received_us + DAY_US) if gone else "false"
    names_gone = gone.names_one("value") if gone else "false"
    good = f"select {', '.join(columns)} from {typed} where fault is null and not {is_gone}"
    rows = int(engine.rows(f"select count(*) as n from {raw.rows}")[0]["n"])
    events = _copy(engine, source, good, store.events_path(first))
    # rows that are all events need no second look for what is wrong with them
    faulty = f"{typed} where {'fault is not null' if events < rows else 'false'}"
    unsplit = [
        f"({rejects_sql(reject)}) as {TYPED}{rows_of_files} where {ROW_COLUMN} > {first.rows_before}"
        for reject in raw.rejects
    ]
    quarantine = _quarantine_sql(
        first,
        f"{faulty} and not {is_gone}",
        [f"{rejected} and not {names_gone}" for rejected in unsplit],
        batch_id,
    )
    _copy(engine, source, quarantine, store.quarantine_path(first))
    if not gone:
        return _counted(engine, store, source, loads)
    delivered: Counter[str] = Counter()
    for given in (f"{raw.rows} as {TYPED}{rows_of_files}", *unsplit):
        delivered.update(counts_by_load(engine, f"(select {batch_id} as batch_id from {given})"))
    # a day that was replaced stays replaced, also when nothing of what replaced it is left
    days = (
        f"(select {batch_id} as batch_id, {_local_day(source)} as local_day from {typed} where fault is null)"
    )
    return _counted(engine, store, source, loads, delivered, days)


def is_row_gone(gone: Gone, latest_us: int | None) -> str:
    """Whether a row of TYPED, with what `gone` joins to it, is of somebody who was erased, as SQL.

    Args:
        gone: who was erased.
        latest_us: the latest time that can be true; None: every row of theirs is old.
    """
    of_text = f"coalesce({FAULT_COLUMN} is not null and {gone.names_one(TEXT_COLUMN)}, false)"
    return f"({gone.is_gone(latest_us)} or {of_text})"


def _name_batches(engine: DuckDBEngine, loads: Sequence[Load]) -> None:
    """Make the table that tells a row's batch by its file."""
    engine.execute(f"create or replace temp table {_BATCHES} (file varchar, batch_id varchar)")
    named = ", ".join(f"({quoted(load.files[0].name)}, {quoted(load.batch_id)})" for load in loads)
    engine.execute(f"insert into {_BATCHES} values {named}")


def _local_day(source: Source) -> str:
    """The source's local day of a typed row."""
    return f"cast(timezone('{source.mapping.timezone}', make_timestamptz(occurred_us)) as date)"


def _counted(
    engine: DuckDBEngine,
    store: Store,
    source: Source,
    loads: Sequence[Load],
    delivered: Counter[str] | None = None,
    days_of: str | None = None,
) -> list[Load]:
    """The loads of one segment with what the store now holds of them.

    Args:
        engine: holds the rows.
        store: holds the files.
        source: whose rows they are.
        loads: see `keep`.
        delivered: how many rows each load was given, when some may be of customers who were erased.
        days_of: SQL of the rows whose days count, those of the file when None.
    """
    first = loads[0]
    stored = store.rows_of_segment(first, is_shared=len(loads) > 1)
    quarantined = f"read_parquet({quoted_path(store.quarantine_path(first))})"
    events = counts_by_load(engine, stored)
    bad = counts_by_load(engine, quarantined)
    days: dict[str, list[date]] = {}
    if source.mapping.mode == "replace_day":
        distinct = f"select distinct batch_id, local_day from {days_of or stored} order by local_day"
        for row in engine.rows(distinct):
            days.setdefault(row["batch_id"], []).append(row["local_day"])
    ambiguous, shifted = _clock_changes(engine, ZoneInfo(source.mapping.timezone), stored)
    rows = delivered or Counter(events) + Counter(bad)
    return [
        replace(
            load,
            rows=rows[load.batch_id],
            events=events.get(load.batch_id, 0),
            quarantined=bad.get(load.batch_id, 0),
            erased=rows[load.batch_id] - events.get(load.batch_id, 0) - bad.get(load.batch_id, 0),
            times_ambiguous=ambiguous.get(load.batch_id, 0),
            times_shifted=shifted.get(load.batch_id, 0),
            days=tuple(days.get(load.batch_id, ())),
        )
        for load in loads
    ]


def counts_by_load(engine: DuckDBEngine, rows: str, condition: str = "true") -> dict[str, int]:
    """How many of these rows with a batch_id each load has."""
    counted = engine.rows(f"select batch_id, count(*) as n from {rows} where {condition} group by batch_id")
    return {row["batch_id"]: int(row["n"]) for row in counted}


def _clock_changes(engine: DuckDBEngine, zone: ZoneInfo, stored: str) -> tuple[Counter[str], Counter[str]]:
    """How many local times of each batch stand twice on the source's clocks, the later is taken, or never."""
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    if zone.key == "UTC":
        return counts[True], counts[False]
    local = (
        f"(select batch_id, occurred_us + utc_offset_us as local_us from {stored} "
        "where utc_offset_us is not null)"
    )
    span = engine.rows(f"select min(local_us) as first, max(local_us) as last from {local}")[0]
    if span["first"] is None:
        return counts[True], counts[False]
    offsets = utc_offsets(zone, span["first"], span["last"]).rows()
    for (_, change_us, before), (_, _, after) in pairwise(offsets):
        low, high = sorted((change_us + before, change_us + after))
        counts[after < before].update(
            counts_by_load(engine, local, f"local_us >= {low} and local_us < {high}")
        )
    return counts[True], counts[False]


def _quarantine_sql(load: Load, faulty: str, unsplit: Sequence[str], batch_id: str) -> str:
    """Every bad row of the segment: those that could not be typed, and those no row could be made of."""
    item = f"{FILE_COLUMN}, {ROW_COLUMN}, column_name, {{}}, reason, {batch_id} as batch_id"
    of_text = item.format("value, null as raw_row, null as raw_types")
    parts = [f"select {of_text} from {rejected}" for rejected in unsplit]
    parts.append(f"select {item.format('left(value, 1000) as value, raw_row, raw_types')} from {faulty}")
    known = {
        "source": quoted(load.source),
        "file": FILE_COLUMN,
        "row_number": ROW_COLUMN,
        "received_us": str(load.received_us),
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


def broken(source: Source, cause: duckdb.Error, key: str) -> JourneyError:
    """What a statement over the rows broke on, at the key of the mapping that asked for it."""
    if isinstance(cause, duckdb.OutOfMemoryException):
        return too_little_memory(f"load source {source.name!r}", cause)
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
