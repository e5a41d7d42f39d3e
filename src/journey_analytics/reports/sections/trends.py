"""Day by day: the share that did not go on soon, with its control limits and the days of alerts."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from journey_analytics.alerts.wording import TOO_LITTLE
from journey_analytics.durations import duration_text
from journey_analytics.engine.sql_text import quoted
from journey_analytics.marts import Snapshot
from journey_analytics.query import query
from journey_analytics.reports.section import Column, Figure, Section, Table
from journey_analytics.reports.wording import Kind, several

_KIND = "touched"
_ALL = "all"
_LATELY = 21
"""Days up to the last one; the days alerts are looked for in."""
_COLUMNS = (
    Column("day", "day", Kind.DAY),
    Column("reached", "journeys reached"),
    Column("rate", "did not go on", Kind.SHARE),
    Column("usual", "usual", Kind.SHARE),
    Column("low", "lower limit", Kind.SHARE),
    Column("high", "upper limit", Kind.SHARE),
    Column("alert", "alert", Kind.TEXT),
)


def trends(snapshot: Snapshot, stages: list[str]) -> Section:
    """A figure per stage, all channels together."""
    days = _days(snapshot)
    seen = [stage for stage in stages if stage in set(days["stage"])]
    return Section(
        "trends",
        "Day by day",
        _finding(days, seen),
        note="Of the journeys that reached the stage on a day, the share that did not go on within the time "
        "named. The band is three standard deviations around what is usual on such a weekday in the eight "
        "weeks before; days of an alert are marked.",
        figures=tuple(_figure(stage, days.filter(pl.col("stage") == stage)) for stage in seen),
    )


def trend(snapshot: Snapshot, stage: str, role: str, channel: str) -> Figure:
    """The days of one stage and channel."""
    days = _days(snapshot, role, channel)
    return _figure("", days.filter(pl.col("stage") == stage))


def _days(snapshot: Snapshot, role: str = _ALL, channel: str = _ALL) -> pl.DataFrame:
    """The rows of a channel, with a row of nulls for a day on which no journey reached the stage."""
    found = query(
        snapshot,
        "select stage, entered_date, horizon_seconds, journeys_reached, early_drop_off_rate, expected_rate, "
        "limit_low, limit_high, is_alert_day from mart_stage_days "
        f"where stage_model = {quoted(str(snapshot.manifest['stage_model']))} "
        f"and funnel_kind = {quoted(_KIND)} and channel_role = {quoted(role)} "
        f"and channel = {quoted(channel)} order by stage_ordinal, entered_date",
    )
    if found.is_empty():
        return found
    return found.upsample("entered_date", every="1d", group_by="stage", maintain_order=True).with_columns(
        pl.col("stage", "horizon_seconds").forward_fill()
    )


def _figure(stage: str, days: pl.DataFrame) -> Figure:
    horizon = duration_text(timedelta(seconds=days["horizon_seconds"].item(0)))
    rows = days.with_columns(
        pl.when("is_alert_day").then(pl.lit("alert")).otherwise(pl.lit("")).alias("alert")
    ).drop("stage", "horizon_seconds", "is_alert_day")
    caption = f"Share that did not go on within {horizon}, by day"
    return Figure(Table(caption, _COLUMNS, rows.rows()), "trend", stage, f"within {horizon}" if stage else "")


def _finding(days: pl.DataFrame, stages: list[str]) -> str:
    if days.is_empty():
        return "No journey has been watched long enough after reaching a stage."
    last = days["entered_date"].max()
    lately = days.filter(pl.col("entered_date") > pl.lit(last) - timedelta(days=_LATELY))
    above = lately.filter(pl.col("early_drop_off_rate") > pl.col("limit_high"))
    told = [
        f"{stage} on {several(number, 'day')}"
        for stage in stages
        if (number := above.filter(pl.col("stage") == stage).height)
    ]
    if lately["limit_high"].null_count() == lately.height:
        return TOO_LITTLE
    if not told:
        return f"In the last {_LATELY} days no stage lost more than its limits allow."
    return f"In the last {_LATELY} days more than the limits allow was lost in {', in '.join(told)}."
