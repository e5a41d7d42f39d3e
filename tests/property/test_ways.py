"""Paths, transitions, times, exits and sessions against plain loops over the journeys of the slow reader."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise, zip_longest
from typing import Any

import pytest
from hypothesis import given

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.models import sql_folder
from tests.property.histories import cases
from tests.property.journey_reader import Journey, Touchpoint, local_date, read_journeys, read_stages
from tests.property.pipeline import Event, Setup, new_engine, run

ROLES = ("first_touch", "stage_entry", "last_touch")
Place = tuple[str, int]
"""A name in a path and when it was entered."""


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    """One engine for all examples; every run makes its tables anew."""
    with new_engine() as opened:
        yield opened


@given(case=cases())
def test_ways_are_those_of_a_sequential_reader(engine: DuckDBEngine, case: tuple[list[Event], Setup]) -> None:
    events, setup = case
    run(engine, events, setup)
    journeys = read_journeys(events, setup)
    assert rows(engine, "path_kind, path, journeys, journeys_converted, journeys_lost", "mart_paths") == (
        paths(journeys)
    )
    columns = "path_kind, channel_role, channel, from_name, to_name, transitions, median_seconds"
    assert rows(engine, columns, "mart_stage_transitions") == transitions(journeys)
    columns = (
        "channel_role, channel, stage, next_stage, journeys_continued, journeys_open, "
        "p50_seconds, p90_seconds"
    )
    assert rows(engine, columns, "mart_time_to_stage") == times(journeys, setup)
    columns = "funnel_kind, channel_role, channel, stage, event_name, journeys_dropped"
    assert rows(engine, columns, "mart_exit_points") == exits(journeys, setup)
    columns = (
        "session_id, customer_id, session_number, started_date, session_seconds, touchpoints, first_channel, "
        "first_event_name, first_journey_id, journeys, revenue"
    )
    assert rows(engine, columns, "mart_sessions") == sessions(journeys, setup)
    for check in ("exit_points_add_up", "paths_add_up", "sessions_add_up", "transitions_balance"):
        sql = (sql_folder() / "checks" / f"{check}.sql").read_text(encoding="utf-8")
        assert engine.rows(f"select * from ({sql})") == [], check


def paths(journeys: list[Journey]) -> list[tuple[Any, ...]]:
    counts: Counter[tuple[str, str]] = Counter()
    states: Counter[tuple[str, str, str]] = Counter()
    for journey in journeys:
        for kind, places in ways(journey):
            path = " > ".join(name for name, _ in places)
            counts[kind, path] += 1
            states[kind, path, journey.state] += 1
    return in_order((*key, n, states[*key, "converted"], states[*key, "lost"]) for key, n in counts.items())


def transitions(journeys: list[Journey]) -> list[tuple[Any, ...]]:
    found: defaultdict[tuple[str, ...], list[int | None]] = defaultdict(list)
    for journey in journeys:
        for kind, places in ways(journey):
            end = "(exit)" if journey.is_ended else "(open)"
            moves: list[tuple[str, str, int | None]] = [
                ("(start)", places[0][0], None),
                (places[-1][0], end, None),
            ]
            moves += [(one, other, there - here) for (one, here), (other, there) in pairwise(places)]
            for role, channel in (("all", "all"), ("first_touch", journey.first.event.channel)):
                for one, other, span in moves:
                    found[kind, role, channel, one, other].append(span)
    return in_order((*key, len(spans), percentile(spans, 0.5)) for key, spans in found.items())


def times(journeys: list[Journey], setup: Setup) -> list[tuple[Any, ...]]:
    spans: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    still: Counter[tuple[str, ...]] = Counter()
    for journey in journeys:
        own = [
            reached
            for reached in read_stages(journey, setup)
            if reached.funnel_kind == "progressive" and not reached.is_skipped
        ]
        for reached, following in zip_longest(own, own[1:]):
            for role, channel in channels(reached):
                key = (role, channel, reached.stage)
                if following is not None:
                    spans[*key, "(any)"].append(following.entered_us - reached.entered_us)
                    spans[*key, following.stage].append(following.entered_us - reached.entered_us)
                elif reached.outcome == "open":
                    still[*key, "(any)"] += 1
    return in_order(
        (
            *key, len(spans[key]), still[key] if key[-1] == "(any)" else None,
            percentile(spans[key], 0.5), percentile(spans[key], 0.9),
        )
        for key in {*spans, *still}
    )  # fmt: skip


def exits(journeys: list[Journey], setup: Setup) -> list[tuple[Any, ...]]:
    counts: Counter[tuple[str, ...]] = Counter()
    for journey in journeys:
        for reached in read_stages(journey, setup):
            if reached.outcome == "dropped":
                for role, channel in channels(reached):
                    last = journey.touchpoints[-1].event.name
                    counts[reached.funnel_kind, role, channel, reached.stage, last] += 1
    return in_order((*key, n) for key, n in counts.items())


def sessions(journeys: list[Journey], setup: Setup) -> list[tuple[Any, ...]]:
    found: defaultdict[tuple[str, int], list[tuple[Journey, Touchpoint]]] = defaultdict(list)
    for journey in journeys:
        for touchpoint in journey.touchpoints:
            found[touchpoint.event.customer, touchpoint.session].append((journey, touchpoint))
    made = []
    for (customer, number), unordered in found.items():
        # a journey with a key of its own runs beside the others
        inside = sorted(
            unordered,
            key=lambda pair: (pair[1].us, pair[1].ordinal or 0, pair[1].event.source, pair[1].event.event_id),
        )
        journey, first = inside[0]
        text = f"session|{first.event.source}|{customer}|{first.event.event_id}"
        money = [t.event.revenue for _, t in inside if t.event.revenue is not None]
        made.append(
            (
                hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
                customer, number, local_date(first.us, setup), (inside[-1][1].us - first.us) / 1e6,
                len(inside), first.event.channel, first.event.name, journey.journey_id,
                len({other.journey_id for other, _ in inside}), sum(money) if money else None,
            )
        )  # fmt: skip
    return in_order(made)


def ways(journey: Journey) -> Iterator[tuple[str, list[Place]]]:
    """The places of a journey in each kind of path it has."""
    yield "events", [(t.event.name, t.us) for t in journey.touchpoints]
    staged = [(t.event.name, t.us) for t in journey.touchpoints if t.ordinal is not None]
    if staged:
        yield "stages", [next(run) for _, run in groupby(staged, key=lambda place: place[0])]


def channels(reached: Any) -> list[tuple[str, str]]:
    """Each channel role with the channel of a stage in it."""
    return [
        ("all", "all"),
        *zip(ROLES, (reached.first_channel, reached.entry_channel, reached.last_channel), strict=True),
    ]


def percentile(spans: list[int | None] | list[int], share: float) -> float | None:
    """The smallest span that at least `share` of them do not exceed, in seconds."""
    known = sorted(span for span in spans if span is not None)
    return known[max(math.ceil(share * len(known)), 1) - 1] / 1e6 if known else None


def rows(engine: DuckDBEngine, columns: str, table: str) -> list[tuple[Any, ...]]:
    return in_order(tuple(row.values()) for row in engine.rows(f"select {columns} from {table}"))


def in_order(found: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(found, key=repr)
