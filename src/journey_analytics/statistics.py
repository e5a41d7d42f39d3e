"""Intervals and survival curves, as functions on numpy arrays.

Belongs here: formulas with their source. Does not belong here: what they are asked about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

Z_95 = 1.959963984540054
"""The two-sided 95 % point of the normal distribution, as in sql/marts/mart_stage_dropoff.sql."""


def wilson_interval(successes: ArrayLike, trials: ArrayLike, z: float = Z_95) -> tuple[Floats, Floats]:
    """Wilson's score interval of a share: E. B. Wilson, Probable inference, JASA 22 (1927).

    Args:
        successes: how many of the trials counted.
        trials: how many there were; where there were none, both bounds are NaN.
        z: the point of the normal distribution that belongs to the level.

    Returns:
        The lower and the upper bounds, within 0 and 1, with the share between them.

    >>> low, high = wilson_interval(8, 10)
    >>> f"{low:.4f} {high:.4f}"
    '0.4902 0.9433'
    """
    counts = np.asarray(trials, dtype=np.float64)
    number = np.where(counts > 0, counts, np.nan)
    share = np.asarray(successes, dtype=np.float64) / number
    scale = 1.0 + z * z / number
    centre = (share + z * z / 2.0 / number) / scale
    half_width = z * np.sqrt(share * (1.0 - share) / number + z * z / 4.0 / (number * number)) / scale
    # at 0 and 1 the bound is the share itself, which rounding may miss
    low = np.minimum(np.maximum(centre - half_width, 0.0), share)
    return low, np.maximum(np.minimum(centre + half_width, 1.0), share)


@dataclass(frozen=True)
class SurvivalCurve:
    """A Kaplan-Meier estimate: at each time, the share for whom the event has not come yet.

    Attributes:
        times: when an event came, rising.
        at_risk: how many were watched until just before that time.
        events: how many events came then.
        survival: the share without the event just after it.
        low: lower bound of that share.
        high: upper bound of it.
    """

    times: Floats
    at_risk: NDArray[np.int64]
    events: NDArray[np.int64]
    survival: Floats
    low: Floats
    high: Floats

    def at(self, time: float) -> tuple[float, float, float]:
        """The share without the event at a time, with its bounds; before the first event 1, 1 and 1."""
        place = int(np.searchsorted(self.times, time, side="right")) - 1
        if place < 0:
            return 1.0, 1.0, 1.0
        return float(self.survival[place]), float(self.low[place]), float(self.high[place])


def kaplan_meier(durations: ArrayLike, is_event: ArrayLike, z: float = Z_95) -> SurvivalCurve:
    """The share still without the event over time, when some were not watched to the end.

    E. L. Kaplan, P. Meier, Nonparametric estimation from incomplete observations, JASA 53 (1958). The
    interval is that of the log-log transform of the estimate, with Greenwood's variance: J. D. Kalbfleisch,
    R. L. Prentice, The statistical analysis of failure time data (1980). Where all who were left had the
    event, both bounds are 0.

    Args:
        durations: how long each was watched, until the event or until the end of watching.
        is_event: whether it ended with the event. Who was watched to the very time of an event is at risk.
        z: the point of the normal distribution that belongs to the level.

    Returns:
        One entry per time at which an event came.

    >>> curve = kaplan_meier([1.0, 2.0, 2.0, 3.0], [True, True, False, False])
    >>> [float(share) for share in curve.survival]
    [0.75, 0.5]
    """
    lengths = np.asarray(durations, dtype=np.float64)
    came = np.asarray(is_event, dtype=np.bool_)
    if lengths.shape != came.shape or lengths.ndim != 1:
        message = f"{lengths.shape} durations and {came.shape} marks of events do not go together"
        raise ValueError(message)
    if not np.isfinite(lengths).all():
        message = "a duration is missing or endless"
        raise ValueError(message)
    times, events = np.unique(lengths[came], return_counts=True)
    at_risk = len(lengths) - np.searchsorted(np.sort(lengths), times, side="left")
    survival = np.cumprod(1.0 - events / at_risk, dtype=np.float64)
    with np.errstate(divide="ignore"):
        greenwood = np.cumsum(events / (at_risk * (at_risk - events)))
    low, high = _log_log_bounds(survival, greenwood, z)
    return SurvivalCurve(times, _whole(at_risk), _whole(events), survival, low, high)


def grouped_survival(
    starts: ArrayLike, members: ArrayLike, leaving: ArrayLike, events: ArrayLike, z: float = Z_95
) -> tuple[Floats, Floats, Floats]:
    """The Kaplan-Meier estimate of many groups at the end of watching, from counts by time.

    The same estimate and interval as `kaplan_meier`, of which it gives the last point.

    Args:
        starts: where each group's first row stands; each group has at least one row.
        members: how many are in each group, those who are watched beyond its last row too.
        leaving: by row, how many were watched to that time; a group's rows stand in the order of time.
        events: by row, how many of them had the event then.
        z: the point of the normal distribution that belongs to the level.

    Returns:
        By group the share without the event, and its lower and upper bounds; where all or none had the
        event, both bounds are the estimate itself.
    """
    first = np.asarray(starts, dtype=np.int64)
    gone = np.asarray(leaving, dtype=np.int64)
    came = np.asarray(events, dtype=np.int64)
    group = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(gone))))
    before = np.cumsum(gone) - gone
    at_risk = np.asarray(members, dtype=np.int64)[group] - (before - before[first][group])
    survival = np.multiply.reduceat(1.0 - came / at_risk, first)
    with np.errstate(divide="ignore"):
        greenwood = np.add.reduceat(came / (at_risk * (at_risk - came)), first)
    return survival, *_log_log_bounds(survival, greenwood, z)


def _log_log_bounds(survival: Floats, greenwood: Floats, z: float) -> tuple[Floats, Floats]:
    """The bounds of the log-log transform; where all or none had the event, the estimate itself."""
    with np.errstate(divide="ignore", invalid="ignore"):
        half_width = z * np.sqrt(greenwood) / np.abs(np.log(survival))
        low = np.power(survival, np.exp(half_width))
        high = np.power(survival, np.exp(-half_width))
    is_certain = (survival <= 0.0) | (survival >= 1.0)
    return np.where(is_certain, survival, low), np.where(is_certain, survival, high)


def _whole(numbers: Any) -> NDArray[np.int64]:
    return np.asarray(numbers, dtype=np.int64)
