"""Visits: who came when, by which channel, on which device, to which page.

Belongs here: what is known when a visit begins. Does not belong here: what comes of it (outcomes.py).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from journey_analytics.generator.behaviour import (
    STORE,
    Behaviour,
    Channel,
    Flags,
    Floats,
    Form,
    Ints,
    pick,
    pick_by,
)
from journey_analytics.generator.calendar import DAY_MS, HOUR_MS, instants
from journey_analytics.generator.cookies import draw_cookies
from journey_analytics.generator.site import Site
from journey_analytics.generator.world import World, share_out

_LONGEST_MS = 28 * 60_000
"""No visit is longer, so that no silence in it is taken for its end."""


@dataclass(frozen=True)
class Visits:
    """One entry per visit in every array, in order of person and time; bots' visits come last.

    Attributes:
        person: number of the person; bots count on after the people.
        start: instant of the beginning.
        span: milliseconds that it lasts.
        channel: code of the channel.
        form: code of the way its address shows it.
        campaign: code of the campaign.
        landing: code of the page it begins on.
        device: code of the device.
        agent: code of the browser or bot.
        cookie: number of the cookie.
    """

    person: Ints
    start: Ints
    span: Ints
    channel: Ints
    form: Ints
    campaign: Ints
    landing: Ints
    device: Ints
    agent: Ints
    cookie: Ints

    @property
    def count(self) -> int:
        """How many there are."""
        return self.person.size

    def followed_by(self, other: Visits) -> Visits:
        """These and then those."""
        return Visits(
            **{
                field.name: np.concatenate([getattr(self, field.name), getattr(other, field.name)])
                for field in fields(self)
            }
        )


def forms(behaviour: Behaviour) -> list[tuple[Channel, Form]]:
    """Every form of every channel; its code is its place."""
    return [(channel, form) for channel in behaviour.channels.values() for form in channel.forms]


def agents(behaviour: Behaviour) -> list[str]:
    """Every browser and bot; its code is its place."""
    of_devices = [agent for device in behaviour.devices.values() for agent in device.agents]
    return [*of_devices, *behaviour.bots.agents]


def draw_visits(world: World, count: int) -> Visits:
    """So many visits, at least one of each person; a person's first is never in the store."""
    random, behaviour, people = world.draws("visits"), world.behaviour, world.people
    arrived = np.maximum(people.arrival, 0.0)
    visits_of = 1 + share_out(count - people.count, people.weight * (1 - arrived), random.random())
    person = np.repeat(np.arange(people.count, dtype=np.int32), visits_of)
    first = np.cumsum(visits_of) - visits_of
    is_first = np.zeros(count, dtype=np.bool_)
    is_first[first] = True
    # new people begin with their arrival, and come more often soon after it than later
    is_new = people.arrival[person] >= 0
    later = random.random(count)
    later = np.where(is_new, np.where(is_first, 0.0, later**1.4), later)
    position = arrived[person] + (0.999_999 - arrived[person]) * later
    position = position[np.lexsort((position, person))]
    channel = _channels(behaviour, people.persona[person], is_first, random.random(count))
    on_second = people.has_second[person] & (random.random(count) < behaviour.identity.second_device_visits)
    device = np.where(on_second, people.devices[1][person], people.devices[0][person])
    minutes = 6.0 * np.exp(0.7 * random.standard_normal(count))
    return Visits(
        person=person,
        start=instants(world.period, behaviour.calendar, position),
        span=np.minimum(minutes * 60_000, _LONGEST_MS).astype(np.int64),
        channel=channel,
        form=_forms(behaviour, channel, random.random(count)),
        campaign=pick(random.random(count), [1.0] * len(behaviour.campaigns)),
        landing=_landings(world.site, random.random(count), random.random(count)),
        device=device,
        agent=_agents(behaviour, device, person),
        cookie=draw_cookies(random, world, person, position, on_second),
    )


def draw_bots(world: World, events: int, first_cookie: int) -> tuple[Visits, Ints]:
    """The visits of bots, one a day and bot, and how many pages each looks at: so many events in all."""
    random, behaviour, period = world.draws("bots"), world.behaviour, world.period
    people = world.people.count
    tables = behaviour.bots
    bots = min(events, tables.fewest + people // tables.people_per_bot)
    # the busiest bot makes most of the noise
    of_bot = np.ones(bots, dtype=np.int64)
    if bots:
        of_bot += share_out(events - bots, 1.0 / np.arange(1, bots + 1) ** 1.3, random.random())
    bot = np.repeat(np.arange(bots), period.days)
    day = np.tile(np.arange(period.days), bots)
    count = bot.size
    views = np.zeros(count, dtype=np.int64)
    for number in range(bots):
        views[bot == number] = share_out(int(of_bot[number]), np.ones(period.days), random.random())
    hours = np.clip(random.random(count), 0.01, 0.5)
    start = period.to_utc(period.local_begin + ((day + hours) * DAY_MS).astype(np.int64))
    is_silent = bot % tables.silent_every == tables.silent_every - 1
    named = len(agents(behaviour)) - len(tables.agents) + bot % len(tables.agents)
    person = people + bot
    visits = Visits(
        person=person.astype(np.int32),
        start=start,
        span=np.full(count, 6 * HOUR_MS, dtype=np.int64),
        channel=np.zeros(count, dtype=np.uint8),
        form=np.zeros(count, dtype=np.uint8),
        campaign=np.zeros(count, dtype=np.uint8),
        landing=np.zeros(count, dtype=np.int32),
        device=np.full(count, list(behaviour.devices).index("desktop"), dtype=np.uint8),
        agent=np.where(is_silent, _first_agent(behaviour, "desktop"), named).astype(np.uint8),
        cookie=(first_cookie + bot).astype(np.int32),
    )
    kept = views > 0
    return _chosen(visits, kept), views[kept]


def in_store(behaviour: Behaviour, visits: Visits) -> Flags:
    """Which visits were made in a store."""
    return np.asarray(visits.channel == list(behaviour.channels).index(STORE))


def _chosen(visits: Visits, kept: Flags) -> Visits:
    return Visits(**{field.name: getattr(visits, field.name)[kept] for field in fields(visits)})


def _channels(behaviour: Behaviour, persona: Ints, is_first: Flags, uniform: Floats) -> Ints:
    rows = [
        [
            (channel.first if first else channel.returning) * table.channels.get(name, 1.0)
            for name, channel in behaviour.channels.items()
        ]
        for table in behaviour.personas.values()
        for first in (False, True)
    ]
    return pick_by(persona * 2 + is_first, uniform, rows)


def _forms(behaviour: Behaviour, channel: Ints, uniform: Floats) -> Ints:
    weights = [
        [form.weight if of is table else 0.0 for of, form in forms(behaviour)]
        for table in behaviour.channels.values()
    ]
    return pick_by(channel, uniform, weights)


def _landings(site: Site, which: Floats, page: Floats) -> Ints:
    """A third begins at home, a third at a category, a third at a product."""
    section = pick(which, [1.0, 1.0, 1.0])
    return np.choose(section, [site.pages(name, page) for name in ("home", "category", "product")])


def _agents(behaviour: Behaviour, device: Ints, person: Ints) -> Ints:
    """A browser that a person keeps on a device."""
    first = np.array([_first_agent(behaviour, name) for name in behaviour.devices], dtype=np.uint8)
    kinds = np.array([len(table.agents) for table in behaviour.devices.values()])
    return np.asarray(first[device] + person % kinds[device], dtype=np.uint8)


def _first_agent(behaviour: Behaviour, device: str) -> int:
    return agents(behaviour).index(behaviour.devices[device].agents[0])
