"""How well alerts find planted incidents, and how quiet they are without any.

Days are simulated (simulation.py); everything after that, from daily counts to alerts, causes and first
days, is the product's own code. `end_to_end` is not simulated: shops are generated with an incidents file,
run from files to marts, and their published alerts are held against the file.

Beside what is found stands what an oracle finds: it knows the cell and the days of the incident, the true
rate and how much days differ, and asks for as many standard deviations as the alerts ask of that cell.
Alerts may find more than it by a lucky stretch or another cell; where it finds more, the miss is theirs. One
who was told where and when to look, and looks nowhere else, asks for no more than one false alert in 30
nights of that cell alone: what even that one misses is not in the data.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table
from scipy import stats

from journey_analytics.alerts.causes import find_causes
from journey_analytics.alerts.cells import Cells, baseline_of, find_changes
from journey_analytics.alerts.changes import LEVEL, Series, clearness, signed_root
from journey_analytics.alerts.period import TREND_DAYS
from journey_analytics.alerts.published import read_alerts
from journey_analytics.alerts.slices import ALL, CHANNEL
from journey_analytics.alerts.weights import weights
from journey_analytics.generator.shop import Arguments, generate
from journey_analytics.journal import attempt
from journey_analytics.marts import current
from journey_analytics.project import read_project
from journey_analytics.statistics import Floats
from tests.benchmarks.simulation import (
    AS_OF,
    DAY_NOISE,
    FEWEST_IN_POOL,
    Counts,
    Planted,
    Stage,
    cells_of,
    draw,
    draw_counts,
    fall_of,
    plant,
    pool_of,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
NIGHTS = 30
CLEAN_RUNS = 60
TOLD = float(stats.norm.isf(1.0 / NIGHTS))
"""Standard deviations that chance alone exceeds in one night of 30."""
VISIBLE = "10 % or more go on"
"""Of 1,000 journeys of which 40 go on, 12 fewer are no more than chance, whatever the test."""


@dataclass(frozen=True)
class Judged:
    """What came of one run.

    Attributes:
        stage: of the incident.
        rate: the share of the cell's journeys that usually goes on.
        deviations: by how many standard deviations the cell differs on the days of the incident, in truth.
        is_oracle: whether an oracle would find it that is as strict as the alerts.
        is_found: whether there is an alert of the cell, or of all channels of the stage.
        is_first_day: whether its first day is right within one day.
        is_cause: whether the dimension and value that carry it are named first.
    """

    stage: str
    rate: float
    deviations: float
    is_oracle: bool
    is_found: bool
    is_first_day: bool = False
    is_cause: bool = False


def judge(random: np.random.Generator, stages: Sequence[Stage], planted: Planted, per_day: float) -> Judged:
    """One run: draw, look, compare. The cell has `per_day` journeys a day on average."""
    stage, rate = planted.stage, planted.stage.rate(planted.in_channel)
    scale = per_day / float(planted.in_channel.sum())
    drawn = draw(random, planted, scale * stage.size)
    counts = [
        drawn.counts() if one is stage else draw_counts(random, one, scale * one.size, TREND_DAYS)
        for one in stages
    ]
    cells = cells_of(counts)
    deviations, is_oracle = oracle(cells, planted)
    changes = find_changes(cells, AS_OF)
    at_stage = changes.filter(pl.col("stage") == stage.name)
    if not at_stage.filter("is_alert", pl.col("channel").is_in([planted.channel, ALL])).height:
        return Judged(stage.name, rate, deviations, is_oracle, is_found=False)
    alert = next(iter(find_causes(at_stage, drawn.entries(), AS_OF)))
    cell = at_stage.filter(
        pl.col("channel_role") == alert["channel_role"], pl.col("channel") == alert["channel"]
    ).row(0, named=True)
    begun = AS_OF - timedelta(days=planted.days - 1)
    cause = alert["causes"][0]
    return Judged(
        stage.name,
        rate,
        deviations,
        is_oracle,
        is_found=True,
        is_first_day=abs((cell["first_date"] - begun).days) <= 1,
        is_cause=(cause["dimension"], cause["value"]) == (planted.dimension, planted.value),
    )


def oracle(cells: Cells, planted: Planted) -> tuple[float, bool]:
    """By how many standard deviations the incident's cell truly differs, and whether that is enough.

    Of the two cells that may be named, channel and all channels, the better one counts for the second.
    """
    asked = bars(cells)
    stage = planted.stage
    found = False
    deviations = 0.0
    for role, name, rows in (
        ("all", ALL, np.ones(stage.size, dtype=np.bool_)),
        ("stage_entry", planted.channel, planted.in_channel),
    ):
        is_cell = (
            (pl.col("stage") == stage.name) & (pl.col("channel_role") == role) & (pl.col("channel") == name)
        )
        place = int(cells.names.select(is_cell.arg_true()).item())
        reached, continued = (
            counts[place, -planted.days :].sum() for counts in (cells.reached, cells.continued)
        )
        rate = stage.rate(rows)
        # what a day's own luck with the rate adds to the chance of its journeys
        dispersion = 1.0 + DAY_NOISE**2 * rate / (1.0 - rate) * reached / planted.days
        root = signed_root(*(np.array(number) for number in (reached, continued, rate * reached)))
        deviations = float(root / np.sqrt(dispersion))
        found |= deviations > asked[place]
    return deviations, found


def bars(cells: Cells) -> Floats:
    """By cell, how many standard deviations make an alert, were they known exactly; NaN: not tested."""
    series = Series(cells.reached, cells.continued, baseline_of(cells))
    is_tested = series.baseline.freedom > 0
    asked = np.full(len(cells.reached), np.nan)
    weight = weights(clearness(series)[is_tested], LEVEL)
    asked[is_tested] = stats.norm.isf(LEVEL * weight / weight.size)
    return asked


def false_alerts(random: np.random.Generator, stages: Sequence[Stage], journeys: float) -> int:
    """Alerts raised in 30 nights in which nothing happened.

    One of the same stage about the same days as an earlier one is that one again: it stayed, came back after
    a night, or shows in another cell.
    """
    size = sum(stage.size for stage in stages)
    drawn: list[Counts] = [
        draw_counts(random, stage, journeys * stage.size / size, TREND_DAYS + NIGHTS) for stage in stages
    ]
    raised = 0
    told: dict[str, set[int]] = {stage.name: set() for stage in stages}
    for night in range(1, NIGHTS + 1):
        found = find_changes(cells_of([one.last(night) for one in drawn]), AS_OF).filter("is_alert")
        for stage, first, last in found.select("stage", "first_date", "last_date").iter_rows():
            days = range(night + (first - AS_OF).days, night + (last - AS_OF).days + 1)
            raised += told[stage].isdisjoint(days)
            told[stage].update(days)
    return raised


@dataclass(frozen=True)
class Case:
    """Incidents of one kind: how much they move which rate, for how long, among how many journeys a day.

    Attributes:
        told: in words.
        sizes: from and to which size.
        days: from and to how many days, the second not included.
        per_day: from and to how many journeys.
        of_drop_off: whether the size is a rise of the drop-off rate and not a fall of the share that goes on.
    """

    told: str
    sizes: tuple[float, float]
    days: tuple[int, int] = (5, 6)
    per_day: tuple[float, float] = (200, 200)
    of_drop_off: bool = False


CASES = (
    Case("30 % more drop off, 5 days, 200 journeys a day", (0.3, 0.3), of_drop_off=True),
    *(
        Case(
            f"{100 * size:.0f} % fewer go on, 5 days, {number} journeys a day",
            (size, size),
            per_day=(number, number),
        )
        for size in (0.3, 0.2, 0.1)
        for number in (200, 100, 50)
    ),
    Case("30 to 60 % fewer go on, 5 to 10 days, 200 to 400 journeys a day", (0.3, 0.6), (5, 11), (200, 400)),
)


def judge_case(case: Case, random: np.random.Generator, stages: Sequence[Stage], runs: int) -> list[Judged]:
    """So many incidents of a case."""
    judged = []
    for _ in range(runs):
        size, days = random.uniform(*case.sizes), int(random.integers(*case.days))
        planted = plant(random, stages, size, days, of_drop_off=case.of_drop_off)
        judged.append(judge(random, stages, planted, random.uniform(*case.per_day)))
    return judged


def run(rows: int, console: Console, runs: int = 200) -> None:
    """Generate, run, simulate, print; `rows` is how many events the pool's shop has."""
    with tempfile.TemporaryDirectory() as folder:
        stages = pool_of(entries_of_shop(Path(folder), rows))
    console.print(
        f"simulated from the stage entries of a generated shop of {rows:,} events, {runs} runs a line: "
        + ", ".join(f"{s.name} {s.is_continued.mean():.1%} go on" for s in stages)
    )
    console.print(*_readings(stages), sep="\n")
    for number, case in enumerate(CASES):
        judged = judge_case(case, np.random.default_rng([2, number]), stages, runs)
        console.print(_table(case, stages, judged))
    for journeys in (1_500, 8_000):
        clean = [
            false_alerts(np.random.default_rng([3, journeys, number]), stages, journeys)
            for number in range(CLEAN_RUNS)
        ]
        console.print(
            f"{NIGHTS} clean nights, {journeys:,} stage entries a day: {np.mean(clean):.2f} false alerts on "
            f"average, at most one in {np.mean(np.array(clean) <= 1):.0%} of {len(clean)} runs"
        )
    with tempfile.TemporaryDirectory() as folder:
        console.print("not simulated, from files to marts:")
        for found in end_to_end(Path(folder), rows):
            console.print(f"  {found}")


