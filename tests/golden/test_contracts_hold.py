"""Every table of a whole run is what its contract says: columns, types, key, and every rule of a row."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from journey_analytics.contracts import contracts
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.project import read_project
from journey_analytics.quality.row_rules import rows_broken
from journey_analytics.run import STEPS, start
from tests.unit.generator.shops import make_up

# so that within days journeys are lost and begun anew, under two stage models
_SHORT_JOURNEYS = """
journey:
  inactivity: 2d
  restart: {after: purchase, on: [awareness, interest, consideration], cool_down: 1h}
further_stages: [five_stage]
"""


def columns_of(engine: DuckDBEngine, table: str) -> dict[str, str]:
    described = engine.rows(f'describe select * from "{table}"')
    return {row["column_name"]: row["column_type"] for row in described}


def copies_of_keys(engine: DuckDBEngine, table: str, key: tuple[str, ...]) -> int:
    named = ", ".join(key)
    copies = f'select 1 from "{table}" group by {named} having count(*) > 1'
    return len(engine.rows(copies)) if key else 0


def test_every_table_of_a_run_keeps_its_contract(tmp_path: Path) -> None:
    make_up(tmp_path / "shop", events=8_000, customers=300, days=8)
    with (tmp_path / "shop" / "journey.yaml").open("a", encoding="utf-8") as settings:
        settings.write(_SHORT_JOURNEYS)
    made = {name: contract for name, contract in contracts().items() if not contract.record}
    with start(read_project(tmp_path / "shop"), now=datetime.now(UTC)) as run:
        for step in STEPS:
            step.work(run)
        engine = run.engine
        assert {name: columns_of(engine, name) for name in made} == {
            name: contract.column_types for name, contract in made.items()
        }
        may_be_empty = {name for name, contract in made.items() if contract.may_be_empty}
        assert {name for name in made if engine.count(name) == 0} <= may_be_empty
        assert {name: copies_of_keys(engine, name, contract.key) for name, contract in made.items()} == (
            dict.fromkeys(made, 0)
        )
        broken = {
            (name, rule): count
            for name, contract in made.items()
            for rule, count in rows_broken(engine, name, contract.row_rules).items()
            if count
        }
        assert broken == {}
