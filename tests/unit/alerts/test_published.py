"""What is read of the record beside an alert: snapshots and records made by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from journey_analytics.alerts.published import read_alerts
from journey_analytics.local_days import to_moment
from journey_analytics.record import append
from journey_analytics.reports.sections.alerts import cards
from journey_analytics.restatements import TABLE
from tests.unit.published import publish

_ALERT = {"stage": "interest", "first_date": "2024-05-10", "last_date": "2024-05-14"}


def _restated(day: int, before: int, after: int, **other: Any) -> dict[str, Any]:
    return {
        "begun_at": to_moment(0), "run_id": "run1", "as_of": date(2024, 5, 31),
        "entry_date": date(2024, 5, day), "stage_model": "x", "funnel_kind": "touched",
        "channel_role": "all", "channel": "all", "stage": "interest", "measure": "journeys_reached",
        "before": before, "after": after, "reason": "late_events", **other,
    }  # fmt: skip


def test_what_the_run_restated_of_the_stage_on_the_days_of_the_alert_is_told(tmp_path: Path) -> None:
    snapshot = publish(tmp_path, mart_stage_alerts=[_ALERT])
    rows = [
        _restated(10, 40, 30),
        _restated(14, 40, 35),
        # the same days in another measure, which moved more: also journeys that came anew
        _restated(10, 40, 52, stage="(any)", measure="journeys_entered"),
        _restated(14, 40, 48, stage="(any)", measure="journeys_entered"),
        # none of these is of the alert: days around it, another stage, kind, role, model, run
        _restated(9, 900, 0),
        _restated(15, 900, 0),
        _restated(10, 900, 0, stage="usage"),
        _restated(10, 900, 0, funnel_kind="closed"),
        _restated(10, 900, 0, channel_role="first_touch"),
        _restated(10, 900, 0, stage_model="another"),
        _restated(10, 900, 0, run_id="run0"),
        _restated(11, 7, 0, reason="rule_change"),
    ]
    append(tmp_path, TABLE, rows, run_id="run1", begun_us=0)
    (alert,) = read_alerts(snapshot).alerts
    assert [(row["reason"], row["days"], row["journeys"]) for row in alert.restated] == [
        ("late_events", 2, 20),
        ("rule_change", 1, 7),
    ]


def _check(name: str, day: int, begun_us: int, **other: Any) -> dict[str, Any]:
    """A check that did not hold in a run that began so many microseconds after 1970."""
    return {
        "begun_at": to_moment(begun_us), "run_id": f"run{begun_us}", "as_of": date(2024, 5, day),
        "gate": "raw", "table_name": "events", "check_name": name, "severity": "warn", "status": "failed",
        "rows_failed": 1, "sample": f"{day}", **other,
    }  # fmt: skip


_OWN = _check("own", 31, 5, run_id="run1")
"""When the snapshot's run began."""


def test_rules_edited_since_the_first_day_are_told_with_the_days_compared(tmp_path: Path) -> None:
    """The alert begins on 10 May and is compared with the eight weeks before, from 15 March on."""
    snapshot = publish(tmp_path, mart_stage_alerts=[_ALERT])
    append(tmp_path, "mart_quality_results", [_OWN], run_id="run1", begun_us=5)
    edited = {"run_id": "run0", "reason": "rule_change", "as_of": date(2024, 5, 10)}
    rows = [
        _restated(14, 40, 33, **edited),
        _restated(1, 40, 30, **{**edited, "entry_date": date(2024, 3, 15)}),
        _restated(1, 900, 0, **{**edited, "entry_date": date(2024, 3, 14)}),
        _restated(15, 900, 0, **edited),
        # before the first day, after the snapshot's own run, and what only came late
        _restated(9, 900, 0, **{**edited, "as_of": date(2024, 5, 9)}),
        _restated(10, 900, 0, **{**edited, "run_id": "run2", "begun_at": to_moment(6)}),
        _restated(10, 900, 0, **{**edited, "reason": "late_events"}),
    ]
    append(tmp_path, TABLE, rows, run_id="run0", begun_us=0)
    (alert,) = read_alerts(snapshot).alerts
    assert [(row["as_of"], row["is_own"], row["days"], row["journeys"]) for row in alert.restated] == [
        (date(2024, 5, 10), False, 2, 17)
    ]


def test_checks_that_did_not_hold_since_the_first_day_are_doubts(tmp_path: Path) -> None:
    """Of a check that often did not hold the last time is told."""
    snapshot = publish(tmp_path, mart_stage_alerts=[_ALERT])

    rows = [
        _OWN,
        _check("often", 10, 2),
        _check("often", 11, 3),
        _check("passed", 11, 3, status="passed"),
        _check("too old", 9, 0),
        _check("later", 31, 6),
    ]
    append(tmp_path, "mart_quality_results", rows, run_id="run1", begun_us=5)
    doubts = read_alerts(snapshot).doubts
    assert [(row["check_name"], row["sample"], row["is_own"]) for row in doubts] == [
        ("own", "31", True),
        ("often", "11", False),
    ]


def test_without_an_alert_only_the_own_run_is_asked(tmp_path: Path) -> None:
    snapshot = publish(tmp_path, mart_stage_alerts=[])
    rows = [_OWN, _check("earlier", 30, 2)]
    append(tmp_path, "mart_quality_results", rows, run_id="run1", begun_us=5)
    assert [row["check_name"] for row in read_alerts(snapshot).doubts] == ["own"]


def test_a_run_that_restated_nothing_gives_no_doubt(tmp_path: Path) -> None:
    (alert,) = read_alerts(publish(tmp_path, mart_stage_alerts=[_ALERT])).alerts
    assert alert.restated == []


@pytest.mark.parametrize(
    ("currencies", "worth"),
    [(["EUR", None, "EUR"], "1,234.50 EUR"), (["EUR", "USD"], "1,234.50"), ([None], "1,234.50")],
)
def test_money_has_its_currency_where_all_revenue_is_of_one(
    tmp_path: Path, currencies: list[str | None], worth: str
) -> None:
    """On an alert's card, and in the sentence beside it."""
    snapshot = publish(
        tmp_path,
        mart_stage_alerts=[{**_ALERT, "cause_dimension": "device", "value_at_risk": Decimal("1234.50")}],
        mart_stage_days=[{"stage": "interest", "funnel_kind": "touched"}],
        mart_touchpoints=[
            {"touchpoint_number": number, "event_id": str(number), "currency": currency}
            for number, currency in enumerate(currencies, start=1)
        ],
    )
    (card,) = cards(snapshot, read_alerts(snapshot))
    assert card.numbers["value at risk"] == worth
    assert card.sentences[1].endswith(f", {worth.replace('1,234.50', '1,234')} in revenue at risk.")
