"""Contracts: every promise as a rule over a row, and what is said of a contract that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from journey_analytics.contracts import Column, contracts, read_contracts
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.errors import ConfigError
from tests.unit.files import advice, told, write
from tests.unit.published import fill

_COLUMNS = """
id: {type: VARCHAR, description: "Id."}
rate: {type: DOUBLE, unit: share, min: 0, max: 1, description: "Share."}
"""
_TABLE = """\
table: things
description: "Things."
grain: one row per thing
key: [id]
columns:
  id: {}
  rate: {nullable: true}
"""


def _read(folder: Path, table: str) -> None:
    write(folder / "_columns.yml", _COLUMNS)
    write(folder / "things.yml", table)
    read_contracts(folder)


def test_what_a_column_says_is_a_rule() -> None:
    """Nulls, values and limits, each with what is done about it; a nullable column without them has none."""
    column = Column(
        name="n", type="DOUBLE", description="N.", values=("a", "it's"), min=0, max=0.5, action="report"
    )
    assert [(rule.rule, rule.holds, rule.severity) for rule in column.rules] == [
        ("n_is_there", "n is not null", "warn"),
        ("n_is_allowed", "n in ('a', 'it''s')", "warn"),
        ("n_in_range", "n between 0 and 0.5", "warn"),
    ]
    assert [rule.holds for rule in column.model_copy(update={"max": None}).rules][-1] == "n >= 0"
    assert [rule.holds for rule in column.model_copy(update={"min": None}).rules][-1] == "n <= 0.5"
    assert list(Column(name="n", type="DOUBLE", description="N.", nullable=True).rules) == []


def test_only_what_is_reported_is_a_warning() -> None:
    """A row that was put aside and is there all the same stops a run."""
    (has_an_id, *others) = contracts()["events"].rules
    assert (has_an_id.action, has_an_id.severity) == ("stop", "fail")
    assert {(rule.action, rule.severity) for rule in others} == {("quarantine", "fail")}


@pytest.mark.parametrize(
    ("change", "place", "what", "do"),
    [
        (
            ("  id: {}", "  idd: {}"),
            "things.yml:6:3",
            "column 'idd' has no type and no description",
            "use 'id'",
        ),
        (("  rate: {", "  share: {type: DOUBLE, "), "things.yml:7:3", "'share' has no description", "say it"),
        (("grain: one row per thing\n", ""), "things.yml", "key 'grain' is missing", "add 'grain'"),
        (("grain: one row per thing", "grain: ''"), "things.yml:3:8", "grain: String should have", "correct"),
        (("key: [id]", "key: [id]\nkeys: []"), "things.yml:5:1", "unknown key 'keys'", "use 'key'"),
        (("key: [id]", "key: [id, rat]"), "things.yml:4:11", "things has no column 'rat'", "use 'rate'"),
        (("key: [id]", "key: [id]\norder: [ide]"), "things.yml:5:9", "no column 'ide'", "use 'id'"),
        (("key: [id]", "key: [id]\nmonth: rat"), "things.yml:5:8", "no column 'rat'", "use 'rate'"),
        (("key: [id]", "key: [id]\nday: rat"), "things.yml:5:6", "no column 'rat'", "use 'rate'"),
        (
            ("{nullable: true}", "{}\nrules:\n  - {rule: r, holds: rat > 0, description: R.}"),
            "things.yml:9:22",
            "rule 'r': 'rat > 0' names an unknown column 'rat'",
            "use 'rate'",
        ),
        (
            ("{nullable: true}", "{}\nrules:\n  - {rule: r, holds: rate, description: R.}"),
            "things.yml:9:22",
            "rule 'r': 'rate' is a DOUBLE, not a condition",
            "compare",
        ),
        (
            ("{nullable: true}", "{}\nrules:\n" + "  - {rule: r, holds: rate > 0, description: R.}\n" * 2),
            "things.yml:10:6",
            "two rules are called 'r'",
            "its own name",
        ),
    ],
)
def test_a_wrong_contract_is_refused_where_it_is_wrong(
    tmp_path: Path, change: tuple[str, str], place: str, what: str, do: str
) -> None:
    """With the file, the line and the column, and the closest name."""
    _read(tmp_path, _TABLE)
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, _TABLE.replace(*change))
    where, said = told(caught.value)[0]
    assert place in where
    assert what in said
    assert do in advice(caught.value)


@pytest.mark.parametrize("table", sorted(contracts()))
def test_every_rule_is_a_condition_to_the_engine(table: str) -> None:
    """Over the columns of its table, with the types they have."""
    contract = contracts()[table]
    with DuckDBEngine() as engine:
        fill(engine, contract, [])
        for rule in contract.row_rules:
            described = engine.rows(f'describe select ({rule.holds}) as holds from "{table}"')
            assert described[0]["column_type"] == "BOOLEAN", rule.rule
