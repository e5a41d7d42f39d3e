"""How long journeys take from a stage to the next one they reach."""

from __future__ import annotations

import polars as pl

from journey_analytics.marts import Snapshot
from journey_analytics.query import query
from journey_analytics.reports.section import Column, Figure, Section, Table
from journey_analytics.reports.wording import Kind, length

_ANY = "(any)"
_SHARES = (50, 75, 90, 95)
_LENGTHS = tuple(
    Column(f"p{share}", "half within" if share == 50 else f"{share} % within", Kind.LENGTH)
    for share in _SHARES
)
_SQL = f"""
    select stage, next_stage, journeys_continued, journeys_open, {", ".join(f"p{s}_seconds" for s in _SHARES)}
    from mart_time_to_stage
    where channel_role = 'all' and stage_model = '{{model}}'
    order by stage_ordinal, next_stage = '{_ANY}' desc, journeys_continued desc, next_stage
"""


def times(snapshot: Snapshot, model: str) -> Section:
    """The time to any later stage drawn, the time to each of them as a table."""
    rows = query(snapshot, _SQL.format(model=model))
    went_on = rows.filter((pl.col("next_stage") == _ANY) & (pl.col("journeys_continued") > 0))
    each = rows.filter(pl.col("next_stage") != _ANY)
    stage, journeys = Column("stage", "stage", Kind.TEXT), Column("journeys", "journeys that went on")
    figures = (
        Figure(
            Table(
                "Time from entering a stage to entering the next one reached",
                (stage, journeys, Column("open", "still open"), *_LENGTHS),
                went_on.drop("next_stage").rows(),
            ),
            "range",
            note="The dot is the journey in the middle; the thick line ends where 75 in 100 had gone on, the "
            "thin one where 95 had.",
        ),
        Figure(
            Table(
                "The same for each next stage",
                (stage, Column("next", "next stage", Kind.TEXT), journeys, *_LENGTHS),
                each.drop("journeys_open").rows(),
            )
        ),
    )
    return Section(
        "times",
        "Time to the next stage",
        _finding(went_on),
        note="A journey counts where it has a touchpoint in the stage. One that skipped the stage did not "
        "wait in it, so fewer go on here than in the funnel.",
        figures=figures if went_on.height else (),
    )


def _finding(went_on: pl.DataFrame) -> str:
    if went_on.is_empty():
        return "No journey has gone on from one stage to another yet."
    slowest = went_on.sort("p50_seconds", "stage", descending=[True, False]).row(0, named=True)
    return (
        f"Journeys wait longest in {slowest['stage']}: half of those that go on take more than "
        f"{length(slowest['p50_seconds'])}, one in ten more than {length(slowest['p90_seconds'])}."
    )
