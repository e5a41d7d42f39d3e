"""What has come in, for commands that explain and check: an event's traffic, the names of all events."""

from __future__ import annotations

import json
from dataclasses import dataclass

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted
from journey_analytics.errors import MartError, Problem
from journey_analytics.marts import Snapshot
from journey_analytics.query import query
from journey_analytics.sources.store import Store

_INPUTS = {
    "source": "utm_source",
    "medium": "utm_medium",
    "campaign": "utm_campaign",
    "referrer_host": "referrer_host",
}
_KEPT_AS_PROPERTIES = ("click_id", "landing_host")


@dataclass(frozen=True)
class Evidence:
    """One event's channel, and the values its channel rules look at."""

    source: str
    channel: str
    inputs: dict[str, str | None]


def traffic_of_event(snapshot: Snapshot, event_id: str) -> Evidence:
    """Find a published event by its id.

    Raises:
        MartError: no published event has the id.
    """
    found = query(
        snapshot,
        f"select source, channel, {', '.join(_INPUTS.values())}, properties from mart_touchpoints "
        f"where event_id = {quoted(event_id)} order by source limit 1",
    ).to_dicts()
    if not found:
        raise MartError(
            Problem(
                f"no published event has the id {event_id!r}",
                str(snapshot.folder),
                'find one with: journey query "select event_id from mart_touchpoints limit 5"',
            )
        )
    row = found[0]
    kept = json.loads(row["properties"] or "{}")
    inputs = {name: row[column] for name, column in _INPUTS.items()}
    return Evidence(
        row["source"], row["channel"], inputs | {name: kept.get(name) for name in _KEPT_AS_PROPERTIES}
    )


def event_names(store: Store) -> set[str]:
    """The name of every event that has come in, ignored ones too; empty when none has."""
    paths = sorted({quoted(str(store.events_path(load))) for load in store.loads if load.events})
    if not paths:
        return set()
    with DuckDBEngine() as engine:
        files = f"read_parquet([{', '.join(paths)}], hive_partitioning = false)"
        return {row["event_name"] for row in engine.rows(f"select distinct event_name from {files}")}
