"""What must hold of the funnel and the drop-off whatever the events are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from journey_analytics.contracts import contracts
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.models import marts, models
from journey_analytics.quality.sql_checks import run_sql_checks
from tests.property.histories import START, cases
from tests.property.journey_reader import Journey, local_date, read_journeys, read_stages
from tests.property.pipeline import DAY, HOUR, Event, Setup, contents, new_engine, run

Case = tuple[list[Event], Setup]

_RUN_TWICE = settings.default.max_examples // 2
"""Examples of a test that runs the models twice for each."""


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    """One engine for all examples; every run makes its tables anew."""
    with new_engine() as opened:
        yield opened


@given(case=cases())
def test_funnel_cells_are_what_counting_one_by_one_gives(engine: DuckDBEngine, case: Case) -> None:
    """Every cell, counted from journeys read one by one."""
    events, setup = case
    run(engine, events, setup)
    found = engine.rows("select * from mart_stage_funnel where journeys_reached > 0")
    by_outcome = {
        (
            row["entry_date"],
            row["funnel_kind"],
            row["channel_role"],
            row["channel"],
            row["stage"],
            name,
        ): row[f"journeys_{name}"]
        for row in found
        for name in ("continued", "dropped", "open")
        if row[f"journeys_{name}"]
    }
    assert by_outcome == _counted(read_journeys(events, setup), setup)
    # a stage nobody reached is a 0 and not a gap: each group has all observed stages, in order
    groups: dict[tuple[object, ...], list[str]] = {}
    for row in engine.rows("select * from mart_stage_funnel order by stage_ordinal"):
        key = (row["entry_date"], row["funnel_kind"], row["channel_role"], row["channel"])
        groups.setdefault(key, []).append(row["stage"])
    required = [stage for stage in setup.observed if stage in setup.required]
    for key, stages in groups.items():
        assert stages == (required if key[1] == "closed" else list(setup.observed))


@given(case=cases())
def test_parts_channels_and_stages_add_up(engine: DuckDBEngine, case: Case) -> None:
    """The identities that a reader of the marts may rely on, and the checks that watch over them."""
    events, setup = case
    run(engine, events, setup)
    funnel = engine.rows("select * from mart_stage_funnel")
    for mart in (funnel, engine.rows("select * from mart_stage_dropoff")):
        for row in mart:
            parts = row["journeys_continued"] + row["journeys_dropped"] + row["journeys_open"]
            assert row["journeys_reached"] == parts
        totals, sums = _totals(mart)
        assert all(sums[role] == totals for role in ("first_touch", "stage_entry", "last_touch"))
    reached = engine.rows(
        "select channel_role, channel, journeys_reached from mart_stage_dropoff "
        "where funnel_kind = 'progressive' and channel_role in ('all', 'first_touch') "
        "order by channel_role, channel, stage_ordinal"
    )
    for before, after in pairwise(reached):
        same_funnel = all(before[key] == after[key] for key in ("channel_role", "channel"))
        if same_funnel:
            assert after["journeys_reached"] <= before["journeys_reached"]
    stopping = [result for result in run_sql_checks(engine, "marts") if result.stops]
    assert stopping == []


@given(case=cases(customers=3, longest=6))
def test_journeys_entered_are_all_journeys_that_began(engine: DuckDBEngine, case: Case) -> None:
    """Also those that reached no stage: they began on the day and through the channel like any other."""
    events, setup = case
    run(engine, events, setup)
    expected: Counter[tuple[str, str]] = Counter()
    for journey in read_journeys(events, setup):
        expected["all", "all"] += 1
        expected["first_touch", journey.first.event.channel] += 1
    rows = engine.rows(
        "select distinct channel_role, channel, journeys_entered from mart_stage_dropoff "
        "where channel_role in ('all', 'first_touch')"
    )
    assert rows == [] or len(rows) == len({(row["channel_role"], row["channel"]) for row in rows})
    for row in rows:
        assert row["journeys_entered"] == expected[row["channel_role"], row["channel"]]


@settings(max_examples=_RUN_TWICE)
@given(case=cases(customers=3, longest=6), data=st.data())
def test_order_of_rows_and_a_second_run_change_nothing(
    engine: DuckDBEngine, case: Case, data: st.DataObject
) -> None:
    """Every mart is equal after the rows were shuffled and after running again."""
    events, setup = case
    run(engine, events, setup)
    first = {mart: contents(engine, mart) for mart in marts()}
    shuffled = data.draw(st.permutations(events))
    run(engine, shuffled, setup)
    assert {mart: contents(engine, mart) for mart in marts()} == first


@settings(max_examples=_RUN_TWICE)
@given(case=cases(customers=3, longest=6), others=cases(customers=1, longest=5))
def test_an_unrelated_customer_changes_no_other_journey(
    engine: DuckDBEngine, case: Case, others: Case
) -> None:
    """The journeys, touchpoints and stages of everyone else are what they were."""
    events, setup = case
    strangers = [
        replace(event, customer="stranger", ticket=None, event_id=f"s{event.event_id}") for event in others[0]
    ]
    tables = ("mart_journeys", "mart_journey_stages", "mart_touchpoints")
    run(engine, events, setup)
    before = {table: contents(engine, table) for table in tables}
    run(engine, [*strangers, *events], setup)
    for table in tables:
        engine.create_table("of_others", f"select * from {table} where customer_id <> 'stranger'")
        assert contents(engine, "of_others") == before[table]


@given(continued=st.integers(0, 400), dropped=st.integers(0, 400), undecided=st.integers(0, 3))
def test_interval_is_wilsons(engine: DuckDBEngine, continued: int, dropped: int, undecided: int) -> None:
    """The 95 % interval is an independent library's; none where nobody decided, or could drop yet."""
    engine.execute(
        "create or replace table int_funnel_stages as select 'm' as stage_model, "
        "'progressive' as funnel_kind, 'a' as stage, false as is_last "
        "union all select 'm', 'progressive', 'b', true"
    )
    engine.execute(
        "create or replace table int_stage_continuations as select stage_model, funnel_kind, "
        "'all' as channel_role, 'all' as channel, stage, 0.5e0 as continuation_rate, "
        "0.4e0 as continuation_rate_low, 0.6e0 as continuation_rate_high from int_funnel_stages"
    )
    changes = contracts()["int_stage_changes"].column_types
    columns = ", ".join(f"{name} {kind}" for name, kind in changes.items())
    engine.execute(f"create or replace table int_stage_changes ({columns})")
    engine.execute(
        "create or replace table mart_stage_funnel as select 'm' as stage_model, "
        "'progressive' as funnel_kind, 'all' as channel_role, 'all' as channel, stage, "
        "cast(1 as bigint) as stage_ordinal, cast($total as bigint) as journeys_entered, "
        "cast($total as bigint) as journeys_reached, cast($continued as bigint) as journeys_continued, "
        "cast($dropped as bigint) as journeys_dropped, cast($undecided as bigint) as journeys_open "
        "from int_funnel_stages",
        {
            "total": continued + dropped + undecided,
            "continued": continued,
            "dropped": dropped,
            "undecided": undecided,
        },
    )
    engine.run_model(models()["mart_stage_dropoff"], {})
    first, last = engine.rows("select * from mart_stage_dropoff order by stage")
    names = ("drop_off_rate", "drop_off_rate_low", "drop_off_rate_high")
    assert [last[name] for name in names] == [None, None, None]
    none_ended = dropped == 0 and undecided > 0
    if none_ended or continued + dropped == 0:
        assert [first[name] for name in names] == [None, None, None]
        return
    expected = binomtest(dropped, continued + dropped).proportion_ci(0.95, method="wilson")
    assert math.isclose(first["drop_off_rate"], dropped / (continued + dropped), abs_tol=1e-12)
    assert math.isclose(first["drop_off_rate_low"], expected.low, abs_tol=1e-9)
    assert math.isclose(first["drop_off_rate_high"], expected.high, abs_tol=1e-9)
    assert 0 <= first["drop_off_rate_low"] <= first["drop_off_rate_high"] <= 1


