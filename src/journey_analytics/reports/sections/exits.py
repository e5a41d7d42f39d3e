"""Exit points: the last thing that happened before journeys dropped off."""

from __future__ import annotations

import polars as pl

from journey_analytics.engine.sql_text import quoted
from journey_analytics.marts import Snapshot
from journey_analytics.query import query
from journey_analytics.reports.findings import KIND
from journey_analytics.reports.section import Column, Figure, Section, Table
from journey_analytics.reports.wording import Kind, count, percent, several

_MOST_EXITS = 7
"""Of each stage; the others are one row together, so that the rows sum to the journeys dropped there."""
_NO_PAGE = "(none)"
_COLUMNS = (
    Column("exit", "last touchpoint", Kind.TEXT),
    Column("journeys", "journeys dropped"),
    Column("share", "share of the stage", Kind.SHARE),
)


def exits(snapshot: Snapshot, model: str) -> Section:
    """A figure per stage that journeys dropped off."""
    found = query(
        snapshot,
        "select stage, event_name, page_path, journeys_dropped, journeys_share from mart_exit_points "
        f"where channel_role = 'all' and funnel_kind = {quoted(KIND)} and stage_model = {quoted(model)} "
        "order by stage_ordinal, journeys_dropped desc, event_name, page_path",
    )
    return Section(
        "exits",
        "The last touchpoint before a drop-off",
        _finding(found),
        figures=tuple(
            _figure(str(stage[0]), rows) for stage, rows in found.group_by("stage", maintain_order=True)
        ),
    )


def _figure(stage: str, rows: pl.DataFrame) -> Figure:
    shown = [
        (_name(row), row["journeys_dropped"], row["journeys_share"])
        for row in rows.head(_MOST_EXITS).to_dicts()
    ]
    others = rows.slice(_MOST_EXITS)
    if others.height:
        dropped = sum(others["journeys_dropped"])
        share = dropped / sum(rows["journeys_dropped"])
        shown.append((f"({several(others.height, 'other')})", dropped, share))
    return Figure(
        Table(f"Last touchpoints of journeys that ended in {stage}", _COLUMNS, shown), "bars", stage
    )


def _name(row: dict[str, str]) -> str:
    return row["event_name"] + ("" if row["page_path"] == _NO_PAGE else f" on {row['page_path']}")


def _finding(found: pl.DataFrame) -> str:
    if found.is_empty():
        return "No journey has ended in a stage yet."
    most = found.sort("journeys_dropped", maintain_order=True, descending=True).row(0, named=True)
    return (
        f"The commonest way out is {_name(most)} in {most['stage']}: it was the last touchpoint of "
        f"{count(most['journeys_dropped'])} journeys, {percent(most['journeys_share'])} of those that ended "
        "there."
    )
