"""What comes of visits: the steps taken on the site, orders, and all that follows an order.

Belongs here: which events happen and when, by the rates. Does not belong here: page views, which fill visits
up to the number of events asked for (events.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from journey_analytics.generator.behaviour import Flags, Ints, Rates, pick, pick_by
from journey_analytics.generator.calendar import DAY_MS, HOUR_MS
from journey_analytics.generator.effects import Effects
from journey_analytics.generator.kinds import CODES, KINDS
from journey_analytics.generator.visits import Visits, in_store
from journey_analytics.generator.world import World

NEVER = np.iinfo(np.int64).max
_MINUTE_MS = 60_000

# how far into a visit each step is taken
_MOMENTS = {
    "search": 0.1,
    "login": 0.2,
    "newsletter_signup": 0.5,
    "wishlist_add": 0.55,
    "add_to_cart": 0.6,
    "checkout_started": 0.75,
    "payment_failed": 0.82,
    "account_created": 0.88,
}
_PAGES = {
    "search": "search",
    "login": "login",
    "newsletter_signup": "newsletter",
    "wishlist_add": "wishlist",
    "add_to_cart": "cart",
    "checkout_started": "checkout",
    "payment_failed": "payment",
    "account_created": "register",
}


@dataclass(frozen=True)
class Part:
    """Events of one kind: the visit each goes back to, its instant, and a value that depends on the kind."""

    kind: int
    visit: Ints
    time: Ints
    value: Ints


@dataclass(frozen=True)
class Outcomes:
    """Everything that came of some visits.

    Attributes:
        parts: the events.
        known_from: the instant from which each visit's web events carry the account; NEVER where none does.
        has_account: whether each visit's person had an account before it.
    """

    parts: tuple[Part, ...]
    known_from: Ints
    has_account: Flags

    @property
    def events(self) -> int:
        """How many events there are."""
        return sum(part.time.size for part in self.parts)


def outcomes(world: World, visits: Visits, eventful: Flags, effects: Effects) -> Outcomes:
    """What comes of the visits.

    Args:
        world: rates, days and people.
        visits: in order of person and time.
        eventful: visits of which more may come than that they took place; which these are changes no draw.
        effects: of incidents on the visits.
    """
    return _Teller(world, visits, eventful, effects).tell()


class _Teller:
    """Goes through the steps once, for all visits together."""

    def __init__(self, world: World, visits: Visits, eventful: Flags, effects: Effects) -> None:
        self.world = world
        self.behaviour = world.behaviour
        self.period = world.period
        self.visits = visits
        self.effects = effects
        self.eventful = eventful & ~effects.bounced
        self.persona = world.people.persona[visits.person]
        self.rates = Rates(world.behaviour, self.persona, visits.channel, visits.device, effects.factor)
        self.first_visit = np.flatnonzero(np.diff(visits.person, prepend=-1))
        self.number = np.arange(visits.count)

    def tell(self) -> Outcomes:
        visits = self.visits
        is_store = in_store(self.behaviour, visits)
        web = ~is_store & self.eventful
        search = self.happens("search", web)
        product = self.happens("product", web)
        wishlist = self.happens("wishlist", product)
        cart = self.happens("cart", product)
        checkout = self.happens("checkout", cart)
        failed = self.happens("payment_failed", checkout)
        order, has_account = self.orders(checkout, failed, is_store)
        signup = self.first_of_person(self.happens("newsletter", web))
        stays = has_account & self.happens("stays_logged_in", web)
        login = has_account & ~stays & self.happens("login", web)
        buys_online = order & ~is_store
        login_to_buy = buys_online & has_account & ~stays & ~login
        register = buys_online & ~has_account
        known_from = np.full(visits.count, NEVER)
        known_from[stays] = visits.start[stays]
        steps = [
            Part(CODES["session_start"], *self.at(~is_store, 0.0), visits.landing[~is_store]),
            self.product_views(product),
            self.step("search", search),
            self.step("newsletter_signup", signup),
            self.step("wishlist_add", wishlist),
            self.step("add_to_cart", cart),
            self.step("checkout_started", checkout),
            self.step("payment_failed", failed),
            self.step("account_created", register, known_from),
            self.step("login", login, known_from),
            self.step("login", login_to_buy, known_from, moment="account_created"),
        ]
        placed = self.placed(order)
        parts = [
            *map(self.recorded, steps),
            placed,
            *self.after_order(placed, buys_online),
            *self.mails(signup),
            self.aliases(placed, signup),
        ]
        return Outcomes(tuple(parts), known_from, has_account)

    def happens(self, step: str, given: Flags) -> Flags:
        """Of which visits the step is taken."""
        uniform = self.world.draws(f"step {step}").random(self.visits.count, dtype=np.float32)
        return given & (uniform < self.rates.chance(step))

    def orders(self, checkout: Flags, failed: Flags, is_store: Flags) -> tuple[Flags, Flags]:
        """Which visits end in an order, and whose person had ordered before.

        Whoever has ordered is likelier to order again. So each visit is judged as a first-time buyer's and as
        a returning one's; up to the first order the first holds, then the second.
        """
        uniform = self.world.draws("step order").random(self.visits.count, dtype=np.float32)
        chance = self.rates.chance("order")
        chance = np.where(failed, chance * self.behaviour.failed_payment_order, chance)
        as_first = (checkout & (uniform < chance)) | is_store
        as_returning = (checkout & (uniform < chance * self.behaviour.returning_order)) | is_store
        first = np.minimum.reduceat(np.where(as_first, self.number, self.visits.count), self.first_visit)
        has_ordered = self.number > first[self.visits.person]
        return np.where(has_ordered, as_returning, as_first), has_ordered

    def first_of_person(self, flags: Flags) -> Flags:
        """The flag of each person's first flagged visit alone."""
        first = np.minimum.reduceat(np.where(flags, self.number, self.visits.count), self.first_visit)
        return np.asarray(flags & (self.number == first[self.visits.person]))

    def at(self, chosen: Flags, moment: float) -> tuple[Ints, Ints]:
        """The chosen visits, and the instant at a fraction of each."""
        visit = np.flatnonzero(chosen)
        time = self.visits.start[visit] + (self.visits.span[visit] * moment).astype(np.int64)
        return visit, np.minimum(time, self.period.end - 1)

    def step(
        self, name: str, chosen: Flags, known_from: Ints | None = None, moment: str | None = None
    ) -> Part:
        """A step on the site; with `known_from`, the visit is known by its account from then on."""
        visit, time = self.at(chosen, _MOMENTS[moment or name])
        if known_from is not None:
            known_from[visit] = time
        return Part(CODES[name], visit, time, np.full(visit.size, self.world.site.step(_PAGES[name])))

    def product_views(self, chosen: Flags) -> Part:
        """One to four products looked at before anything is done with one."""
        random = self.world.draws("products")
        visit = np.flatnonzero(chosen)
        visit = np.repeat(visit, 1 + (random.random(visit.size) ** 2 * 4).astype(np.int64))
        moment = 0.15 + 0.35 * random.random(visit.size)
        time = self.visits.start[visit] + (self.visits.span[visit] * moment).astype(np.int64)
        page = self.world.site.pages("product", random.random(visit.size))
        return Part(CODES["product_view"], visit, np.minimum(time, self.period.end - 1), page)

    def recorded(self, part: Part) -> Part:
        """The part without what the site's tags did not record."""
        lost = self.effects.untagged(KINDS[part.kind].stage)[part.visit]
        return Part(part.kind, part.visit[~lost], part.time[~lost], part.value[~lost])

    def placed(self, order: Flags) -> Part:
        visit, time = self.at(order, 1.0)
        medians = np.array([persona.basket for persona in self.behaviour.personas.values()])
        spread = np.exp(0.55 * self.world.draws("amounts").standard_normal(self.visits.count)[visit])
        cents = np.maximum(medians[self.persona[visit]] * spread * 100, 100).astype(np.int64)
        return Part(CODES["order_placed"], visit, time, cents)

    def after_order(self, placed: Part, buys_online: Flags) -> Iterator[Part]:
        """What follows orders made online: delivery, returns, help, answers, recommendations."""
        chosen = (buys_online & self.eventful)[placed.visit]
        online = Part(placed.kind, placed.visit[chosen], placed.time[chosen], placed.value[chosen])
        shipped = self.follow(online, "order_shipped", "shipped")
        delivered = self.follow(shipped, "order_delivered", "delivered")
        returned = self.follow(delivered, "order_returned", "returned", chance="returned")
        yield from (shipped, delivered, Part(returned.kind, returned.visit, returned.time, -returned.value))
        opened = self.follow(delivered, "ticket_opened", "ticket", chance="ticket")
        resolved = self.follow(opened, "ticket_resolved", "resolved")
        topics = len(self.behaviour.topics)
        for part in (opened, resolved):
            contact = self.chosen(part, "contact", self.behaviour.contacts)
            topic = self.chosen(part, "topic", self.behaviour.topics)
            yield Part(part.kind, part.visit, part.time, contact.astype(np.int64) * topics + topic)
        personas = self.behaviour.personas.values()
        yield self.answers(resolved, "csat", "csat", [p.csat for p in personas], lowest=1)
        yield self.answers(delivered, "nps", "nps", [p.nps for p in personas], lowest=0)
        yield self.answers(delivered, "rating", "review", [p.rating for p in personas], lowest=1)
        invited = self.follow(delivered, "friend_invited", "invite", chance="invite")
        yield invited
        yield self.follow(invited, "friend_joined", "friend_joined", chance="friend_joined")

    def follow(self, parent: Part, kind: str, delay: str, chance: str | None = None) -> Part:
        """What comes some time after each of the parents, with a chance; nothing comes after the period."""
        random = self.world.draws(f"follow {kind}")
        count = self.visits.count
        waits = self.behaviour.delays[delay]
        wait = (waits.least + waits.mean * random.standard_exponential(count)[parent.visit]) * DAY_MS
        time = parent.time + wait.astype(np.int64)
        chosen = time < self.period.end
        if chance is not None:
            chosen &= (random.random(count) < self.rates.chance(chance))[parent.visit]
        return Part(CODES[kind], parent.visit[chosen], time[chosen], parent.value[chosen])

    def chosen(self, part: Part, purpose: str, weights: dict[str, float]) -> Ints:
        """What each visit chose; a ticket is resolved where it was opened."""
        return pick(self.world.draws(purpose).random(self.visits.count)[part.visit], weights)

    def answers(
        self, parent: Part, kind: str, step: str, weights: list[tuple[float, ...]], lowest: int
    ) -> Part:
        part = self.follow(parent, kind, step, chance=step)
        uniform = self.world.draws(f"score {kind}").random(self.visits.count)[part.visit]
        score = pick_by(self.persona[part.visit], uniform, weights).astype(np.int64) + lowest
        return Part(part.kind, part.visit, part.time, score)

    def mails(self, signup: Flags) -> Iterator[Part]:
        """Mailings to subscribers, on mornings after their visits, and what they do with them."""
        since = np.minimum.reduceat(np.where(signup, self.number, self.visits.count), self.first_visit)
        since = since[self.visits.person]
        random = self.world.draws("mails")
        mails = random.poisson(self.behaviour.mails_per_visit, self.visits.count)
        visit = np.repeat(self.number, np.where((self.number >= since) & self.eventful, mails, 0))
        day = self.period.day_numbers(self.visits.start[visit]) + 1 + random.integers(0, 14, visit.size)
        hour = 8 + 2 * random.random(visit.size)
        local = self.period.local_begin + day * DAY_MS + (hour * HOUR_MS).astype(np.int64)
        time = self.period.to_utc(local)
        campaign = pick(random.random(visit.size), [1.0] * len(self.behaviour.campaigns))
        opens = random.random(visit.size) < self.rates.chance("opened")[visit]
        waits = self.behaviour.delays["opened"]
        wait = (waits.least + waits.mean * random.standard_exponential(visit.size)) * DAY_MS
        for kind, at, chosen in (
            ("email_sent", time, time < self.period.end),
            ("email_opened", time + wait.astype(np.int64), opens & (time + wait < self.period.end)),
        ):
            yield Part(CODES[kind], visit[chosen], at[chosen], campaign[chosen].astype(np.int64))
        # the click in a mail comes just before the visit it leads to
        by_mail = self.visits.channel == list(self.behaviour.channels).index("email")
        visit = np.flatnonzero(by_mail & (self.number > since) & self.eventful)
        visit = visit[self.visits.start[visit] - 2_000 >= self.period.begin]
        campaign = self.visits.campaign[visit].astype(np.int64)
        yield Part(CODES["email_clicked"], visit, self.visits.start[visit] - 2_000, campaign)

    def aliases(self, placed: Part, signup: Flags) -> Part:
        """Where a person both subscribed and ordered, the shop links the two ids a minute after the later."""
        people = self.first_visit.size
        subscribed, ordered = (np.full(people, NEVER) for _ in range(2))
        visit, time = self.at(signup, _MOMENTS["newsletter_signup"])
        subscribed[self.visits.person[visit]] = time
        # the visits of a person are in order of time, but may overlap
        np.minimum.at(ordered, self.visits.person[placed.visit], placed.time)
        linked = np.flatnonzero((subscribed != NEVER) & (ordered != NEVER))
        time = np.maximum(subscribed[linked], ordered[linked]) + _MINUTE_MS
        time = np.minimum(time, self.period.end - 1)
        return Part(CODES["profile_linked"], self.first_visit[linked], time, np.zeros(linked.size, np.int64))
