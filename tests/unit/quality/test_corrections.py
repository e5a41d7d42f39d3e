"""Events that came again with another content."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from journey_analytics.project import read_project
from journey_analytics.quality.results import CheckResult
from journey_analytics.run import STEPS, start
from tests.conftest import NOW

HEADER = "id,ts,action,customer,channel,amount"


def run_once(folder: Path, night: int, *, full: bool = False) -> tuple[CheckResult, bool]:
    """What the check of `web` found, and whether the run built on the one before."""
    with start(read_project(folder), now=NOW + timedelta(days=night), full=full) as run:
        for step in STEPS:
            step.work(run)
        (found,) = [result for result in run.results if result.check == "corrections of web"]
        return found, run.night is not None


def bring(folder: Path, name: str, *rows: str) -> None:
    (folder / "input" / name).write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")


def test_a_corrected_event_of_a_later_night_is_told_with_what_differs(tiny: Path) -> None:
    """The first night has a copy with the same content, the second one too: only e4 is another."""
    first, builds_on = run_once(tiny, 0)
    assert (first.status, builds_on) == ("passed", False)
    bring(
        tiny,
        "web2.csv",
        "e4,2026-01-20 09:00:00,order,ann,direct,99.90",
        "e5,2026-01-06 08:00:00,visit,bob,ads,",
    )
    again, builds_on = run_once(tiny, 1)
    assert builds_on
    assert (again.severity, again.status, again.rows_failed) == ("warn", "failed", 1)
    assert "1 event came again with another content" in again.sample
    assert "'e4': revenue 15.5000 stays, not 99.9000" in again.sample


def test_what_was_told_once_is_not_told_every_night(tiny: Path) -> None:
    """Not even by a run that makes everything anew, and so sees all copies again."""
    bring(tiny, "web2.csv", "e4,2026-01-20 09:00:00,order,ann,direct,99.90")
    assert run_once(tiny, 0)[0].status == "failed"
    bring(tiny, "web3.csv", "e9,2026-01-21 09:00:00,visit,ann,direct,")
    assert run_once(tiny, 1, full=True)[0].status == "passed"


def test_a_value_that_is_gone_is_another_content(tiny: Path) -> None:
    """Three events under ids that were there; of two of them a value is missing."""
    run_once(tiny, 0)
    bring(
        tiny,
        "web2.csv",
        "e3,2026-01-05 23:30:00,order,ann,direct,",
        "e4,2026-01-20 09:00:00,order,ann,,15.50",
        "e6,2026-01-06 08:05:00,cart,bob,ads,",
    )
    found, _ = run_once(tiny, 1)
    assert found.rows_failed == 2
    assert "'e3': revenue 20.0000 stays, not missing" in found.sample
