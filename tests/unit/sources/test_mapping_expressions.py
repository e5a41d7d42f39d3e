"""What an expression of a mapping may be: one value made from the row, and from nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from journey_analytics.errors import ConfigError
from journey_analytics.row_sql import expression_fault
from tests.unit.sources.loading import load


@pytest.mark.parametrize(
    "text",
    [
        "list_filter(params, lambda p: p.key = 'x')[1].value.string_value",
        "data ->> '$.properties.\"$insert_id\"'",
        "case when (data ->> '$.type') = 'alias' then data ->> '$.previousId' end",
        "to_json(device) ->> '$.category'",
        "regexp_matches(url, '[.](css|js)$')",
        "lower(hex(try_cast(visitor as blob)))",
        "read_count + write_count",
    ],
)
def test_one_value_of_the_row_is_taken(text: str) -> None:
    assert expression_fault(text) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("(select 1)", "a subquery"),
        ("sum(a)", "an aggregate"),
        ("row_number() over ()", "a window"),
        ("a, b", "more than one expression"),
        ("a from t", "a query, not an expression"),
        ("a +", "not an SQL expression"),
        ("read_text('/etc/passwd')", "calls read_text"),
        ("READ_BLOB('x')", "calls read_blob"),
        ("read_csv('x')", "calls read_csv"),
        ("read_parquet('x')", "calls read_parquet"),
        ("coalesce(a, getenv('HOME'))", "calls getenv"),
        ("system.main.getenv('HOME')", "calls getenv"),
        ("glob('/*')[1]", "calls glob"),
        ("current_setting('home_directory')", "calls current_setting"),
        ("parquet_scan('x')", "calls parquet_scan"),
        ("list_transform([1], lambda x: getvariable('y'))", "calls getvariable"),
    ],
)
def test_anything_else_is_refused(text: str, fault: str) -> None:
    assert fault in (expression_fault(text) or "")


MAPPING = (
    "source: t\nformat: csv\nfiles: a.csv\n"
    "columns: {occurred_at: seen, event_name: seen, customer_ref: seen}\n"
)


@pytest.mark.parametrize("key", ["getenv('HOME')", "(select 1)", "Wrong Name"])
def test_a_key_is_a_column_or_such_an_expression(tmp_path: Path, key: str) -> None:
    (tmp_path / "a.csv").write_text("seen,Case (ID)\n2024-05-01,7\n", encoding="utf-8")
    assert len(load(tmp_path, f'{MAPPING}key: ["Case (ID)", upper(seen)]').events) == 1
    with pytest.raises(ConfigError, match="key "):
        load(tmp_path, f'{MAPPING}key: ["{key}"]')


def test_a_query_calls_no_such_function_either(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("seen\n2024-05-01\n", encoding="utf-8")
    for query in ("select getenv('HOME') as seen from rows", "select * from read_text('/etc/passwd')"):
        with pytest.raises(ConfigError, match=r"the query (calls|reads)"):
            load(tmp_path, f"{MAPPING}key: [seen]\nquery: {query}\n")
