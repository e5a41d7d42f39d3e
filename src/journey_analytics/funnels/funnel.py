"""The way from events to a result: ask, sort, find the chains, count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from journey_analytics.funnels.events import UNKNOWN, Events
from journey_analytics.funnels.kernel import NOT_FILLED, find_chains
from journey_analytics.funnels.parts import (
    MOST_PACKED_MARKS,
    PARTS,
    Batch,
    NumbersCollideError,
    Parts,
    TimeTooFarError,
)
from journey_analytics.funnels.passes import Flags, Ints
from journey_analytics.funnels.question import Attribution, Exclusion, Mode, Question, Step, ask
from journey_analytics.funnels.result import NO_TIME, Chains, FunnelResult

MIXED = "mixed"

_Found = tuple[NDArray[Any], Ints, Ints]


def funnel(
    events: Any,
    steps: Sequence[Step],
    *,
    mode: Mode = "ordered",
    window: timedelta | None = None,
    step_windows: Mapping[int, timedelta] | None = None,
    exclusions: Iterable[Exclusion] = (),
    optional: Iterable[int] = (),
    breakdown: str | None = None,
    attribution: Attribution = "first_touch",
    attribution_step: int | None = None,
    entity: str = "customer_id",
) -> FunnelResult:
    """Count how far customers get through steps. The rules are those of `journey_analytics.funnels`.

    Args:
        events: a Polars frame or lazy frame, Arrow table, DuckDB relation, or the path of Parquet files (one
            file, a folder, a pattern), with the columns `entity`, `occurred_at` and `event_name`, and those
            that conditions and the break-down name.
        steps: each an event name, a list of names, or conditions in the words of a stage rule's `when`, such
            as `{"event_name": "page_view", "page_path": {"matches": "^/pricing"}}`. Step numbers count from
            1.
        mode: `ordered`, `strict` (no other event of the customer in between) or `unordered`.
        window: from the first event of a chain to its last; None is no limit.
        step_windows: step number to the longest time since the event before it.
        exclusions: `(event, from_step, to_step)`: customers with the event in between are not counted.
        optional: numbers of steps that may be left out.
        breakdown: a column whose values make groups.
        attribution: which event of a chain gives it its group.
        attribution_step: the step for attribution by `step`.
        entity: the column of who goes through the funnel.

    Raises:
        ConfigError: every problem of the arguments, or of the columns, together.
    """
    question = ask(
        steps,
        mode=mode,
        window=window,
        step_windows=step_windows,
        exclusions=exclusions,
        optional=optional,
        breakdown=breakdown,
        attribution=attribution,
        attribution_step=attribution_step,
    )
    read = Events(events, entity, question)
    marks = len(question.rules.steps) + len(question.rules.exclusions)
    packed_marks = marks if marks <= MOST_PACKED_MARKS else None
    while True:
        try:
            chains, notes = _chains(read, question, packed_marks)
        except NumbersCollideError:
            read.number_customers()
        except TimeTooFarError:
            packed_marks = None
        else:
            return FunnelResult(question, chains, read, notes)


def _chains(events: Events, question: Question, packed_marks: int | None) -> tuple[Chains, list[str]]:
    """The chains of all customers, and what is to be said about the events."""
    names = list(dict.fromkeys([*events.values, MIXED]))
    found, occurs = _found(events, question, packed_marks, names)
    customers, times, groups = (np.concatenate(columns) for columns in zip(*found, strict=True))
    chains = Chains(customers, times, groups if question.breakdown is not None else None, names)
    return chains, events.hints(occurs)


def _found(
    events: Events, question: Question, packed_marks: int | None, names: list[str]
) -> tuple[list[_Found], Flags]:
    """The chains part by part, and which names were met. The memory of the rows is free again afterwards."""
    parts = Parts(events.names, keeps_every_row=question.rules.mode == "strict", packed_marks=packed_marks)
    parts.take(events.rows())
    # what is compiled runs side by side, in as many threads as Polars reads in (POLARS_MAX_THREADS)
    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        found = list(pool.map(lambda part: _chains_of(parts.batch(part), question, names), PARTS))
    return found, parts.occurs


def _chains_of(batch: Batch, question: Question, names: list[str]) -> _Found:
    """Customer, times and group of the chains in one batch; no groups without a break-down."""
    rows = find_chains(batch.borders, batch.times, batch.masks, question.rules)
    times = np.where(rows == NOT_FILLED, NO_TIME, batch.times[rows]) if len(rows) else rows
    groups = np.empty(0, np.int64)
    if question.breakdown is not None:
        groups = _groups(batch.values.astype(np.int64), rows, question, names)
    return batch.customers[rows[:, 0]], times, groups


def _groups(values: Ints, rows: Ints, question: Question, names: list[str]) -> Ints:
    """The group of each chain, as its position in `names`."""
    is_filled = rows != NOT_FILLED
    by_step = values[rows]
    if question.attribution == "step":
        place = (question.attribution_step or 1) - 1
        return np.where(is_filled[:, place], by_step[:, place], names.index(UNKNOWN))
    if question.attribution == "last_touch":
        last = rows.shape[1] - 1 - np.argmax(is_filled[:, ::-1], axis=1)
        return np.asarray(by_step[np.arange(len(rows)), last])
    first: Ints = by_step[:, 0]
    if question.attribution == "all_steps":
        is_shared = ((by_step == first[:, None]) | ~is_filled).all(axis=1)
        return np.where(is_shared, first, names.index(MIXED))
    return first
