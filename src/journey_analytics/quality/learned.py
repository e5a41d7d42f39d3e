"""Gates that learn: is a day like the same weekday of the eight weeks before it?

What is usual is the median of the eight, counts at the level of the last two weeks. How much a measure swings
is the median of its changes from one week to the next, over 56 days, and never less than counting alone
explains. Counts are compared by their square root and shares by their arcsine, where the noise of counting is
the same for large and small ones. A day is told to be unlike the others when its measure is

- further from the usual than the swings explain (`_Z`, in robust standard deviations), and
- further from it than a fixed effect (a factor for counts, an odds ratio and points for shares), and
- outside of what the same weekdays have shown, the farthest of them left out.

Counts may swing for reasons of the shop: they are taken as usual too when they follow the other sources, or
last year's swing around the same date, or when the day is known to be unusual.

Belongs here: limits and verdicts, as a pure function of the measures.
Does not belong here: the measures (measures.py), hours of the day (profiles.py), what a run does about a
verdict (staged.py).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from journey_analytics.quality.check_names import ALL_SOURCES, Measure
from journey_analytics.quality.measures import DAYS, Floats, Measures, Series
from journey_analytics.quality.unusual_days import is_unusual
from journey_analytics.touchpoints import UNASSIGNED_CHANNEL, UNMAPPED

WEEKS = 8
LEAST_WEEKS = 4
"""So many same weekdays must be known, or there is nothing to judge by."""
_RECENT_WEEKS = 2
_WEEK = 7
_HISTORY = WEEKS * _WEEK
_MAD_TO_SIGMA = 1.4826
_SIGMA_OF_A_CHANGE = 2**0.5
_LEAST_OF = 30
"""Shares of fewer events are not judged, nor how long a source with fewer a day is silent."""
_LEAST_USUAL = 20
"""Where fewer events are usual, a high count is judged by the highest of all 56 days."""
_LEAST_PAID = 10
_LEAST_SWING = 50
_MOST_SWING = 4.0
_YEAR_BEFORE = (364, 365, 366)

Level = Literal["warn", "fail"]
Unit = Literal["events", "share", "money", "hours", "evidence"]
LEVELS: tuple[Level, ...] = ("warn", "fail")


@dataclass(frozen=True)
class Limits:
    """What is usual: both included; None is no limit."""

    low: float | None
    high: float | None

    def holds(self, value: float) -> bool:
        """Whether the value is usual."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@dataclass(frozen=True)
class Verdict:
    """What a learned check says of one day.

    Attributes:
        level: how unlike the others the day is; None: it is like them, or there is nothing to judge by.
        usual: the median of the same weekdays; None when there are too few of them.
        limits: of a warning.
    """

    source: str
    name: str
    unit: Unit
    day: date
    value: float
    usual: float | None = None
    limits: Limits = Limits(None, None)
    level: Level | None = None
    note: str = ""


@dataclass(frozen=True)
class _Rule:
    """The effect that a measure must have, a factor down and one up; None: that way is not judged."""

    down: float | None
    up: float | None
    points: float = 0.0


_Z: Mapping[Level, float] = {"warn": 6.0, "fail": 7.5}
_Z_OF_COUNTS: Mapping[Level, float] = {"warn": 5.0, "fail": 5.5}
"""Few checks are of counts, so that they may be sharper than the many of shares."""
_RULES: Mapping[Measure, Mapping[Level, _Rule]] = {
    Measure.EVENTS: {"warn": _Rule(0.65, 1.6), "fail": _Rule(0.6, 1.7)},
    # the odds of a part that falls; what comes instead is no fault of the part
    Measure.CHANNEL: {"warn": _Rule(1 / 4, None), "fail": _Rule(1 / 8, None)},
    Measure.STAGE: {"warn": _Rule(1 / 4, None), "fail": _Rule(1 / 8, None)},
    Measure.EVENT: {"warn": _Rule(1 / 4, None), "fail": _Rule(1 / 8, None)},
    Measure.MISSING: {"warn": _Rule(None, 2.0, 0.01), "fail": _Rule(None, 3.0, 0.02)},
    Measure.NEGATIVE: {"warn": _Rule(None, 2.0, 0.01), "fail": _Rule(None, 3.0, 0.02)},
    Measure.REVENUE: {"warn": _Rule(1 / 1.7, 1.7), "fail": _Rule(1 / 2.5, 2.5)},
}
_WORTH_WATCHING: Mapping[tuple[Measure, str], Mapping[Level, _Rule]] = {
    (Measure.CHANNEL, UNASSIGNED_CHANNEL): {"warn": _Rule(None, 2.5, 0.05), "fail": _Rule(None, 5.0, 0.15)},
    (Measure.STAGE, UNMAPPED): {"warn": _Rule(None, 2.0, 0.03), "fail": _Rule(None, 4.0, 0.1)},
}
"""Parts that everything falls into which is not understood: they are to stay small."""
_UNITS: Mapping[Measure, Unit] = {
    Measure.EVENTS: "events",
    Measure.REVENUE: "money",
    Measure.FRESHNESS: "hours",
}
_FRESHNESS: Mapping[Level, tuple[float, float]] = {"warn": (4.0, 3.0), "fail": (8.0, 6.0)}
"""Times the usual silence, and hours more than the longest of 56 days."""


