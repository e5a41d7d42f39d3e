"""Days of stage entries as a generated shop has them, with or without an incident, drawn in no time.

The stage entries of a shop that went through the whole pipeline (the rows of int_stage_entries: channel,
device, page ... of each, and whether the journey went on) are the pool. A run draws so many entries of the
pool for each day, weekdays as busy as the shop's, days differing by 3 % beyond chance, and an incident takes
the going on from a share of the journeys it is about, which is what `journey generate --incidents` does to
the chances of a step.

Belongs here: what is drawn. Does not belong here: what alerts make of it (detection.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from journey_analytics.alerts.cells import Cells
from journey_analytics.alerts.period import TREND_DAYS
from journey_analytics.alerts.slices import ALL, CHANNEL, DIMENSIONS, FIRST_TOUCH
from journey_analytics.generator.behaviour import shipped_behaviour
from journey_analytics.statistics import Floats

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

AS_OF = date(2026, 3, 29)
"""A Sunday: the last day simulated."""
DAY_NOISE = 0.03
FEWEST_IN_POOL = 400


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

    @cached_property
    def channels(self) -> pl.DataFrame:
        """Each pair of channels of stage entry and first touch, sorted, with its journeys and their rate."""
        return (
            self._entries(CHANNEL, FIRST_TOUCH)
            .with_columns(on=self.is_continued)
            .group_by(CHANNEL, FIRST_TOUCH)
            .agg(pl.len().alias("journeys"), pl.col("on").mean().alias("rate"))
            .sort(CHANNEL, FIRST_TOUCH)
        )

    @cached_property
    def pair(self) -> Ints:
        """By entry, the number of its row in `channels`."""
        return self._places(self.channels, CHANNEL, FIRST_TOUCH)

    @cached_property
    def kinds(self) -> pl.DataFrame:
        """What is known of entries, each combination once, sorted."""
        return self._entries(CHANNEL, *DIMENSIONS).unique().sort(CHANNEL, *DIMENSIONS)

    @cached_property
    def kind(self) -> Ints:
        """By entry, the number of its row in `kinds`."""
        return self._places(self.kinds, CHANNEL, *DIMENSIONS)

    def _entries(self, *names: str) -> pl.DataFrame:
        return pl.DataFrame(
            {name: self.columns[name] for name in names}, schema=dict.fromkeys(names, pl.String)
        )

    def _places(self, rows: pl.DataFrame, *names: str) -> Ints:
        numbered = rows.with_row_index("place")
        joined = self._entries(*names).join(numbered, on=names, how="left", maintain_order="left")
        return joined["place"].cast(pl.Int64).to_numpy()


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

    stage: Stage
    channel: str
    dimension: str
    value: str
    rows: Flags
    strength: float
    days: int

    @property
    def in_channel(self) -> Flags:
        """The entries of the cell."""
        return np.asarray(self.stage.columns[CHANNEL] == self.channel)


@dataclass(frozen=True)
class Counts:
    """Journeys of a stage by pair of channels (rows) and day (columns), and those that went on."""

    stage: Stage
    reached: Ints
    continued: Ints

    def last(self, night: int) -> Counts:
        """Those of the 77 days up to a night, 0 being the first that has so many."""
        days = slice(night, night + TREND_DAYS)
        return Counts(self.stage, self.reached[:, days], self.continued[:, days])

    def cells(self) -> Iterator[tuple[str, str, Ints, Ints]]:
        """By channel role and channel: journeys by day, and those that went on."""
        yield "all", ALL, self.reached.sum(axis=0), self.continued.sum(axis=0)
        for role, column in (("stage_entry", CHANNEL), ("first_touch", FIRST_TOUCH)):
            names = self.stage.channels[column].to_numpy()
            for name in np.unique(names):
                rows = names == name
                yield role, str(name), self.reached[rows].sum(axis=0), self.continued[rows].sum(axis=0)


@dataclass(frozen=True)
class Drawn:
    """The entries of one stage that one run drew, by their places in the pool."""

    stage: Stage
    row: Ints
    day: Ints
    is_continued: Flags

    def counts(self) -> Counts:
        """How many they are."""
        shape = (self.stage.channels.height, TREND_DAYS)
        place = self.stage.pair[self.row] * TREND_DAYS + self.day
        reached, continued = (
            np.bincount(places, minlength=shape[0] * shape[1]).reshape(shape)
            for places in (place, place[self.is_continued])
        )
        return Counts(self.stage, reached, continued)

    def entries(self) -> pl.DataFrame:
        """As the kernel reads them from int_stage_entries."""
        place, number = np.unique(self.stage.kind[self.row] * TREND_DAYS + self.day, return_inverse=True)
        kind, day = np.divmod(place, TREND_DAYS)
        begin = np.datetime64(AS_OF - timedelta(days=TREND_DAYS - 1))
        return self.stage.kinds[kind].with_columns(
            entered_date=pl.Series(begin + day.astype("timedelta64[D]")).cast(pl.Date),
            journeys_reached=pl.Series(np.bincount(number)),
            journeys_continued=pl.Series(np.bincount(number[self.is_continued], minlength=place.size)),
        )


def pool_of(entries: pl.DataFrame) -> list[Stage]:
    """The stages of int_stage_entries that enough journeys reached."""
    stages = []
    for (name,), rows in entries.group_by("stage", maintain_order=True):
        if rows.height >= FEWEST_IN_POOL:
            columns = {
                column: rows[column].fill_null("(none)").to_numpy() for column in (CHANNEL, *DIMENSIONS)
            }
            stages.append(Stage(str(name), columns, rows["is_continued"].to_numpy()))
    return stages


def draw(random: np.random.Generator, planted: Planted, per_day: float) -> Drawn:
    """The entries of the incident's stage on 77 days, on average so many a day."""
    stage = planted.stage
    day = np.repeat(np.arange(TREND_DAYS), random.poisson(per_day * _busy(TREND_DAYS)))
    row = random.integers(0, stage.size, day.size)
    lost, won = (turned[day] for turned in _turned(random, stage, TREND_DAYS))
    is_continued = stage.is_continued[row]
    is_continued = is_continued ^ (random.random(day.size) < np.where(is_continued, lost, won))
    is_hit = planted.rows[row] & (day >= TREND_DAYS - planted.days)
    is_continued &= ~(is_hit & (random.random(day.size) < planted.strength))
    return Drawn(stage, row, day, is_continued)


