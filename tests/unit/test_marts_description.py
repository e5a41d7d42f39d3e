"""A mart as an analyst asks about it: what it is, how fresh, and what its rows look like."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from journey_analytics.errors import MartError
from journey_analytics.local_days import to_us
from journey_analytics.marts_description import describe
from journey_analytics.record import append
from tests.conftest import journey
from tests.unit.files import advice, write
from tests.unit.published import publish

_NOW = datetime(2024, 6, 1, 5, tzinfo=UTC)
_RESULT = {
    "begun_at": _NOW, "run_id": "a", "as_of": "2024-05-31", "gate": "raw", "table_name": "events",
    "check_name": "c1", "severity": "fail", "status": "passed", "rows_failed": 0,
}  # fmt: skip


def test_a_mart_is_described_with_its_freshness_and_first_rows(tmp_path: Path) -> None:
    """In the order of its key, three at most."""
    rows = [{"journey_id": f"j{number}"} for number in (4, 2, 1, 3)]
    snapshot = publish(tmp_path, mart_journeys=rows)
    second = int((_NOW - timedelta(hours=2)).timestamp())
    os.utime(snapshot.folder / "manifest.json", (second, second))
    described = describe(tmp_path, "mart_journeys", _NOW)
    assert (described.rows, described.as_of) == (4, "2024-05-31")
    assert described.age == timedelta(hours=2)
    assert described.files == snapshot.pattern("mart_journeys")
    assert [row["journey_id"] for row in described.examples] == ["j1", "j2", "j3"]


def test_a_table_of_the_record_is_described_without_any_marts(tmp_path: Path) -> None:
    """Its newest rows come first; before the first run there are none."""
    before = describe(tmp_path, "mart_quality_results", _NOW)
    assert (before.rows, before.age, before.examples) == (0, None, [])
    for run, hours in (("a", 3), ("b", 1)):
        begun = _NOW - timedelta(hours=hours)
        row = {**_RESULT, "begun_at": begun, "run_id": run}
        append(tmp_path, "mart_quality_results", [row], run_id=run, begun_us=to_us(begun))
    described = describe(tmp_path, "mart_quality_results", _NOW)
    assert (described.rows, described.age) == (2, timedelta(hours=1))
    assert [row["run_id"] for row in described.examples] == ["b", "a"]


def test_an_unknown_name_gets_the_closest_one(tmp_path: Path) -> None:
    """Whatever is published."""
    with pytest.raises(MartError) as caught:
        describe(tmp_path, "mart_journey", _NOW)
    assert "use 'mart_journeys'" in advice(caught.value)


def test_the_command_prints_meaning_rules_and_examples_and_all_of_it_as_json(tmp_path: Path) -> None:
    """What events carry is printed as it is, whatever it looks like."""
    write(
        tmp_path / "journey.yaml",
        "project: shop\ntimezone: UTC\nconversion: {stage: purchase, window: 30d}\nsources: [web.yaml]\n",
    )
    columns = "columns: {event_id: a, occurred_at: b, event_name: c, customer_ref: d}"
    write(tmp_path / "web.yaml", f"source: web\nformat: csv\nfiles: in.csv\n{columns}\n")
    publish(tmp_path / "marts", mart_journeys=[{"journey_id": "j1", "first_channel": "[red]a[/]"}])
    shown = journey("marts", "describe", "mart_journeys", "-p", str(tmp_path)).stdout
    for text in ("one row per journey", "as of 2024-05-31", "ago", "touchpoints", "1 or more", "[red]a[/]"):
        assert text in shown
    assert "A journey's last touchpoint is not before its first." in shown
    told = json.loads(journey("marts", "describe", "mart_journeys", "-p", str(tmp_path), "--json").stdout)
    assert (told["grain"], told["rows"], told["examples"][0]["journey_id"]) == (
        "one row per journey",
        1,
        "j1",
    )
    assert {"rule", "holds", "description", "action"} == set(told["rules"][0])
    assert told["age_seconds"] >= 0
