"""A run over a generated shop finds what was planted in it, whatever the format of its files."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from journey_analytics.marts import Snapshot
from journey_analytics.project import read_project
from journey_analytics.run import STEPS, start
from tests.conftest import journey, mart_hashes, run_project
from tests.unit.generator.shops import make_up

TOUCHPOINTS = "mart_touchpoints"


def count_by(snapshot: Snapshot, column: str) -> dict[str, int]:
    with duckdb.connect() as engine:
        asked = f"select {column}, count(*) from '{snapshot.pattern(TOUCHPOINTS)}' group by {column}"
        return dict(engine.execute(asked).fetchall())


def staged(folder: Path, **asked: str) -> dict[str, int]:
    """The number each query gives over the tables that a run makes up to its customers."""
    with start(read_project(folder), now=datetime.now(UTC), full=True) as run:
        for step in STEPS:
            if step.name in ("load", "identity"):
                step.work(run)
        return {name: next(iter(run.engine.rows(ask)[0].values())) for name, ask in asked.items()}


def some(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def test_a_run_finds_what_was_planted(tmp_path: Path) -> None:
    # the clocks go forward on the third day
    truth = make_up(tmp_path / "shop", events=8_000, customers=300, days=8)
    snapshot = run_project(tmp_path / "shop")
    assert snapshot.manifest["warnings"] == []

    bot = "from stg_touchpoints where lower(properties ->> '$.agent') like '%bot%'"
    found = staged(
        tmp_path / "shop",
        rows="select count(*) from events",
        quarantined="select count(*) from quarantine_touchpoints",
        events="select count(*) from stg_events",
        customers="select count(distinct customer_id) from stg_touchpoints",
        aliases="select count(*) from int_alias_edges",
        named_bots=f"select count(distinct customer_id) {bot}",
        events_of_named_bots=f"select count(*) {bot}",
    )
    identity, bots = truth["identity"], truth["bots"]
    assert found == {
        "rows": truth["rows"],
        "quarantined": 0,
        "events": truth["rows"] - truth["duplicates"],
        "customers": identity["customers"],
        "aliases": identity["aliases"],
        "named_bots": bots["named"],
        "events_of_named_bots": bots["named_events"],
    }
    assert min(truth["duplicates"], truth["late"], identity["aliases"], identity["unlinked_cookies"]) > 0
    assert bots["planted"] > bots["named"] > 0

    channels, stages = count_by(snapshot, "channel"), count_by(snapshot, "stage")
    assert snapshot.marts[TOUCHPOINTS] == truth["touchpoints"]
    assert channels == some(truth["channels"])
    assert len(channels) >= 10
    assert stages == truth["stages"]
    assert set(stages) == set(read_project(tmp_path / "shop").stage_model.names)

    with duckdb.connect() as engine:
        asked = (
            "select sum(revenue), count(distinct customer_id) filter (event_name = 'order_placed') "
            f"from '{snapshot.pattern(TOUCHPOINTS)}'"
        )
        ((revenue, buyers),) = engine.execute(asked).fetchall()
    assert f"{revenue:.2f}" == truth["orders"]["revenue_net_of_returns"]
    assert buyers == truth["orders"]["customers"]


def test_every_format_gives_the_same_marts(tmp_path: Path) -> None:
    found = {}
    for file_format in ("csv", "parquet", "jsonl"):
        folder = tmp_path / file_format
        truth = make_up(folder, days=1, start=date(2025, 10, 26), format=file_format)
        snapshot = run_project(folder)
        found[file_format] = mart_hashes(snapshot)
        assert count_by(snapshot, "channel") == some(truth["channels"])
    assert found["csv"] == found["parquet"] == found["jsonl"]


def test_days_delivered_one_after_the_other_give_the_marts_of_all_at_once(tmp_path: Path) -> None:
    truth = make_up(tmp_path / "shop", events=3_000, days=3)
    assert truth["late"] > 0
    at_once = mart_hashes(run_project(tmp_path / "shop"))
    shutil.rmtree(tmp_path / "shop" / "store")
    last_day = list((tmp_path / "shop" / "landing").rglob("2025-03-30.*"))
    for path in last_day:
        path.rename(tmp_path / f"{path.parent.name}-{path.name}")
    before = mart_hashes(run_project(tmp_path / "shop"))
    for path in last_day:
        (tmp_path / f"{path.parent.name}-{path.name}").rename(path)
    assert mart_hashes(run_project(tmp_path / "shop")) == at_once != before


def test_one_event_of_one_customer_runs(tmp_path: Path) -> None:
    make_up(tmp_path / "one", events=1, customers=1, days=1)
    assert run_project(tmp_path / "one").marts[TOUCHPOINTS] == 1


def test_the_command_prints_the_accounts_and_the_same_as_json(tmp_path: Path) -> None:
    words = ("--events", "2000", "--customers", "100", "--days", "2", "--start", "2025-05-01")
    told = journey("generate", str(tmp_path / "told"), *words)
    assert told.returncode == 0, told.stderr
    as_json = journey("generate", str(tmp_path / "json"), *words, "--json")
    truth = json.loads(as_json.stdout)
    assert truth == json.loads((tmp_path / "told" / "truth.json").read_text(encoding="utf-8"))
    for number in (truth["rows"], truth["customers"]["planted"], truth["bots"]["events"]):
        assert f"{number:,}" in told.stdout
    assert f"journey run -p {tmp_path / 'told'}" in told.stdout


def test_the_command_warns_of_days_that_are_still_to_come(tmp_path: Path) -> None:
    result = journey("generate", str(tmp_path / "late"), "--events", "50", "--customers", "5",
                     "--days", "2", "--start", "2150-01-01")  # fmt: skip
    assert result.returncode == 0
    assert "the last day is 2150-01-02" in result.stderr


def test_the_command_refuses_what_cannot_be(tmp_path: Path) -> None:
    result = journey("generate", str(tmp_path / "none"), "--events", "5", "--customers", "6")
    assert result.returncode == 2
    assert "6 customers cannot share 5 events" in result.stderr
    assert "Traceback" not in result.stderr
