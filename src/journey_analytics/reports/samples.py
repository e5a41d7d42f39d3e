"""Some of the journeys behind the largest numbers, so that the page itself opens to customers.

Belongs here: which journeys are shown. Does not belong here: all of them (journeys.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl
import polars.selectors as cs

from journey_analytics.engine.sql_text import quoted
from journey_analytics.marts import Snapshot
from journey_analytics.query import query
from journey_analytics.reports.findings import KIND, Cell
from journey_analytics.reports.section import Column, Table
from journey_analytics.reports.wording import Kind

ALL = "all"
_MOST_CELLS = 24
_MOST_JOURNEYS = 20
_COLUMNS = (
    Column("journey", "journey", Kind.TEXT),
    Column("customer", "customer", Kind.TEXT),
    Column("began", "began", Kind.TEXT),
    Column("last", "last touchpoint", Kind.TEXT),
    Column("touchpoints", "touchpoints"),
    Column("revenue", "revenue", Kind.MONEY),
)


@dataclass(frozen=True)
class Sample:
    """The latest of the journeys that dropped off in a stage, of one channel of first touch or of all."""

    stage: str
    channel: str
    table: Table


def samples(snapshot: Snapshot, model: str, cells: Iterable[Cell]) -> dict[tuple[str, str], Sample]:
    """Samples of the cells with the most drops, by stage and channel."""
    largest = sorted(
        (cell for cell in cells if cell.dropped),
        key=lambda cell: (-cell.dropped, cell.stage, cell.channel),
    )[:_MOST_CELLS]
    if not largest:
        return {}
    wanted = " union all ".join(
        f"select {quoted(cell.stage)} as stage, {quoted(cell.channel)} as channel" for cell in largest
    )
    zone = snapshot.manifest["timezone"]
    found = query(snapshot, _sql(wanted, model)).with_columns(
        cs.datetime().dt.convert_time_zone(zone).dt.strftime("%Y-%m-%d %H:%M")
    )
    return {
        (cell.stage, cell.channel): Sample(
            cell.stage,
            cell.channel,
            Table(
                f"The latest journeys that ended in {cell.stage}",
                _COLUMNS,
                found.filter((pl.col("stage") == cell.stage) & (pl.col("channel") == cell.channel))
                .drop("stage", "channel")
                .rows(),
            ),
        )
        for cell in largest
    }


def _sql(wanted: str, model: str) -> str:
    return f"""
        with wanted as ({wanted}),
        dropped as (
            select stage, first_touch_channel, journey_id, row_number() over (
                partition by stage, first_touch_channel order by entry_date desc, journey_id
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
