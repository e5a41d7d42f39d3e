"""How many times as much days differ as chance alone would make them, learned from all cells of a stage.

Eight weeks tell a cell's dispersion to a fifth or so, and a test that knows it no better needs a clearer
change. The channels of a stage differ in it mainly by their size: where the rate itself moves from day to
day by a variance of rho * rate * (1 - rate), n journeys a day have a dispersion of 1 + rho * n, that of the
beta-binomial. So each cell's own estimate is drawn towards that of its group, the more the less the cells of
the group differ otherwise, and the degrees of freedom grow by what the group knows: G. K. Smyth, Linear
models and empirical Bayes methods, 2004.

Belongs here: that estimate, on arrays. Does not belong here: rates and scores (changes.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from journey_analytics.statistics import Floats


def moderated(
    own: Floats, freedom: Floats, journeys: Floats, groups: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """The dispersion of each cell, and the degrees of freedom it is known with.

    Args:
        own: Pearson's dispersion of each cell's days.
        freedom: its degrees of freedom; cells with none are left as they are and tell nothing.
        journeys: of a day, on average.
        groups: number of the group whose cells are alike; a cell alone in its group keeps its own.
    """
    dispersion, known = own.copy(), freedom.copy()
    for group in np.unique(groups[freedom > 0]):
        cells = (groups == group) & (freedom > 0)
        expected, prior = _of_group(own[cells], freedom[cells], journeys[cells])
        known[cells] = freedom[cells] + prior
        dispersion[cells] = (freedom[cells] * own[cells] + prior * expected) / known[cells]
    return dispersion, known


def _of_group(own: Floats, freedom: Floats, journeys: Floats) -> tuple[Floats, float]:
    """What the group lets expect of each of its cells, and the degrees of freedom that this is worth."""
    rho = max(float((freedom * (own - 1.0)).sum() / (freedom * journeys).sum()), 0.0)
    expected = 1.0 + rho * journeys
    # how much cells differ from what is expected of them, less what their own uncertainty explains
    by_chance = 2.0 / freedom.mean()
    beyond = (float(np.mean((own / expected - 1.0) ** 2)) - by_chance) / (1.0 + by_chance)
    # the group knows no more than the others in it do
    most = float(freedom.sum() - freedom.mean())
    return expected, min(4.0 + 2.0 / beyond, most) if beyond > 0 else most
