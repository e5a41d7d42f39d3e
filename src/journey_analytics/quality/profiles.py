"""The hours of a day: are its events spread over the day as they were before, and by the same clock?

Belongs here: a day's profile beside that of earlier days. Does not belong here: how many events there are
(learned.py).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date

import numpy as np

from journey_analytics.quality.check_names import Measure
from journey_analytics.quality.learned import LEAST_WEEKS, Level, Limits, Unit, Verdict
from journey_analytics.quality.measures import HOURS, Floats, Measures
from journey_analytics.quality.unusual_days import is_unusual

_LEAST_EVENTS = 100
_WEEKS, _WEEK = 8, 7
_SHIFTS = [hours for hours in range(-HOURS // 2 + 1, HOURS // 2 + 1) if hours]
_AWAY: dict[Level, float] = {"warn": 0.15, "fail": 0.25}
"""Share of the events that lie in other hours than usual, beyond what chance and the past explain."""
_GAIN: dict[Level, float] = {"warn": 8.0, "fail": 10.0}
"""Log-likelihood by which another clock explains the hours better, in units of the day's own dispersion."""


def judge_hours(
    measures: Measures, source: str, day: date, judged: Collection[date], own_unusual: Collection[date] = ()
) -> list[Verdict]:
    """Whether the events of a day are spread over its hours as before (`hours`), by the same clock (`clock`).

    Nothing is said of a day with few events, without history, or known to be unusual.
    """
    if is_unusual(day) or day in own_unusual:
        return []
    place, hours = measures.place(day), measures.hours[source]
    closed = {measures.place(other) for other in judged}
    places = [
        p for p in range(place - _WEEKS * _WEEK, place) if p not in closed and hours[p].sum() >= _LEAST_EVENTS
    ]
    same = [p for p in places if (place - p) % _WEEK == 0]
    if hours[place].sum() < _LEAST_EVENTS or len(same) < LEAST_WEEKS:
        return []
    by_weekday = _likelihood(hours, same, [[p for p in same if p != one] for one in same])
    by_all = _likelihood(hours, same, [[p for p in places if p != one] for one in same])
    alike = 1 if by_all > by_weekday else _WEEK
    past = [
        (hours[p], _profile(hours, [q for q in places if q != p and (q - p) % alike == 0])) for p in places
    ]
    usual = _profile(hours, [p for p in places if (place - p) % alike == 0])
    return [_hours(source, day, hours[place], usual, past), _clock(source, day, hours[place], usual, past)]


def _profile(hours: Floats, places: list[int]) -> Floats:
    """Shares of the hours, each day counted alike; one event in 20 may come at any hour."""
    days = hours[places]
    shares = (days / days.sum(axis=1, keepdims=True)).mean(axis=0) if places else np.ones(HOURS) / HOURS
    return np.asarray(0.95 * shares + 0.05 / HOURS)


def _likelihood(hours: Floats, places: list[int], likes: list[list[int]]) -> float:
    """How well the profiles of other days foretell these days."""
    return sum(
        float(hours[place] @ np.log(_profile(hours, like))) for place, like in zip(places, likes, strict=True)
    )


def _hours(
    source: str, day: date, today: Floats, usual: Floats, past: list[tuple[Floats, Floats]]
) -> Verdict:
    value = _distance(today, usual)
    before = np.array([_distance(*one) * np.sqrt(one[0].sum() / today.sum()) for one in past])
    typical, highest = float(np.median(before)), float(np.sort(before)[-2])
    limits = {level: Limits(None, max(highest, typical + away)) for level, away in _AWAY.items()}
    return _verdict(f"{Measure.HOURS} of {source}", "share", source, day, value, typical, limits)


def _distance(hours: Floats, profile: Floats) -> float:
    """Share of the events that would have to lie in another hour."""
    return float(np.abs(hours / hours.sum() - profile).sum() / 2)


def _clock(
    source: str, day: date, today: Floats, usual: Floats, past: list[tuple[Floats, Floats]]
) -> Verdict:
    shift, gain = _best_shift(today, usual)
    # events come in visits, so that they say less than as many that come alone
    dispersion = max(1.0, float(np.median([_chi_square(*one) for one in past])) / (HOURS - 1))
    gains = [_best_shift(*one)[1] / dispersion for one in past]
    highest = float(np.sort(gains)[-2])
    limits = {level: Limits(None, max(highest, least)) for level, least in _GAIN.items()}
    verdict = _verdict(
        f"{Measure.CLOCK} of {source}", "evidence", source, day, gain / dispersion, 0.0, limits
    )
    if verdict.level is None:
        return verdict
    way = "later" if shift > 0 else "earlier"
    note = f"its events lie {abs(shift)} hour{'s' if abs(shift) > 1 else ''} {way} than on other days"
    return replace(verdict, note=note)


def _best_shift(hours: Floats, profile: Floats) -> tuple[int, float]:
    """By how many hours the profile explains the day best, and how much better than as it is."""
    as_it_is = float(hours @ np.log(profile))
    likelihood = {
        shift: max(float(hours @ np.log(moved)) for moved in _moved(profile, shift)) for shift in _SHIFTS
    }
    best = max(likelihood, key=lambda shift: likelihood[shift])
    return best, max(likelihood[best] - as_it_is, 0.0)


def _moved(profile: Floats, shift: int) -> tuple[Floats, Floats]:
    """The profile by another clock: every day, or today: then nothing came over from a day beside it."""
    every_day = np.roll(profile, shift)
    today = every_day.copy()
    today[slice(shift) if shift > 0 else slice(shift, None)] = profile.min()
    return every_day, today / today.sum()


def _chi_square(hours: Floats, profile: Floats) -> float:
    expected = profile * hours.sum()
    return float(((hours - expected) ** 2 / expected).sum())


def _verdict(
    name: str, unit: Unit, source: str, day: date, value: float, usual: float, limits: dict[Level, Limits]
) -> Verdict:
    unlike = [level for level, limit in limits.items() if not limit.holds(value)]
    return Verdict(source, name, unit, day, value, usual, limits["warn"], unlike[-1] if unlike else None)