def draw_counts(random: np.random.Generator, stage: Stage, per_day: float, days: int) -> Counts:
    """The journeys of a stage without an incident on so many days, as if `draw` had drawn them."""
    share, rate = (stage.channels[name].to_numpy()[:, None] for name in ("journeys", "rate"))
    reached = random.poisson(share / stage.size * per_day * _busy(days))
    lost, won = _turned(random, stage, days)
    return Counts(stage, reached, random.binomial(reached, rate * (1.0 - lost) + (1.0 - rate) * won))


def _busy(days: int) -> Floats:
    """How busy each of so many days up to AS_OF is, 1 on average."""
    weekdays = np.array(shipped_behaviour().calendar.weekdays)
    first = AS_OF - timedelta(days=days - 1)
    return np.asarray(weekdays[(first.weekday() + np.arange(days)) % 7] / weekdays.mean())


def _turned(random: np.random.Generator, stage: Stage, days: int) -> tuple[Floats, Floats]:
    """By day, the share of those who went on that a worse day stops, and the share that a better one wins."""
    factor = np.exp(DAY_NOISE * random.standard_normal(days))
    rate = stage.is_continued.mean()
    won = np.clip(rate * (factor - 1.0) / max(1.0 - rate, 1e-9), 0.0, 1.0)
    return np.clip(1.0 - factor, 0.0, 1.0), won


def plant(
    random: np.random.Generator, stages: Sequence[Stage], size: float, days: int, *, of_drop_off: bool = False
) -> Planted:
    """An incident by which `size` fewer go on from a stage through a channel, or that share more drop off.

    It is about the channel, a device, a campaign or a page: about all their journeys at the stage, or about
    those of the channel alone.
    """
    while True:
        stage = stages[random.integers(len(stages))]
        channels = stage.kinds[CHANNEL].unique().sort()
        channel = str(channels[int(random.integers(channels.len()))])
        in_channel = stage.columns[CHANNEL] == channel
        dimension = (CHANNEL, "device", "utm_campaign", "page_path")[random.integers(4)]
        values = stage.kinds.filter(pl.col(CHANNEL) == channel)[dimension].unique().sort()
        value = str(values[int(random.integers(values.len()))])
        rows = stage.columns[dimension] == value
        if random.random() < 0.5:
            rows &= in_channel
        # that the cell loses `fall` of those who go on, its part that is hit must lose more
        fall = fall_of(stage.rate(in_channel), size) if of_drop_off else size
        going_on = stage.is_continued & in_channel
        share = float((going_on & rows).sum()) / max(float(going_on.sum()), 1.0)
        is_told_apart = dimension == CHANNEL or bool((in_channel & ~rows).any())
        if value != "(none)" and share >= fall and is_told_apart and in_channel.sum() >= FEWEST_IN_POOL:
            return Planted(stage, channel, dimension, value, rows, fall / share, days)


def fall_of(rate: float, size: float) -> float:
    """Share of those who go on that must stop for the drop-off rate to rise by `size`; above 1: it cannot."""
    return size * (1.0 - rate) / rate if rate else np.inf


def cells_of(counts: Sequence[Counts]) -> Cells:
    """The cells of all stages, as they are read from int_stage_days."""
    rows = [
        (("shop", role, channel, one.stage.name), reached, continued)
        for one in counts
        for role, channel, reached, continued in one.cells()
    ]
    names = pl.DataFrame(
        [row[0] for row in rows], schema=["stage_model", "channel_role", "channel", "stage"], orient="row"
    )
    reached, continued = (np.array([row[place] for row in rows], dtype=np.float64) for place in (1, 2))
    return Cells(names, reached, continued, np.full(len(rows), np.nan))
