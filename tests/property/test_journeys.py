"""Sessions, journeys, conversion and state: the models against a reader that goes event by event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journey_analytics.engine.duckdb import DuckDBEngine
from tests.property.histories import cases, restarting_cases
from tests.property.journey_reader import local_date, read_journeys
from tests.property.pipeline import JOURNEYS, Event, Setup, contents, new_engine, run


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    """One engine for all examples; every run makes its tables anew."""
    with new_engine() as opened:
        yield opened


@given(case=cases())
def test_sessions_and_journeys_are_those_of_a_sequential_reader(
    engine: DuckDBEngine, case: tuple[list[Event], Setup]
) -> None:
    """Every touchpoint has the session, the journey and the place that a reader would give it."""
    events, setup = case
    run(engine, events, setup, JOURNEYS)
    expected = {
        (touchpoint.event.source, touchpoint.event.event_id): {
            "customer_id": journey.customer,
            "journey_id": journey.journey_id,
            "journey_number": journey.number,
            "touchpoint_number": place,
            "session_number": touchpoint.session,
            "occurred_date": local_date(touchpoint.us, setup),
            "stage": touchpoint.event.name if touchpoint.ordinal else None,
        }
        for journey in read_journeys(events, setup)
        for place, touchpoint in enumerate(journey.touchpoints, start=1)
    }
    rows = engine.rows(
        "select source, event_id, customer_id, journey_id, journey_number, touchpoint_number, "
        "session_number, occurred_date, stage from int_journey_touchpoints"
    )
    assert {(row.pop("source"), row.pop("event_id")): row for row in rows} == expected


@given(case=cases())
def test_state_and_measures_of_a_journey_are_those_of_a_sequential_reader(
    engine: DuckDBEngine, case: tuple[list[Event], Setup]
) -> None:
    """State, conversion, end, channels, money and counts, one row per journey."""
    events, setup = case
    run(engine, events, setup, JOURNEYS)
    expected = [
        {
            "journey_id": journey.journey_id,
            "entered_us": journey.first.us,
            "entry_date": local_date(journey.first.us, setup),
            "last_us": journey.touchpoints[-1].us,
            "touchpoints": len(journey.touchpoints),
            "sessions": len({touchpoint.session for touchpoint in journey.touchpoints}),
            "furthest_ordinal": journey.furthest,
            "first_channel": journey.first.event.channel,
            "last_channel": journey.touchpoints[-1].event.channel,
            "revenue": journey.revenue,
            "converted_us": journey.converted_us,
            "is_ended": journey.is_ended,
            "state": journey.state,
        }
        for journey in read_journeys(events, setup)
    ]
    expected.sort(key=lambda row: row["journey_id"])
    columns = (
        "journey_id, entered_us, entry_date, last_us, touchpoints, sessions, furthest_ordinal, "
        "first_channel, last_channel, revenue, converted_us, is_ended, state"
    )
    assert engine.rows(f"select {columns} from int_journeys order by journey_id") == expected


@given(case=restarting_cases())
def test_a_restart_begins_a_new_journey_once(engine: DuckDBEngine, case: tuple[list[Event], Setup]) -> None:
    """The first touchpoint that may restart does; the next may not before `after` is reached again."""
    events, setup = case
    run(engine, events, setup, JOURNEYS)
    expected = [
        (journey.journey_id, len(journey.touchpoints), journey.state)
        for journey in read_journeys(events, setup)
    ]
    rows = engine.rows("select journey_id, touchpoints, state from int_journeys")
    assert sorted(tuple(row.values()) for row in rows) == sorted(expected)


@settings(max_examples=settings.default.max_examples // 2)
@given(case=cases(customers=2, longest=5), data=st.data())
def test_of_several_copies_the_one_received_first_counts(
    engine: DuckDBEngine, case: tuple[list[Event], Setup], data: st.DataObject
) -> None:
    """Copies received later change nothing, whatever they say."""
    events, setup = case
    copied = data.draw(st.lists(st.sampled_from(events), min_size=1, max_size=4))
    copies = [
        replace(event, received_us=number, channel="copy", name="loyalty")
        for number, event in enumerate(copied, start=1)
    ]
    mixed = data.draw(st.permutations([*events, *copies]))
    run(engine, mixed, setup, JOURNEYS)
    with_copies = contents(engine, "int_journey_touchpoints")
    run(engine, events, setup, JOURNEYS)
    assert with_copies == contents(engine, "int_journey_touchpoints")
