"""The snapshots that are kept: listed, found by day and name, made live again, compared."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from journey_analytics.errors import DamagedError, MartError
from journey_analytics.history import find_snapshot, restore, snapshot_as_of, snapshots
from journey_analytics.marts import current
from journey_analytics.marts_difference import MartDifference, difference
from tests.unit.files import advice
from tests.unit.published import publish


def test_the_newest_published_comes_first(tmp_path: Path) -> None:
    """Whatever day it stands at; one with a damaged manifest is left out."""
    publish(tmp_path, "b", as_of="2024-05-02")
    publish(tmp_path, "a", as_of="2024-05-01")
    publish(tmp_path, "c", as_of="2024-05-03")
    assert [snapshot.name for snapshot in snapshots(tmp_path)] == ["c", "a", "b"]
    (tmp_path / "snapshots" / "a" / "manifest.json").write_text("", encoding="utf-8")
    assert [snapshot.name for snapshot in snapshots(tmp_path)] == ["c", "b"]
    assert snapshots(tmp_path / "nothing") == []


def test_a_day_is_read_from_the_newest_snapshot_that_stands_at_it(tmp_path: Path) -> None:
    """A day without one is refused with those there are."""
    publish(tmp_path, "a", as_of="2024-05-01")
    publish(tmp_path, "b", as_of="2024-05-01")
    publish(tmp_path, "c", as_of="2024-05-03")
    assert snapshot_as_of(tmp_path, date(2024, 5, 1)).name == "b"
    with pytest.raises(MartError, match="end of 2024-05-02") as caught:
        snapshot_as_of(tmp_path, date(2024, 5, 2))
    assert "2024-05-01, 2024-05-03" in advice(caught.value)


def test_the_first_letters_of_a_name_do_if_only_one_has_them(tmp_path: Path) -> None:
    """A whole name goes before names that begin with it."""
    for name in ("abc", "abc-2", "xyz"):
        publish(tmp_path, name)
    assert find_snapshot(tmp_path, "x").name == "xyz"
    assert find_snapshot(tmp_path, "abc").name == "abc"
    assert find_snapshot(tmp_path).name == "xyz"
    with pytest.raises(MartError, match="2 snapshots begin with 'ab'"):
        find_snapshot(tmp_path, "ab")
    with pytest.raises(MartError, match="there is no snapshot 'xyy'") as caught:
        find_snapshot(tmp_path, "xyy")
    assert "use 'xyz'" in advice(caught.value)


def test_an_earlier_snapshot_is_made_live_again_if_it_is_sound(tmp_path: Path) -> None:
    """A damaged one stays where it is, and every file is named."""
    first = publish(tmp_path, "a")
    publish(tmp_path, "b")
    restore(tmp_path, "a")
    assert current(tmp_path).name == "a"
    restore(tmp_path, "b")
    (first.folder / "mart_paths.parquet").write_bytes(b"")
    (first.folder / "mart_exit_points.parquet").unlink()
    with pytest.raises(DamagedError) as caught:
        restore(tmp_path, "a")
    assert {Path(problem.where.split(",")[0]).stem for problem in caught.value.problems} == {
        "mart_paths",
        "mart_exit_points",
    }
    assert caught.value.exit_code == 3
    assert current(tmp_path).name == "b"


def test_two_snapshots_differ_by_rows_added_removed_and_changed(tmp_path: Path) -> None:
    """Of one mart; the others are alike."""
    before = publish(
        tmp_path,
        "a",
        mart_journeys=[{"journey_id": "1"}, {"journey_id": "2", "touchpoints": 4}, {"journey_id": "3"}],
    )
    after = publish(tmp_path, "b", mart_journeys=[{"journey_id": "2", "touchpoints": 5}, {"journey_id": "3"}])
    found = {found.mart: found for found in difference(before, after)}
    assert found.pop("mart_journeys") == MartDifference(
        "mart_journeys", 3, 2, added=0, removed=1, changed=1, example="removed: journey_id 1"
    )
    assert all((other.added, other.removed, other.changed) == (0, 0, 0) for other in found.values())
    back = {found.mart: found for found in difference(after, before)}["mart_journeys"]
    assert (back.added, back.removed, back.changed) == (1, 0, 1)
    alone = difference(
        before,
        publish(tmp_path, "c", mart_journeys=[{"journey_id": "1"}, {"journey_id": "2"}, {"journey_id": "3"}]),
    )
    assert {found.mart: found.example for found in alone if found.example} == {
        "mart_journeys": "journey_id 2: touchpoints 4 -> 1"
    }


def test_of_event_level_marts_only_the_days_that_differ_are_compared(tmp_path: Path) -> None:
    """A day that is new has no file on the other side."""
    day = {"occurred_date": "2024-05-01"}
    before = publish(tmp_path, "a", mart_touchpoints=[{"event_id": "1", **day}])
    after = publish(
        tmp_path,
        "b",
        mart_touchpoints=[{"event_id": "1", **day}, {"event_id": "2", "occurred_date": "2024-05-02"}],
    )
    found = {found.mart: found for found in difference(before, after)}["mart_touchpoints"]
    assert (found.rows_before, found.rows_after, found.added, found.removed, found.changed) == (1, 2, 1, 0, 0)
    assert found.example is not None
    assert found.example.startswith("added: ")