def test_a_journey_without_a_stage_counts_as_entered_on_a_day_of_its_own(
    engine: DuckDBEngine,
) -> None:
    """Two journeys began; that one of them reached no stage does not depend on when the other began."""
    staged = Event("c1", START, "awareness", "web", "e1")
    unstaged = Event("c2", START + HOUR, "page_read", "web", "e2")
    setup = Setup(as_of_us=START + 3 * DAY)
    entered = "select distinct journeys_entered from mart_stage_dropoff where channel_role = 'all'"
    run(engine, [staged, unstaged], setup)
    assert engine.rows(entered) == [{"journeys_entered": 2}]
    run(engine, [staged, replace(unstaged, us=START + DAY)], setup)
    assert engine.rows(entered) == [{"journeys_entered": 2}]


def test_money_below_a_cent_stops_no_run(engine: DuckDBEngine) -> None:
    """Events keep four places: two touchpoints of half a cent make a journey of one cent."""
    half = Decimal("0.005")
    events = [Event("c1", START + n, "awareness", "web", f"e{n}", revenue=half) for n in (1, 2)]
    run(engine, events, Setup(as_of_us=START + DAY))
    assert [result for result in run_sql_checks(engine, "marts") if result.stops] == []


def _counted(journeys: list[Journey], setup: Setup) -> Counter[tuple[object, ...]]:
    """Journeys by entry date, kind of funnel, role, channel, stage and outcome."""
    counts: Counter[tuple[object, ...]] = Counter()
    for journey in journeys:
        day = local_date(journey.first.us, setup)
        for reached in read_stages(journey, setup):
            for role, channel in (
                ("all", "all"),
                ("first_touch", reached.first_channel),
                ("stage_entry", reached.entry_channel),
                ("last_touch", reached.last_channel),
            ):
                cell = (day, reached.funnel_kind, role, channel, reached.stage, reached.outcome)
                counts[cell] += 1
    return counts


def _totals(
    rows: list[dict[str, object]],
) -> tuple[Counter[tuple[object, ...]], dict[str, Counter[tuple[object, ...]]]]:
    """The figures of role `all`, and those of each other role summed over its channels."""
    totals: Counter[tuple[object, ...]] = Counter()
    sums: dict[str, Counter[tuple[object, ...]]] = {
        role: Counter() for role in ("first_touch", "stage_entry", "last_touch")
    }
    for row in rows:
        for name in ("reached", "continued", "dropped", "open"):
            cell = (row.get("entry_date"), row["funnel_kind"], row["stage"], name)
            count = row[f"journeys_{name}"]
            if row["channel_role"] == "all":
                totals[cell] += count
            else:
                sums[row["channel_role"]][cell] += count
    return totals, sums
