"""The cookies by which the web knows a browser: how long they last, and whose they are.

Belongs here: which visits share a cookie. Does not belong here: the visits, and how a cookie is spelled.
"""

from __future__ import annotations

import numpy as np

from journey_analytics.generator.behaviour import Flags, Floats, Ints
from journey_analytics.generator.world import World


def draw_cookies(
    random: np.random.Generator, world: World, person: Ints, position: Floats, on_second: Flags
) -> Ints:
    """The number of the cookie of each visit, from 0.

    People delete the cookies of all their devices at once, on any day as likely as on another. A shared
    device has its owner's.

    Args:
        random: the draws.
        world: whose people and days.
        person: of each visit, in order.
        position: in the period, from [0, 1), rising within a person.
        on_second: whether the visit is on the person's second device.
    """
    days_since = np.diff(position, prepend=0.0) * world.period.days
    is_first = np.diff(person, prepend=-1) > 0
    is_deleted = random.random(person.size) < -np.expm1(-days_since / world.behaviour.identity.cookie_days)
    number = 2 * (np.cumsum(is_first | is_deleted) - 1)
    owner = world.people.host[person]
    # the owner's visit before this one, or the first of all
    of_owner = np.searchsorted(person + position, owner + position, side="right") - 1
    of_owner = np.maximum(of_owner, np.flatnonzero(is_first)[owner])
    return np.where(on_second & (owner >= 0), number[of_owner], number + on_second).astype(np.int32)
