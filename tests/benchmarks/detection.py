"""How well alerts find planted incidents, and how quiet they are without any.

What is simulated: a made-up shop is generated and run through the whole pipeline once; its stage entries (the
rows of int_stage_entries: channel, device, page ... of each, and whether the journey went on) are the pool.
A run draws so many entries of the pool for each of 77 days, weekdays as busy as the shop's, days differing by
3 % beyond chance, and an incident takes the going on from a share of the journeys it is about, which is what
`journey generate --incidents` does to the chances of a step. Everything after that, from daily counts to
alerts, causes and first days, is the product's own code. `end_to_end` is not simulated: shops are generated
with an incidents file, run from files to marts, and their published alerts are held against the file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from journey_analytics.alerts.causes import find_causes
from journey_analytics.alerts.cells import Cells, find_changes
from journey_analytics.alerts.period import TREND_DAYS
from journey_analytics.alerts.published import read_alerts
from journey_analytics.alerts.slices import ALL, CHANNEL, DIMENSIONS, FIRST_TOUCH
from journey_analytics.generator.behaviour import shipped_behaviour
from journey_analytics.generator.shop import Arguments, generate
from journey_analytics.journal import attempt
from journey_analytics.marts import current
from journey_analytics.project import read_project

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

AS_OF = date(2026, 3, 29)
"""A Sunday: the last day simulated."""
NOW = datetime(2026, 6, 1, tzinfo=UTC)
NIGHTS = 30
DAY_NOISE = 0.03
VISIBLE = "10 % or more go on"
"""Of 1,000 journeys of which 40 go on, 12 fewer are no more than chance, whatever the test."""
_FEWEST_IN_POOL = 400


@dataclass(frozen=True)
class Stage:
    """The entries of one stage that are drawn from."""

    name: str
    columns: dict[str, NDArray[Any]]
    is_continued: Flags

    @property
    def size(self) -> int:
        """How many there are."""
        return self.is_continued.size

    def rate(self, rows: Flags) -> float:
        """The share of some entries that goes on."""
        return float(self.is_continued[rows].mean())


@dataclass(frozen=True)
class Planted:
    """An incident: which entries of a stage it is about, and how much of their going on it takes.

    Attributes:
        stage: its stage.
        channel: the cell that has to be named, or one of those.
        dimension: what carries it.
        value: of the dimension.
        rows: of the stage's pool.
        strength: share of those who would go on that do not.
        days: so many, the last ones.
    """

    stage: str
    channel: str
    dimension: str
    value: str
    rows: Flags
    strength: float
    days: int


@dataclass(frozen=True)
class Judged:
    """What came of one run.

    Attributes:
        stage: of the incident.
        rate: the share of the cell's journeys that usually goes on.
        is_found: whether there is an alert of the cell, or of all channels of the stage.
        is_first_day: whether its first day is right within one day.
        is_cause: whether the dimension and value that carry it are named first.
    """

    stage: str
    rate: float
    is_found: bool
    is_first_day: bool = False
    is_cause: bool = False


def pool_of(entries: pl.DataFrame) -> list[Stage]:
    """The stages of int_stage_entries that enough journeys reached."""
    stages = []
    for (name,), rows in entries.group_by("stage", maintain_order=True):
        if rows.height >= _FEWEST_IN_POOL:
            columns = {
                column: rows[column].fill_null("(none)").to_numpy() for column in (CHANNEL, *DIMENSIONS)
            }
            stages.append(Stage(str(name), columns, rows["is_continued"].to_numpy()))
    return stages


@dataclass(frozen=True)
class Drawn:
    """The entries of one stage that one run drew, by their places in the pool."""

    stage: Stage
    row: Ints
    day: Ints
    is_continued: Flags

    def last(self, night: int) -> Drawn:
        """Those of the 77 days up to a night, 0 being the first that has so many."""
        kept = (self.day >= night) & (self.day < night + TREND_DAYS)
        return Drawn(self.stage, self.row[kept], self.day[kept] - night, self.is_continued[kept])

    def counts(self) -> Iterator[tuple[str, str, Ints, Ints]]:
        """By channel role and channel: journeys by day, and those that went on."""
        for role, column in (("all", None), ("stage_entry", CHANNEL), ("first_touch", FIRST_TOUCH)):
            if column is None:
                names, code = np.array([ALL]), np.zeros(self.row.size, dtype=np.int64)
            else:
                names, of_pool = np.unique(self.stage.columns[column], return_inverse=True)
                code = of_pool[self.row]
            place = code * TREND_DAYS + self.day
            shape = (names.size, TREND_DAYS)
            reached = np.bincount(place, minlength=names.size * TREND_DAYS).reshape(shape)
            continued = np.bincount(place[self.is_continued], minlength=reached.size).reshape(shape)
            for number, name in enumerate(names):
                yield role, str(name), reached[number], continued[number]

    def entries(self) -> pl.DataFrame:
        """As the kernel reads them from int_stage_entries."""
        begin = AS_OF - timedelta(days=TREND_DAYS - 1)
        days = np.datetime64(begin) + self.day.astype("timedelta64[D]")
        columns = {name: values[self.row] for name, values in self.stage.columns.items()}
        return (
            pl.DataFrame({**columns, "entered_date": days, "on": self.is_continued})
            .with_columns(pl.col("entered_date").cast(pl.Date))
            .group_by("entered_date", CHANNEL, *DIMENSIONS)
            .agg(journeys_reached=pl.len(), journeys_continued=pl.col("on").sum())
        )


def draw(
    random: np.random.Generator, stage: Stage, per_day: float, days: int, planted: Planted | None = None
) -> Drawn:
    """The entries of a stage on so many days, on average so many a day; the incident is in the last ones."""
    weekdays = np.array(shipped_behaviour().calendar.weekdays)
    first = AS_OF - timedelta(days=days - 1)
    busy = weekdays[(first.weekday() + np.arange(days)) % 7] / weekdays.mean()
    day = np.repeat(np.arange(days), random.poisson(per_day * busy))
    row = random.integers(0, stage.size, day.size)
    is_continued = stage.is_continued[row]
    rate = stage.is_continued.mean()
    factor = np.exp(DAY_NOISE * random.standard_normal(days))[day]
    # a better day turns some who stopped, a worse one some who went on
    turned = np.where(is_continued, 1.0 - factor, rate * (factor - 1.0) / max(1.0 - rate, 1e-9))
    is_continued = is_continued ^ (random.random(day.size) < turned)
    if planted is not None and planted.stage == stage.name:
        is_hit = planted.rows[row] & (day >= days - planted.days)
        is_continued &= ~(is_hit & (random.random(day.size) < planted.strength))
    return Drawn(stage, row, day, is_continued)


def changes_of(drawn: Sequence[Drawn]) -> pl.DataFrame:
    """int_stage_changes of what was drawn."""
    rows = [
        (("shop", role, channel, one.stage.name), reached, continued)
        for one in drawn
        for role, channel, reached, continued in one.counts()
    ]
    names = pl.DataFrame(
        [row[0] for row in rows], schema=["stage_model", "channel_role", "channel", "stage"], orient="row"
    )
    reached, continued = (np.array([row[place] for row in rows], dtype=np.float64) for place in (1, 2))
    return find_changes(Cells(names, reached, continued, np.full(len(rows), np.nan)), AS_OF)


def plant(random: np.random.Generator, stages: Sequence[Stage], size: float, days: int) -> Planted:
    """An incident by which `size` fewer go on from a stage through a channel.

    It is about the channel, a device, a campaign or a page: about all their journeys at the stage, or about
    those of the channel alone.
    """
    while True:
        stage = stages[random.integers(len(stages))]
        channels = np.unique(stage.columns[CHANNEL])
        channel = str(channels[random.integers(channels.size)])
        in_channel = stage.columns[CHANNEL] == channel
        dimension = (CHANNEL, "device", "utm_campaign", "page_path")[random.integers(4)]
        values = np.unique(stage.columns[dimension][in_channel])
        value = str(values[random.integers(values.size)])
        rows = stage.columns[dimension] == value
        if random.random() < 0.5:
            rows &= in_channel
        # that the cell loses `size` of those who go on, its part that is hit must lose more
        going_on = stage.is_continued & in_channel
        share = float((going_on & rows).sum()) / max(float(going_on.sum()), 1.0)
        is_told_apart = dimension == CHANNEL or bool((in_channel & ~rows).any())
        if value != "(none)" and share >= size and is_told_apart and in_channel.sum() >= _FEWEST_IN_POOL:
            return Planted(stage.name, channel, dimension, value, rows, size / share, days)


def judge(
    random: np.random.Generator, stages: Sequence[Stage], size: float, days: int, per_day: float
) -> Judged:
    """One run: plant, draw, look, compare. The cell has `per_day` journeys a day on average."""
    planted = plant(random, stages, size, days)
    of_cell = next(s for s in stages if s.name == planted.stage)
    in_channel = of_cell.columns[CHANNEL] == planted.channel
    share, rate = float(in_channel.mean()), of_cell.rate(in_channel)
    scale = per_day / share / of_cell.size
    drawn = [draw(random, stage, scale * stage.size, TREND_DAYS, planted) for stage in stages]
    changes = changes_of(drawn)
    at_stage = changes.filter(pl.col("stage") == planted.stage)
    cells = at_stage.filter("is_alert", pl.col("channel").is_in([planted.channel, ALL]))
    if not cells.height:
        return Judged(planted.stage, rate, is_found=False)
    entries = next(one for one in drawn if one.stage.name == planted.stage).entries()
    alert = next(iter(find_causes(at_stage, entries, AS_OF)))
    cell = at_stage.filter(
        pl.col("channel_role") == alert["channel_role"], pl.col("channel") == alert["channel"]
    ).row(0, named=True)
    begun = AS_OF - timedelta(days=days - 1)
    cause = alert["causes"][0]
    return Judged(
        planted.stage,
        rate,
        is_found=True,
        is_first_day=abs((cell["first_date"] - begun).days) <= 1,
        is_cause=(cause["dimension"], cause["value"]) == (planted.dimension, planted.value),
    )


def false_alerts(random: np.random.Generator, stages: Sequence[Stage], journeys: float) -> int:
    """Alerts raised in 30 nights in which nothing happened; one that stays for some nights counts once."""
    size = sum(stage.size for stage in stages)
    drawn = [draw(random, stage, journeys * stage.size / size, TREND_DAYS + NIGHTS) for stage in stages]
    raised, before = 0, set[tuple[str, str, str]]()
    for night in range(1, NIGHTS + 1):
        found = changes_of([one.last(night) for one in drawn]).filter("is_alert")
        cells = set(found.select("stage", "channel_role", "channel").rows())
        # cells of one stage are one alert
        raised += len({cell[0] for cell in cells - before} - {cell[0] for cell in before})
        before = cells
    return raised


def run(rows: int, console: Console, runs: int = 200) -> None:
    """Generate, run, simulate, print; `rows` is how many events the pool's shop has."""
    with tempfile.TemporaryDirectory() as folder:
        stages = pool_of(entries_of_shop(Path(folder), rows))
    console.print(
        f"simulated from the stage entries of a generated shop of {rows:,} events, {runs} runs a line: "
        + ", ".join(f"{s.name} {s.is_continued.mean():.1%} go on" for s in stages)
    )
    table = Table(
        "fewer go on", "days", "journeys a day", "stages", "runs", "found", "first day +- 1", "cause first"
    )
    cases = [(size, per_day, (5, 6)) for size in (0.3, 0.2, 0.1) for per_day in (200, 100, 50)]
    for number, (size, per_day, days) in enumerate([(None, 200, (5, 11)), *cases]):
        random = np.random.default_rng([2, number])
        judged = []
        for _ in range(runs):
            drawn_size = random.uniform(0.3, 0.6) if size is None else size
            drawn_days = int(random.integers(*days))
            more = random.uniform(1.0, 2.0) if size is None else 1.0
            judged.append(judge(random, stages, drawn_size, drawn_days, per_day * more))
        told = ("30 to 60 %", "5 to 10", "200 to 400") if size is None else (f"{size:.0%}", "5", str(per_day))
        groups = {"all": judged, VISIBLE: [one for one in judged if one.rate >= 0.1]}
        for stage in stages:
            groups[stage.name] = [one for one in judged if one.stage == stage.name]
        for name, group in groups.items():
            if group:
                table.add_row(*told, name, *_shares(group))
        table.add_section()
    console.print(table)
    for journeys in (1_500, 8_000):
        clean = [
            false_alerts(np.random.default_rng([3, journeys, number]), stages, journeys)
            for number in range(runs // 4)
        ]
        console.print(
            f"{NIGHTS} clean nights, {journeys:,} stage entries a day: {np.mean(clean):.2f} false alerts on "
            f"average, at most one in {np.mean(np.array(clean) <= 1):.0%} of {len(clean)} runs"
        )
    with tempfile.TemporaryDirectory() as folder:
        console.print("not simulated, from files to marts:")
        for found in end_to_end(Path(folder), rows):
            console.print(f"  {found}")


def _shares(judged: Sequence[Judged]) -> Iterator[str]:
    found = [one for one in judged if one.is_found]
    yield f"{len(judged)}"
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
