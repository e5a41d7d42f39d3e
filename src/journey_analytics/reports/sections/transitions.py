"""What follows what: the transitions between stages, from the start of journeys to their exit."""

from __future__ import annotations

import polars as pl

from journey_analytics.engine.sql_text import quoted
from journey_analytics.marts import Snapshot
from journey_analytics.query import query
from journey_analytics.reports.section import Column, Figure, Section, Table
from journey_analytics.reports.wording import Kind, count, percent

_MOST_STAGES = 10
"""The stages after these, by transitions, are one together, so that every sum still holds."""
_OTHERS = "(other stages)"
_EXIT = "(exit)"
_ENDS = ("(start)", _EXIT, "(open)")
_COLUMNS = (
    Column("from", "from", Kind.TEXT),
    Column("to", "to", Kind.TEXT),
    Column("transitions", "transitions"),
    Column("share", "share of all from there", Kind.SHARE),
)


def transitions(snapshot: Snapshot, model: str, stages: list[str]) -> Section:
    """Every transition between stages; a journey may make one several times."""
    found = query(
        snapshot,
        "select from_name, to_name, transitions from mart_stage_transitions "
        f"where path_kind = 'stages' and channel_role = 'all' and stage_model = {quoted(model)}",
    )
    links = _cut(found, stages)
    table = Table("Transitions between stages", _COLUMNS, links.rows())
    return Section(
        "transitions",
        "What follows what",
        _finding(links),
        note="Read from left to right. Returns to an earlier stage are drawn to one place at the right; "
        "which stage they lead to, the table says. A journey may make a transition several times.",
        figures=(Figure(table, "sankey"),) if links.height else (),
    )


def _cut(found: pl.DataFrame, stages: list[str]) -> pl.DataFrame:
    """The transitions in the order of the stages, the rarest stages put together."""
    sums = found.group_by(pl.col("from_name").alias("name")).agg(pl.col("transitions").sum())
    ranked = sums.filter(~pl.col("name").is_in(_ENDS)).sort("transitions", "name", descending=[True, False])
    kept = [*ranked["name"].head(_MOST_STAGES), *_ENDS]
    place = {name: number for number, name in enumerate(["(start)", *stages, _OTHERS, _EXIT, "(open)"])}
    named = found.with_columns(
        pl.when(pl.col(name).is_in(kept)).then(pl.col(name)).otherwise(pl.lit(_OTHERS)).alias(name)
        for name in ("from_name", "to_name")
    )
    return (
        named.group_by("from_name", "to_name")
        .agg(pl.col("transitions").sum())
        .with_columns(
            (pl.col("transitions") / pl.col("transitions").sum().over("from_name")).alias("share"),
            *(pl.col(name).replace_strict(place).alias(f"{name}_place") for name in ("from_name", "to_name")),
        )
        .sort("from_name_place", "to_name_place")
        .select("from_name", "to_name", "transitions", "share")
    )


def _finding(links: pl.DataFrame) -> str:
    if links.is_empty():
        return "No journey has a touchpoint with a stage."
    exits = links.filter(pl.col("to_name") == _EXIT)
    ended = sum(exits["transitions"])
    between = links.filter(~pl.col("from_name").is_in(_ENDS) & ~pl.col("to_name").is_in(_ENDS))
    parts = []
    if between.height:
        most = between.sort("transitions", "from_name", "to_name", descending=[True, False, False]).row(
            0, named=True
        )
        parts.append(
            f"The commonest step is from {most['from_name']} to {most['to_name']}: "
            f"{count(most['transitions'])} times, {percent(most['share'])} of all that leave there."
        )
    if exits.height:
        last = exits.sort("transitions", "from_name", descending=[True, False]).row(0, named=True)
        parts.append(
            f"Most journeys that have ended had {last['from_name']} as their last stage: "
            f"{count(last['transitions'])} of {count(ended)}."
        )
    else:
        parts.append("No journey has ended yet.")
    return " ".join(parts)
