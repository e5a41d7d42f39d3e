"""Sessions, journeys, conversion and state: the models against a reader that goes event by event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.local_days import to_us
from tests.property.histories import START, cases, restarting_cases
from tests.property.journey_reader import local_date, read_journeys
from tests.property.pipeline import DAY, JOURNEYS, SECOND, Event, Setup, contents, new_engine, run


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
            "customer_id": touchpoint.event.customer,
            "journey_id": journey.journey_id,
            "touchpoint_number": place,
            "session_number": touchpoint.session,
            "occurred_date": local_date(touchpoint.us, setup),
            "stage": touchpoint.event.name if touchpoint.ordinal else None,
        }
        for journey in read_journeys(events, setup)
        for place, touchpoint in enumerate(journey.touchpoints, start=1)
    }
    rows = engine.rows(
        "select source, event_id, customer_id, journey_id, touchpoint_number, "
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
            "customer_id": journey.customer,
            "journey_ref": journey.ticket,
            "journey_number": journey.number,
            "entered_us": journey.first.us,
            "entry_date": local_date(journey.first.us, setup),
            "last_us": journey.touchpoints[-1].us,
            "touchpoints": len(journey.touchpoints),
            "sessions": len({(t.event.customer, t.session) for t in journey.touchpoints}),
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
        "journey_id, customer_id, journey_ref, journey_number, entered_us, entry_date, last_us, touchpoints, "
        "sessions, furthest_ordinal, first_channel, last_channel, revenue, converted_us, is_ended, state"
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


def test_journeys_of_two_customers_never_share_an_id(engine: DuckDBEngine) -> None:
    """Ids as delivered may hold the sign that the parts of a journey's id are joined with."""
    events = [
        Event("a", START, "awareness", "web", "web|1"),
        Event("a|web", START, "awareness", "web", "1"),
    ]
    run(engine, events, Setup(as_of_us=START + DAY), JOURNEYS)
    rows = engine.rows("select distinct journey_id from int_journey_touchpoints")
    assert len(rows) == 2


def test_a_journey_begins_on_the_day_of_its_first_touchpoint(engine: DuckDBEngine) -> None:
    """St. John's put its clocks back at one past midnight: the next touchpoint is on the day before."""
    change = to_us(datetime(2010, 11, 7, 2, 31, tzinfo=UTC))
    events = [
        Event("c1", change - 30 * SECOND, "awareness", "web", "e1"),
        Event("c1", change + 30 * SECOND, "awareness", "web", "e2"),
    ]
    run(engine, events, Setup(as_of_us=change + DAY, zone="America/St_Johns"), JOURNEYS)
    assert engine.rows("select entry_date from int_journeys") == [{"entry_date": date(2010, 11, 7)}]
