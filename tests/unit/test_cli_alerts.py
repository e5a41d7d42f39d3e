"""The command `journey alerts`, on snapshots made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from journey_analytics.alerts.published import read_alerts
from journey_analytics.project import read_project
from tests.conftest import journey
from tests.unit.published import publish

_ALERT: dict[str, Any] = {
    "stage": "interest",
    "channel": "email",
    "cause_dimension": "device",
    "cause_value": "[red]mobile",
    "cause_channel": "all",
    "is_over": False,
}
_QUIET: dict[str, list[dict[str, Any]]] = {
    "mart_stage_alerts": [],
    "mart_alert_causes": [],
    "mart_alert_exits": [],
    "mart_alert_signs": [],
}


def test_an_alert_is_told_in_words(tiny: Path) -> None:
    publish(read_project(tiny).marts_folder, mart_stage_alerts=[_ALERT], mart_alert_signs=[])
    result = journey("alerts", "-p", str(tiny))
    assert result.returncode == 0
    assert "1 alert, 1 of them still going on" in result.stdout
    assert "interest, email: since 2024-05-01, 1 day so far" in result.stdout
    # names come from events: they are no markup
    assert "Carried by device [red]mobile" in result.stdout


def test_a_quiet_night_says_so(tiny: Path) -> None:
    publish(read_project(tiny).marts_folder, **_QUIET)
    result = journey("alerts", "-p", str(tiny))
    assert result.returncode == 0
    assert "Nothing changed: 1 combination of stage and channel looked at" in result.stdout


def test_json_holds_figures_causes_exits_and_signs(tiny: Path) -> None:
    publish(read_project(tiny).marts_folder, mart_stage_alerts=[_ALERT])
    told = json.loads(journey("alerts", "-p", str(tiny), "--json").stdout)
    assert (told["cells"], told["as_of"]) == (1, "2024-05-31")
    (alert,) = told["alerts"]
    assert alert["figures"]["channel"] == "email"
    assert [len(alert[part]) for part in ("causes", "exits", "signs")] == [1, 1, 1]


def test_alerts_of_another_stage_model_are_not_those_of_the_project(tmp_path: Path) -> None:
    snapshot = publish(tmp_path, mart_stage_alerts=[{**_ALERT, "stage_model": "another"}])
    assert read_alerts(snapshot).alerts == []
