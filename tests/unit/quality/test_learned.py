"""Gates that learn: each limit from both sides, and how often clean nights are told to be unlike."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from journey_analytics.quality.check_names import ALL_SOURCES, Measure
from journey_analytics.quality.learned import Verdict, judge
from journey_analytics.quality.measures import DAYS, HOURS, Floats, Measures, Series
from journey_analytics.quality.profiles import judge_hours
from tests.unit.quality.nights import make_up, night

DAY = date(2026, 6, 10)
PROFILE = np.array([0] * 6 + [10] * 6 + [40] * 6 + [20] * 6, dtype=float)
Values = dict[int, float]


def days(usual: float, changed: Values | None = None, *, weekly: float = 1.0) -> Floats:
    """The same value every day, on Wednesdays `weekly` times it; `changed` names days before the last."""
    values = np.array([usual * (weekly if (DAYS - 1 - place) % 7 == 0 else 1.0) for place in range(DAYS)])
    for back, value in (changed or {}).items():
        values[DAYS - 1 - back] = value
    return values


def measures(*series: Series, **events: Floats) -> Measures:
    """Sources with these events a day, by PROFILE, and further series."""
    hours = {source: np.outer(value, PROFILE / PROFILE.sum()) for source, value in events.items()}
    counts = [Series(source, Measure.EVENTS, "", value, np.ones(DAYS)) for source, value in events.items()]
    return Measures(DAY, (*counts, *series), hours)


def told(found: Measures, name: str, source: str = "web", own_unusual: tuple[date, ...] = ()) -> Verdict:
    return next(v for v in judge(found, source, DAY, [DAY], own_unusual) if v.name == name)


def share(part: Floats, of: Floats, measure: Measure = Measure.CHANNEL, name: str = "email") -> Series:
    return Series("web", measure, name, part, of)


@pytest.mark.parametrize(
    ("tonight", "level"),
    [(1000, None), (650, None), (640, "warn"), (600, "warn"), (590, "fail"), (0, "fail"),
     (1600, None), (1610, "warn"), (1700, "warn"), (1710, "fail")],
)  # fmt: skip
def test_a_count_is_judged_by_how_far_it_is_from_the_usual(tonight: float, level: str | None) -> None:
    verdict = told(measures(web=days(1000, {0: tonight})), "events of web")
    assert (verdict.usual, verdict.level) == (1000, level)


def test_a_small_count_may_swing_as_counting_does() -> None:
    # 6 of 16 is less than six tenths, and 16 events a day say little
    assert told(measures(web=days(16, {0: 6})), "events of web").level is None


def test_a_weekday_is_judged_by_its_own_kind() -> None:
    assert told(measures(web=days(1000, {0: 100}, weekly=0.1)), "events of web").level is None
    assert told(measures(web=days(1000, {0: 1000}, weekly=0.1)), "events of web").level == "fail"


def test_four_weekdays_are_enough_history_and_three_are_not() -> None:
    for weeks, usual in ((4, 1000), (3, None)):
        values = days(1000, {0: 100})
        values[: DAYS - 1 - 7 * weeks] = 0
        verdict = told(measures(web=values), "events of web")
        assert verdict.usual == usual
    assert verdict.note == "not enough history: 3 of the 4 Wednesdays it takes"


def test_one_bad_day_of_the_past_hides_none_of_today_and_two_do() -> None:
    assert told(measures(web=days(1000, {0: 0, 7: 0})), "events of web").level == "fail"
    assert told(measures(web=days(1000, {0: 0, 7: 0, 14: 0})), "events of web").level is None


def test_a_growing_shop_is_judged_by_its_last_weeks() -> None:
    growing = days(1000) * 1.01 ** np.arange(-DAYS + 1, 1)
    assert told(measures(web=growing), "events of web").level is None
    growing[-1] /= 2
    assert told(measures(web=growing), "events of web").level == "fail"


def test_all_sources_that_swing_together_are_only_told_as_one() -> None:
    swung = days(1000, {0: 350})
    found = measures(web=swung, shop=swung, mail=swung)
    assert [told(found, f"events of {one}", one).level for one in ("web", "shop", "mail")] == [None] * 3
    (total,) = judge(found, ALL_SOURCES, DAY, [DAY])
    assert (total.level, total.value) == ("fail", pytest.approx(1050))
    # one alone that falls has nobody to follow
    assert told(measures(web=swung, shop=days(1000), mail=days(1000)), "events of web").level == "fail"
    # of a source that is not complete yet nothing is concluded
    assert judge(found, "web", DAY, [DAY], (), ["shop", "mail"])[0].level == "fail"


def test_last_years_swing_is_no_news() -> None:
    assert told(measures(web=days(1000, {0: 350, 364: 350})), "events of web").level is None
    assert told(measures(web=days(1000, {0: 350, 363: 350})), "events of web").level == "fail"


def test_an_unusual_day_may_swing_and_is_nobodys_history() -> None:
    found = measures(web=days(1000, {0: 350}))
    assert told(found, "events of web", own_unusual=(DAY,)).level is None
    weeks = {7 * week: 10.0 for week in range(1, 5)}
    before = tuple(DAY - timedelta(days=back) for back in weeks)
    found = measures(web=days(1000, weeks))
    assert told(found, "events of web", own_unusual=before).usual == 1000


@pytest.mark.parametrize(
    ("tonight", "level"), [(100, None), (28, None), (20, "warn"), (10, "fail"), (0, "fail")]
)
def test_a_channel_may_not_vanish(tonight: float, level: str | None) -> None:
    of = days(1000)
    found = measures(share(days(100, {0: tonight}), of), web=of)
    assert told(found, "channel email of web").level == level


def test_a_mailing_that_is_not_sent_every_week_may_be_missed() -> None:
    of = days(1000)
    found = measures(share(days(100, {0: 0, 14: 0, 28: 0}), of), web=of)
    assert told(found, "channel email of web").level is None


@pytest.mark.parametrize(("missing", "level"), [(0, None), (9, None), (14, "warn"), (30, "fail")])
def test_three_in_a_hundred_null_ids_are_seen(missing: float, level: str | None) -> None:
    of = days(1000)
    found = measures(share(days(0, {0: missing}), of, Measure.MISSING, "customer_ref in view"), web=of)
    assert told(found, "missing customer_ref in view of web").level == level


@pytest.mark.parametrize(
    ("mean", "level"), [(40, None), (66, None), (70, "warn"), (110, "fail"), (0.4, "fail")]
)
def test_a_mean_revenue_may_not_change_its_unit(mean: float, level: str | None) -> None:
    paid = days(200)
    found = measures(Series("web", Measure.REVENUE, "", paid * days(40, {0: mean}), paid), web=days(1000))
    assert told(found, "mean revenue of web").level == level


@pytest.mark.parametrize(("hours", "level"), [(2.0, None), (5.1, "warn"), (8.1, "fail")])
def test_a_source_may_not_fall_silent(hours: float, level: str | None) -> None:
    silent = Series("web", Measure.FRESHNESS, "", days(1.0, {0: hours, 3: 2.0}), np.ones(DAYS))
    assert told(measures(silent, web=days(1000)), "freshness of web").level == level


@pytest.mark.parametrize("shift", [1, -1, 3])
def test_another_clock_is_seen(shift: int) -> None:
    found = measures(web=days(2000))
    moved = found.hours["web"].copy()
    moved[-1] = np.roll(moved[-1], shift)
    hours, clock = judge_hours(replace(found, hours={"web": moved}), "web", DAY, [DAY])
    assert clock.level == "fail"
    assert f"{abs(shift)} hour" in clock.note
    assert ("later" if shift > 0 else "earlier") in clock.note
    assert [verdict.level for verdict in judge_hours(found, "web", DAY, [DAY])] == [None, None]
    assert hours.value > 0.05


def test_a_day_that_ends_at_noon_is_seen() -> None:
    found = measures(web=days(2000))
    cut = found.hours["web"].copy()
    cut[-1, HOURS // 2 :] = 0
    hours, _ = judge_hours(replace(found, hours={"web": cut}), "web", DAY, [DAY])
    assert hours.level == "fail"


def test_few_events_say_nothing_of_the_clock() -> None:
    assert judge_hours(measures(web=days(99)), "web", DAY, [DAY]) == []


@pytest.mark.slow
def test_clean_nights_are_told_to_be_unlike_others_less_than_once_in_60() -> None:
    """Winters with Black Friday and Christmas, one with last year's days and one without: the stated rate."""
    last, nights = date(2026, 1, 18), 60
    unlike = []
    for seed, known_days in ((1, 130), (2, DAYS + 90)):
        shop = make_up(seed, last, nights, known_days=known_days)
        for back in range(nights):
            unlike += [v for v in night(shop.until(last - timedelta(days=back))) if v.level]
    assert len(unlike) <= 1, unlike
    assert not [verdict for verdict in unlike if verdict.level == "fail"]
