"""Every case of every model and check: the rows expected, on both engines, as the contract has them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from journey_analytics.contracts import contracts
from journey_analytics.engine.models import models
from journey_analytics.stages.compile import OUTPUT_TABLE
from tests.sql import cases
from tests.sql.cases import Case, all_cases, as_arrow, checks
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
    assert on_both[0].schema.types == on_both[1].schema.types


def test_misspelled_input_column_is_refused() -> None:
    with pytest.raises(ValueError, match=r"seed_stages has no column \['stages'\]"):
        as_arrow([{"stage": "purchase"}, {"stages": "purchase"}], contracts()["seed_stages"])


def test_missing_input_file_and_stray_file_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_duckdb: OnDuckDB
) -> None:
    (tmp_path / "int_stage_visits" / "new").mkdir(parents=True)
    (tmp_path / "int_stage_visits" / "new" / "int_journeys.yaml").write_text("[]", encoding="utf-8")
    monkeypatch.setattr(cases, "FOLDER", tmp_path)
    case = Case("int_stage_visits", "new")
    assert case.stray_files() == {"int_journeys.yaml"}
    with pytest.raises(FileNotFoundError, match=r"int_further_touchpoints\.yaml"):
        case.load_into(on_duckdb)


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
