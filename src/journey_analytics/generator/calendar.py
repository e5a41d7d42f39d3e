"""Days, hours and seasons: where in the period a visit falls, and from local time to UTC and back.

Times in this room are whole milliseconds, of UTC unless the name says `local`. Every day of the shop begins
at its own midnight, so a day may have 23 or 25 hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np

from journey_analytics.generator.behaviour import Calendar, Floats, Ints
from journey_analytics.local_days import end_of_day_us, to_us, utc_offsets

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Period:
    """The days from `first` on, in a zone."""

    first: date
    days: int
    zone: ZoneInfo

    @property
    def last(self) -> date:
        """The last day, included."""
        return self.day(self.days - 1)

    def day(self, number: int) -> date:
        """The day of this number, from 0."""
        return self.first + timedelta(days=number)

    @property
    def begin(self) -> int:
        """The first instant."""
        return end_of_day_us(self.first - timedelta(days=1), self.zone) // 1000

    @property
    def end(self) -> int:
        """The first instant after it."""
        return end_of_day_us(self.last, self.zone) // 1000

    @property
    def local_begin(self) -> int:
        """Its first midnight, as the shop's clocks show it, as if that were UTC."""
        return to_us(datetime(self.first.year, self.first.month, self.first.day, tzinfo=UTC)) // 1000

    def to_utc(self, local: Ints) -> Ints:
        """Instants of local times; one that no clock showed is an hour early, one shown twice the first."""
        changes = self._changes_utc[1:] + self._offsets[:-1]
        return np.asarray(local - self._offsets[np.searchsorted(changes, local, side="right")])

    def to_local(self, utc: Ints) -> Ints:
        """What the shop's clocks show."""
        return np.asarray(utc + self._offsets[np.searchsorted(self._changes_utc[1:], utc, side="right")])

    def day_numbers(self, utc: Ints) -> Ints:
        """The number of the local day of each instant."""
        return np.asarray((self.to_local(utc) - self.local_begin) // DAY_MS)

    @cached_property
    def _stretches(self) -> list[tuple[int, int, int]]:
        return utc_offsets(self.zone, self.begin * 1000, self.end * 1000).rows()

    @cached_property
    def _changes_utc(self) -> Ints:
        return np.array([begun // 1000 for begun, _, _ in self._stretches], dtype=np.int64)

    @cached_property
    def _offsets(self) -> Ints:
        return np.array([offset // 1000 for _, _, offset in self._stretches], dtype=np.int64)


def day_weights(period: Period, calendar: Calendar) -> Floats:
    """How busy each day of the period is."""
    return np.array([_weight(period.day(number), calendar) for number in range(period.days)])


def instants(period: Period, calendar: Calendar, position: Floats) -> Ints:
    """The instant at each position in [0, 1) of the period, where busy days and hours are wider."""
    hours = np.outer(day_weights(period, calendar), calendar.hours).ravel()
    edges = np.concatenate([[0.0], np.cumsum(hours)])
    times = period.local_begin + np.arange(edges.size) * HOUR_MS
    local = np.interp(position, edges / edges[-1], times).astype(np.int64)
    return np.clip(period.to_utc(local), period.begin, period.end - 1)


def _weight(day: date, calendar: Calendar) -> float:
    weight = calendar.weekdays[day.weekday()] * calendar.months[day.month - 1]
    weight *= calendar.days.get(day.strftime("%m-%d"), 1.0)
    # the day after the fourth Thursday of November
    is_black_friday = day.month == 11 and day.weekday() == 4 and 23 <= day.day <= 29
    return weight * (calendar.black_friday if is_black_friday else 1.0)
