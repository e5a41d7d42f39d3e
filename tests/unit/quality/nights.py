"""Made-up measures of many nights, for simulations: sources of several sizes, weekdays, seasons, holidays.

Belongs here: how clean days swing. Nothing of it is taken from what the gates assume: events come in visits,
volumes and shares have noise of their own from day to day on top of counting, and grow.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from journey_analytics.quality.check_names import ALL_SOURCES, Measure
from journey_analytics.quality.learned import Verdict, judge
from journey_analytics.quality.measures import DAYS, HOURS, Floats, Measures, Series
from journey_analytics.quality.profiles import judge_hours
from journey_analytics.quality.unusual_days import black_friday

SIZES = {"web": 9_000, "mail": 3_000, "orders": 700, "support": 150, "survey": 60, "referral": 15}
"""Events of a usual day."""
_VISIT = {"web": 6, "mail": 1, "orders": 3, "support": 2, "survey": 1, "referral": 1}
_WEEKDAYS = np.array([1.02, 0.98, 0.96, 0.98, 0.92, 1.05, 1.25])
_CHANNELS = {
    "email": 0.3,
    "paid_search": 0.25,
    "direct": 0.2,
    "organic": 0.15,
    "referral": 0.07,
    "unassigned": 0.03,
}
_STAGES = {"interest": 0.6, "consideration": 0.25, "purchase": 0.08, "usage": 0.06, "(unmapped)": 0.01}
_EVENTS = {"page_view": 0.7, "product": 0.2, "cart": 0.07, "order": 0.03}
_HOURS = np.array(
    [12, 6, 3, 2, 2, 4, 11, 22, 32, 40, 46, 49, 52, 50, 48, 48, 50, 54, 62, 72, 78, 70, 48, 26.0]
)


@dataclass
class Nights:
    """Measures of more days than a night looks at; `first` is the first of them."""

    first: date
    days: int
    hours: dict[str, Floats]
    series: list[Series]

    def until(self, day: date) -> Measures:
        """What the night of a day sees."""
        end = (day - self.first).days + 1
        seen = slice(end - DAYS, end)
        series = tuple(
            Series(one.source, one.measure, one.part, one.value[seen], one.of[seen]) for one in self.series
        )
        return Measures(day, series, {source: hours[seen] for source, hours in self.hours.items()})


def swing_of(day: date) -> float:
    """How far the whole shop swings on a holiday."""
    around = {(12, 24): 0.45, (12, 25): 0.35, (12, 26): 0.55, (12, 31): 0.6, (1, 1): 0.5}
    friday = (day - black_friday(day.year)).days
    return around.get((day.month, day.day), {-1: 1.3, 0: 2.4, 1: 1.7, 2: 1.5, 3: 2.0}.get(friday, 1.0))


def make_up(seed: int, last: date, nights: int, *, known_days: int = DAYS + 90) -> Nights:
    """Clean days up to `last`, enough to look back from each of the last `nights`.

    Args:
        seed: of the draws.
        last: the last night.
        nights: how many may be looked at.
        known_days: how long there has been data; DAYS + 90 is longer than a night looks back.
    """
    draw = np.random.default_rng(seed)
    days = DAYS + nights
    first = last - timedelta(days=days - 1)
    calendar = [first + timedelta(days=number) for number in range(days)]
    shop = np.array([_WEEKDAYS[day.weekday()] * swing_of(day) for day in calendar])
    shop *= np.array([1.25 if day.month >= 11 else 1.0 for day in calendar])
    shop *= np.exp(draw.normal(0, 0.04, days) + np.linspace(0, 0.25, days))
    shop[: max(days - known_days, 0)] = 0
    hours, series = {}, []
    for source, size in SIZES.items():
        visits = draw.poisson(shop * size / _VISIT[source] * np.exp(draw.normal(0, 0.03, days)))
        profile = _HOURS ** draw.uniform(0.6, 1.2)
        shares = profile / profile.sum() * np.exp(draw.normal(0, 0.05, (days, HOURS)))
        shares /= shares.sum(axis=1, keepdims=True)
        hours[source] = draw.multinomial(visits, shares).astype(float) * _VISIT[source]
        events = hours[source].sum(axis=1)
        series.append(Series(source, Measure.EVENTS, "", events, np.ones(days)))
        for measure, mix in (
            (Measure.CHANNEL, _CHANNELS),
            (Measure.STAGE, _STAGES),
            (Measure.EVENT, _EVENTS),
        ):
            weights = np.array(list(mix.values())) * np.exp(draw.normal(0, 0.12, (days, len(mix))))
            weights /= weights.sum(axis=1, keepdims=True)
            counts = draw.multinomial(visits, weights).astype(float) * _VISIT[source]
            series += [Series(source, measure, part, counts[:, n], events) for n, part in enumerate(mix)]
        for column, share in (("customer_ref", 0.4), ("device", 0.02), ("utm_source", 0.5)):
            missing = draw.binomial(visits, share * np.exp(draw.normal(0, 0.05, days))).astype(float)
            series.append(
                Series(source, Measure.MISSING, f"{column} in page_view", missing * _VISIT[source], events)
            )
        paid = draw.binomial(events.astype(int), 0.3).astype(float)
        revenue = np.array([draw.lognormal(3.5, 0.9, int(n)).sum() for n in np.minimum(paid, 400)])
        revenue *= paid / np.maximum(np.minimum(paid, 400), 1)
        series.append(Series(source, Measure.REVENUE, "", revenue, paid))
        series.append(
            Series(source, Measure.NEGATIVE, "", draw.binomial(paid.astype(int), 0.02).astype(float), paid)
        )
        silent = 24 - np.array([_last_hour(day, draw) for day in hours[source]])
        series.append(
            Series(source, Measure.FRESHNESS, "", np.where(events > 0, silent, np.inf), np.ones(days))
        )
    return Nights(first, days, hours, series)


def _last_hour(hours: Floats, draw: np.random.Generator) -> float:
    last = int(np.flatnonzero(hours)[-1]) if hours.any() else 0
    return last + float(draw.uniform(0, 1)) ** (1 / max(hours[last], 1))


def night(measures: Measures) -> list[Verdict]:
    """All that the learned gates say of the last day."""
    day, told = measures.last_day, []
    for source in measures.hours:
        told += [*judge(measures, source, day, [day]), *judge_hours(measures, source, day, [day])]
    return [*told, *judge(measures, ALL_SOURCES, day, [day])]
