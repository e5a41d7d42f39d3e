"""Rules over a row: counted in one look, by Great Expectations and by SQL alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest

from journey_analytics.contracts import Column, Contract, TableRule, contracts
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.quality.gates import contract_suite, run_gate
from journey_analytics.quality.results import CheckResult
from journey_analytics.quality.row_rules import rows_broken, run_row_rules

_ROWS = 400
_NULLS = 0.1
_NUMBERS = {"BIGINT": pl.Int64, "DOUBLE": pl.Float64}
_EDGES = (-1.0, -1e-9, 0.0, 0.5, 1.0, 1.0 + 1e-9, 2.0, 50.0, 51.0)
_KINDS = {
    "expect_column_values_to_not_be_null": "is_there",
    "expect_column_values_to_be_in_set": "is_allowed",
    "expect_column_values_to_be_between": "in_range",
}
_WITH_RULES = Contract(
    table="spans",
    description="Spans of time.",
    grain="one row per span",
    key=("id",),
    columns=(
        Column(name="id", type="VARCHAR", description="Id."),
        Column(name="low", type="BIGINT", unit="m", description="Start.", nullable=True),
        Column(name="high", type="BIGINT", unit="m", description="End.", nullable=True),
    ),
    rules=(
        TableRule(rule="in_order", holds="low <= high", description="It ends after it starts."),
        TableRule(rule="is_short", holds="high < 100", description="It is short.", action="report"),
    ),
)


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    """An engine in memory."""
    with DuckDBEngine() as opened:
        yield opened


def _random(random: np.random.Generator, column: Column) -> list[Any]:
    """Values of the column's type in and out of what it allows, the limits themselves, and nulls."""
    if column.type in _NUMBERS or column.type.startswith("DECIMAL"):
        edges = [
            edge for limit in (column.min or 0, column.max or 1) for edge in (limit - 1, limit, limit + 1)
        ]
        drawn = random.choice([*edges, *_EDGES], _ROWS)
        values = [int(value) for value in drawn] if column.type == "BIGINT" else [float(v) for v in drawn]
    elif column.type == "BOOLEAN":
        values = list(random.random(_ROWS) < 0.5)
    else:
        words = [*(column.values or ()), "other", "", "it's", "OPEN"]
        values = [words[place] for place in random.integers(0, len(words), _ROWS)]
    return [None if random.random() < _NULLS else value for value in values]


def _fill(engine: DuckDBEngine, contract: Contract, seed: int) -> None:
    random = np.random.default_rng(seed)
    # times promise nothing but that they are there
    drawn = {c.name: _random(random, c) for c in contract.columns if not c.type.startswith(("DATE", "TIME"))}
    numbers = {c.name: _NUMBERS[c.type] for c in contract.columns if c.type in _NUMBERS}
    engine.load("random_rows", pl.DataFrame(drawn, schema_overrides=numbers))
    columns = ", ".join(
        f"cast({name if name in drawn else 'null'} as {kind}) as {name}"
        for name, kind in contract.column_types.items()
    )
    engine.execute(f'create or replace table "{contract.table}" as select {columns} from random_rows')


def _name(result: CheckResult) -> str:
    kind, _, column = result.check.partition("(")
    return f"{column.removesuffix(')')}_{_KINDS[kind]}"


@pytest.mark.parametrize("table", sorted(contracts()))
def test_great_expectations_and_the_sql_of_the_rules_count_the_same(engine: DuckDBEngine, table: str) -> None:
    """On random rows of the contract's types, for every promise of a column."""
    contract = contracts()[table]
    _fill(engine, contract, seed=len(table))
    by_rule = rows_broken(engine, table, contract.row_rules)
    found = run_gate(engine, "test", {table: contract_suite(contract)})
    by_gate = {_name(result): result.rows_failed for result in found if "_column_" in result.check}
    ours = {rule.rule: by_rule[rule.rule] for column in contract.columns for rule in column.rules}
    assert by_gate == ours
    assert any(ours.values())


def _spans(engine: DuckDBEngine, rows: str) -> list[CheckResult]:
    engine.execute(f"create or replace table spans as from (values {rows}) as t(id, low, high)")
    return run_row_rules(engine, "test", [_WITH_RULES])


def test_rows_that_keep_every_rule_pass(engine: DuckDBEngine) -> None:
    """The limit itself, and a rule that is null for a row, hold."""
    results = _spans(engine, "('a', 1, 1), ('b', null, 99), ('c', 1, null)")
    assert [(result.check, result.status) for result in results] == [
        ("in_order", "passed"),
        ("is_short", "passed"),
    ]


def test_a_broken_rule_tells_how_many_rows_and_which(engine: DuckDBEngine) -> None:
    """With the key, what the rule looks at, and whether it stops the run."""
    in_order, is_short = _spans(engine, "('a', 2, 1), ('b', 0, 100), ('c', 3, 1), ('d', 1, 2)")
    assert (in_order.severity, in_order.status, in_order.rows_failed) == ("fail", "failed", 2)
    assert in_order.sample == "It ends after it starts. Not so: id=a, low=2, high=1; id=c, low=3, high=1"
    assert (is_short.severity, is_short.rows_failed, is_short.stops) == ("warn", 1, False)
    assert is_short.sample == "It is short. Not so: id=b, high=100"


def test_a_rule_that_cannot_be_evaluated_is_an_error_and_hides_no_other(engine: DuckDBEngine) -> None:
    """One column is not there; the rule that needs none of it is checked all the same."""
    engine.execute("create table spans as select 'a' as id, 200 as high")
    in_order, is_short = run_row_rules(engine, "test", [_WITH_RULES])
    assert (in_order.status, in_order.stops) == ("error", True)
    assert "low" in in_order.sample
    assert (is_short.status, is_short.rows_failed) == ("failed", 1)


def test_a_table_without_rules_is_not_read(engine: DuckDBEngine) -> None:
    """It need not even be there."""
    assert run_row_rules(engine, "test", [_WITH_RULES.model_copy(update={"rules": ()})]) == []
