"""Has a rate changed: every stretch of the last weeks against the same weekdays of the weeks before.

A cell (a stage and channel) is a row of daily counts: journeys that reached the stage, and those of them
that went on. Each weekday has the rate that the eight days of that name had in the baseline. Days differ by
more than chance alone: the variance is that of the binomial times the dispersion of the baseline's days
(quasibinomial: P. McCullagh, J. A. Nelder, Generalized linear models, 1989, section 4.5; dispersion.py),
and the rates of the baseline are themselves uncertain. Every stretch of days in the window is scored by the
signed root of its deviance from what the baseline lets expect; the best of those that end in the last
week is where the change began and ended (the scan of M. Kulldorff, A spatial scan statistic, 1997, in one
dimension): what was over before then was told when it was news. Its p-value pays for as many looks as there
are stretches of each length in the whole window that share no day, since others say nearly the same, and
nights look again and again (the tests hold that against simulated cells, one night and thirty); the cells'
q-values are those of Benjamini and Hochberg, of weighted p-values (weights.py).

Belongs here: formulas on arrays. Does not belong here: which cells there are (cells.py), causes (slices.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from journey_analytics.alerts.dispersion import moderated
from journey_analytics.alerts.period import BASELINE_DAYS, TREND_DAYS, WEEK, WINDOW_DAYS
from journey_analytics.alerts.weights import FALL, FALL_DAYS
from journey_analytics.statistics import Z_95, Floats

Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]

FEWEST_BASELINE_DAYS = 28
"""With fewer days that had journeys there is nothing to compare with."""
FEWEST_CONTINUED = 20
"""Where fewer go on in a usual week no fall could be told from chance, and asking would cost the others."""
FEWEST_JOURNEYS = 100
"""A stretch with fewer journeys is too small to be called a change."""
SMALLEST_EFFECT = 0.05
"""A change by less than this share of the journeys that should have gone on, or dropped off, is no alert."""
ALERT_Q = 0.15
"""Cells with a smaller q-value are alerts: at most this share of them is expected to be false."""
LOOKS = sum(WINDOW_DAYS // length for length in range(1, WINDOW_DAYS + 1))
"""How many stretches of the window share no day with another of their length."""
LEVEL = ALERT_Q / LOOKS
"""The p-value of one stretch that would be an alert if there were one cell alone."""
_STILL = 3.84
"""A change lasts unless the days after it fit the baseline better, by this much deviance (95 %)."""


@dataclass(frozen=True)
class Baseline:
    """What each day of the period lets expect, by cell (rows) and day (columns).

    Attributes:
        rates: share expected to go on, of the day's weekday.
        uncertainty: by cell and weekday, variance of that rate.
        dispersion: by cell, how many times as much the days differ as chance alone would make them, from 1.
        freedom: by cell, degrees of freedom that the dispersion is known with; 0: not to be tested.
    """

    rates: Floats
    uncertainty: Floats
    dispersion: Floats
    freedom: Floats


@dataclass(frozen=True)
class Stretches:
    """One stretch of the window per cell, and how it differs from the baseline.

    Attributes:
        first: number of its first day in the period.
        last: number of its last day, included.
        reached: journeys that reached the stage in it.
        continued: those of them that went on.
        expected: how many should have gone on.
        variance: of `expected - continued` if nothing changed.
        dispersion: of the cell.
        score: signed root of its deviance, in standard deviations; positive: fewer went on.
    """

    first: Ints
    last: Ints
    reached: Floats
    continued: Floats
    expected: Floats
    variance: Floats
    dispersion: Floats
    score: Floats

    @property
    def rate(self) -> Floats:
        """The early drop-off rate."""
        return 1.0 - _ratio(self.continued, self.reached)

    @property
    def baseline_rate(self) -> Floats:
        """The early drop-off rate expected."""
        return 1.0 - _ratio(self.expected, self.reached)

    @property
    def excess(self) -> Floats:
        """Journeys that dropped off beyond expectation."""
        return self.expected - self.continued

    @property
    def change(self) -> tuple[Floats, Floats, Floats]:
        """Rate - baseline_rate, with its 95 % interval."""
        change = self.rate - self.baseline_rate
        before = self.baseline_rate * (1.0 - self.baseline_rate)
        now = self.rate * (1.0 - self.rate)
        # the stretch varies as it is now, the baseline as it was
        variance = self.variance + self.dispersion * self.reached * (now - before)
        half = Z_95 * _ratio(np.sqrt(np.maximum(variance, 0.0)), self.reached)
        return change, change - half, change + half


def fit_baseline(reached: Floats, continued: Floats, groups: Ints) -> Baseline:
    """The baseline of each cell from its first 56 days.

    Args:
        reached: journeys by cell and day of the period, its last day last; 77 days.
        continued: those of them that went on.
        groups: number of the group of cells whose days differ alike (dispersion.py).
    """
    shape = (len(reached), BASELINE_DAYS // WEEK, WEEK)
    n = reached[:, :BASELINE_DAYS].reshape(shape)
    k = continued[:, :BASELINE_DAYS].reshape(shape)
    pooled = (k.sum(axis=(1, 2)) + 0.5) / (n.sum(axis=(1, 2)) + 1.0)
    # one journey more on every weekday, at the rate of all days, keeps rates off 0 and 1
    rates = (k.sum(axis=1) + pooled[:, None]) / (n.sum(axis=1) + 1.0)
    spread = rates * (1.0 - rates)
    pearson = ((k - n * rates[:, None, :]) ** 2 / np.maximum(n * spread[:, None, :], 1e-9)).sum(axis=(1, 2))
    days = (n > 0).sum(axis=(1, 2))
    freedom = np.asarray(days - (n.sum(axis=1) > 0).sum(axis=1), dtype=np.float64)
    weekly = k.sum(axis=(1, 2)) / np.maximum(days, 1) * WEEK
    is_tested = (days >= FEWEST_BASELINE_DAYS) & (weekly >= FEWEST_CONTINUED)
    dispersion, freedom = moderated(
        _ratio(pearson, freedom),
        np.where(is_tested, freedom, 0.0),
        n.sum(axis=(1, 2)) / np.maximum(days, 1),
        groups,
    )
    dispersion = np.maximum(dispersion, 1.0)
    uncertainty = dispersion[:, None] * spread / (n.sum(axis=1) + 1.0)
    places = np.arange(TREND_DAYS) % WEEK
    return Baseline(rates[:, places], uncertainty, dispersion, freedom)


class Series:
    """The daily counts of some cells, summed up so that any stretch of days is looked up at once.

    Args:
        reached: journeys by cell and day of the period, 77 days, the as-of day last.
        continued: those of them that went on.
        baseline: what to expect of them.
    """

    def __init__(self, reached: Floats, continued: Floats, baseline: Baseline) -> None:
        self.baseline = baseline
        expected = reached * baseline.rates
        by_weekday = np.zeros((*reached.shape, WEEK))
        days = np.arange(TREND_DAYS)
        by_weekday[:, days, days % WEEK] = reached
        self._reached, self._continued, self._expected = map(_sums, (reached, continued, expected))
        self._variance = _sums(expected * (1.0 - baseline.rates) * baseline.dispersion[:, None])
        self._by_weekday = _sums(by_weekday)
        has_any = reached > 0
        self.last_day: Ints = np.where(
            has_any.any(axis=1), TREND_DAYS - 1 - np.argmax(has_any[:, ::-1], axis=1), TREND_DAYS - 1
        )

    def stretch(self, first: Ints, last: Ints) -> Stretches:
        """The days from `first` to `last`, both by cell and included; or a row of them for each cell."""
        cell = np.arange(len(self._reached)).reshape((-1, *(1,) * (first.ndim - 1)))

        def between(sums: Floats) -> Floats:
            return np.asarray(sums[cell, last + 1] - sums[cell, first])

        reached, continued, expected = map(between, (self._reached, self._continued, self._expected))
        of_baseline = (between(self._by_weekday) ** 2 * self.baseline.uncertainty[cell]).sum(axis=-1)
        by_chance = between(self._variance)
        variance = by_chance + of_baseline
        dispersion = np.broadcast_to(self.baseline.dispersion[cell], reached.shape)
        root = signed_root(reached, continued, expected)
        # the root knows chance alone: dispersion and the baseline's own uncertainty make it smaller
        score = root * np.sqrt(_ratio(by_chance, dispersion * variance))
        return Stretches(first, last, reached, continued, expected, variance, dispersion, score)


def fall(series: Series) -> tuple[Stretches, Floats]:
    """The stretch of the window in which each cell lost most, and its p-value.

    Stretches with fewer than FEWEST_JOURNEYS count as none, and so do those that began with a worse one which
    was over before the last seven days with journeys. The p-value is one-sided and pays for all stretches of
    the window; it is 1 where there is nothing to compare with. A stretch is taken to last until the last day
    with journeys unless the days after it are rather like the baseline again.
    """
    begins, ends = (place + BASELINE_DAYS for place in np.triu_indices(WINDOW_DAYS))
    cells = len(series.last_day)
    first, last = (np.broadcast_to(places, (cells, places.size)) for places in (begins, ends))
    every = series.stretch(first, last)
    score = np.where(every.reached >= FEWEST_JOURNEYS, every.score, -np.inf)
    # stretches of one beginning stand together, the shortest first
    alike = np.flatnonzero(begins == ends)
    worst = np.repeat(np.maximum.reduceat(score, alike, axis=1), np.arange(WINDOW_DAYS, 0, -1), axis=1)
    score[(score < worst) | (last <= series.last_day[:, None] - WEEK)] = -np.inf
    # among equal ones the first
    place = np.argmax(score, axis=1)
    best = score[np.arange(cells), place]
    freedom = series.baseline.freedom
    p_value = np.minimum(stats.t.sf(best, np.maximum(freedom, 1)) * LOOKS, 1.0)
    found = series.stretch(begins[place], _lasting(series, begins[place], ends[place]))
    return found, np.where((freedom > 0) & np.isfinite(best), p_value, 1.0)


def _lasting(series: Series, first: Ints, last: Ints) -> Ints:
    """The last day of each stretch, moved on to the last day with journeys where the change still lasts."""
    found = series.stretch(first, last)
    after = np.minimum(last + 1, series.last_day)
    rest = series.stretch(after, series.last_day)
    changed = rest.expected * _ratio(found.continued, found.expected)
    gain = deviance(rest.reached, rest.continued, changed) - deviance(
        rest.reached, rest.continued, rest.expected
    )
    is_over = (last < series.last_day) & (gain > _STILL * rest.dispersion)
    return np.where(is_over, last, np.maximum(last, series.last_day))


def recent(series: Series) -> Stretches:
    """The last seven days with journeys of each cell."""
    first = np.maximum(series.last_day - WEEK + 1, BASELINE_DAYS)
    return series.stretch(first, np.maximum(series.last_day, first))


def clearness(series: Series) -> Floats:
    """By cell, how many standard deviations the fall that alerts are for would show in its usual days."""
    begin = np.zeros(len(series.last_day), dtype=np.int64)
    usual = series.stretch(begin, begin + BASELINE_DAYS - 1)
    reached, expected = (number / BASELINE_DAYS * FALL_DAYS for number in (usual.reached, usual.expected))
    root = signed_root(reached, (1.0 - FALL) * expected, expected)
    # each weekday of the baseline is as uncertain as its few days make it
    noise = series.baseline.dispersion * (1.0 + WEEK / BASELINE_DAYS)
    return np.asarray(root / np.sqrt(noise))


def q_values(p_values: Floats, weight: Floats) -> Floats:
    """The false discovery rate at which each cell would be an alert: Benjamini, Hochberg 1995."""
    weighted = np.minimum(p_values / weight, 1.0)
    return np.asarray(stats.false_discovery_control(weighted)) if weighted.size else weighted


def are_alerts(found: Stretches, q_value: Floats) -> Flags:
    """Whether each stretch is an alert: surely worse, by enough, of enough journeys."""
    effect = np.maximum(_ratio(found.excess, found.expected), 0.0)
    return np.asarray((q_value < ALERT_Q) & (effect >= SMALLEST_EFFECT))


def limits(baseline: Baseline, reached: Floats, sigmas: float = 3.0) -> tuple[Floats, Floats]:
    """Between which early drop-off rates each day would lie if nothing changed; NaN without journeys."""
    rate = 1.0 - baseline.rates
    days = np.arange(TREND_DAYS) % WEEK
    number = np.where(reached > 0, reached, np.nan)
    variance = baseline.dispersion[:, None] * rate * (1.0 - rate) / number + baseline.uncertainty[:, days]
    half = sigmas * np.sqrt(variance)
    return np.maximum(rate - half, 0.0), np.minimum(rate + half, 1.0)


def deviance(reached: Floats, continued: Floats, expected: Floats) -> Floats:
    """Twice the log-likelihood that `expected` of `reached` lose against `continued` of them."""
    within = np.clip(expected, 1e-9, np.maximum(reached - 1e-9, 1e-9))
    gone, gone_expected = reached - continued, np.maximum(reached - within, 1e-9)
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(continued > 0, continued * np.log(continued / within), 0.0)
        second = np.where(gone > 0, gone * np.log(gone / gone_expected), 0.0)
    return np.maximum(2.0 * (first + second), 0.0)


def signed_root(reached: Floats, continued: Floats, expected: Floats) -> Floats:
    """The deviance in standard deviations: positive where fewer went on than expected."""
    root = np.sqrt(deviance(reached, continued, expected))
    return np.asarray(np.where(continued < expected, root, -root))


def _sums(values: Floats) -> Floats:
    """Running sums along the days, a 0 before the first."""
    before = np.zeros((values.shape[0], 1, *values.shape[2:]))
    return np.concatenate([before, np.cumsum(values, axis=1)], axis=1)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=np.asarray(whole) > 0)
