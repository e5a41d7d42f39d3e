"""One customer with very many events, such as a robot that nobody recognized, under a small memory limit."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from journey_analytics.marts import current
from journey_analytics.project import read_project
from journey_analytics.query import query
from tests.conftest import copy_project, journey, mart_hashes

pytestmark = pytest.mark.slow

A_DAY = 800
EVENTS = 250 * A_DAY
_FILES = {
    "journey.yaml": """\
project: robot
timezone: UTC
memory_limit: 256MB
conversion: {stage: purchase, window: 30d}
sources: [sources/web.yaml]
""",
    "stages.yaml": """\
rules:
  - {rule: ad, stage: awareness, when: {event_name: ad}}
  - {rule: view, stage: interest, when: {event_name: view}}
  - {rule: again, stage: loyalty, when: {event_name: order}, after: {stage: purchase, within: 9d}}
  - {rule: order, stage: purchase, when: {event_name: order}}
""",
    "sources/web.yaml": """\
source: web
format: parquet
files: landing/*.parquet
columns:
  event_id: id
  occurred_at: moment
  event_name: name
  customer_ref: who
  channel: came_by
  revenue: paid
""",
}


def deliver(folder: Path, name: str, first: int, last: int) -> None:
    """Write events, one every 108 seconds from 2026-01-01 on; every hundredth is of one of ten others."""
    with duckdb.connect() as engine:
        engine.execute(f"""
            copy (
                select
                    'e' || n as id,
                    timestamptz '2026-01-01 00:00:00Z' + to_seconds(108 * n) as moment,
                    case when n % 50 = 0 then 'order' when n % 7 = 0 then 'ad' else 'view' end as name,
                    case when n % 100 = 0 then 'c' || n % 1000 else 'robot' end as who,
                    case when n % 3 = 0 then 'ads' else 'mail' end as came_by,
                    case when n % 50 = 0 then 9.50 end as paid
                from range({first}, {last}) as numbers (n)
            ) to '{folder / "landing" / name}.parquet'
        """)


def test_one_customer_with_nearly_all_events_is_cut_into_journeys_by_a_small_machine(tmp_path: Path) -> None:
    """Nothing is lost; a night that brings one more day gives what a run over everything gives."""
    folder = tmp_path / "robot"
    for name, text in _FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "landing").mkdir()
    deliver(folder, "first", 0, EVENTS - A_DAY)
    assert journey("run", "-p", str(folder)).returncode == 0
    deliver(folder, "second", EVENTS - A_DAY, EVENTS)
    night = journey("run", "-p", str(folder))
    assert night.returncode == 0, night.stderr
    snapshot = current(read_project(folder).marts_folder)
    asked = query(
        snapshot,
        "select customer_id = 'robot' as is_robot, count(*) as journeys, sum(touchpoints) as touchpoints "
        "from mart_journeys group by is_robot order by is_robot",
    )
    others = EVENTS // 100
    assert asked.rows() == [(False, 10, others), (True, 1, EVENTS - others)]
    at_once = copy_project(folder, tmp_path / "at once")
    assert journey("run", "-p", str(at_once)).returncode == 0
    assert mart_hashes(current(read_project(at_once).marts_folder)) == mart_hashes(snapshot)
