"""Measures: what every night is compared by, one number per local day, from the data itself.

Belongs here: the measures and how the counts of `int_daily_counts` and `int_daily_stages` become them.
Does not belong here: their names (check_names.py) and what is usual (learned.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from journey_analytics.quality.check_names import CARRIED, Measure

Floats = npt.NDArray[np.float64]

DAYS = 440
"""Days that the counts may reach back to, the last one included: those of last year's look-back too."""
HOURS = 24
_DAY_HOURS = 24.0


@dataclass(frozen=True)
class Series:
    """One measure, day by day.

    Attributes:
        value: per day, DAYS of them, the latest last: how many events, or how much.
        of: per day, what the value is a part of, or the events it is the sum of.
    """

    source: str
    measure: Measure
    part: str
    value: Floats
    of: Floats

    @property
    def name(self) -> str:
        """The name of its check, `channel email of web`.

        >>> Series("web", Measure.CHANNEL, "email", np.zeros(1), np.zeros(1)).name
        'channel email of web'
        """
        return (
            f"{self.measure} {self.part} of {self.source}"
            if self.part
            else f"{self.measure} of {self.source}"
        )


@dataclass(frozen=True)
class Measures:
    """Every measure of the sources, and the hours at which their events happen.

    Attributes:
        last_day: the last one that is over; no event of a later one is counted.
        hours: per source, events by day and hour of the local clock: DAYS x 24.
    """

    last_day: date
    series: tuple[Series, ...]
    hours: dict[str, Floats]

    def place(self, day: date) -> int:
        """Where a day stands in the series."""
        return DAYS - 1 - (self.last_day - day).days

    def day(self, place: int) -> date:
        """The day that stands there."""
        return self.last_day - timedelta(days=DAYS - 1 - place)

    def events(self, source: str) -> Floats:
        """Events of a source by day."""
        return np.asarray(self.hours[source].sum(axis=1))


def daily_measures(
    counts: pl.DataFrame, stages: pl.DataFrame, sources: Iterable[str], last_day: date
) -> Measures:
    """The measures of all sources.

    Args:
        counts: rows of `int_daily_counts`.
        stages: rows of `int_daily_stages`.
        sources: their names; one without a row has no events on any day.
        last_day: the last one counted.
    """
    local = pl.from_epoch("local_hour_us", time_unit="us")
    placed = counts.with_columns(_place(local.dt.date(), last_day), local.dt.hour().alias("hour"))
    hours = {source: np.zeros((DAYS, HOURS)) for source in sources}
    by_hour = placed.group_by("source", "place", "hour").agg(pl.col("events").sum())
    for source, place, hour, events in by_hour.iter_rows():
        hours[source][place, hour] = events
    found = Measures(last_day, (), hours)
    staged = stages.with_columns(_place(pl.col("occurred_date"), last_day))
    series = (
        *(Series(source, Measure.EVENTS, "", found.events(source), np.ones(DAYS)) for source in hours),
        *_parts(placed, Measure.CHANNEL, "channel"),
        *_parts(placed, Measure.EVENT, "event_name"),
        *_parts(staged, Measure.STAGE, "stage"),
        *_missing(placed),
        *_money(placed),
        *_freshness(placed, found),
    )
    return Measures(last_day, series, hours)


def _place(day: pl.Expr, last_day: date) -> pl.Expr:
    return (DAYS - 1 - (pl.lit(last_day) - day).dt.total_days()).cast(pl.Int64).alias("place")


def _vectors(frame: pl.DataFrame, *columns: str) -> tuple[Floats, ...]:
    """Columns of one row per place as vectors of all days, 0 where there is no row."""
    vectors = []
    for column in columns:
        vector = np.zeros(DAYS)
        vector[frame["place"].to_numpy()] = frame[column].cast(pl.Float64).to_numpy()
        vectors.append(vector)
    return tuple(vectors)


def _groups(frame: pl.DataFrame, *keys: str) -> Iterator[tuple[tuple[str, ...], pl.DataFrame]]:
    parts = frame.sort(keys).partition_by(keys, as_dict=True, maintain_order=True)
    yield from ((tuple(str(key) for key in found), rows) for found, rows in parts.items())


def _parts(placed: pl.DataFrame, measure: Measure, column: str) -> Iterator[Series]:
    """The events of each part of a source, of all its events."""
    events = pl.col("events").sum()
    totals = {
        source: _vectors(rows, "events")[0]
        for (source,), rows in _groups(placed.group_by("source", "place").agg(events), "source")
    }
    for (source, part), rows in _groups(
        placed.group_by("source", column, "place").agg(events), "source", column
    ):
        yield Series(source, measure, part, _vectors(rows, "events")[0], totals[source])


def _missing(placed: pl.DataFrame) -> Iterator[Series]:
    """Of each event name the events without a value, column by column; none where all of them carry it."""
    columns = ["events", *CARRIED.values()]
    summed = placed.group_by("source", "event_name", "place").agg(pl.col(columns).sum())
    for (source, event_name), rows in _groups(summed, "source", "event_name"):
        (events,) = _vectors(rows, "events")
        for column, carried in CARRIED.items():
            missing = events - _vectors(rows, carried)[0]
            if missing.any():
                yield Series(source, Measure.MISSING, f"{column} in {event_name}", missing, events)


def _money(placed: pl.DataFrame) -> Iterator[Series]:
    """Revenue by event that has one, and how many of these are negative."""
    columns = ["revenues", "negative_revenues", "revenue"]
    summed = placed.group_by("source", "place").agg(pl.col(columns).sum())
    for (source,), rows in _groups(summed, "source"):
        revenues, negative, revenue = _vectors(rows, *columns)
        if revenues.any():
            yield Series(source, Measure.REVENUE, "", revenue, revenues)
            yield Series(source, Measure.NEGATIVE, "", negative, revenues)


def _freshness(placed: pl.DataFrame, found: Measures) -> Iterator[Series]:
    """Hours from the last event of a day to the day's end; a day without one adds its own hours."""
    last = placed.group_by("source", "place").agg((pl.col("last_local_us").max() % _DAY_US).alias("last"))
    lasts = {source: _vectors(rows, "last")[0] for (source,), rows in _groups(last, "source")}
    for source in found.hours:
        silent = np.zeros(DAYS)
        has_events = found.events(source) > 0
        since = np.inf
        for place in range(DAYS):
            since = _DAY_HOURS - lasts[source][place] / _HOUR_US if has_events[place] else since + _DAY_HOURS
            silent[place] = since
        yield Series(source, Measure.FRESHNESS, "", silent, np.ones(DAYS))


_HOUR_US = 3_600_000_000
_DAY_US = HOURS * _HOUR_US
