"""What the run changed of numbers that were published before, and why."""

from __future__ import annotations

import polars as pl

from journey_analytics.engine.sql_text import quoted
from journey_analytics.marts import Snapshot
from journey_analytics.query import query
from journey_analytics.reports.findings import KIND
from journey_analytics.reports.section import Column, Figure, Section, Table
from journey_analytics.reports.wording import Kind, count, several

_MOST_DAYS = 60
_ANY_STAGE = "(any)"
_REASONS = {
    "late_events": "events came late, went or changed",
    "identity_merge": "events belong to another customer now",
    "rule_change": "rules, settings or the product are others",
}
_MEASURES = {
    "journeys_entered": "journeys that began",
    "journeys_reached": "reached",
    "journeys_continued": "continued",
    "journeys_dropped": "dropped",
}
_COLUMNS = (
    Column("day", "journeys began on", Kind.DAY),
    Column("stage", "stage", Kind.TEXT),
    Column("measure", "number", Kind.TEXT),
    Column("before", "before"),
    Column("after", "now"),
    Column("reason", "because", Kind.TEXT),
)


def restated(snapshot: Snapshot, model: str) -> Section:
    """The numbers of all channels together that the snapshot's own run changed, the latest days first."""
    found = query(
        snapshot,
        "select distinct entry_date, stage, measure, before, after, reason from mart_restatements "
        f"where run_id = {quoted(snapshot.run_id)} and stage_model = {quoted(model)} "
        f"and channel_role = 'all' and (funnel_kind = {quoted(KIND)} or stage = {quoted(_ANY_STAGE)}) "
        "order by entry_date desc, stage, measure, before, after",
    )
    days = found["entry_date"].unique(maintain_order=True)
    shown = found.filter(pl.col("entry_date").is_in(days.head(_MOST_DAYS).implode()))
    rows = shown.with_columns(
        pl.col("measure").replace_strict(_MEASURES), pl.col("reason").replace_strict(_REASONS)
    ).rows()
    caption = "Numbers that are others than they were published"
    if len(days) > _MOST_DAYS:
        caption += f", of the latest {_MOST_DAYS:,} of {len(days):,} days"
    return Section(
        "restated",
        "What was restated",
        _finding(found),
        note="Only what time alone does not change: a journey that was open and went on restates nothing.",
        figures=(Figure(Table(caption, _COLUMNS, rows)),) if rows else (),
    )


def _finding(found: pl.DataFrame) -> str:
    if found.is_empty():
        return "Nothing that was published before is another number now."
    days = found["entry_date"].n_unique()
    entered = found.filter(pl.col("measure") == "journeys_entered")
    moved = sum((entered["after"] - entered["before"]).abs())
    reasons = [words for name, words in _REASONS.items() if name in set(found["reason"])]
    return (
        f"Numbers of {several(days, 'day')} are others now, by {count(moved)} journeys that began there: "
        f"{'; '.join(reasons)}."
    )
