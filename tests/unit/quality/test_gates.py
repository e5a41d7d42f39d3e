"""Gates: every kind of expectation in use fails on bad rows, passes on good ones, and never lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import great_expectations.expectations as gxe
import pytest

from journey_analytics.contracts import Column, Contract, contracts
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.errors import GateError, NotEvaluatedError
from journey_analytics.quality.gates import Suite, contract_suite, load_suite, run_gate
from journey_analytics.quality.results import CheckResult, stop_if_failed

_COLUMNS = "id varchar, state varchar, rate double, n bigint"
_GOOD = "('a', 'open', 0.0, 1), ('b', 'lost', 1.0, 2), ('c', null, null, 3)"
_CONTRACT = Contract(
    table="things",
    description="Things.",
    grain="one row per id",
    key=("id",),
    columns=(
        Column(name="id", type="VARCHAR", description="Id."),
        Column(name="state", type="VARCHAR", description="State.", nullable=True, values=("open", "lost")),
        Column(name="rate", type="DOUBLE", description="Rate.", nullable=True, min=0, max=1),
        Column(name="n", type="BIGINT", description="Count.", min=1),
    ),
)


_HAS_ROWS = gxe.ExpectTableRowCountToBeBetween(min_value=1)


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    """An engine in memory."""
    with DuckDBEngine() as opened:
        yield opened


def _things(engine: DuckDBEngine, values: str = _GOOD, columns: str = _COLUMNS) -> None:
    engine.execute(f"create or replace table things ({columns})")
    if values:
        engine.execute(f"insert into things values {values}")


def _not_passed(engine: DuckDBEngine, suite: Suite) -> list[CheckResult]:
    results = run_gate(engine, "test", {"things": suite})
    assert len(results) == len(suite.expectations) + len(suite.of_rows)
    return [result for result in results if result.status != "passed"]


def test_good_rows_pass_every_check(engine: DuckDBEngine) -> None:
    """Nulls where they are allowed, and the limits themselves."""
    _things(engine)
    assert _not_passed(engine, contract_suite(_CONTRACT)) == []


@pytest.mark.parametrize(
    ("row", "check", "rows_failed", "sample"),
    [
        ("(null, 'open', 0.5, 1)", "expect_column_values_to_not_be_null(id)", 1, ""),
        ("('d', 'opened', 0.5, 1)", "expect_column_values_to_be_in_set(state)", 1, "opened"),
        ("('d', 'OPEN', 0.5, 1)", "expect_column_values_to_be_in_set(state)", 1, "OPEN"),
        ("('d', 'open', 1.0000001, 1)", "expect_column_values_to_be_between(rate)", 1, "1.0000001"),
        ("('d', 'open', -0.0000001, 1)", "expect_column_values_to_be_between(rate)", 1, "-1e-07"),
        ("('d', 'open', 'nan', 1)", "expect_column_values_to_be_between(rate)", 1, "nan"),
        ("('d', 'open', 0.5, 0)", "expect_column_values_to_be_between(n)", 1, "0"),
        ("('d', 'open', 0.5, 0), ('e', 'open', 1, -7)", "expect_column_values_to_be_between(n)", 2, "-7"),
    ],
)
def test_a_bad_row_fails_its_check_and_no_other(
    engine: DuckDBEngine, row: str, check: str, rows_failed: int, sample: str
) -> None:
    """With how many rows, and a sample of the values."""
    _things(engine, f"{_GOOD}, {row}")
    (result,) = _not_passed(engine, contract_suite(_CONTRACT))
    assert (result.status, result.severity, result.check) == ("failed", "fail", check)
    assert result.rows_failed == rows_failed
    assert sample in result.sample
    with pytest.raises(GateError) as caught:
        stop_if_failed([result])
    assert caught.value.exit_code == 3
    assert "table things" in caught.value.problems[0].where


def test_rows_that_break_a_rule_which_no_expectation_says_are_an_error(engine: DuckDBEngine) -> None:
    """The one look at all rules finds more than the looks at each: nothing is known then."""
    _things(engine, f"{_GOOD}, ('d', 'open', 2.0, 1)")
    others = [
        expectation for expectation in contract_suite(_CONTRACT).of_rows if expectation.column != "rate"
    ]
    suite = replace(contract_suite(_CONTRACT), of_rows=others)
    results = run_gate(engine, "test", {"things": suite})
    (result,) = [result for result in results if result.status != "passed"]
    assert (result.check, result.status, result.stops) == ("rows_keep_rules", "error", True)


def test_values_with_braces_are_values(engine: DuckDBEngine) -> None:
    """Great Expectations writes the table's name where a query has braces."""
    state = Column(name="state", type="VARCHAR", description="State.", values=("{open}", "lost"))
    contract = _CONTRACT.model_copy(update={"columns": (state,), "key": ("state",)})
    _things(engine, "('{open}'), ('lost')", "state varchar")
    assert _not_passed(engine, contract_suite(contract)) == []
    _things(engine, "('open')", "state varchar")
    (result,) = _not_passed(engine, contract_suite(contract))
    assert result.sample == "found ['open']"


