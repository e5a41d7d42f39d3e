"""The record of runs: it grows by a file with every run and is read with the marts."""

from __future__ import annotations

from pathlib import Path

import pytest

from journey_analytics.errors import QueryError
from journey_analytics.query import query
from journey_analytics.record import append, record_files
from tests.unit.published import publish

TABLE = "mart_quality_results"


def _result(check: str, status: str = "passed") -> dict[str, object]:
    return {
        "begun_at": "2026-05-01 02:00:00+00",
        "run_id": "run1",
        "gate": "marts",
        "table_name": "mart_journeys",
        "check_name": check,
        "severity": "fail",
        "status": status,
        "rows_failed": 0,
    }


def test_every_run_adds_a_file(tmp_path: Path) -> None:
    """What earlier runs said stays as it is."""
    first = append(tmp_path, TABLE, [_result("a"), _result("b")], run_id="run1", begun_us=1)
    assert first is not None
    before = first.read_bytes()
    append(tmp_path, TABLE, [_result("a", "failed")], run_id="run2", begun_us=2)
    assert [path.name for path in record_files(tmp_path, TABLE)] == [
        "00000000000000001-run1.parquet",
        "00000000000000002-run2.parquet",
    ]
    assert first.read_bytes() == before


def test_a_run_that_says_it_again_replaces_what_it_said(tmp_path: Path) -> None:
    """Of one run and one beginning there is one file; another try of the run has its own."""
    append(tmp_path, TABLE, [_result("a")], run_id="run1", begun_us=1)
    append(tmp_path, TABLE, [_result("a"), _result("b")], run_id="run1", begun_us=1)
    append(tmp_path, TABLE, [_result("a")], run_id="run1", begun_us=2)
    assert len(record_files(tmp_path, TABLE)) == 2


def test_nothing_said_is_no_file(tmp_path: Path) -> None:
    """A run without rows leaves no empty file behind."""
    assert append(tmp_path, TABLE, [], run_id="run1", begun_us=1) is None
    assert record_files(tmp_path, TABLE) == []


def test_the_record_is_queried_beside_the_marts(tmp_path: Path) -> None:
    """Before the first run it has columns and no rows."""
    snapshot = publish(tmp_path, "run1")
    assert query(snapshot, f"select check_name from {TABLE}").is_empty()
    append(tmp_path, TABLE, [_result("a"), _result("b", "error")], run_id="run1", begun_us=1)
    found = query(snapshot, f"select check_name, status from {TABLE} order by check_name")
    assert found.rows() == [("a", "passed"), ("b", "error")]


def test_a_query_reads_nothing_beside_marts_and_record(tmp_path: Path) -> None:
    """The pointer lies in the marts folder, and is not for queries."""
    snapshot = publish(tmp_path, "run1")
    with pytest.raises(QueryError):
        query(snapshot, f"select * from read_text('{tmp_path}/CURRENT')")
