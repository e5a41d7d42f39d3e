"""The chain of every customer, from arrays sorted by customer, time and preference within one time.

This is the funnel of the product: ad-hoc funnels use it, and so can stage funnels, with a bit per stage.

Belongs here: the rule book of the package on arrays. Does not belong here: reading and sorting events
(`events`), names of steps (`question`), rates and times (`result`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from journey_analytics.funnels.passes import UNBOUNDED, Ints, ordered_chains, unordered_chains

NOT_FILLED = -1
"""Stands in a chain for a step it does not fill."""


@dataclass(frozen=True)
class Rules:
    """What the kernel needs to know of a funnel; the row masks have a bit per step and per exclusion.

    Attributes:
        steps: the bit of each step in order: 1, 2, 4 and so on; those of exclusions are higher.
        mode: ordered, strict or unordered.
        window: microseconds from the first row of a chain to its last, both included.
        gaps: microseconds from the row before to the row of each step; the first one is not used.
        optional: step numbers (from 1) that a chain may leave out.
        exclusions: one row each: the bit, and the numbers (from 1) of the steps it lies between.
    """

    steps: tuple[int, ...]
    mode: str = "ordered"
    window: int = UNBOUNDED
    gaps: tuple[int, ...] = ()
    optional: tuple[int, ...] = ()
    exclusions: tuple[tuple[int, int, int], ...] = ()


def find_chains(borders: Ints, times: Ints, masks: Ints, rules: Rules) -> Ints:
    """The chain of each customer who is in the funnel.

    Args:
        borders: where each customer's rows begin, and where the last one's end.
        times: microseconds, rising within a customer.
        masks: which steps each row can fill, and which exclusions it is. Within a moment the rows stand in
            the order in which they are to be preferred. Rows without a bit matter in strict funnels alone.
        rules: the funnel.

    Returns:
        One row per customer in the funnel and one column per step: the position of the row that fills the
        step, or NOT_FILLED. In an unordered funnel column k holds the k-th row of the chain.
    """
    count = len(rules.steps)
    steps = np.array(rules.steps, dtype=np.int64)
    exclusions = np.array(rules.exclusions, dtype=np.int64).reshape(-1, 3)
    if rules.mode == "unordered":
        found = unordered_chains(borders, times, masks, steps, rules.window, exclusions)
    else:
        gaps = np.array(rules.gaps or (UNBOUNDED,) * count, dtype=np.int64)
        lengths, kept = _step_patterns(count, rules.optional)
        found = ordered_chains(
            borders, times, masks, steps, lengths, kept, rules.window, gaps, exclusions,
            rules.mode == "strict", bool((gaps[1:] != UNBOUNDED).any()),
        )  # fmt: skip
    return np.asarray(found)


def _step_patterns(count: int, optional: tuple[int, ...]) -> tuple[Ints, Ints]:
    """Every way to keep or leave out the optional steps: how many steps are left, and their positions."""
    patterns = []
    for choice in range(1 << len(optional)):
        left_out = {number - 1 for place, number in enumerate(optional) if choice >> place & 1}
        patterns.append([step for step in range(count) if step not in left_out])
    padded = [pattern + [0] * (count - len(pattern)) for pattern in patterns]
    return np.array([len(pattern) for pattern in patterns], np.int64), np.array(padded, np.int64)
