"""What is said of alerts: figures made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from journey_analytics.alerts.published import Alert, Alerts
from journey_analytics.alerts.wording import doubts, headline, places, sentences, title
from journey_analytics.reports.sections.alerts import alerts

_FIGURES: dict[str, Any] = {
    "stage": "interest",
    "channel_role": "stage_entry",
    "channel": "email",
    "first_date": date(2026, 3, 10),
    "last_date": date(2026, 3, 15),
    "is_over": False,
    "alert_days": 6,
    "horizon_seconds": 1800.0,
    "journeys_reached": 1_234,
    "early_drop_off_rate": 0.5,
    "baseline_rate": 0.375,
    "change": 0.125,
    "change_low": 0.1,
    "change_high": 0.15,
    "q_value": 0.00012,
    "excess_drops": 154.25,
    "value_at_risk": Decimal("1234.50"),
    "cause_dimension": "device",
    "cause_value": "mobile",
    "cause_channel": "all",
    "cause_share": 1.02,
    "cause_volume_share": 0.56,
}


def _alert(exits: list[dict[str, Any]] | None = None, **other: Any) -> Alert:
    return Alert({**_FIGURES, **other}, [], exits or [], [], [])


def test_a_quiet_night_says_how_much_was_looked_at() -> None:
    told = headline(Alerts("2026-03-15", 1_200, [], []))
    assert told.startswith("Nothing changed: 1,200 combinations")


def test_where_nothing_could_be_compared_nothing_is_said_to_be_unchanged() -> None:
    assert headline(Alerts("2026-03-15", 0, [], [])).startswith("Too few days")


def test_what_comes_nearest_to_a_cause_is_named_where_none_stands_out() -> None:
    """The likeliest part that lost more than its share: not the whole, nor one that lost less."""
    shares = [
        ("all", "all", 1.0, 1.0),
        ("device", "mobile", 0.5, 0.5),
        ("channel", "ads", 0.734, 0.5),
    ]
    causes = [
        {"dimension": d, "value": v, "cause_channel": "all", "excess_share": e, "volume_share": s}
        for d, v, e, s in shares
    ]
    alert = replace(_alert(cause_dimension="all", cause_value="all"), causes=causes)
    assert sentences(alert, None)[2] == (
        "No device, page, campaign or channel stands out from the others; channel ads as a whole comes "
        "nearest (73 % of the loss, 50 % of the journeys), but these are too few to tell."
    )


def test_the_headline_counts_alerts_and_what_they_cost() -> None:
    told = headline(Alerts("2026-03-15", 60, [_alert(), _alert(stage="usage", is_over=True)], []))
    assert told.startswith("2 alerts, 1 of them still going on: 308 journeys lost")


def test_a_journey_that_several_alerts_count_is_lost_once() -> None:
    """Email and ads share none; all channels, and the channels of first touch, hold the same ones."""
    alerts = [
        _alert(channel="email", excess_drops=80.0, value_at_risk=Decimal(8)),
        _alert(channel="ads", excess_drops=40.0, value_at_risk=None),
        _alert(channel_role="all", channel="all", excess_drops=100.0, value_at_risk=Decimal(10)),
        _alert(channel_role="first_touch", excess_drops=90.0, value_at_risk=Decimal(9)),
        _alert(stage="usage", excess_drops=7.0, value_at_risk=None),
    ]
    found = Alerts("2026-03-15", 60, alerts, [])
    assert (found.journeys_lost, found.value_at_risk) == (80 + 40 + 7, Decimal(10))
    assert "127 journeys lost" in headline(found)
    assert Alerts("2026-03-15", 60, alerts[-1:], []).value_at_risk is None


def test_the_title_says_where_and_since_when() -> None:
    assert title(_alert()) == "interest, email: since 2026-03-10, 6 days so far"
    assert title(_alert(alert_days=1)).endswith("since 2026-03-10, 1 day so far")
    assert title(_alert(is_over=True, channel="all")).endswith(
        "all channels: from 2026-03-10 to 2026-03-15, over"
    )
    assert title(_alert(channel_role="first_touch")).startswith("interest, email (first touch):")


def test_what_still_goes_on_is_named_before_what_is_over() -> None:
    alerts = [_alert(is_over=True), _alert(channel="ads"), _alert(channel="store"), _alert(stage="usage")]
    told = places(Alerts("2026-03-15", 60, alerts, []), 2)
    assert told == (
        "interest, ads: since 2026-03-10, 6 days so far. interest, store: since 2026-03-10, 6 days so far."
    )


def test_the_sentences_say_what_changed_what_it_cost_and_what_carries_it() -> None:
    change, cost, cause = sentences(_alert(), None)
    assert change == (
        "50.0 % of 1,234 journeys did not go on within 30 m, instead of 37.5 % "
        "(+12.5 points, 95 % +10.0 to +15.0; q = 0.00012)."
    )
    assert cost == "154 journeys lost beyond expectation, 1,234 in revenue at risk."
    assert cause == "Carried by device mobile: 100 % of the loss, 56 % of the journeys."


def test_without_revenue_nothing_is_said_of_it() -> None:
    assert sentences(_alert(value_at_risk=None), None)[1] == "154 journeys lost beyond expectation."


@pytest.mark.parametrize(
    ("dimension", "value", "channel", "words"),
    [
        ("all", "all", "all", "No device, page, campaign or channel stands out from the others."),
        ("channel", "email", "email", "Carried by channel email as a whole"),
        ("utm_campaign", "spring", "email", "Carried by campaign spring in channel email"),
    ],
)
def test_the_cause_is_named_by_its_kind(dimension: str, value: str, channel: str, words: str) -> None:
    alert = _alert(cause_dimension=dimension, cause_value=value, cause_channel=channel)
    assert sentences(alert, None)[2].startswith(words)


def test_what_was_done_instead_is_what_grew() -> None:
    """By five points or more."""
    exits = [
        {"event_name": "(nothing)", "journeys_share": 0.6, "baseline_share": 0.4, "share_change": 0.2},
        {"event_name": "help", "journeys_share": 0.15, "baseline_share": 0.1, "share_change": 0.05},
        {"event_name": "share", "journeys_share": 0.05, "baseline_share": 0.01, "share_change": 0.04},
        {"event_name": "search", "journeys_share": 0.2, "baseline_share": 0.49, "share_change": -0.29},
    ]
    assert sentences(_alert(exits), None)[3] == (
        "What those who stopped did next: (nothing) 60 % (was 40 %), help 15 % (was 10 %)."
    )


def test_an_event_that_fell_silent_is_a_reason_to_doubt_the_data() -> None:
    sign = {
        "sign": "fell_silent", "event_name": "order", "events_per_day": 1.0, "baseline_events_per_day": 40.0,
    }  # fmt: skip
    told = sentences(Alert(_FIGURES, [], [], [sign], []), None)[-1]
    assert told == "Doubt the data first: event order all but stopped (1 a day, before 40)."


def test_a_restatement_of_a_tenth_of_the_loss_is_a_reason_to_doubt_the_data() -> None:
    """154.25 journeys are lost."""
    late = {"reason": "late_events", "days": 2, "as_of": date(2026, 3, 15), "is_own": True}
    edited = {"reason": "rule_change", "days": 2, "as_of": date(2026, 3, 11), "is_own": False}
    restated = [{**late, "journeys": 16}, {**edited, "journeys": 20}, {**late, "journeys": 15}]
    assert sentences(Alert(_FIGURES, [], [], [], restated), None)[-1] == (
        "Doubt the data first: this run restated 16 journeys of these days (events that came late); the run "
        "of 2026-03-11 restated 20 journeys of these days or those they are compared with (other rules or "
        "settings)."
    )


def test_checks_that_did_not_hold_are_named() -> None:
    row = {
        "table_name": "events", "check_name": "rows", "status": "failed", "sample": "3 rows",
        "as_of": date(2026, 3, 15), "is_own": True,
    }  # fmt: skip
    before = {**row, "as_of": date(2026, 3, 11), "is_own": False}
    assert doubts(Alerts("2026-03-15", 60, [], [row, before])) == [
        "events: rows (failed): 3 rows",
        "events: rows (failed on 2026-03-11): 3 rows",
    ]
    told = alerts(Alerts("2026-03-15", 60, [_alert()], [row, before])).note
    assert told.startswith(
        "Checks of this run that did not hold: 1, see below. Checks that did not hold since"
    )
    assert "days: events: rows (failed on 2026-03-11): 3 rows. Ask first" in told
    five = alerts(Alerts("2026-03-15", 60, [_alert()], [before] * 5)).note
    assert "see below" not in five
    assert "3 rows; and 2 more." in five
