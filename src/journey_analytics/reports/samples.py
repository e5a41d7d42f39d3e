"""Some of the journeys behind the largest numbers, so that the page itself opens to customers.

Belongs here: which journeys are shown. Does not belong here: all of them (journeys.py).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import polars.selectors as cs

from journey_analytics.engine.sql_text import quoted
from journey_analytics.marts import Snapshot
from journey_analytics.query import query
from journey_analytics.reports.findings import KIND, Cell
from journey_analytics.reports.section import Column, Table
from journey_analytics.reports.wording import Kind

ALL = "all"
_QUERY = ("journey", "query", "--as-of")
_MOST_CELLS = 24
_MOST_JOURNEYS = 20
_COLUMNS = (
    Column("journey", "journey", Kind.TEXT),
    Column("customer", "customer", Kind.TEXT),
    Column("began", "began", Kind.MOMENT),
    Column("last", "last touchpoint", Kind.MOMENT),
    Column("touchpoints", "touchpoints"),
    Column("revenue", "revenue", Kind.MONEY),
)


@dataclass(frozen=True)
class Sample:
    """Some journeys behind a number.

    Attributes:
        table: the latest of them, a row each.
        command: what to type, in the project's folder, for all.
        journeys: how many there are.
    """

    table: Table
    command: str
    journeys: int


def samples(snapshot: Snapshot, model: str, cells: Iterable[Cell]) -> dict[tuple[str, str], Table]:
    """The latest journeys of the cells with the most drops, by stage and channel."""
    largest = sorted(
        (cell for cell in cells if cell.dropped),
        key=lambda cell: (-cell.dropped, cell.stage, cell.channel),
    )[:_MOST_CELLS]
    if not largest:
        return {}
    wanted = " union all ".join(
        f"select {quoted(cell.stage)} as stage, {quoted(cell.channel)} as channel" for cell in largest
    )
    found = _read(snapshot, _dropped_sql(wanted, model))
    return {
        (cell.stage, cell.channel): _table(
            f"The latest journeys that ended in {cell.stage}",
            found.filter((pl.col("stage") == cell.stage) & (pl.col("channel") == cell.channel)).drop(
                "stage", "channel"
            ),
        )
        for cell in largest
    }


def alert_sample(snapshot: Snapshot, alert: Mapping[str, Any]) -> Sample:
    """The journeys that reached an alert's stage on its days and did not go on within the horizon.

    Args:
        snapshot: the published set to read.
        alert: a row of mart_stage_alerts.
    """
    zone = quoted(snapshot.manifest["timezone"])
    reached, left = "mart_journey_stages.entered_at", "mart_journey_stages.left_at"
    day = f"cast({reached} at time zone {zone} as date)"
    horizon_us = f"{alert['horizon_seconds'] * 1_000_000:.0f}"
    conditions = [
        f"stage_model = {quoted(alert['stage_model'])}",
        "funnel_kind = 'touched'",
        f"stage = {quoted(alert['stage'])}",
        f"{day} between date '{alert['first_date']}' and date '{alert['last_date']}'",
        f"coalesce(epoch_us({left}) - epoch_us({reached}) > {horizon_us}, true)",
    ]
    if alert["channel_role"] != ALL:
        conditions.append(f"{alert['channel_role']}_channel = {quoted(alert['channel'])}")
    chosen = f"from mart_journey_stages where {' and '.join(conditions)}"
    rows = _read(
        snapshot,
        "select journey_id, mart_journeys.customer_id, mart_journeys.entered_at, last_touchpoint_at, "
        "mart_journeys.touchpoints, revenue, count(*) over () as journeys from mart_journeys "
        f"inner join (select journey_id, mart_journey_stages.entered_at as reached_at {chosen}) "
        f"using (journey_id) order by reached_at desc, journey_id limit {_MOST_JOURNEYS}",
    )
    return Sample(
        _table("The latest journeys that did not go on", rows.drop("journeys")),
        shlex.join(
            [*_QUERY, snapshot.manifest["as_of"], f"select journey_id, customer_id, entered_at {chosen}"]
        ),
        int(rows["journeys"].item(0)) if rows.height else 0,
    )


def _read(snapshot: Snapshot, sql: str) -> pl.DataFrame:
    """The rows of a query, times as days and minutes of the project's zone."""
    zone = snapshot.manifest["timezone"]
    return query(snapshot, sql).with_columns(
        cs.datetime().dt.convert_time_zone(zone).dt.strftime("%Y-%m-%d %H:%M")
    )


def _table(caption: str, rows: pl.DataFrame) -> Table:
    return Table(caption, _COLUMNS, rows.rows())


def _dropped_sql(wanted: str, model: str) -> str:
    return f"""
        with wanted as ({wanted}),
        dropped as (
            -- whole days, as the moment a journey began stands in the other mart
            select stage, first_touch_channel, journey_id, rank() over (
                partition by stage, first_touch_channel order by entry_date desc
            ) as place
            from mart_journey_stages
            where stage_model = {quoted(model)} and funnel_kind = {quoted(KIND)} and outcome = 'dropped'
        ),
        latest as (
            select wanted.stage, wanted.channel, dropped.journey_id
            from wanted
            inner join dropped
                on dropped.stage = wanted.stage
                and (dropped.first_touch_channel = wanted.channel or wanted.channel = {quoted(ALL)})
            where dropped.place <= {_MOST_JOURNEYS}
        )
        select
            latest.stage, latest.channel, journey_id, customer_id, entered_at, last_touchpoint_at,
            touchpoints, revenue
        from latest
        inner join mart_journeys using (journey_id)
        qualify row_number() over (
            partition by latest.stage, latest.channel order by entered_at desc, journey_id
        ) <= {_MOST_JOURNEYS}
        order by latest.stage, latest.channel, entered_at desc, journey_id
    """
