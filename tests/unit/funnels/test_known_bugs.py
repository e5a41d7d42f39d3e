"""What went wrong in funnels of other products, with rows made by hand; a name says what must not happen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from journey_analytics import funnel
from tests.unit.funnels.frames import events

STEPS = ["view", "cart", "order"]


@pytest.mark.parametrize("mode", ["ordered", "strict", "unordered"])
def test_steps_in_one_timestamp_convert(mode: str) -> None:
    """Whatever order the rows come in: nothing says which of two equal times was first."""
    for rows in permutations([("ann", 0, "order"), ("ann", 0, "cart"), ("ann", 0, "view")]):
        assert funnel(events(*rows), STEPS, mode=mode).reached == [1, 1, 1]


@pytest.mark.parametrize("mode", ["ordered", "strict", "unordered"])
def test_a_tied_duplicate_does_not_lose_the_next_step(mode: str) -> None:
    rows = [
        ("ann", 0, "view"),
        ("ann", 0, "view"),
        ("ann", 1, "cart"),
        ("ann", 1, "cart"),
        ("ann", 2, "order"),
    ]
    assert funnel(events(*rows), STEPS, mode=mode).reached == [1, 1, 1]


def test_no_order_of_rows_gives_another_result() -> None:
    rows = [
        ("ann", 0, "view", "ads"),
        ("ann", 0, "view", "email"),
        ("ann", 1, "cart", None),
        ("bob", 0, "view", "ads"),
    ]
    results = [funnel(events(*order), STEPS, breakdown="channel") for order in permutations(rows)]
    assert {tuple(result.by_group.rows()) for result in results} == {tuple(results[0].by_group.rows())}
    # of the two views in one moment that of the lower channel opens the chain
    assert results[0].by_group.filter(step="cart").select("group", "reached").rows() == [("ads", 1)]


def test_a_breakdown_does_not_cut_chains_that_change_channel() -> None:
    """Six customers, each step by another channel: cut by channel nobody would convert."""
    rows = [
        (f"c{number}", minute, step, channel)
        for number in range(6)
        for minute, (step, channel) in enumerate(zip(STEPS, ["ads", "email", "direct"], strict=True))
    ]
    for attribution in ("first_touch", "last_touch", "all_steps"):
        result = funnel(events(*rows), STEPS, breakdown="channel", attribution=attribution)
        assert result.reached == [6, 6, 6]
        assert result.by_group.filter(step="order")["reached"].sum() == 6


def test_first_touch_is_the_channel_of_step_1_and_not_of_a_later_one() -> None:
    """ann comes by ads and orders by email; bob comes by ads and leaves: email has nobody, ads one of two."""
    rows = [("ann", 0, "view", "ads"), ("ann", 1, "order", "email"), ("bob", 0, "view", "ads")]
    result = funnel(events(*rows), ["view", "order"], breakdown="channel")
    assert result.by_group.select("group", "step", "reached").rows() == [
        ("ads", "view", 2),
        ("ads", "order", 1),
    ]


def test_a_first_touch_without_a_value_does_not_borrow_that_of_a_later_step() -> None:
    rows = [("ann", 0, "view", None), ("ann", 1, "order", "email")]
    result = funnel(events(*rows), ["view", "order"], breakdown="channel")
    assert result.by_group["group"].unique().to_list() == ["unknown"]


def test_a_breakdown_by_a_step_keeps_those_who_did_not_reach_it() -> None:
    rows = [("ann", 0, "view", "ads"), ("ann", 1, "order", "email"), ("bob", 0, "view", "ads")]
    result = funnel(
        events(*rows), ["view", "order"], breakdown="channel", attribution="step", attribution_step=2
    )
    assert result.by_group.filter(step="view").select("group", "reached").rows() == [
        ("email", 1),
        ("unknown", 1),
    ]


def test_a_customer_who_comes_back_after_buying_is_not_dropped() -> None:
    result = funnel(events(("ann", 0, "view"), ("ann", 1, "order"), ("ann", 2, "view")), ["view", "order"])
    assert result.reached == [1, 1]
    assert result.customers(1, dropped=True) == []


@pytest.mark.parametrize("mode", ["ordered", "strict", "unordered"])
@pytest.mark.parametrize(
    ("orders", "reached"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (3, [1, 1, 1]), (4, [1, 1, 1])]
)
def test_a_repeated_step_counts_as_often_as_the_event_came(
    mode: str, orders: int, reached: list[int]
) -> None:
    rows = [("ann", minute, "order") for minute in range(orders)]
    assert funnel(events(*rows), ["order"] * 3, mode=mode).reached == reached


def test_a_repeated_step_needs_as_many_events_also_in_one_moment() -> None:
    assert funnel(events(("ann", 0, "order")), ["order", "order"]).reached == [1, 0]
    assert funnel(events(("ann", 0, "order"), ("ann", 0, "order")), ["order", "order"]).reached == [1, 1]


def test_a_newer_entry_does_not_overwrite_a_chain_that_goes_further() -> None:
    """The second view comes after the cart; a cart must not be asked for again."""
    rows = [("ann", 0, "view"), ("ann", 1, "cart"), ("ann", 2, "view"), ("ann", 3, "order")]
    assert funnel(events(*rows), STEPS).reached == [1, 1, 1]


def test_an_older_entry_does_not_hide_a_newer_one_inside_the_window() -> None:
    rows = [("ann", 0, "view"), ("ann", 50, "view"), ("ann", 60, "cart"), ("ann", 100, "order")]
    assert funnel(events(*rows), STEPS, window=timedelta(minutes=60)).reached == [1, 1, 1]


@pytest.mark.parametrize(("microseconds", "reached"), [(0, [1, 1]), (1, [1, 0])])
def test_a_window_of_a_day_is_24_hours_when_clocks_change(microseconds: int, reached: list[int]) -> None:
    """Berlin's 29 March 2026 has 23 hours: 24 hours later the clock shows an hour more."""
    berlin = ZoneInfo("Europe/Berlin")
    entry = datetime(2026, 3, 28, 12, tzinfo=berlin)
    end = datetime(2026, 3, 29, 13, 0, 0, microseconds, tzinfo=berlin)
    rows = events(("ann", entry.astimezone(UTC), "view"), ("ann", end.astimezone(UTC), "order"))
    for zone in ("UTC", "Europe/Berlin"):
        shown = rows.with_columns(pl.col("occurred_at").dt.convert_time_zone(zone))
        assert funnel(shown, ["view", "order"], window=timedelta(days=1)).reached == reached


