"""What the run changed of numbers that were published before, and why."""

from __future__ import annotations

import polars as pl

from journey_analytics.engine.sql_text import quoted
from journey_analytics.marts import Snapshot
from journey_analytics.query import query
from journey_analytics.reports.findings import KIND
from journey_analytics.reports.section import Column, Figure, Section, Table
from journey_analytics.reports.wording import Kind, several

_MOST_DAYS = 60
_ANY_STAGE = "(any)"
_REASONS = {
    "late_events": "events came late, were withdrawn or changed",
    "identity_merge": "events now belong to another customer",
    "erasure": "customers were erased",
    "rule_change": "rules, settings or the version of the product changed",
}
_MEASURES = {
    "journeys_entered": "journeys that began",
    "journeys_reached": "reached",
    "journeys_continued": "continued",
    "journeys_dropped": "dropped",
}
_COLUMNS = (
    Column("day", "journeys began on", Kind.DAY),
    Column("measure", "number", Kind.TEXT),
    Column("before", "before"),
    Column("after", "now"),
    Column("reason", "because", Kind.TEXT),
)
"""Without the last where all have one reason: the finding says it."""


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
    measure = pl.col("measure").replace_strict(_MEASURES)
    rows = shown.select(
        "entry_date",
        pl.when(pl.col("stage") == _ANY_STAGE).then(measure).otherwise(pl.col("stage") + ": " + measure),
        "before",
        "after",
        pl.col("reason").replace_strict(_REASONS),
    )
    columns = _COLUMNS if found["reason"].n_unique() > 1 else _COLUMNS[:-1]
    caption = "Numbers that differ from those published before"
    if len(days) > _MOST_DAYS:
        caption += f", of the latest {_MOST_DAYS:,} of {len(days):,} days"
    return Section(
        "restated",
        "What was restated",
        _finding(found),
        note="A journey that was open and went on is no restatement: time alone brings that.",
        figures=(Figure(Table(caption, columns, rows[:, : len(columns)].rows())),) if rows.height else (),
    )


def _finding(found: pl.DataFrame) -> str:
    if found.is_empty():
        return "No number that was published before has changed."
    days = found["entry_date"].n_unique()
    entered = found.filter(pl.col("measure") == "journeys_entered")
    moved = sum((entered["after"] - entered["before"]).abs())
    reasons = [words for name, words in _REASONS.items() if name in set(found["reason"])]
    began = f", with {several(moved, 'journey')} more or fewer that began on them" if moved else ""
    return f"Published numbers of {several(days, 'past day')} changed{began}: {'; '.join(reasons)}."
