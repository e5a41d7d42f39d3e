"""The checks under sql/checks: each finds the rows it is there for, and nothing on sound marts."""

from __future__ import annotations

from typing import Any

import pytest

from journey_analytics.contracts import contracts
from journey_analytics.engine.models import sql_folder
from journey_analytics.quality.results import CheckResult
from journey_analytics.quality.sql_checks import run_key_checks, run_sql_checks
from tests.unit.published import Row, tables

_ROLES = ("all", "first_touch", "stage_entry", "last_touch")
_PATH_KINDS = ("stages", "events")
_TELL_TOO = {
    "stage_parts_add_up, mart_stage_dropoff": {"exit_points_add_up"},
    "touchpoints_have_one_journey, customer_id=b": {"sessions_add_up"},
    "revenue_adds_up, revenue_of_touchpoints=5.00": {"staged_revenue_is_published"},
    "unmapped_touchpoints, new": {"coverage_adds_up"},
}
"""Checks that watch over the same number from another side."""


def _cell(role: str, stage: str, **more: Any) -> Row:
    """Two journeys in a cell of the funnel: one went on, one is open."""
    return {
        "channel_role": role,
        "channel": "all" if role == "all" else "ads",
        "funnel_kind": "progressive",
        "stage": stage,
        "stage_ordinal": {"awareness": 1, "purchase": 2}[stage],
        "journeys_entered": 2 if role in ("all", "first_touch") else None,
        "journeys_reached": 2,
        "journeys_continued": 1,
        "journeys_dropped": 0,
        "journeys_open": 1,
        **more,
    }


def _sound() -> dict[str, list[Row]]:
    """Marts of two journeys that hold together."""
    cells = [_cell(role, stage) for role in _ROLES for stage in ("awareness", "purchase")]
    rate = {"conversion_rate": 1.0, "drop_off_rate": 0.0}
    journeys = [
        {"journey_id": name, "customer_id": name, "touchpoints": 1, "revenue": "5.00"} for name in "ab"
    ]
    return {
        "int_staged_revenue": [{"revenue": "10.00"}],
        "mart_stage_funnel": cells,
        "mart_stage_dropoff": [{**cell, **rate} for cell in cells],
        "mart_journeys": journeys,
        "mart_journey_stages": [{"journey_id": name, "customer_id": name} for name in "ab"],
        "mart_sessions": [{"session_id": name, "customer_id": name} for name in "ab"],
        "mart_paths": [{"path_kind": kind, "journeys": 2} for kind in _PATH_KINDS],
        "mart_stage_transitions": [
            {"path_kind": kind, "channel_role": role, "from_name": start, "to_name": end, "transitions": 2}
            for kind in _PATH_KINDS
            for role in ("all", "first_touch")
            for start, end in (("(start)", "page"), ("page", "(open)"))
        ],
        "mart_exit_points": [],
        "mart_rule_coverage": [{"coverage": "mapped", "name": "x", "events": 2}],
        "mart_touchpoints": [
            {"event_id": name, "journey_id": name, "customer_id": name, "revenue": "5.00"} for name in "ab"
        ],
    }


def _found(rows: dict[str, list[Row]]) -> list[CheckResult]:
    with tables(**rows) as engine:
        results = run_sql_checks(engine, "marts")
    names = {path.stem for path in (sql_folder() / "checks").glob("*.sql")}
    assert [result.check for result in results] == sorted(names - {"touchpoints_in_time"})
    return [result for result in results if result.status != "passed"]


def test_sound_marts_pass_every_check() -> None:
    """Nothing is found where nothing is wrong."""
    assert _found(_sound()) == []