def test_no_rows_fail(engine: DuckDBEngine) -> None:
    """An empty mart passes every other check."""
    _things(engine, "")
    (result,) = _not_passed(engine, contract_suite(_CONTRACT))
    assert result.check == "expect_table_row_count_to_be_between"
    assert (result.status, result.sample) == ("failed", "found 0")


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        ("id varchar, state varchar, rate double, n bigint, more int", "('a', 'open', 0, 1, 1)"),
        ("state varchar, id varchar, rate double, n bigint", "('open', 'a', 0, 1)"),
    ],
)
def test_other_columns_fail(engine: DuckDBEngine, columns: str, values: str) -> None:
    """One more, or another order."""
    _things(engine, values, columns)
    (result,) = _not_passed(engine, contract_suite(_CONTRACT))
    assert result.check == "expect_table_columns_to_match_ordered_list"
    assert result.status == "failed"


def test_a_check_of_a_column_that_is_not_there_is_an_error(engine: DuckDBEngine) -> None:
    """Never a pass, and never a plain failure."""
    _things(engine, "('a', 0, 1)", "id varchar, rate double, n bigint")
    found = {result.check: result for result in _not_passed(engine, contract_suite(_CONTRACT))}
    broken = found["expect_column_values_to_be_in_set(state)"]
    assert broken.status == "error"
    assert "state" in broken.sample
    with pytest.raises(NotEvaluatedError) as caught:
        stop_if_failed(list(found.values()))
    assert caught.value.exit_code == 4
    assert "could not be evaluated" in str(caught.value)


@pytest.mark.parametrize(
    "expectation",
    [
        gxe.ExpectColumnValuesToNotBeNull(column="nope"),
        gxe.ExpectColumnValuesToBeInSet(column="nope", value_set=["a"]),
        gxe.ExpectColumnValuesToBeBetween(column="nope", min_value=0),
        gxe.ExpectColumnValuesToBeInSet(column="n", value_set=["text"]),
        gxe.ExpectColumnValuesToBeBetween(column="nope", min_value=0, severity="warning"),
    ],
)
def test_each_kind_of_check_breaks_as_an_error(engine: DuckDBEngine, expectation: Any) -> None:
    """Even one that would only warn."""
    _things(engine)
    (result,) = _not_passed(engine, Suite([expectation]))
    assert result.status == "error"
    assert result.stops


def test_a_check_of_a_table_that_is_not_there_is_an_error(engine: DuckDBEngine) -> None:
    """With exit code 4, like any check that cannot be evaluated."""
    with pytest.raises(NotEvaluatedError):
        stop_if_failed(run_gate(engine, "test", {"nothing": Suite([_HAS_ROWS])}))


def test_a_warning_does_not_stop(engine: DuckDBEngine) -> None:
    """It is reported as failed all the same."""
    _things(engine)
    warning = gxe.ExpectColumnValuesToBeBetween(column="n", max_value=2, severity="warning")
    (result,) = _not_passed(engine, Suite([warning]))
    assert (result.status, result.severity, result.stops) == ("failed", "warn", False)
    stop_if_failed([result])


@pytest.mark.parametrize(
    ("rate", "found"), [(0.0, []), (0.01, ["warn"]), (0.1, ["warn"]), (0.11, ["fail", "warn"])]
)
def test_rows_in_quarantine_warn_and_too_many_fail(
    engine: DuckDBEngine, rate: float, found: list[str]
) -> None:
    """One in ten is the limit."""
    rates = f"cast({rate} as double) as new_quarantined_rate"
    engine.execute(f"create table things as select 100 as rows, 100 as new_rows, {rates}")
    results = _not_passed(engine, load_suite())
    assert sorted(result.severity for result in results) == found


@pytest.mark.parametrize(("new_rows", "is_sound"), [("null", True), ("1", True), ("0", False)])
def test_what_came_in_has_rows(engine: DuckDBEngine, new_rows: str, is_sound: bool) -> None:
    """Null: nothing came in, which is for others to judge."""
    engine.execute(
        f"create table things as select 100 as rows, cast({new_rows} as bigint) as new_rows, "
        "cast(0 as double) as new_quarantined_rate"
    )
    assert (_not_passed(engine, load_suite()) == []) is is_sound


def test_several_suites_run_in_one_gate_and_tell_where_they_are(engine: DuckDBEngine) -> None:
    """A gate can be run again on the same connection, and leaves nothing behind in it."""
    _things(engine)
    engine.execute("create table others as select 1 as id")
    seen: list[str] = []
    suites = {
        "things": Suite([_HAS_ROWS]),
        "others": Suite([_HAS_ROWS, gxe.ExpectColumnValuesToNotBeNull(column="id")]),
    }
    for _ in range(2):
        results = run_gate(engine, "test", suites, seen.append)
        assert [(r.gate, r.table) for r in results] == [
            ("test", "things"),
            ("test", "others"),
            ("test", "others"),
        ]
    assert seen == ["things", "others"] * 2
    tables = engine.rows("select table_name from duckdb_tables() order by table_name")
    assert [row["table_name"] for row in tables] == ["others", "things"]


def test_every_contract_makes_a_suite() -> None:
    """Each kind of expectation that a contract can bring is tested above."""
    suites = [contract_suite(contract) for contract in contracts().values()]
    kinds = {type(asked).__name__ for suite in suites for asked in (*suite.expectations, *suite.of_rows)}
    assert kinds == {
        "ExpectTableColumnsToMatchOrderedList",
        "ExpectTableRowCountToBeBetween",
        "ExpectColumnValuesToNotBeNull",
        "ExpectColumnValuesToBeInSet",
        "ExpectColumnValuesToBeBetween",
    }