def judge(
    measures: Measures,
    source: str,
    day: date,
    judged: Collection[date],
    own_unusual: Collection[date] = (),
    incomplete: Collection[str] = (),
) -> list[Verdict]:
    """What the series of a source say of one day; one verdict for all of them when there is no history.

    Args:
        measures: of all sources.
        source: the one whose day it is, or ALL_SOURCES for their sum.
        day: one with eight weeks of the measures' days before it.
        judged: the days being judged, which are nobody's history.
        own_unusual: the project's own unusual days.
        incomplete: sources of which events of the day are still to come; the others are not measured by them.
    """
    look = _Look(measures, day, judged, own_unusual)
    if source == ALL_SOURCES:
        total = np.sum([measures.events(name) for name in measures.hours], axis=0)
        return [look.count(Series(ALL_SOURCES, Measure.EVENTS, "", total, np.ones(total.size)), None)]
    series = [found for found in measures.series if found.source == source]
    events = next(found for found in series if found.measure is Measure.EVENTS)
    verdicts = [
        look.count(
            events, look.swing_of([name for name in measures.hours if name not in (source, *incomplete)])
        )
    ]
    if verdicts[0].usual is None:
        return verdicts
    return [*verdicts, *(found for one in series if (found := look.at(one)) is not None)]