@pytest.mark.parametrize(
    ("mart", "place", "change", "check", "sample"),
    [
        (
            "mart_stage_dropoff",
            0,
            {"journeys_dropped": 1},
            "stage_parts_add_up",
            "journeys_reached=2, journeys_in_parts=3",
        ),
        (
            "mart_stage_dropoff",
            3,
            {"journeys_reached": 3, "journeys_open": 2},
            "progressive_never_grows",
            "journeys_reached=3, journeys_before=2",
        ),
        (
            "mart_stage_dropoff",
            0,
            {"journeys_reached": 3, "journeys_open": 2},
            "journeys_in_every_funnel",
            "channel_role=all, journeys_found=3, journeys_expected=2",
        ),
        (
            "mart_stage_funnel",
            4,
            {"journeys_reached": 1},
            "channels_add_up",
            "channel_role=stage_entry, stage=awareness, journeys_reached=1",
        ),
        ("mart_stage_funnel", 6, {"journeys_dropped": 1}, "channels_add_up", "channel_role=last_touch"),
        ("mart_journeys", 0, {"revenue": "5.01"}, "revenue_adds_up", "revenue_of_journeys=10.01"),
        ("mart_touchpoints", 0, {"revenue": None}, "revenue_adds_up", "revenue_of_touchpoints=5.00"),
        (
            "mart_journeys",
            0,
            {"touchpoints": 2},
            "touchpoints_have_one_journey",
            "touchpoints_found=1, touchpoints_counted=2",
        ),
        ("mart_touchpoints", 0, {"journey_id": "b"}, "touchpoints_have_one_journey", "journey_id=a"),
        ("mart_touchpoints", 0, {"customer_id": "b"}, "touchpoints_have_one_journey", "customer_id=b"),
        ("mart_touchpoints", 0, {"rule": None, "event_name": "new"}, "unmapped_touchpoints", "new"),
    ],
)
def test_a_check_finds_what_it_is_there_for(
    mart: str, place: int, change: Row, check: str, sample: str
) -> None:
    """One thing out of place, one check that tells of it, and none that has nothing to do with it."""
    rows = _sound()
    rows[mart][place] = {**rows[mart][place], **change}
    found = {result.check: result for result in _found(rows)}
    too = _TELL_TOO.get(f"{check}, {mart}", set()) | _TELL_TOO.get(f"{check}, {sample}", set())
    assert found.keys() == {check} | too
    assert found[check].status == "failed"
    assert found[check].stops == (check != "unmapped_touchpoints")
    assert sample in found[check].sample


def test_one_touchpoint_in_a_hundred_may_be_unmapped() -> None:
    """One more is worth a word, with the name of the event."""
    rows = _sound()
    known = [{"event_id": str(n), "journey_id": "a", "customer_id": "a"} for n in range(99)]
    for unmapped, expected in ((1, []), (2, ["unmapped_touchpoints"])):
        more = [
            {"event_id": f"u{n}", "journey_id": "a", "customer_id": "a", "rule": None}
            for n in range(unmapped)
        ]
        rows["mart_touchpoints"] = known + more
        found = {result.check for result in _found(rows)}
        assert sorted(found & {"unmapped_touchpoints"}) == expected


@pytest.mark.parametrize("role", ["first_touch", "stage_entry", "last_touch"])
def test_a_role_that_is_missing_altogether_is_found(role: str) -> None:
    """Its channels do not sum to the total either."""
    rows = _sound()
    for mart in ("mart_stage_funnel", "mart_stage_dropoff"):
        rows[mart] = [row for row in rows[mart] if row["channel_role"] != role]
    assert _found(rows)


def test_a_check_that_breaks_is_an_error() -> None:
    """A mart is not there: nothing is known, and the run stops."""
    with tables(**_sound()) as engine:
        engine.execute("drop table mart_stage_dropoff")
        results = run_sql_checks(engine, "marts")
    broken = {result.check for result in results if result.status == "error"}
    assert broken == {
        "stage_parts_add_up",
        "progressive_never_grows",
        "journeys_in_every_funnel",
        "exit_points_add_up",
    }
    assert all(result.stops for result in results if result.status == "error")


def test_a_key_is_unique() -> None:
    """All its columns together, and nulls are equal to each other."""
    contract = contracts()["mart_touchpoints"]
    rows = [{"event_id": "1"}, {"event_id": "2"}]
    with tables(mart_touchpoints=rows) as engine:
        (result,) = run_key_checks(engine, "marts", [contract])
        assert result.status == "passed"
    with tables(mart_touchpoints=[*rows, {"event_id": "2", "channel": "other"}]) as engine:
        (result,) = run_key_checks(engine, "marts", [contract])
        assert (result.status, result.rows_failed) == ("failed", 1)
        assert "event_id=2, copies=2" in result.sample
        assert result.stops
