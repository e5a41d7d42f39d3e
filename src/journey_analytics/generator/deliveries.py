"""On which day each event arrives, and which arrive twice.

Belongs here: late events and copies. Does not belong here: files (files.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from journey_analytics.generator.behaviour import Flags, Ints, pick
from journey_analytics.generator.events import Events
from journey_analytics.generator.world import World


@dataclass(frozen=True)
class Delivered:
    """When each event arrives.

    Attributes:
        day: number of the day on which each event arrives.
        is_late: whether that is later than the day on which it happened.
        copied: the events that arrive once more.
        copy_day: the day on which each of those copies arrives.
    """

    day: Ints
    is_late: Flags
    copied: Ints
    copy_day: Ints

    def of_source(self, place: slice) -> Iterator[tuple[int, Ints]]:
        """Each day with what arrives on it, in order of the events' times, a copy right behind its event."""
        low, high = np.searchsorted(self.copied, [place.start, place.stop])
        event = np.concatenate([np.arange(place.start, place.stop), self.copied[low:high]])
        day = np.concatenate([self.day[place], self.copy_day[low:high]])
        order = np.lexsort((event, day))
        event, day = event[order], day[order]
        begins = np.flatnonzero(np.diff(day, prepend=-1))
        for begin, end in pairwise([*begins, day.size]):
            yield int(day[begin]), event[begin:end]


def deliver(world: World, events: Events) -> Delivered:
    """The day of each event's arrival; nothing arrives after the period."""
    random, tables, period = world.draws("deliveries"), world.behaviour.deliveries, world.period
    happened = period.day_numbers(events.time).astype(np.int32)
    lag = 1 + pick(random.random(events.count, dtype=np.float32), tables.late_days).astype(np.int32)
    is_late = random.random(events.count, dtype=np.float32) < tables.late
    is_late &= happened + lag < period.days
    day = happened + np.where(is_late, lag, 0).astype(np.int32)
    copied = np.flatnonzero(random.random(events.count, dtype=np.float32) < tables.copies)
    is_next = random.random(copied.size) < tables.copies_next_day
    copy_day = day[copied] + (is_next & (day[copied] + 1 < period.days))
    return Delivered(day, is_late, copied, copy_day)