class _Look:
    """One day and what came before it."""

    def __init__(
        self, measures: Measures, day: date, judged: Collection[date], own_unusual: Collection[date]
    ) -> None:
        self.measures = measures
        self.day = day
        self.place = measures.place(day)
        self.unusual = is_unusual(day) or day in own_unusual
        # days that are anybody's history
        self.open = np.array(
            [
                not (is_unusual(other) or other in own_unusual or other in judged)
                for other in map(measures.day, range(DAYS))
            ]
        )

    def at(self, series: Series) -> Verdict | None:
        """The verdict on a measure other than the count of events; None when it cannot be judged."""
        if series.measure is Measure.FRESHNESS:
            return self._freshness(series)
        rules = _WORTH_WATCHING.get((series.measure, series.part)) or _RULES.get(series.measure)
        if rules is None:
            return None
        return self._mean(series, rules) if series.measure is Measure.REVENUE else self._share(series, rules)

    def count(self, series: Series, swing: float | None) -> Verdict:
        """The verdict on a count of events.

        Args:
            series: the counts.
            swing: what the other sources came to, of what is usual for them.
        """
        value = float(series.value[self.place])
        weeks = self._weeks(series.value, self.place, _known_from(series.value))
        same = weeks[:, 0][~np.isnan(weeks[:, 0])]
        if same.size < LEAST_WEEKS:
            note = f"not enough history: {same.size} of the {LEAST_WEEKS} {self.day:%A}s it takes"
            return Verdict(series.source, series.name, "events", self.day, value, note=note)
        same *= _recently(weeks)
        usual = float(np.median(same))
        spread = _spread(np.diff(_root(weeks), axis=0))
        factors = [1.0, *([swing] if swing else []), *self._year_before(series)]
        if self.unusual:
            # then the sources swing each its own way, but not as far from each other as from other days
            factors += [swing / 2, swing * 2] if swing else [1 / _MOST_SWING, _MOST_SWING]
        everything = weeks[~np.isnan(weeks)]

        def limits(level: Level) -> Limits:
            rule, away = _RULES[Measure.EVENTS][level], _Z_OF_COUNTS[level] * spread
            least, most = usual * min(factors), usual * max(factors)
            down, up = rule.down or 0.0, rule.up or 0.0
            low = min(_unroot(_root(least) - away), least * down, _second(same, lowest=True))
            high = max(_unroot(_root(most) + away), most * up, _second(same, lowest=False))
            if usual < _LEAST_USUAL:
                high = max(high, 2 * float(everything.max()))
            return Limits(low if low > 0 else None, high)

        return self._told(series, value, usual, limits)

    def swing_of(self, others: Collection[str]) -> float | None:
        """What other sources surely came to, of the usual: the one in the middle, or the one nearer to 1."""
        swings = []
        for other in others:
            events = self.measures.events(other)
            weeks = self._weeks(events, self.place, _known_from(events))
            usual = self._usual(events, self.place)
            if usual is not None and usual >= _LEAST_SWING:
                swing = float(np.log(max(events[self.place], 1.0) / usual))
                noise = 2 * _spread(np.diff(_root(weeks), axis=0)) / np.sqrt(usual)
                swings.append(float(np.sign(swing)) * max(abs(swing) - noise, 0.0))
        if not swings:
            return None
        swings.sort()
        middle = min(swings[(len(swings) - 1) // 2 : len(swings) // 2 + 1], key=abs)
        return float(np.clip(np.exp(middle), 1 / _MOST_SWING, _MOST_SWING))

    def _share(self, series: Series, rules: Mapping[Level, _Rule]) -> Verdict | None:
        value, of = series.value[self.place], series.of[self.place]
        values, ofs = self._weeks(series.value, self.place, 0), self._weeks(series.of, self.place, 0)
        ofs = np.where(ofs >= _LEAST_OF, ofs, np.nan)
        shares = values / ofs
        same = shares[:, 0][~np.isnan(shares[:, 0])]
        if of < _LEAST_OF or same.size < LEAST_WEEKS:
            return None
        usual = float(np.median(same))
        if series.measure is Measure.MISSING and usual > 0.5:
            return None
        # of two days, so many as count like them both
        both = np.sqrt(2 / (1 / ofs[1:] + 1 / ofs[:-1]))
        spread = _spread(np.diff(_angle(shares), axis=0) * both)

        def limits(level: Level) -> Limits:
            rule, away = rules[level], _Z[level] * spread / np.sqrt(of)
            low = high = None
            if rule.down is not None:
                low = min(_unangle(_angle(usual) - away), _with_odds(usual, rule.down))
                low = min(low, _second(same, lowest=True))
                low = low if low > 0.5 / of else None
            if rule.up is not None:
                high = max(_unangle(_angle(usual) + away), _with_odds(usual, rule.up), usual + rule.points)
                high = max(high, _second(same, lowest=False))
            return Limits(low, high)

        return self._told(series, float(value / of), usual, limits)

    def _mean(self, series: Series, rules: Mapping[Level, _Rule]) -> Verdict | None:
        value, of = series.value[self.place], series.of[self.place]
        values, ofs = self._weeks(series.value, self.place, 0), self._weeks(series.of, self.place, 0)
        means = np.where((ofs >= _LEAST_PAID) & (values > 0), values / np.maximum(ofs, 1), np.nan)
        known = means[~np.isnan(means)]
        if of < _LEAST_PAID or known.size < LEAST_WEEKS * 2:
            return None
        usual = float(np.median(known))
        typical_of = float(np.nanmedian(np.where(np.isnan(means), np.nan, ofs)))
        spread = _MAD_TO_SIGMA * float(np.median(np.abs(np.log(known / usual))))
        spread *= max(1.0, np.sqrt(typical_of / of))

        def limits(level: Level) -> Limits:
            away = float(np.exp(_Z[level] * spread))
            down, up = rules[level].down or 0.0, rules[level].up or np.inf
            low, high = min(usual / away, usual * down), max(usual * away, usual * up)
            return Limits(min(low, _second(known, lowest=True)), max(high, _second(known, lowest=False)))

        return self._told(series, float(value / of), usual, limits)

    def _freshness(self, series: Series) -> Verdict | None:
        weeks = self._weeks(series.value, self.place, _known_from(np.where(np.isinf(series.value), 0, 1)))
        known = weeks[~np.isnan(weeks)]
        if np.median(self.measures.events(series.source)[self.place - _HISTORY : self.place]) < _LEAST_OF:
            return None
        usual = float(np.median(known))

        def limits(level: Level) -> Limits:
            times, hours = _FRESHNESS[level]
            return Limits(None, max(times * usual, float(known.max()) + hours))

        return self._told(series, float(series.value[self.place]), usual, limits)

    def _told(self, series: Series, value: float, usual: float, limits: Callable[[Level], Limits]) -> Verdict:
        unlike = [level for level in LEVELS if not limits(level).holds(value)]
        level = unlike[-1] if unlike else None
        unit = _UNITS.get(series.measure, "share")
        return Verdict(series.source, series.name, unit, self.day, value, usual, limits("warn"), level)

    def _weeks(self, values: Floats, place: int, known_from: int) -> Floats:
        """The 56 days before a place as weeks x weekdays, its own weekday first; NaN: no history."""
        days = np.arange(place - _HISTORY, place)
        found = np.where(self.open[days] & (days >= known_from), values[days], np.nan)
        return found.reshape(WEEKS, _WEEK)

    def _usual(self, values: Floats, place: int) -> float | None:
        weeks = self._weeks(values, place, _known_from(values))
        same = weeks[:, 0][~np.isnan(weeks[:, 0])]
        return float(np.median(same)) * _recently(weeks) if same.size >= LEAST_WEEKS else None

    def _year_before(self, series: Series) -> list[float]:
        """What the days around a year before came to, of what was usual then."""
        factors = []
        for days in _YEAR_BEFORE:
            then = self.place - days
            usual = self._usual(series.value, then)
            if usual is not None and usual >= _LEAST_USUAL:
                factors.append(max(float(series.value[then]), 1.0) / usual)
        return factors


def _recently(weeks: Floats) -> float:
    """What the last two weeks came to, of the usual: a shop grows, and months differ."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a weekday without history
        usual = np.nanmedian(weeks, axis=0)
    ratios = weeks[-_RECENT_WEEKS:] / np.where(usual >= _LEAST_USUAL, usual, np.nan)
    ratios = ratios[~np.isnan(ratios)]
    return float(np.clip(np.median(ratios), 0.5, 2.0)) if ratios.size > _WEEK // 2 else 1.0


def _known_from(values: Floats) -> int:
    """The place of the first day with a value."""
    return int(np.argmax(values > 0)) if (values > 0).any() else values.size


def _spread(changes: Floats) -> float:
    """Robust standard deviation of a day, in units of the noise of counting, which is the least."""
    known = changes[~np.isnan(changes)]
    swings = float(np.median(np.abs(known))) if known.size else 0.0
    return max(1.0, _MAD_TO_SIGMA * swings / _SIGMA_OF_A_CHANGE)


def _second(values: Floats, *, lowest: bool) -> float:
    """The lowest or highest but one, so that one bad day of the past hides none of today."""
    ordered = np.sort(values)
    return float(ordered[1] if lowest else ordered[-2])


def _root(count: Floats | float) -> Floats:
    """Counts on a scale on which counting has standard deviation 1 (Anscombe)."""
    return 2 * np.sqrt(np.asarray(count) + 0.375)


def _unroot(root: Floats | float) -> float:
    return max(float(root) / 2, 0.0) ** 2 - 0.375


def _angle(share: Floats | float) -> Floats:
    """Shares on a scale on which counting has standard deviation 1 / sqrt(n)."""
    return np.asarray(2 * np.arcsin(np.sqrt(np.asarray(share))))


def _unangle(angle: Floats | float) -> float:
    return float(np.sin(np.clip(angle, 0, np.pi) / 2) ** 2)


def _with_odds(share: float, factor: float) -> float:
    """The share whose odds are so many times those of the given one."""
    return share * factor / (1 - share + share * factor)
