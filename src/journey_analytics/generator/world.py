"""The shop before anybody does anything: rates, site, days and people. And the draws of random numbers.

Belongs here: what all later steps are handed. Does not belong here: what happens (visits.py, outcomes.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from journey_analytics.generator.behaviour import Behaviour, Floats, Ints
from journey_analytics.generator.calendar import Period
from journey_analytics.generator.incidents import Incident
from journey_analytics.generator.people import People, draw_people
from journey_analytics.generator.site import Site


@dataclass(frozen=True)
class World:
    """A shop's rates, site, days, people and incidents; `seed` decides all that is drawn."""

    seed: int
    behaviour: Behaviour
    period: Period
    site: Site
    people: People
    incidents: tuple[Incident, ...] = ()

    def draws(self, purpose: str) -> np.random.Generator:
        """The random numbers of one purpose; how many are taken here changes those of no other."""
        return _draws(self.seed, purpose)


def open_shop(
    seed: int, behaviour: Behaviour, period: Period, customers: int, incidents: tuple[Incident, ...] = ()
) -> World:
    """A shop that so many people will come to, and what goes wrong in it."""
    people = draw_people(_draws(seed, "people"), behaviour, customers)
    return World(seed, behaviour, period, Site(behaviour), people, incidents)


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


def _draws(seed: int, purpose: str) -> np.random.Generator:
    entropy = [seed, *purpose.encode("ascii")]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
