"""The last run out of the record: for how long a learned check has come out as it did."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from journey_analytics.local_days import to_us
from journey_analytics.project import read_project
from journey_analytics.quality.last_run import last_run, streaks
from journey_analytics.quality.results import CheckResult, Status, result_rows
from journey_analytics.record import append

CHECK = "events of web"
DAY = date(2026, 6, 10)


def judge(
    folder: Path, back: int, status: Status, *, hours_later: int = 0, measured: float | None = 9
) -> None:
    """Record what a run said of a day so many days before DAY."""
    day = DAY - timedelta(days=back)
    begun_us = to_us(datetime(day.year, day.month, day.day, 2 + hours_later, tzinfo=UTC) + timedelta(days=1))
    result = CheckResult("staged", "t", CHECK, "fail", status, day=day, measured=measured, low=5.0)
    run_id = f"run{back}{hours_later}"
    rows = result_rows([result], run_id=run_id, begun_us=begun_us, as_of=day)
    append(folder / "marts", "mart_quality_results", rows, run_id=run_id, begun_us=begun_us)


def days_in_a_row(folder: Path, as_of: date | None = DAY) -> int:
    return streaks(read_project(folder), as_of).get(CHECK, 0)


def test_the_days_in_a_row_end_at_the_last_that_came_out_otherwise(tiny: Path) -> None:
    for back, status in enumerate(("passed", "passed", "passed", "failed", "passed")):
        judge(tiny, back, status)
    assert days_in_a_row(tiny) == 3
    assert days_in_a_row(tiny, DAY - timedelta(days=3)) == 1
    found = last_run(read_project(tiny))
    assert found.told(found.results[0]) == "; inside for 3 days"


def test_what_was_accepted_is_no_less_outside(tiny: Path) -> None:
    for back, status in enumerate(("failed", "accepted", "passed")):
        judge(tiny, back, status)
    assert days_in_a_row(tiny) == 2


def test_of_a_day_judged_twice_the_last_word_counts(tiny: Path) -> None:
    """The file was mended and delivered again."""
    judge(tiny, 1, "passed")
    judge(tiny, 0, "failed")
    judge(tiny, 0, "passed", hours_later=1)
    assert days_in_a_row(tiny) == 2


def test_a_day_nobody_judged_ends_the_row(tiny: Path) -> None:
    """A check of missing values is recorded when it does not hold alone: two such days may lie far apart."""
    judge(tiny, 0, "failed")
    judge(tiny, 2, "failed")
    assert days_in_a_row(tiny) == 1


def test_without_a_measure_there_is_no_row(tiny: Path) -> None:
    """There was not enough history to say what is usual."""
    judge(tiny, 0, "passed", measured=None)
    assert days_in_a_row(tiny) == 0