def _readings(stages: Sequence[Stage]) -> Iterator[str]:
    """What 'moves the rate by 30 %' may mean, and where it can happen at all."""
    cannot: dict[str, list[str]] = {}
    cells = 0
    for stage in stages:
        for channel in np.unique(stage.columns[CHANNEL]):
            rows = stage.columns[CHANNEL] == channel
            if rows.sum() >= FEWEST_IN_POOL:
                cells += 1
                if fall_of(stage.rate(rows), 0.3) > 1.0:
                    cannot.setdefault(stage.name, []).append(str(channel))
    told = ", ".join(f"{name} ({len(channels)})" for name, channels in cannot.items())
    yield (
        "'30 % more drop off': the early drop-off rate, which is published, rises by 30 % of itself. It "
        f"cannot in {sum(map(len, cannot.values()))} of {cells} cells, where more than all who go on "
        f"would have to stop: {told}."
    )
    yield (
        "'30 % fewer go on': of those who would have gone on 30 % do not. Where few go on, this hardly moves "
        "the drop-off rate, and few are lost."
    )


def _table(case: Case, stages: Sequence[Stage], judged: Sequence[Judged]) -> Table:
    table = Table(
        *("stages", "runs", "deviations", "if told", "oracle", "found", "first day +- 1", "cause first"),
        title=case.told,
        title_justify="left",
    )
    groups = {"all": judged, VISIBLE: [one for one in judged if one.rate >= 0.1]}
    for stage in stages:
        groups[stage.name] = [one for one in judged if one.stage == stage.name]
    for name, group in groups.items():
        if group:
            table.add_row(name, *_shares(group))
    return table


