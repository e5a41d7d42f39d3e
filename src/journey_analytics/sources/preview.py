"""What the mappings of a project make of its files, without a run: for `journey sources check`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.project import Project
from journey_analytics.sources.batches import batches
from journey_analytics.sources.files import find_files
from journey_analytics.sources.load import EVENTS, SourceTotals, load_new, show_events
from journey_analytics.sources.mapping import Source
from journey_analytics.sources.quarantine import reasons
from journey_analytics.sources.store import Store
from journey_analytics.sources.values import EVENT_TYPES

_PREVIEW_ROWS = 20
_LOAD_COLUMNS = ("source", "received_us", "batch_id")


@dataclass(frozen=True)
class Preview:
    """One source as its mapping reads it.

    Attributes:
        totals: files, rows, events, quarantined, local times that stand twice or never.
        duplicates: events whose key another event of the source has too.
        corrections: keys whose events have more than one content; a run keeps the first.
        first, last: the span of time as ISO text in UTC, None without events.
        null_shares: event column to the share of events that lack it.
        channels, event_names: name to events, most first.
        quarantine: reason, rows and a sample of one.
        rows: the first events.
    """

    totals: SourceTotals
    duplicates: int
    corrections: int
    first: str | None
    last: str | None
    null_shares: dict[str, float]
    channels: list[dict[str, Any]]
    event_names: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]
    rows: list[dict[str, Any]]


def preview_sources(project: Project, received_us: int) -> list[Preview]:
    """Map every source of the project in a scratch store and look at what came out."""
    with tempfile.TemporaryDirectory() as folder, DuckDBEngine() as engine:
        scratch = Path(folder)
        return [
            _preview(engine, scratch / source.name, project, source, received_us)
            for source in project.sources
        ]


def _preview(
    engine: DuckDBEngine, scratch: Path, project: Project, source: Source, received_us: int
) -> Preview:
    store = Store(scratch / "store")
    found = batches(source, find_files(project.folder, source))
    new = load_new(engine, store, found, received_us, scratch / "unpacked")
    totals = show_events(engine, store, [source], new)[0]
    columns = [name for name in EVENT_TYPES if name not in _LOAD_COLUMNS]
    shares = ", ".join(f'count(*) filter ("{name}" is null) as "{name}"' for name in columns)
    nulls = engine.rows(f"select {shares} from {EVENTS}")[0]
    moment = "strftime(make_timestamp({}), '%Y-%m-%dT%H:%M:%SZ')"
    span = engine.rows(
        f"select count(*) - count(distinct event_id) as duplicates, "
        f"{moment.format('min(occurred_us)')} as first, {moment.format('max(occurred_us)')} as last "
        f"from {EVENTS}"
    )[0]
    return Preview(
        totals=totals,
        duplicates=span["duplicates"],
        corrections=_corrections(engine) if span["duplicates"] else 0,
        first=span["first"],
        last=span["last"],
        null_shares={name: count / totals.events for name, count in nulls.items()} if totals.events else {},
        channels=_counts(engine, "channel"),
        event_names=_counts(engine, "event_name"),
        quarantine=reasons(engine, new),
        rows=engine.rows(
            f"select {moment.format('occurred_us')} as occurred_at, "
            f"* exclude (occurred_us, received_us, batch_id) from {EVENTS} "
            f"order by occurred_us, event_id limit {_PREVIEW_ROWS}"
        ),
    )


def _corrections(engine: DuckDBEngine) -> int:
    """How many keys have events that differ in more than when they came."""
    copied = f"select event_id from {EVENTS} group by event_id having count(*) > 1"
    content = f"select distinct * exclude ({', '.join(_LOAD_COLUMNS)}) from {EVENTS}"
    found = engine.rows(
        f"with different as ({content} where event_id in ({copied})) "
        "select count(*) as n from (select event_id from different group by event_id having count(*) > 1)"
    )
    return int(found[0]["n"])


def _counts(engine: DuckDBEngine, column: str) -> list[dict[str, Any]]:
    return engine.rows(
        f"select {column} as name, count(*) as events from {EVENTS} group by all order by events desc, name"
    )
