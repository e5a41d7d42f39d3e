"""`journey rules check` and `journey rules test` as a user meets them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, copy_project, journey, run_project

Edit = Callable[[Path, str, str], None]
_PROJECTS = sorted(
    path.parent for top in ("data", "tests/projects") for path in (CHECKOUT / top).glob("*/stages.yaml")
)


@pytest.mark.parametrize("project", _PROJECTS, ids=lambda path: path.name)
def test_the_rules_of_every_project_here_are_tested_and_clean(project: Path) -> None:
    """Every rule has a test, every test passes, nothing is found."""
    tested = journey("rules", "test", "-p", str(project), "--json")
    assert tested.returncode == 0, tested.stdout
    assert json.loads(tested.stdout)["rules_without_test"] == []
    checked = journey("rules", "check", "-p", str(project), "--json")
    assert checked.returncode == 0, checked.stdout
    assert json.loads(checked.stdout)["findings"] == []


def test_rules_are_clean_on_the_data_of_the_sample(tmp_path: Path) -> None:
    """Every rule fires, every event name has come in."""
    project = copy_project(CHECKOUT / "data" / "complete_journey", tmp_path / "sample")
    run_project(project)
    checked = journey("rules", "check", "-p", str(project), "--json")
    assert checked.returncode == 0
    assert json.loads(checked.stdout) == {
        "stage_models": [{"stage_model": "seven_stage", "rules": 6, "own_rules": 6}],
        "looked_at_touchpoints": True,
        "warnings": 0,
        "findings": [],
    }


def test_a_test_that_fails_is_shown_beside_what_it_expects(tiny: Path, edit: Edit) -> None:
    """Exit code 1; a square bracket in its name is no markup."""
    edit(
        tiny / "stages.yaml",
        "tests:\n",
        "tests:\n  - {test: '[bold] visit', event: {event_name: visit}, stage: usage}\n",
    )
    shown = journey("rules", "test", "-p", str(tiny))
    assert shown.returncode == 1
    for word in ("[bold] visit", "usage", "awareness, rule visit", "stages.yaml:16:5", "5 of 6 tests passed"):
        assert word in shown.stdout
    told = json.loads(journey("rules", "test", "-p", str(tiny), "--json").stdout)
    assert (told["tests"], told["failed"], told["rules_without_test"]) == (6, 1, [])
    assert told["results"][0] == {
        "stage_model": "seven_stage",
        "test": "[bold] visit",
        "passed": False,
        "expected": "usage",
        "got": "awareness, rule visit",
        "where": f"{tiny / 'stages.yaml'}:16:5",
    }


def test_rules_without_a_test_are_named_and_no_failure(tiny: Path, edit: Edit) -> None:
    """With their count."""
    edit(tiny / "stages.yaml", "  - {event: {event_name: visit}, rule: visit}\n", "")
    shown = journey("rules", "test", "-p", str(tiny))
    assert shown.returncode == 0
    assert "4 of 4 tests passed\n1 rules without a test: visit\n" in shown.stdout


def test_a_warning_of_check_ends_with_exit_code_1(tiny: Path, edit: Edit) -> None:
    """A note does not; both say where and what to do."""
    run_project(tiny)
    edit(
        tiny / "stages.yaml",
        "tests:\n",
        "  - {rule: later, stage: usage, when: {event_name: refund}}\ntests:\n",
    )
    shown = journey("rules", "check", "-p", str(tiny))
    assert shown.returncode == 0
    assert "note: stage rule 'later' asks for event 'refund', which has not come in" in shown.stdout
    edit(tiny / "stages.yaml", "refund}}", "cart, channel: ads}}")
    shown = journey("rules", "check", "-p", str(tiny))
    assert shown.returncode == 1
    assert "warning: stage rule 'later' takes nothing: 'cart' (line 5) takes all of it first" in shown.stdout
    assert f"where: {tiny / 'stages.yaml'}:15:6" in shown.stdout
    assert "seven_stage: 5 rules, 5 of them your own\n1 warnings, 0 notes\n" in shown.stdout
    (finding,) = json.loads(journey("rules", "check", "-p", str(tiny), "--json").stdout)["findings"]
    assert (finding["level"], finding["kind"], finding["rule"]) == ("warning", "shadowed", "later")


@pytest.mark.parametrize("command", ["check", "test"])
def test_rules_that_cannot_be_read_end_with_exit_code_2(tiny: Path, edit: Edit, command: str) -> None:
    """With every fault of the file."""
    edit(tiny / "stages.yaml", "stage: loyalty\n    when", "stage: loyaltie\n    when")
    edit(tiny / "stages.yaml", "unmapped: true", "rule: oder")
    result = journey("rules", command, "-p", str(tiny))
    assert result.returncode == 2
    assert "unknown stage 'loyaltie'" in result.stderr
    edit(tiny / "stages.yaml", "loyaltie", "loyalty")
    result = journey("rules", command, "-p", str(tiny))
    assert "the test names no rule: there is no 'oder'" in result.stderr
    assert "use 'order' (closest known rule)" in result.stderr


def test_a_project_without_rules_of_its_own_can_be_tested(tiny: Path) -> None:
    """With the tests of the starter rules."""
    (tiny / "stages.yaml").unlink()
    assert journey("rules", "check", "-p", str(tiny)).stdout.startswith(
        "seven_stage: 22 rules, 0 of them your own"
    )
    shown = journey("rules", "test", "-p", str(tiny))
    assert (shown.returncode, shown.stdout) == (0, "31 of 31 tests passed\n")
