"""Restatements: which published numbers a run changed that the course of time alone would not have changed.

Compared are the stage funnels of the live snapshot and of the new one, for days before the one at whose end
the old one stands, in the channel roles in which a journey keeps its channel. A journey that was open and
went on, or was lost, restates nothing: it moves counts up. Restated is

    journeys_entered                                       when it is another number
    journeys_reached, journeys_continued, journeys_dropped    when they fell

Belongs here: finding these numbers, and why they changed. Does not belong here: keeping them (record.py).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted, quoted_path
from journey_analytics.local_days import to_moment
from journey_analytics.marts import Snapshot
from journey_analytics.nights import Night

TABLE = "mart_restatements"
_FUNNEL = "mart_stage_funnel"
_RULES = ("config_sha256", "models_sha256", "version")
_CELL = "stage_model, funnel_kind, channel_role, channel"


def find_restatements(
    engine: DuckDBEngine,
    before: Snapshot,
    after: Snapshot,
    night: Night | None,
    begun_us: int,
    erased: Collection[str] = (),
) -> list[dict[str, Any]]:
    """The rows of mart_restatements, in the order of its key.

    Args:
        engine: of the run; after a night it knows whose events changed their customer.
        before: the snapshot that was live.
        after: the one that takes its place; when it stands at an earlier day, nothing is compared.
        night: what changed, None after a run that made everything anew.
        begun_us: when the run began, microseconds since 1970 UTC.
        erased: days on which journeys of customers began who were erased in between.
    """
    if after.as_of < before.as_of:
        return []
    has_other_rules = any(before.manifest[key] != after.manifest[key] for key in _RULES)
    merged = "" if night is None or has_other_rules else night.days_of_moved_customers()
    changed = "rule_change" if has_other_rules else "late_events"
    reason = quoted(changed)
    if merged:
        reason = f"case when entry_date in ({merged}) then 'identity_merge' else {reason} end"
    if erased and not has_other_rules:
        days = ", ".join(f"date {quoted(day)}" for day in sorted(erased))
        reason = f"case when entry_date in ({days}) then 'erasure' else {reason} end"
    numbers = " union all ".join(
        f"select {side} as is_after, * from ({_numbers(snapshot, before)})"
        for side, snapshot in (("false", before), ("true", after))
    )
    rows = engine.rows(
        f"""
        with changed as (
            select
                entry_date, {_CELL}, stage, stage_ordinal, measure,
                coalesce(sum(journeys) filter (where not is_after), 0)::bigint as before,
                coalesce(sum(journeys) filter (where is_after), 0)::bigint as after
            from ({numbers})
            group by all
        )
        select entry_date, {_CELL}, stage, measure, before, after, {reason} as reason
        from changed
        where case when measure = 'journeys_entered' then before <> after else after < before end
        order by entry_date, {_CELL}, stage_ordinal, measure
        """
    )
    run = {"begun_at": to_moment(begun_us), "run_id": after.run_id, "as_of": after.as_of}
    return [{**run, **row} for row in rows]


def _numbers(snapshot: Snapshot, before: Snapshot) -> str:
    """Each number of a snapshot's funnel in a row; how many entered is the same for all kinds and stages."""
    file = snapshot.manifest["marts"][_FUNNEL]["files"][0]["path"]
    past = (
        f"from read_parquet({quoted_path(snapshot.folder / file)}) "
        f"where entry_date < date '{before.as_of}' and channel_role in ('all', 'first_touch')"
    )
    entered = (
        f"select distinct entry_date, {_CELL}, '(any)' as stage, 0::bigint as stage_ordinal, "
        f"'journeys_entered' as measure, journeys_entered as journeys {past} and funnel_kind = 'touched'"
    )
    by_stage = [
        f"select entry_date, {_CELL}, stage, stage_ordinal, {quoted(measure)} as measure, "
        f"{measure} as journeys {past}"
        for measure in ("journeys_reached", "journeys_continued", "journeys_dropped")
    ]
    return " union all ".join([entered, *by_stage])
