"""The rule book's boundaries, with rows made by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from journey_analytics import funnel
from tests.unit.funnels.frames import events

STEPS = ["view", "cart", "order"]


def test_strict_is_broken_by_any_other_event_but_not_by_one_in_the_same_moment() -> None:
    kept = [
        ("ann", 0, "view"),
        ("ann", 0, "other"),
        ("ann", 1, "other"),
        ("ann", 1, "cart"),
        ("ann", 2, "order"),
    ]
    assert funnel(events(*kept), STEPS, mode="strict").reached == [1, 1, 1]
    assert funnel(events(*kept, ("ann", 1.5, "other")), STEPS, mode="strict").reached == [1, 1, 0]
    assert funnel(events(*kept, ("bob", 1.5, "other")), STEPS, mode="strict").reached == [1, 1, 1]


def test_a_step_window_runs_from_the_event_before_and_includes_its_end() -> None:
    rows = events(("ann", 0, "view"), ("ann", 50, "cart"), ("ann", 60, "order"))
    for minutes, reached in ((10, [1, 1, 1]), (9, [1, 1, 0])):
        windows = {3: timedelta(minutes=minutes)}
        assert funnel(rows, STEPS, step_windows=windows).reached == reached


def test_a_later_cart_saves_a_step_window() -> None:
    rows = events(("ann", 0, "view"), ("ann", 1, "cart"), ("ann", 50, "cart"), ("ann", 60, "order"))
    result = funnel(rows, STEPS, step_windows={3: timedelta(minutes=10)})
    assert result.reached == [1, 1, 1]
    assert result.table["p50_seconds_from_previous"].to_list() == [None, 50 * 60.0, 10 * 60.0]


def test_an_optional_step_is_counted_when_met_and_never_blocks() -> None:
    rows = [
        ("ann", 0, "view"),
        ("ann", 1, "cart"),
        ("ann", 2, "order"),
        ("bob", 0, "view"),
        ("bob", 1, "order"),
    ]
    result = funnel(events(*rows), STEPS, optional=[2])
    assert result.reached == [2, 1, 2]
    assert result.table["dropped"].to_list() == [0, 0, 0]
    # an order follows two views, not one cart
    assert result.table["step_conversion_rate"].to_list() == [None, 0.5, 1.0]
    assert funnel(events(*rows), STEPS).reached == [2, 1, 1]


def test_an_optional_step_after_the_next_one_is_not_met() -> None:
    rows = events(("ann", 0, "view"), ("ann", 1, "order"), ("ann", 2, "cart"))
    assert funnel(rows, STEPS, optional=[2]).reached == [1, 0, 1]


def test_unordered_counts_distinct_steps_inside_one_window() -> None:
    rows = events(("ann", 0, "order"), ("ann", 30, "view"), ("ann", 30, "view"), ("ann", 61, "cart"))
    assert funnel(rows, STEPS, mode="unordered").reached == [1, 1, 1]
    assert funnel(rows, STEPS, mode="unordered", window=timedelta(minutes=61)).reached == [1, 1, 1]
    assert funnel(rows, STEPS, mode="unordered", window=timedelta(minutes=60)).reached == [1, 1, 0]


def test_of_two_entries_with_one_outcome_the_nearer_one_counts() -> None:
    rows = [("ann", 0, "view", "ads"), ("ann", 5, "view", "email"), ("ann", 7, "order", "direct")]
    result = funnel(events(*rows), ["view", "order"], breakdown="channel")
    assert result.by_group["group"].unique().to_list() == ["email"]
    assert result.table["p95_seconds_from_entry"].to_list() == [None, 120.0]


def test_who_only_enters_is_grouped_by_the_first_entry() -> None:
    rows = [("ann", 0, "view", "ads"), ("ann", 5, "view", "email")]
    result = funnel(events(*rows), ["view", "order"], breakdown="channel")
    assert result.by_group["group"].unique().to_list() == ["ads"]


@pytest.mark.parametrize(
    ("attribution", "group"), [("last_touch", "email"), ("all_steps", "mixed"), ("first_touch", "ads")]
)
def test_attribution_says_which_event_gives_the_group(attribution: str, group: str) -> None:
    rows = [("ann", 0, "view", "ads"), ("ann", 1, "cart", "email")]
    result = funnel(events(*rows), STEPS, breakdown="channel", attribution=attribution)
    assert result.by_group["group"].unique().to_list() == [group]


def test_an_event_that_fits_two_steps_is_used_where_it_helps() -> None:
    """The first event can only be step 1 when the second one is to be step 2, and the other way round."""
    steps = [["view", "both"], ["cart", "both"]]
    assert funnel(events(("ann", 0, "both"), ("ann", 0, "view")), steps).reached == [1, 1]
    assert funnel(events(("ann", 0, "both"), ("ann", 1, "both")), steps, mode="strict").reached == [1, 1]
    assert funnel(events(("ann", 0, "both")), steps, mode="unordered").reached == [1, 0]
    assert funnel(events(("ann", 0, "cart"), ("ann", 9, "both")), steps, mode="unordered").reached == [1, 1]


def test_rates_come_with_their_intervals_and_drops_with_their_customers() -> None:
    rows = [(f"c{number}", 0, "view") for number in range(10)] + [
        (f"c{number}", 1, "cart") for number in range(8)
    ]
    result = funnel(events(*rows), ["view", "cart"])
    last = result.table.to_dicts()[1]
    assert (last["conversion_rate"], last["step_conversion_rate"]) == (0.8, 0.8)
    # E. B. Wilson's interval of 8 in 10
    assert round(last["conversion_rate_low"], 4) == 0.4902
    assert round(last["conversion_rate_high"], 4) == 0.9433
    assert result.customers(1, dropped=True) == ["c8", "c9"]
    assert result.customers(2) == [f"c{number}" for number in range(8)]


def test_no_events_give_a_funnel_of_zeros() -> None:
    result = funnel(events(), STEPS, breakdown="channel")
    assert result.reached == [0, 0, 0]
    assert result.table["conversion_rate"].to_list() == [None, None, None]
    assert result.by_group.height == 0
    assert result.customers(1) == []