def test_events_without_a_customer_are_not_one_customer() -> None:
    rows = [(None, 0, "view"), (None, 1, "order"), ("ann", 0, "view"), (None, 2, "other")]
    for mode in ("ordered", "strict", "unordered"):
        result = funnel(events(*rows), ["view", "order"], mode=mode)
        assert (result.reached, result.events_without_customer) == ([1, 0], 3)


@pytest.mark.parametrize(("minute", "reached"), [(60, [0, 0]), (61, [1, 0])])
def test_an_exclusion_counts_up_to_the_end_of_the_window_and_not_after(
    minute: int, reached: list[int]
) -> None:
    rows = events(("ann", 0, "view"), ("ann", minute, "refund"))
    asked = {"exclusions": [("refund", 1, 2)], "window": timedelta(minutes=60)}
    assert funnel(rows, ["view", "order"], **asked).reached == reached


@pytest.mark.parametrize(
    ("minute", "reached"),
    [(-1, [1, 1, 1]), (0, [1, 1, 1]), (1, [0, 0, 0]), (10, [1, 1, 1]), (11, [1, 1, 1])],
    ids=["before", "in the moment of its first step", "between", "in the moment of its last step", "after"],
)
def test_an_exclusion_counts_between_its_two_steps_alone(minute: int, reached: list[int]) -> None:
    rows = events(("ann", 0, "view"), ("ann", minute, "refund"), ("ann", 10, "cart"), ("ann", 20, "order"))
    assert funnel(rows, STEPS, exclusions=[("refund", 1, 2)]).reached == reached
    stays = [1, 0, 0] if reached == [0, 0, 0] else reached
    assert funnel(rows, STEPS, exclusions=[("refund", 1, 2)], mode="unordered").reached == stays


def test_unsorted_input_gives_the_answer_of_sorted_input() -> None:
    rows = [
        ("bob", 5, "order"),
        ("ann", 9, "order"),
        ("bob", 0, "view"),
        ("ann", 8, "cart"),
        ("ann", 7, "view"),
    ]
    assert funnel(events(*rows), STEPS).reached == funnel(events(*sorted(rows)), STEPS).reached == [2, 1, 1]
