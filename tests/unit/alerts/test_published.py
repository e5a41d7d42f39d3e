"""What is read of the record beside an alert: snapshots and records made by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from journey_analytics.alerts.published import read_alerts
from journey_analytics.local_days import to_moment
from journey_analytics.record import append
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


def test_a_run_that_restated_nothing_gives_no_doubt(tmp_path: Path) -> None:
    (alert,) = read_alerts(publish(tmp_path, mart_stage_alerts=[_ALERT])).alerts
    assert alert.restated == []
