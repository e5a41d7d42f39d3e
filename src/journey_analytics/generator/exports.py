"""What the shop's systems write: one frame of rows for each system and day.

Belongs here: the columns of each export and the spelling of ids.
Does not belong here: what happened (events.py), how a frame becomes a file (files.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from journey_analytics.generator.behaviour import Ints
from journey_analytics.generator.events import ACCOUNT, SUBSCRIBER, Shop
from journey_analytics.generator.kinds import CODES, KINDS
from journey_analytics.generator.visits import agents, forms, in_store

SITE = "https://www.shop.example"
_FIRST_NUMBER = 100_001


class Exports:
    """Turns events into rows as their system writes them. Every event has one spelling: copies are equal."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.visits = visit_columns(shop)
        self.kinds = pl.Series([kind.name for kind in KINDS])
        self.paths = pl.Series(shop.world.site.paths)
        self.campaigns = pl.Series(shop.world.behaviour.campaigns)
        self._frames: dict[str, Callable[[Ints], dict[str, pl.Series]]] = {
            "web": self._web,
            "orders": self._orders,
            "email": self._email,
            "support": self._support,
            "survey": self._survey,
            "referral": self._referral,
        }

    def frame(self, source: str, event: Ints) -> pl.DataFrame:
        """The rows of a source's events, which are given by their places among all events.

        The first three columns are the row's id, its time (UTC) and what happened; an id counts the source's
        events in order of time.
        """
        events = self.shop.events
        number = event - events.sources[source].start + 1
        at = pl.Series(events.time[event]).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
        columns = {"id": pl.Series(number), "ts": at, "event": self.kinds.gather(events.kind[event])}
        return pl.DataFrame({**columns, **self._frames[source](event)})

    def _web(self, event: Ints) -> dict[str, pl.Series]:
        visit = self.of_visit(event)
        known = pl.Series("known", self.shop.events.known[event])
        user = visit.select(
            pl.when(known == ACCOUNT).then("account").when(known == SUBSCRIBER).then("subscriber")
        ).to_series()
        return {
            "visitor": visit["visitor"],
            "user_id": user,
            "session": visit["session"],
            "path": self.paths.gather(self.shop.events.value[event]),
            **{name: visit[name] for name in ("entry_url", "entry_referrer", "device", "country", "agent")},
        }

    def _orders(self, event: Ints) -> dict[str, pl.Series]:
        visit = self.of_visit(event)
        kind = pl.Series(self.shop.events.kind[event])
        has_amount = kind.is_in([CODES["order_placed"], CODES["order_returned"]])
        amount = pl.Series(self.shop.events.value[event] / 100)
        return {
            "order_no": _spelled("o", visit["number"]),
            "customer_no": visit["account"],
            "sold": visit["sold"],
            "landing_site": visit["entry_url"],
            "referring_site": visit["entry_referrer"],
            "amount": amount.zip_with(has_amount, pl.Series([None], dtype=pl.Float64)),
            "currency": pl.repeat("EUR", event.size, eager=True),
            "country": visit["country"],
        }

    def _email(self, event: Ints) -> dict[str, pl.Series]:
        visit = self.of_visit(event)
        is_link = pl.Series(self.shop.events.kind[event] == CODES["profile_linked"])
        nothing = pl.Series([None], dtype=pl.String)
        return {
            "subscriber": visit["subscriber"],
            "customer_no": visit["account"].zip_with(is_link, nothing),
            "campaign": self.campaigns.gather(self.shop.events.value[event]).zip_with(~is_link, nothing),
        }

    def _support(self, event: Ints) -> dict[str, pl.Series]:
        visit = self.of_visit(event)
        behaviour = self.shop.world.behaviour
        contact, topic = np.divmod(self.shop.events.value[event], len(behaviour.topics))
        return {
            "ticket_no": _spelled("t", visit["number"]),
            "customer_no": visit["account"],
            "contact": pl.Series(list(behaviour.contacts)).gather(contact),
            "topic": pl.Series(list(behaviour.topics)).gather(topic),
        }

    def _survey(self, event: Ints) -> dict[str, pl.Series]:
        visit = self.of_visit(event)
        return {
            "customer_no": visit["account"],
            "order_no": _spelled("o", visit["number"]),
            "score": pl.Series(self.shop.events.value[event]),
        }

    def _referral(self, event: Ints) -> dict[str, pl.Series]:
        visit = self.of_visit(event)
        return {
            "customer_no": visit["account"],
            "invitation": _spelled("i", visit["number"]),
        }

    def of_visit(self, event: Ints) -> pl.DataFrame:
        """The visit of each event."""
        return self.visits[self.shop.events.visit[event]]


def visit_columns(shop: Shop) -> pl.DataFrame:
    """One row per visit: everything about it that its rows say."""
    behaviour, visits = shop.world.behaviour, shop.visits
    number = np.arange(visits.count) + _FIRST_NUMBER
    person = pl.Series((visits.person + _FIRST_NUMBER).astype(np.int64))
    # bots come from the first country
    bots = int(visits.person.max()) + 1 - shop.world.people.count
    country = np.concatenate([shop.world.people.country, np.zeros(max(bots, 0), dtype=np.uint8)])
    every_form = [form for _, form in forms(behaviour)]
    queries = [
        "?" + (form.query or "").replace("{campaign}", campaign) if form.query else ""
        for form in every_form
        for campaign in behaviour.campaigns
    ]
    query = pl.Series(queries).gather(
        visits.form.astype(np.int64) * len(behaviour.campaigns) + visits.campaign
    )
    landing = pl.Series([SITE + path for path in shop.world.site.paths]).gather(visits.landing)
    # click ids are long and all different
    click = pl.Series(number.astype(np.int64) * 7_919_000_003 % 1_000_000_000_039)
    is_store = in_store(behaviour, visits)
    parts = pl.DataFrame({"landing": landing, "query": query, "click": click, "is_store": is_store})
    click_text = pl.when(pl.col("query").str.ends_with("=")).then(pl.col("click").cast(pl.String))
    address = pl.concat_str("landing", "query", click_text.otherwise(pl.lit("")))
    return pl.DataFrame(
        {
            "number": pl.Series(number),
            "visitor": _spelled("v", pl.Series(visits.cookie + _FIRST_NUMBER)),
            "account": _spelled("k", person),
            "subscriber": _spelled("s", person),
            "session": pl.Series(number),
            "entry_url": parts.select(pl.when(~pl.col("is_store")).then(address)).to_series(),
            "entry_referrer": pl.Series([form.referrer for form in every_form]).gather(visits.form),
            "device": pl.Series(list(behaviour.devices)).gather(visits.device),
            "country": pl.Series(list(behaviour.countries)).gather(country[visits.person]),
            "agent": pl.Series(agents(behaviour)).gather(visits.agent),
            "sold": pl.Series(["online", "store"]).gather(is_store.astype(np.uint8)),
        }
    )


def _spelled(letter: str, numbers: pl.Series) -> pl.Series:
    return pl.select(pl.concat_str(pl.lit(letter), numbers.cast(pl.String))).to_series()
