"""Events that came again with another content: of copies the first one stays, so a correction would be lost.

Belongs here: counting them among what came with a run, and saying of one what differs.
Does not belong here: which copy stays (sql/staging/stg_copies.sql).
"""

from __future__ import annotations

from collections.abc import Sequence

from journey_analytics.contracts import contracts
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted
from journey_analytics.quality.results import CheckResult
from journey_analytics.sources.load import EVENTS
from journey_analytics.sources.store import Load

COPIES = "stg_copies"


def corrections(engine: DuckDBEngine, new: Sequence[Load]) -> list[CheckResult]:
    """One warning check for each source that brought something.

    Args:
        engine: with `events` and `stg_copies`, in a night those of what changed.
        new: the loads of this run.
    """
    if not new:
        return []
    listed = ", ".join(quoted(load.batch_id) for load in new)
    found = engine.rows(
        f"with came as ("
        f"select source, event_id, {_difference()} as difference "
        f"from {EVENTS} as came inner join {COPIES} as stays using (source, event_id) "
        f"where came.batch_id in ({listed})) "
        "select source, count(distinct event_id) as events, min((event_id, difference)) as example "
        "from came where difference is not null group by source"
    )
    told = {row["source"]: (row["events"], *row["example"]) for row in found}
    results = []
    for source in sorted({load.source for load in new}):
        check = f"corrections of {source}"
        if source not in told:
            results.append(CheckResult("staged", COPIES, check, "warn", "passed"))
            continue
        events, event_id, difference = told[source]
        sample = (
            f"{events:,} event{'s' * (events != 1)} came again with another content, and the first one "
            f"stays; for example {event_id!r}: {difference}. If later ones are right, deliver whole days "
            "with mode: replace_day, or everything with mode: snapshot"
        )
        results.append(CheckResult("staged", COPIES, check, "warn", "failed", events, sample))
    return results


def _difference() -> str:
    """SQL of the first column in which a row of `came` is not what `stays`, null where none is."""
    contract = contracts()[COPIES]
    columns = [name for name in contract.column_names if name not in contract.key]
    told = ", ".join(
        f"case when came.{name} is distinct from stays.{name} then "
        f"'{name} ' || coalesce(cast(stays.{name} as varchar), 'missing') || ' stays, not '"
        f" || coalesce(cast(came.{name} as varchar), 'missing') end"
        for name in columns
    )
    return f"coalesce({told})"
