"""Funnels against a reader that looks at every chain, on random histories full of ties and repeats."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from journey_analytics import FunnelResult, funnel
from tests.property.funnel_reader import Asked, Event, chain_of, group_of

START = datetime(2026, 3, 28, tzinfo=UTC)
NAMES = ["a", "b", "c", "d", "x"]
VALUES = ["ads", "email", None]
CUSTOMERS = 60
History = dict[str, list[Event]]


@st.composite
def questions(draw: st.DrawFn, mode: str | None = None) -> Asked:
    """A funnel of up to four steps; its windows are about as long as the histories."""
    mode = mode or draw(st.sampled_from(["ordered", "strict", "unordered"]))
    names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True)
    steps = draw(st.lists(names, min_size=1, max_size=4))
    later = range(2, len(steps) + 1)
    pairs = [(start, stop) for start in range(1, len(steps)) for stop in range(start + 1, len(steps) + 1)]
    exclusions = []
    if pairs:
        exclusions = draw(st.lists(st.tuples(names, st.sampled_from(pairs)), max_size=2))
    numbers = st.sampled_from(list(later) or [0])
    attribution = draw(st.sampled_from(["first_touch", "last_touch", "step", "all_steps"]))
    return Asked(
        steps=steps,
        mode=mode,
        window=draw(st.sampled_from([math.inf, 0, 3, 6])),
        step_windows=draw(st.dictionaries(numbers, st.integers(0, 4), max_size=2))
        if later and mode != "unordered"
        else {},
        exclusions=[(event, start, stop) for event, (start, stop) in exclusions],
        optional=draw(st.lists(numbers, unique=True, max_size=2)) if later else [],
        attribution=attribution,
        attribution_step=draw(st.integers(1, len(steps))) if attribution == "step" else None,
    )


def histories(seed: int, customers: int = CUSTOMERS) -> History:
    """Customers with up to seven events within a few moments."""
    drawn = random.Random(seed)
    moments = drawn.choice([3, 6, 12])
    return {
        f"c{number}": [
            (drawn.randrange(moments), drawn.choice(NAMES), drawn.choice(VALUES))
            for _ in range(drawn.randint(1, 7))
        ]
        for number in range(customers)
    }


def frame(history: History, seed: int = 0) -> pl.DataFrame:
    """The events in an order of no meaning."""
    rows = [
        {"customer_id": customer, "occurred_at": START + timedelta(microseconds=time), "event_name": name}
        | {"channel": value}
        for customer, events in history.items()
        for time, name, value in events
    ]
    random.Random(seed).shuffle(rows)
    types = {
        "customer_id": pl.String,
        "occurred_at": pl.Datetime("us", "UTC"),
        "event_name": pl.String,
        "channel": pl.String,
    }
    return pl.DataFrame(rows, schema=types)


def count(events: Any, asked: Asked) -> FunnelResult:
    window = None if math.isinf(asked.window) else timedelta(microseconds=asked.window)
    return funnel(
        events,
        asked.steps,
        mode=asked.mode,
        window=window,
        step_windows={step: timedelta(microseconds=us) for step, us in asked.step_windows.items()},
        exclusions=asked.exclusions,
        optional=asked.optional,
        breakdown="channel",
        attribution=asked.attribution,
        attribution_step=asked.attribution_step,
    )


def summary(result: FunnelResult) -> tuple[Any, ...]:
    return result.table.rows(), result.by_group.rows()


def expected_counts(history: History, asked: Asked) -> tuple[list[set[str]], Counter[tuple[str, int]]]:
    """Who reached each step, and how many of each group, by the slow reader."""
    reached: list[set[str]] = [set() for _ in asked.steps]
    groups: Counter[tuple[str, int]] = Counter()
    for customer, events in history.items():
        chain = chain_of(events, asked)
        for step, _ in chain or []:
            reached[step - 1].add(customer)
            groups[group_of(chain, events, asked), step] += 1
    return reached, groups


def expected_seconds(history: History, asked: Asked) -> dict[int, tuple[list[int], list[int]]]:
    """For each step the microseconds from the event before and from entry, sorted."""
    times: dict[int, tuple[list[int], list[int]]] = {
        number: ([], []) for number in range(1, len(asked.steps) + 1)
    }
    for events in history.values():
        chain = chain_of(events, asked) or []
        for before, (step, place) in pairwise(chain):
            times[step][0].append(events[place][0] - events[before[1]][0])
            times[step][1].append(events[place][0] - events[chain[0][1]][0])
    return {step: (sorted(a), sorted(b)) for step, (a, b) in times.items()}


@given(questions(), st.integers(0, 2**32))
def test_every_mode_agrees_with_the_reader_of_all_chains(asked: Asked, seed: int) -> None:
    history = histories(seed)
    result = count(frame(history), asked)
    reached, groups = expected_counts(history, asked)
    for step, customers in enumerate(reached, start=1):
        wrong = customers ^ set(result.customers(step))
        assert not wrong, {customer: history[customer] for customer in sorted(wrong)[:1]}
    assert result.reached == [len(customers) for customers in reached]
    found = {(row["group"], row["step_number"]): row["reached"] for row in result.by_group.to_dicts()}
    assert {key: value for key, value in found.items() if value} == dict(groups)
    for row, (previous, entry) in zip(
        result.table.to_dicts(), expected_seconds(history, asked).values(), strict=True
    ):
        for share in (50, 95):
            for name, times in (("previous", previous), ("entry", entry)):
                place = math.ceil(len(times) * share / 100) - 1
                wanted = times[place] / 1e6 if times else None
                assert row[f"p{share}_seconds_from_{name}"] == wanted


@given(questions(), st.integers(0, 2**32))
def test_groups_sum_to_the_total(asked: Asked, seed: int) -> None:
    result = count(frame(histories(seed)), asked)
    for measure in ("reached", "dropped"):
        totals = dict(result.table.select("step_number", measure).rows())
        groups = result.by_group.group_by("step_number").agg(pl.col(measure).sum())
        assert dict(groups.rows()) == (totals if result.reached[0] else {})


@given(questions(), st.integers(0, 2**32))
def test_the_order_of_rows_changes_nothing(asked: Asked, seed: int) -> None:
    history = histories(seed)
    first = count(frame(history), asked)
    assert summary(first) == summary(count(frame(history, seed=seed + 1), asked))
    assert first.reached[0] == 0 or sum(first.by_group["reached"]) == sum(first.reached)


@given(questions(mode="ordered") | questions(mode="unordered"), st.integers(0, 2**32))
def test_an_unrelated_event_changes_nothing_unless_strict(asked: Asked, seed: int) -> None:
    history = histories(seed)
    drawn = random.Random(seed)
    more = {
        customer: [*events, (drawn.randrange(12), "unrelated", "ads")] for customer, events in history.items()
    }
    assert summary(count(frame(history), asked)) == summary(count(frame(more), asked))


@given(questions(), st.integers(0, 2**32))
def test_dropped_customers_are_those_whose_chain_ends_there(asked: Asked, seed: int) -> None:
    history = histories(seed)
    result = count(frame(history), asked)
    for step in range(1, len(asked.steps)):
        ended = {
            customer
            for customer, events in history.items()
            if (chain := chain_of(events, asked)) and chain[-1][0] == step
        }
        assert set(result.customers(step, dropped=True)) == ended
        assert result.table["dropped"][step - 1] == len(ended)
    assert result.customers(len(asked.steps), dropped=True) == []


@given(questions(), st.integers(0, 2**32))
def test_a_longer_window_never_takes_anybody_away(asked: Asked, seed: int) -> None:
    """But for exclusions, which a longer window finds more of."""
    asked = replace(asked, exclusions=[], optional=[])
    events = frame(histories(seed))
    narrow, wide = count(events, asked), count(events, replace(asked, window=asked.window + 1))
    assert all(less <= more for less, more in zip(narrow.reached, wide.reached, strict=True))