def _shares(judged: Sequence[Judged]) -> Iterator[str]:
    found = [one for one in judged if one.is_found]
    yield f"{len(judged)}"
    yield f"{np.median([one.deviations for one in judged]):.1f}"
    yield f"{sum(one.deviations > TOLD for one in judged) / len(judged):.0%}"
    yield f"{sum(one.is_oracle for one in judged) / len(judged):.0%}"
    yield f"{len(found) / len(judged):.0%}"
    for flags in ([one.is_first_day for one in found], [one.is_cause for one in found]):
        yield f"{sum(flags) / len(flags):.0%}" if flags else "-"


def entries_of_shop(folder: Path, events: int) -> pl.DataFrame:
    """int_stage_entries of a generated shop, made by the pipeline from its files."""
    make_shop(folder / "shop", events, seed=1)
    with attempt(read_project(folder / "shop"), now=NOW) as tried:
        for step in tried.steps:
            tried.do(step)
            if step.name == "marts":
                break
        return tried.run.engine.frame("select * from int_stage_entries order by stage, journey_id")


def make_shop(folder: Path, events: int, seed: int, incidents: Path | None = None) -> None:
    """A generated shop of 90 days up to AS_OF, with one event in eight a new customer's first."""
    days = 90
    arguments = Arguments(events, events // 8, days, seed, AS_OF - timedelta(days=days - 1), "parquet")
    generate(arguments, folder, lambda what, rows: None, incidents)


INCIDENTS = """
incidents:
  - {{kind: conversion_drop, stage: interest, channel: organic_search, from: {0}, to: {1}, strength: 0.5}}
  - {{kind: slow_page, page: /, from: {0}, to: {1}, strength: 0.4}}
"""
EXPECTED = {
    "interest": ("channel", "organic_search"),
    "awareness": ("page_path", "/"),
}
"""By stage: what the published alerts have to name first."""


def end_to_end(folder: Path, events: int) -> Iterator[str]:
    """Generate a shop with incidents, run it, and say what its alerts say of each, and of anything else."""
    first, last = AS_OF - timedelta(days=8), AS_OF - timedelta(days=1)
    incidents = folder / "incidents.yaml"
    incidents.write_text(INCIDENTS.format(first, last), encoding="utf-8")
    make_shop(folder / "shop", events, seed=1, incidents=incidents)
    project = read_project(folder / "shop")
    with attempt(project, now=NOW) as tried:
        for step in tried.steps:
            tried.do(step)
    figures = [alert.figures for alert in read_alerts(current(project.marts_folder)).alerts]
    for stage, cause in EXPECTED.items():
        of_stage = [row for row in figures if row["stage"] == stage]
        named = [(row["cause_dimension"], row["cause_value"], row["first_date"]) for row in of_stage]
        is_right = any(
            (dimension, value) == cause and abs((begun - first).days) <= 1
            for dimension, value, begun in named
        )
        what = f"{'found' if is_right else 'missed'} {cause[0]} {cause[1]} since {first}"
        yield f"{stage}: {what}; named {named}"
    others = sum(row["stage"] not in EXPECTED for row in figures)
    yield f"other stages: {others} alerts"
