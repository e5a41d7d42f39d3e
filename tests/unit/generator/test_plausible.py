"""The made-up shop looks like a shop: heavy tail, sessions, repeat purchase, weekdays, seasons, personas."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from journey_analytics.generator.behaviour import Behaviour, Rates, shipped_behaviour
from journey_analytics.generator.calendar import DAY_MS, Period
from journey_analytics.generator.events import Shop, happen
from journey_analytics.generator.kinds import CODES, KINDS
from journey_analytics.generator.visits import in_store
from journey_analytics.generator.world import open_shop

FIRST = date(2025, 9, 15)
BLACK_FRIDAY = date(2025, 11, 28)
PEOPLE = 20_000


@pytest.fixture(scope="module")
def behaviour() -> Behaviour:
    return shipped_behaviour()


@pytest.fixture(scope="module")
def shop(behaviour: Behaviour) -> Shop:
    period = Period(FIRST, 112, ZoneInfo(behaviour.timezone))
    return happen(open_shop(1, behaviour, period, PEOPLE), 400_000)


def people_of(shop: Shop, kind: str) -> np.ndarray:
    """The person of each event of a kind."""
    return shop.visits.person[shop.events.visit[shop.events.kind == CODES[kind]]]


def visits_by_day(shop: Shop) -> dict[date, int]:
    counts = np.bincount(shop.world.period.day_numbers(shop.visits.start[shop.visits.person < PEOPLE]))
    return {shop.world.period.day(number): int(count) for number, count in enumerate(counts)}


def test_all_kinds_happen_and_each_stage_is_reached_by_fewer_than_the_one_before(shop: Shop) -> None:
    people = {kind.name: np.unique(people_of(shop, kind.name)).size for kind in KINDS}
    assert all(people.values())
    funnel = ["session_start", "product_view", "add_to_cart", "checkout_started"]
    assert sorted((people[step] for step in funnel), reverse=True) == [people[step] for step in funnel]
    assert people["order_placed"] < people["product_view"]
    assert people["friend_invited"] < people["order_delivered"] < people["order_placed"]


def test_few_customers_make_most_events(shop: Shop) -> None:
    of_person = np.sort(np.bincount(shop.visits.person[shop.events.visit])[:PEOPLE])[::-1]
    assert of_person[: PEOPLE // 100].sum() > 0.08 * of_person.sum()
    assert of_person[: PEOPLE // 5].sum() > 0.5 * of_person.sum()
    assert of_person.max() > 20 * np.median(of_person)


def test_sessions_are_short_with_a_long_tail_and_no_silence_in_them_ends_one(shop: Shop) -> None:
    web = shop.events.sources["web"]
    visit, time = shop.events.visit[web], shop.events.time[web]
    is_human = shop.visits.person[visit] < PEOPLE
    order = np.lexsort((time[is_human], visit[is_human]))
    visit, time = visit[is_human][order], time[is_human][order]
    length = np.bincount(visit)
    length = length[length > 0]
    assert 2 <= np.median(length) <= 6
    assert length.max() > 5 * np.median(length)
    gaps = np.diff(time)[np.diff(visit) == 0]
    assert gaps.max() < 30 * 60_000


def test_one_customer_in_three_to_ten_orders_again(shop: Shop) -> None:
    orders = np.bincount(people_of(shop, "order_placed"), minlength=PEOPLE)
    again = (orders > 1).sum() / (orders > 0).sum()
    assert 0.1 < again < 0.34


def test_who_has_ordered_is_likelier_to_order_at_a_checkout(shop: Shop) -> None:
    def visits_with(kind: str) -> np.ndarray:
        return np.unique(shop.events.visit[shop.events.kind == CODES[kind]])

    ordered, checkouts = visits_with("order_placed"), visits_with("checkout_started")
    first = np.full(PEOPLE, shop.visits.count)
    np.minimum.at(first, shop.visits.person[ordered], ordered)
    is_after = checkouts > first[shop.visits.person[checkouts]]
    has_ordered = np.isin(checkouts, ordered)
    # within a persona: those who order more often are more among the returning
    for code, name in enumerate(shop.world.behaviour.personas):
        of_persona = shop.world.people.persona[shop.visits.person[checkouts]] == code
        after = has_ordered[is_after & of_persona].mean()
        assert after > 1.12 * has_ordered[~is_after & of_persona].mean(), name


def test_three_in_ten_people_have_another_cookie_after_thirty_days(shop: Shop) -> None:
    """Of those with one device."""
    visits, people = shop.visits, shop.world.people
    own = visits.person < PEOPLE
    own[own] = ~people.has_second[visits.person[own]]
    person, start, cookie = visits.person[own], visits.start[own], visits.cookie[own]
    pairs = np.flatnonzero((person[1:] == person[:-1]) & (abs(np.diff(start) / DAY_MS - 30) < 3))
    assert pairs.size > 1_000
    assert np.mean(cookie[pairs] != cookie[pairs + 1]) == pytest.approx(0.31, abs=0.05)


def test_a_cookie_is_of_one_browser_or_of_a_shared_one(shop: Shop) -> None:
    visits, people = shop.visits, shop.world.people
    pairs = np.unique(np.stack([visits.cookie, visits.person]), axis=1)
    cookies, people_of = np.unique(pairs[0], return_counts=True)
    assert people_of.max() == 2
    users = pairs[1][np.isin(pairs[0], cookies[people_of == 2])].reshape(-1, 2)
    assert all(people.host[one] == other or people.host[other] == one for one, other in users)


def test_weekdays_are_as_busy_as_the_calendar_says(behaviour: Behaviour, shop: Shop) -> None:
    plain = {
        day: count
        for day, count in visits_by_day(shop).items()
        # four whole weeks of one month, without a holiday
        if date(2025, 10, 4) <= day <= date(2025, 10, 31)
    }
    of_weekday = np.array([sum(n for day, n in plain.items() if day.weekday() == w) for w in range(7)])
    expected = np.array(behaviour.calendar.weekdays) / sum(behaviour.calendar.weekdays)
    four_deviations = 4 * np.sqrt(expected * (1 - expected) / of_weekday.sum())
    assert len(plain) == 28
    assert of_weekday.argmax() == 6
    assert (np.abs(of_weekday / of_weekday.sum() - expected) < four_deviations).all()


def test_black_friday_is_the_busiest_day_and_christmas_a_quiet_one(shop: Shop) -> None:
    by_day = visits_by_day(shop)
    assert max(by_day, key=lambda day: by_day[day]) == BLACK_FRIDAY
    assert by_day[date(2025, 12, 25)] < 0.6 * by_day[date(2025, 12, 18)]


def test_nights_are_quiet_on_the_shops_own_clocks(shop: Shop) -> None:
    local = shop.world.period.to_local(shop.visits.start[shop.visits.person < PEOPLE])
    hours = np.bincount(local // 3_600_000 % 24, minlength=24)
    assert hours[2:5].sum() * 10 < hours[18:21].sum()


def test_personas_differ_in_what_they_do(behaviour: Behaviour, shop: Shop) -> None:
    names = list(behaviour.personas)
    persona = shop.world.people.persona
    sizes = np.bincount(persona)
    buyers = np.bincount(persona[np.unique(people_of(shop, "order_placed"))], minlength=len(names)) / sizes
    assert buyers[names.index("regular")] > 2 * buyers[names.index("window_shopper")]
    nps = shop.events.kind == CODES["nps"]
    score = shop.events.value[nps]
    of = persona[shop.visits.person[shop.events.visit[nps]]]
    means = [score[of == code].mean() for code in range(len(names))]
    assert max(means) == means[names.index("regular")]


def test_a_person_orders_in_a_store_only_after_a_visit_to_the_site(behaviour: Behaviour, shop: Shop) -> None:
    is_first = np.diff(shop.visits.person, prepend=-1) != 0
    assert in_store(behaviour, shop.visits).any()
    assert not in_store(behaviour, shop.visits)[is_first].any()


def test_a_chance_is_the_base_times_the_factors_of_persona_channel_device_and_incidents(
    behaviour: Behaviour,
) -> None:
    codes = [
        list(table).index(name)
        for table, name in (
            (behaviour.personas, "researcher"),
            (behaviour.channels, "paid_social"),
            (behaviour.devices, "desktop"),
        )
    ]
    rates = Rates(behaviour, *(np.array([code]) for code in codes), lambda step: np.array([0.5]))
    expected = (
        behaviour.chances.cart
        * behaviour.personas["researcher"].factors["cart"]
        * behaviour.channels["paid_social"].factors["cart"]
        * behaviour.devices["desktop"].factors["cart"]
        * 0.5
    )
    assert rates.chance("cart") == pytest.approx([expected])


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "UTC"])
def test_a_day_begins_at_its_own_midnight_whatever_the_clocks_do(zone: str) -> None:
    period = Period(date(2025, 3, 1), 300, ZoneInfo(zone))
    midnights = period.local_begin + np.arange(300) * 86_400_000
    utc = period.to_utc(midnights)
    assert (period.day_numbers(utc) == np.arange(300)).all()
    assert (period.day_numbers(utc - 1) == np.arange(300) - 1).all()
    assert utc[0] == period.begin
    assert period.last == date(2025, 3, 1) + timedelta(days=299)
