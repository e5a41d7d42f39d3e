"""What a published event brought that decides its channel, for `journey channels explain`."""

from __future__ import annotations

import json
from dataclasses import dataclass

from journey_analytics.errors import MartError, Problem
from journey_analytics.marts import Snapshot
from journey_analytics.query import query

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
    quoted = event_id.replace("'", "''")
    found = query(
        snapshot,
        f"select source, channel, {', '.join(_INPUTS.values())}, properties from mart_touchpoints "
        f"where event_id = '{quoted}' order by source limit 1",
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
