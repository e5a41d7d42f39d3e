"""The stages a journey reached, touched and progressive, against a reader that goes event by event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import pytest
from hypothesis import given, settings

from journey_analytics.engine.duckdb import DuckDBEngine
from tests.property.histories import cases
from tests.property.journey_reader import read_journeys, read_stages
from tests.property.pipeline import Event, Setup, contents, new_engine, run

_COLUMNS = """
    int_journey_stages.journey_id, funnel_kind, stage, is_skipped, int_journey_stages.entered_us, left_us,
    int_journey_stages.touchpoints, int_journeys.first_channel, entry_channel,
    int_journey_stages.last_channel, outcome
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    """One engine for all examples; every run makes its tables anew."""
    with new_engine() as opened:
        yield opened


@given(case=cases())
def test_stages_reached_are_those_of_a_sequential_reader(
    engine: DuckDBEngine, case: tuple[list[Event], Setup]
) -> None:
    """Entered, left, outcome, the channels of the three roles, touchpoints, is_skipped and dwell time."""
    events, setup = case
    run(engine, events, setup)
    expected = [
        asdict(reached) for journey in read_journeys(events, setup) for reached in read_stages(journey, setup)
    ]
    expected.sort(key=lambda row: (row["journey_id"], row["funnel_kind"], row["stage"]))
    found = engine.rows(
        f"select {_COLUMNS} from int_journey_stages inner join int_journeys "
        "on int_journey_stages.journey_id = int_journeys.journey_id "
        "order by int_journey_stages.journey_id, funnel_kind, stage"
    )
    assert found == expected
    for row in engine.rows("select entered_at, left_at, dwell_seconds from mart_journey_stages"):
        stayed = row["left_at"] and (row["left_at"] - row["entered_at"]).total_seconds()
        assert row["dwell_seconds"] == (stayed and pytest.approx(stayed, abs=1e-9))


@settings(max_examples=settings.default.max_examples // 4)
@given(case=cases(customers=3, longest=6))
def test_a_further_stage_model_of_the_same_rules_gives_the_same(
    engine: DuckDBEngine, case: tuple[list[Event], Setup]
) -> None:
    """Whatever it is called; and the journeys are as if it were not there."""
    events, setup = case
    run(engine, events, setup)
    alone = {table: contents(engine, table) for table in ("mart_journeys", "mart_touchpoints")}
    run(engine, events, setup, twin="other")
    assert {table: contents(engine, table) for table in alone} == alone
    for table in ("mart_journey_stages", "mart_stage_funnel", "mart_stage_dropoff"):
        own, twin = (
            engine.rows(
                f"select * exclude (stage_model) from {table} where stage_model = $name order by all",
                {"name": name},
            )
            for name in ("tiny", "other")
        )
        assert own == twin
