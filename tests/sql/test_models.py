"""Every case of every model and check: the rows expected, on both engines, as the contract has them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from journey_analytics.contracts import contracts
from journey_analytics.engine.models import models
from journey_analytics.stages.compile import OUTPUT_TABLE
from tests.sql.cases import Case, all_cases, checks
from tests.sql.engines import Engine, OnDuckDB, OnSpark, rows_of, spark_markers

CASES = all_cases()
each_case = pytest.mark.parametrize("case", CASES, ids=str)


def run(case: Case, engine: Engine) -> pa.Table:
    case.load_into(engine)
    return engine.run(case.sql, case.parameters)


@each_case
def test_rows_on_duckdb(case: Case, on_duckdb: OnDuckDB) -> None:
    found = run(case, on_duckdb)
    expected = case.expected(found.schema)
    assert case.stray_files() == set()
    shown = found.select(expected.column_names) if expected.num_rows else found
    assert [approximately(row) for row in rows_of(expected)] == rows_of(shown)


@each_case
def test_columns_are_those_of_the_contract(case: Case, on_duckdb: OnDuckDB) -> None:
    run(case, on_duckdb)
    contract = contracts().get(case.model)
    if contract is None:
        assert list(on_duckdb.columns_of_result())[-1] == "reason"
    else:
        declared = [(column.name, column.type) for column in contract.columns]
        assert list(on_duckdb.columns_of_result().items()) == declared


@pytest.mark.spark
@each_case
def test_spark_gives_the_rows_duckdb_gives(case: Case, on_duckdb: OnDuckDB, on_spark: OnSpark) -> None:
    on_both = [run(case, engine) for engine in (on_duckdb, on_spark)]
    assert on_both[0].column_names == on_both[1].column_names
    assert rows_of(on_both[0]) == rows_of(on_both[1])
    assert plain_types(on_both[0]) == plain_types(on_both[1])


def test_every_model_and_check_has_cases() -> None:
    assert {case.model for case in CASES} == {*models(), *checks(), OUTPUT_TABLE}


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("select $a_us - $b", "select :a_us - :b"),
        ("-- Params: $a: it.\nselect $a", "-- Params: $a: it.\nselect :a"),
        ("select '$.a', 'it''s $a', $a", "select '$.a', 'it''s $a', :a"),
        ("select a -- don't\n, $b", "select a -- don't\n, :b"),
    ],
)
def test_only_markers_change_for_spark(text: str, marked: str) -> None:
    assert spark_markers(text) == marked


def approximately(row: dict[str, object]) -> dict[str, object]:
    """The row as expected by hand: doubles to nine digits."""
    return {
        name: pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
        for name, value in row.items()
    }


def plain_types(table: pa.Table) -> dict[str, pa.DataType]:
    """The types of the columns; one that is null throughout may be told apart by nothing else."""
    return {field.name: field.type for field in table.schema}
