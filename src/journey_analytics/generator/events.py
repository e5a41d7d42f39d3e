"""From visits to exactly as many events as were asked for.

Belongs here: the arithmetic of the number, and the arrays that everything after is made from.
Does not belong here: what an event looks like in a file (exports.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from journey_analytics.generator.behaviour import Ints
from journey_analytics.generator.calendar import Period
from journey_analytics.generator.effects import Effects
from journey_analytics.generator.kinds import CODES, KINDS, SOURCES
from journey_analytics.generator.outcomes import NEVER, Outcomes, Part, outcomes
from journey_analytics.generator.site import Site
from journey_analytics.generator.visits import Visits, draw_bots, draw_visits, in_store
from journey_analytics.generator.world import World, share_out

ANONYMOUS, ACCOUNT, SUBSCRIBER = 0, 1, 2
"""By which id an event knows its person."""

# help pages are looked at by customers above all, and not by bots
_HELP_FACTORS = (0.5, 2.5, 0.0)
_BOT = 2
_TIME_BITS = 48


@dataclass(frozen=True)
class Events:
    """One entry per event in every array, in order of source and time.

    Attributes:
        kind: its code, see kinds.py.
        visit: the visit it goes back to.
        time: the instant.
        value: page, cents, score, campaign, or contact and topic, by the kind.
        known: ANONYMOUS, ACCOUNT or SUBSCRIBER.
        sources: where the events of each source lie.
    """

    kind: Ints
    visit: Ints
    time: Ints
    value: Ints
    known: Ints
    sources: dict[str, slice]

    @property
    def count(self) -> int:
        """How many there are."""
        return self.kind.size


@dataclass(frozen=True)
class Shop:
    """Everything that happened: visits of people, then those of bots; their events; what went wrong."""

    world: World
    visits: Visits
    events: Events
    effects: Effects


def happen(world: World, events: int) -> Shop:
    """What happens in the shop: exactly so many events, at least one of each person, those of bots included.

    Args:
        world: the shop and its people.
        events: at least as many as people.
    """
    behaviour = world.behaviour
    of_bots = min(int(events * behaviour.bots.share), events - world.people.count)
    of_people = events - of_bots
    visits = draw_visits(world, max(world.people.count, int(of_people / behaviour.events_per_visit)))
    effects = Effects(world, visits)
    came = _at_most(world, visits, of_people, effects)
    random = world.draws("views")
    # long visits have most page views; those to the store have none, nor those that ended at once
    weights = visits.span * random.gamma(0.8, size=visits.count) * ~in_store(behaviour, visits)
    weights *= ~(effects.bounced | effects.untagged("interest"))
    per_visit = share_out(of_people - came.events, weights, random.random())
    views = _views(random, world.site, visits, per_visit, came.has_account.astype(np.uint8))
    bots, per_bot_visit = draw_bots(world, of_bots, int(visits.cookie.max()) + 1)
    as_bots = np.full(bots.count, _BOT, dtype=np.uint8)
    bot_views = _views(world.draws("bot views"), world.site, bots, per_bot_visit, as_bots, visits.count)
    known_from = np.concatenate([came.known_from, np.full(bots.count, NEVER)])
    everything = _in_order([*came.parts, views, bot_views], known_from, world.period)
    return Shop(world, visits.followed_by(bots), everything, effects)


def _at_most(world: World, visits: Visits, events: int, effects: Effects) -> Outcomes:
    """What comes of the visits, with nothing coming of some where it would be too much."""
    luck = world.draws("eventful").random(visits.count)
    share = 1.0
    came = outcomes(world, visits, np.ones(visits.count, dtype=np.bool_), effects)
    while came.events > events:
        share *= 0.9 * (events - visits.count) / (came.events - visits.count)
        came = outcomes(world, visits, luck < share, effects)
    return came


def _views(
    random: np.random.Generator, site: Site, visits: Visits, per_visit: Ints, kind: Ints, first: int = 0
) -> Part:
    """So many page views in each visit; `first` is the number of the first of these visits."""
    visit = np.repeat(np.arange(visits.count, dtype=np.int32), per_visit)
    time = visits.start[visit] + (visits.span[visit] * random.random(visit.size)).astype(np.int64)
    uniform = random.random(visit.size), random.random(visit.size)
    return Part(CODES["page_view"], visit + first, time, site.browse(kind[visit], uniform, _HELP_FACTORS))


def _in_order(parts: list[Part], known_from: Ints, period: Period) -> Events:
    """The events of all parts, by source and time; those of one instant as the parts come."""
    kind = np.concatenate([np.full(part.time.size, part.kind, dtype=np.uint8) for part in parts])
    time = np.concatenate([part.time for part in parts])
    np.minimum(time, period.end - 1, out=time)
    source = np.array([SOURCES.index(kind.source) for kind in KINDS], dtype=np.int64)
    order = np.argsort((source << _TIME_BITS)[kind] + time, kind="stable").astype(np.int32)
    kind, time = kind[order], time[order]
    visit = np.concatenate([part.visit.astype(np.int32) for part in parts])[order]
    value = np.concatenate([part.value.astype(np.int32) for part in parts])[order]
    ends = np.searchsorted(source[kind], np.arange(len(SOURCES) + 1))
    sources = {name: slice(int(ends[i]), int(ends[i + 1])) for i, name in enumerate(SOURCES)}
    return Events(kind, visit, time, value, _known(kind, visit, time, known_from, sources), sources)


def _known(kind: Ints, visit: Ints, time: Ints, known_from: Ints, sources: dict[str, slice]) -> Ints:
    known = np.full(kind.size, ACCOUNT, dtype=np.uint8)
    web = sources["web"]
    known[web] = time[web] >= known_from[visit[web]]
    mails = [CODES[name] for name in ("newsletter_signup", "email_sent", "email_opened", "email_clicked")]
    is_mail = np.zeros(len(KINDS), dtype=np.bool_)
    is_mail[mails] = True
    known[is_mail[kind]] = SUBSCRIBER
    return known
