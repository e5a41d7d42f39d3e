"""Random numbers: a generator for each purpose, and sharing a total out."""

from __future__ import annotations

import numpy as np

from journey_analytics.generator.behaviour import Floats, Ints


def stream(seed: int, purpose: str) -> np.random.Generator:
    """The draws of one purpose; those of another are not changed by how many are taken here."""
    entropy = [seed, *purpose.encode("ascii")]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


def share_out(total: int, weights: Floats, offset: float) -> Ints:
    """Whole numbers in proportion to the weights that sum to the total exactly.

    Args:
        total: what is shared out.
        weights: not negative, one of them positive.
        offset: from [0, 1); it decides who gets the rounded parts.
    """
    sums = np.cumsum(weights)
    edges = np.floor(sums / sums[-1] * total + offset).astype(np.int64)
    edges[-1] = total
    return np.asarray(np.diff(np.minimum(edges, total), prepend=0))
