"""Models as tables and as views in the working database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from journey_analytics.engine import models
from journey_analytics.engine.duckdb import DuckDBEngine, Limits
from journey_analytics.engine.models import Model
from journey_analytics.errors import ModelError, TooLittleMemoryError

BEFORE = Model(
    "stg_before",
    "staging",
    "-- Params: $day_us; and $another, which only a comment names.\n"
    "with final as (select n from numbers where n < $day_us) select * from final",
)


@pytest.mark.parametrize(
    ("layer", "is_view", "rows"),
    [("staging", False, 2), ("staging", True, 0), ("marts", False, 2), ("marts", True, 2)],
)
def test_a_model_reads_the_same_as_a_table_and_as_a_view(
    monkeypatch: pytest.MonkeyPatch, layer: str, rows: int, *, is_view: bool
) -> None:
    """The rows of a view are counted when they are to be published."""
    monkeypatch.setattr("journey_analytics.engine.duckdb.VIEWS", {BEFORE.name} if is_view else set())
    with DuckDBEngine() as engine:
        engine.execute("create table numbers as select unnest([1, 2, 3]) as n")
        assert engine.run_model(replace(BEFORE, layer=layer), {"day_us": 3, "unused": 7}) == rows
        assert engine.rows("select n from stg_before order by n") == [{"n": 1}, {"n": 2}]
        kinds = engine.rows("select table_type as kind from information_schema.tables order by table_name")
    assert [row["kind"] for row in kinds] == ["BASE TABLE", "VIEW" if is_view else "BASE TABLE"]


def test_a_view_that_fails_is_told_like_a_table() -> None:
    with DuckDBEngine() as engine, pytest.raises(ModelError, match="the model v failed"):
        engine.create_view("v", "select nothing from nowhere")


def test_every_view_is_a_model() -> None:
    assert models.models().keys() >= models.VIEWS


def test_a_table_that_memory_does_not_suffice_for_says_which_setting_helps() -> None:
    """Ten million rows of one partition, in ten megabytes and without a folder to spill to."""
    query = "select lag(n) over (order by n desc) as n from range(10000000) as numbers (n)"
    with (
        DuckDBEngine(limits=Limits("10MB", 1)) as engine,
        pytest.raises(TooLittleMemoryError, match="memory does not suffice to make int_big") as error,
    ):
        engine.create_table("int_big", query)
    assert "`memory_limit` in journey.yaml" in str(error.value)
    assert query not in str(error.value)
