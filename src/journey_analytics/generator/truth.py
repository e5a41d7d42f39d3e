"""The truth: what was planted, counted from what happened and by no pipeline.

Belongs here: counts that a run can be held against.
Does not belong here: reading a file or a stage rule; identity is counted by its definition, not by the models
that find it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from journey_analytics.generator.behaviour import Flags, Ints
from journey_analytics.generator.deliveries import Delivered
from journey_analytics.generator.events import ANONYMOUS, Shop
from journey_analytics.generator.exports import visit_columns
from journey_analytics.generator.kinds import (
    CODES,
    HELP_PAGE_STAGE,
    KINDS,
    LOYAL_ORDER_STAGE,
    PROMOTER_SCORE,
    PROMOTER_STAGE,
)


def truth(shop: Shop, delivered: Delivered) -> dict[str, Any]:
    """Everything planted, as plain values; amounts in euros as text."""
    events = shop.events
    bots = shop.world.behaviour.bots
    person = shop.visits.person[events.visit]
    is_bot = person >= shop.world.people.count
    bot = person[is_bot] - shop.world.people.count
    planted = int(bot.max()) + 1 if bot.size else 0
    is_silent = np.arange(planted) % bots.silent_every == bots.silent_every - 1
    # what a run leaves out of journeys: bots that say so, and internal events
    is_touchpoint = ~_is(events.kind, "profile_linked")
    is_touchpoint[is_bot] &= is_silent[bot]
    return {
        "period": {
            "first_day": shop.world.period.first.isoformat(),
            "last_day": shop.world.period.last.isoformat(),
            "timezone": shop.world.period.zone.key,
        },
        "events": events.count,
        "duplicates": int(delivered.copied.size),
        "rows": int(events.count + delivered.copied.size),
        "late": int(delivered.is_late.sum()),
        "sources": {
            source: _source(delivered, place) for source, place in events.sources.items() if _size(place)
        },
        "customers": {
            "planted": shop.world.people.count,
            "by_persona": _counts(shop.world.people.persona, list(shop.world.behaviour.personas)),
        },
        "identity": _identity(shop, person, is_bot, planted),
        "bots": {
            "planted": planted,
            "events": int(is_bot.sum()),
            "named": int((~is_silent).sum()),
            "named_events": int((~is_silent[bot]).sum()),
        },
        "touchpoints": int(is_touchpoint.sum()),
        "channels": _channels(shop, is_touchpoint),
        "stages": _stages(shop, person, is_touchpoint),
        "orders": _orders(shop, person),
    }


def customers(shop: Shop) -> pl.DataFrame:
    """One row per person and bot: their ids, persona, and what they did."""
    events = shop.events
    person = shop.visits.person[events.visit]
    count = int(person.max()) + 1
    personas = [*shop.world.behaviour.personas, "bot"]
    codes = np.full(count, len(personas) - 1)
    codes[: shop.world.people.count] = shop.world.people.persona
    is_order = _is(events.kind, "order_placed")
    cents = np.zeros(count, dtype=np.int64)
    has_amount = is_order | _is(events.kind, "order_returned")
    np.add.at(cents, person[has_amount], events.value[has_amount].astype(np.int64))
    visit_of_first = np.unique(shop.visits.person, return_index=True)[1]
    ids = visit_columns(shop).select("account", "subscriber", "visitor")[visit_of_first]
    return ids.with_columns(
        persona=pl.Series(personas).gather(codes),
        events=pl.Series(np.bincount(person, minlength=count)),
        orders=pl.Series(np.bincount(person[is_order], minlength=count)),
        revenue_cents=pl.Series(cents),
    )


def _source(delivered: Delivered, place: slice) -> dict[str, Any]:
    low, high = np.searchsorted(delivered.copied, [place.start, place.stop])
    rows = {day: int(event.size) for day, event in delivered.of_source(place)}
    return {
        "events": _size(place),
        "duplicates": int(high - low),
        "rows": sum(rows.values()),
        "late": int(delivered.is_late[place].sum()),
        "files": len(rows),
    }


def _identity(shop: Shop, person: Ints, is_bot: Flags, bots: int) -> dict[str, int]:
    """How many customers ids lead to: a person is one where any event is known, else each cookie is one."""
    events = shop.events
    is_known = events.known != ANONYMOUS
    web = events.sources["web"]
    cookie = shop.visits.cookie[events.visit[web]]
    of_people = ~is_bot[web]
    cookies = np.unique(cookie[of_people])
    known_on = np.unique(np.stack([cookie, person[web]])[:, is_known[web]], axis=1)
    linked, people_of = np.unique(known_on[0], return_counts=True)
    alias_events = int(_is(events.kind, "profile_linked").sum())
    known_people = int(np.unique(person[is_known]).size)
    unlinked = int(cookies.size - linked.size)
    return {
        "customers": known_people + unlinked + bots,
        "known_people": known_people,
        "unlinked_cookies": unlinked,
        "cookies": int(cookies.size),
        "shared_cookies": int((people_of > 1).sum()),
        "aliases": alias_events,
    }


def _channels(shop: Shop, is_touchpoint: Flags) -> dict[str, int]:
    """Touchpoints by channel: that of the visit, but mail, tickets and invitations have their own."""
    events, behaviour = shop.events, shop.world.behaviour
    names = [*behaviour.channels]
    names += [contact for contact in behaviour.contacts if contact not in names]
    channel = shop.visits.channel[events.visit].astype(np.int64)
    for source, name in (("email", "email"), ("survey", "email"), ("referral", "referral")):
        channel[events.sources[source]] = names.index(name)
    support = events.sources["support"]
    contacts = np.array([names.index(contact) for contact in behaviour.contacts])
    channel[support] = contacts[events.value[support] // len(behaviour.topics)]
    return _counts(channel[is_touchpoint], names)


def _stages(shop: Shop, person: Ints, is_touchpoint: Flags) -> dict[str, int]:
    """Touchpoints by stage."""
    events = shop.events
    names = [*dict.fromkeys(kind.stage for kind in KINDS if kind.stage), LOYAL_ORDER_STAGE]
    of_kind = np.array([names.index(kind.stage) if kind.stage else 0 for kind in KINDS])
    stage = of_kind[events.kind]
    stage[_is(events.kind, "page_view") & shop.world.site.is_help(events.value)] = names.index(
        HELP_PAGE_STAGE
    )
    stage[_is(events.kind, "nps") & (events.value >= PROMOTER_SCORE)] = names.index(PROMOTER_STAGE)
    orders = np.flatnonzero(_is(events.kind, "order_placed"))
    firsts = np.unique(person[orders], return_index=True)[1]  # orders lie in order of time
    stage[np.delete(orders, firsts)] = names.index(LOYAL_ORDER_STAGE)
    return _counts(stage[is_touchpoint], names)


def _orders(shop: Shop, person: Ints) -> dict[str, Any]:
    events = shop.events
    is_order, is_return = _is(events.kind, "order_placed"), _is(events.kind, "order_returned")
    buyers = np.bincount(person[is_order], minlength=1)
    placed, returned = (int(events.value[flags].astype(np.int64).sum()) for flags in (is_order, is_return))
    return {
        "placed": int(is_order.sum()),
        "returned": int(is_return.sum()),
        "customers": int((buyers > 0).sum()),
        "customers_who_ordered_again": int((buyers > 1).sum()),
        "revenue": _euros(placed),
        "revenue_net_of_returns": _euros(placed + returned),
    }


def _euros(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _is(kind: Ints, name: str) -> Flags:
    return np.asarray(kind == CODES[name])


def _size(place: slice) -> int:
    return int(place.stop - place.start)


def _counts(codes: Ints, names: list[str]) -> dict[str, int]:
    counted = np.bincount(codes, minlength=len(names))
    return {name: int(count) for name, count in zip(names, counted, strict=True)}
