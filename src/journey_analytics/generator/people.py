"""The people of the shop: persona, devices, when they first come and how often.

Belongs here: what stays the same about a person. Does not belong here: their visits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from journey_analytics.generator.behaviour import Behaviour, Flags, Floats, Ints, pick, pick_by


@dataclass(frozen=True)
class People:
    """One entry per person in every array.

    Attributes:
        persona: code of the persona.
        country: code of the country.
        weight: how often they come, against the others.
        arrival: position in the period, from [0, 1), of the first visit of people who are new to the shop; -1
            for those who knew it before.
        devices: two rows: code of the first and of the second device.
        has_second: whether the second device is used at all.
        host: the person whose first device is the second one of this; -1 where it is their own.
    """

    persona: Ints
    country: Ints
    weight: Floats
    arrival: Floats
    devices: Ints
    has_second: Flags
    host: Ints

    @property
    def count(self) -> int:
        """How many there are."""
        return self.persona.size


def draw_people(random: np.random.Generator, behaviour: Behaviour, count: int) -> People:
    """So many people."""
    personas = list(behaviour.personas.values())
    persona = pick(random.random(count), [p.share for p in personas])
    activity = np.array([p.activity for p in personas])[persona]
    weight = activity * np.exp(behaviour.activity_spread * random.standard_normal(count))
    is_new = random.random(count) < behaviour.new_people
    arrival = np.where(is_new, random.random(count) * 0.97, -1.0)
    of_persona = [[p.devices.get(name, 0.0) for name in behaviour.devices] for p in personas]
    devices = np.stack([pick_by(persona, random.random(count), of_persona) for _ in range(2)])
    identity = behaviour.identity
    is_sharing = (random.random(count) < identity.shared_device) & (count > 1)
    host = np.where(is_sharing, (np.arange(count) + 1) % count, -1)
    return People(
        persona=persona,
        country=pick(random.random(count), behaviour.countries),
        weight=weight,
        arrival=arrival,
        devices=devices,
        has_second=is_sharing | (random.random(count) < identity.second_device),
        host=host,
    )
