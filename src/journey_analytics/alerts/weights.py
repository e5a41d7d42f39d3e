"""Which cells to listen to more closely: those in which a fall could just be told from chance.

Every cell that is looked at makes it harder to believe the others. But in a large one a fall that matters is
seen under the strictest test, and in a small one under none. So p-values are weighted before Benjamini and
Hochberg, by how clearly each cell would show the fall that alerts are for, as its baseline lets expect: C.
R. Genovese, K. Roeder, L. Wasserman, False discovery control with p-value weighting, 2006; the weights that
find most are those of K. Roeder, L. Wasserman, Genome-wide significance levels and weighted hypothesis
testing, 2009.

Belongs here: the weights, on arrays. Does not belong here: p-values (changes.py).
"""

from __future__ import annotations

import numpy as np
from scipy import optimize, special

from journey_analytics.statistics import Floats

FALL = 0.3
"""Alerts are for falls of this share of those who should go on ..."""
FALL_DAYS = 5
"""... that last for so many days."""
SHARED_EVENLY = 0.2
"""This much of the weight all cells have alike, so that none has to be more than five times as sure."""
_CLEAREST = 30.0
_FAINTEST = 0.05


def weights(clearness: Floats, level: float) -> Floats:
    """The weight of each cell's p-value; they average 1.

    Args:
        clearness: by cell, how many standard deviations the fall would show.
        level: the p-value that would do if there were one cell alone.
    """
    if not clearness.size:
        return clearness
    clear = np.clip(clearness, _FAINTEST, _CLEAREST)
    least = np.log(level)

    def beyond(price: float) -> float:
        """How much more than the level is spent at this price, as a logarithm."""
        return float(special.logsumexp(special.log_ndtr(-_bars(clear, price))) - least)

    price = optimize.brentq(beyond, -(_CLEAREST**2), _CLEAREST**2)
    spent = special.ndtr(-_bars(clear, price))
    return np.asarray(SHARED_EVENLY + (1.0 - SHARED_EVENLY) * spent / spent.mean())


def _bars(clearness: Floats, price: float) -> Floats:
    """The standard deviations asked of each cell so that most falls are found among all of them."""
    return clearness / 2.0 + price / clearness
