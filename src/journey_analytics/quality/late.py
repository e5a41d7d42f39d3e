"""Late events: those that came longer after they happened than their source's late window says.

They are kept like any other, restate the days they belong to, and are told. A source's first loads bring its
history and are never late; of a source that is loaded whole nobody can say which events are new.

Belongs here: counting them. Does not belong here: what they changed (restatements.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from journey_analytics.durations import microseconds
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted
from journey_analytics.local_days import to_moment
from journey_analytics.quality.results import CheckResult
from journey_analytics.sources.load import EVENTS
from journey_analytics.sources.mapping import Source
from journey_analytics.sources.store import Load, Store


def late_events(
    engine: DuckDBEngine, store: Store, sources: Sequence[Source], new: Sequence[Load]
) -> list[CheckResult]:
    """One warning check for each source with a late window that brought something after its first loads.

    Args:
        engine: with the view `events` of all loads in force.
        store: holds the earlier loads too.
        sources: of the project.
        new: the loads of this run.
    """
    results = []
    for source in sources:
        window = source.mapping.late_window
        loads = [load for load in new if load.source == source.name]
        is_first = len(loads) == len(store.of(source.name))
        if not window or not loads or is_first or source.mapping.is_loaded_whole:
            continue
        listed = ", ".join(quoted(load.batch_id) for load in loads)
        found = engine.rows(
            f"select count(*) as late, min(occurred_us) as first from {EVENTS} "
            f"where batch_id in ({listed}) and occurred_us < received_us - {microseconds(window)}"
        )[0]
        late = int(found["late"])
        first = f"the first of {to_moment(found['first']):%Y-%m-%d %H:%M} UTC" if late else ""
        check = f"late events of {source.name}"
        results.append(CheckResult("raw", EVENTS, check, "warn", "failed" if late else "passed", late, first))
    return results
