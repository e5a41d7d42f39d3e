"""What was restated, on the page: records of runs made by hand."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from journey_analytics.local_days import to_moment
from journey_analytics.record import append
from journey_analytics.reports.section import Section
from journey_analytics.reports.sections.restated import restated
from journey_analytics.restatements import TABLE
from tests.unit.published import publish


def _row(day: date, measure: str, before: int, after: int, **other: Any) -> dict[str, Any]:
    return {
        "begun_at": to_moment(0), "run_id": "run1", "as_of": date(2024, 5, 31), "entry_date": day,
        "stage_model": "x", "funnel_kind": "progressive", "channel_role": "all", "channel": "all",
        "stage": "interest", "measure": measure, "before": before, "after": after,
        "reason": "late_events", **other,
    }  # fmt: skip


def _began(day: date, before: int, after: int, **other: Any) -> dict[str, Any]:
    """The number of journeys that began, which the record has of the touched funnel alone."""
    return _row(day, "journeys_entered", before, after, stage="(any)", funnel_kind="touched", **other)


def _section(folder: Path, rows: list[dict[str, Any]]) -> Section:
    snapshot = publish(folder)
    append(folder, TABLE, rows, run_id="run1", begun_us=0)
    return restated(snapshot, "x")


def test_each_number_stands_with_what_it_was_what_it_is_and_why(tmp_path: Path) -> None:
    """The latest day first; the finding counts the journeys that began, more and fewer alike."""
    older, newer = date(2024, 5, 9), date(2024, 5, 10)
    section = _section(
        tmp_path,
        [
            _began(older, 1_200, 1_190, reason="identity_merge"),
            _row(older, "journeys_dropped", 40, 30, reason="identity_merge"),
            _began(newer, 1_300, 1_305),
            _row(newer, "journeys_reached", 900, 880),
            _row(newer, "journeys_continued", 700, 690),
            # none of these is shown: another kind of funnel, a channel, a model, a run
            _row(newer, "journeys_reached", 9, 8, funnel_kind="closed"),
            _row(newer, "journeys_reached", 9, 8, channel_role="first_touch", channel="email"),
            _began(newer, 9, 8, stage_model="another"),
            _began(newer, 9, 8, run_id="run0"),
        ],
    )
    late, merged = "events came late, were withdrawn or changed", "events now belong to another customer"
    (figure,) = section.figures
    assert figure.table.rows == [
        (newer, "journeys that began", 1_300, 1_305, late),
        (newer, "interest: continued", 700, 690, late),
        (newer, "interest: reached", 900, 880, late),
        (older, "journeys that began", 1_200, 1_190, merged),
        (older, "interest: dropped", 40, 30, merged),
    ]
    cells = zip(figure.table.columns, figure.table.rows[0], strict=True)
    told = [column.told(value) for column, value in cells]
    assert told == ["2024-05-10", "journeys that began", "1,300", "1,305", late]
    assert figure.table.caption == "Numbers that differ from those published before"
    assert section.finding == (
        "Published numbers of 2 past days changed, with 15 journeys more or fewer that began on them: "
        f"{late}; {merged}."
    )


def test_of_more_than_sixty_days_the_latest_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    days = [date(2024, 3, 1) + timedelta(days=number) for number in range(61)]
    section = _section(tmp_path, [_began(day, 10, 11, reason="rule_change") for day in days])
    (figure,) = section.figures
    assert [column.key for column in figure.table.columns] == ["day", "measure", "before", "after"]
    assert [row[0] for row in figure.table.rows] == days[:0:-1]
    assert figure.table.caption.endswith(", of the latest 60 of 61 days")
    assert section.finding == (
        "Published numbers of 61 past days changed, with 61 journeys more or fewer that began on them: "
        "rules, settings or the version of the product changed."
    )


def test_a_run_that_changed_no_published_number_says_so(tmp_path: Path) -> None:
    section = _section(tmp_path, [])
    assert section.finding == "No number that was published before has changed."
    assert section.figures == ()


def test_numbers_that_moved_between_stages_alone_began_no_journey_more_or_fewer(tmp_path: Path) -> None:
    section = _section(tmp_path, [_row(date(2024, 5, 10), "journeys_reached", 9, 8)])
    assert section.finding.startswith("Published numbers of 1 past day changed: ")
