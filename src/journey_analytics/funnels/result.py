"""What a funnel says: counts, rates with intervals, times, groups, and the customers behind each number.

Belongs here: arithmetic on the chains that were found. Does not belong here: which chain counts (`kernel`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from journey_analytics.errors import ConfigError, Problem
from journey_analytics.statistics import wilson_interval

if TYPE_CHECKING:
    from journey_analytics.funnels.events import Events
    from journey_analytics.funnels.passes import Ints
    from journey_analytics.funnels.question import Question

NO_TIME = int(np.iinfo(np.int64).min)
"""Stands in the times of a chain for a step it does not fill."""

PERCENTILES = (50, 75, 90, 95)


@dataclass(frozen=True)
class Chains:
    """The chain of every customer in the funnel.

    Attributes:
        customers: the number each customer is known by.
        times: one row per chain, one column per step: microseconds, or NO_TIME.
        groups: the position of each chain's group in `group_names`; None without a break-down.
        group_names: the values of the break-down.
    """

    customers: NDArray[Any]
    times: Ints
    groups: Ints | None
    group_names: list[str]


class FunnelResult:
    """The outcome of a funnel. Its memory is that of the chains, and of the events when they were a frame.

    Attributes:
        steps: the steps as people read them.
        events_without_customer: events left out because they have no customer.
        events_without_time: events left out because they have no time.
        notes: sentences about names in steps and exclusions that no event has.
    """

    def __init__(self, question: Question, chains: Chains, events: Events, notes: Sequence[str]) -> None:
        self.steps = question.labels
        self.events_without_customer = events.without_customer
        self.events_without_time = events.without_time
        self.notes = tuple(notes)
        self._optional = {number - 1 for number in question.rules.optional}
        self._chains = chains
        self._events = events

    def __repr__(self) -> str:
        counts = " > ".join(f"{step} {count:,}" for step, count in zip(self.steps, self.reached, strict=True))
        return f"FunnelResult({counts})"

    @property
    def reached(self) -> list[int]:
        """How many customers reached each step."""
        return [int(np.count_nonzero(times != NO_TIME)) for times in self._chains.times.T]

    @cached_property
    def table(self) -> pl.DataFrame:
        """One row per step: counts, rates with 95 % intervals, seconds from step before and from entry."""
        return pl.DataFrame(self._rows(self._chains.times))

    @cached_property
    def by_group(self) -> pl.DataFrame | None:
        """The table of each group, groups in the order of their names; None without a break-down."""
        groups = self._chains.groups
        if groups is None:
            return None
        order = np.argsort(groups, kind="stable")
        borders = np.flatnonzero(np.diff(groups[order])) + 1
        members = [part for part in np.split(order, borders) if len(part)]
        named = sorted((self._chains.group_names[groups[part[0]]], part) for part in members)
        rows = [
            {"group": name, **row} for name, part in named for row in self._rows(self._chains.times[part])
        ]
        return pl.DataFrame(rows, schema={"group": pl.String, **self.table.schema})

    def customers(self, step: int, *, dropped: bool = False) -> list[Any]:
        """Who reached a step, or with `dropped` who got that far and no further; sorted.

        Raises:
            ConfigError: there is no such step.
        """
        if not 1 <= step <= len(self.steps):
            raise ConfigError(
                Problem(f"there is no step {step!r}", "customers", f"steps are 1 to {len(self.steps)}")
            )
        is_filled = self._chains.times != NO_TIME
        is_wanted = is_filled[:, step - 1]
        if dropped:
            is_wanted = is_wanted & ~is_filled[:, step:].any(axis=1) & (step < len(self.steps))
        return self._events.ids(self._chains.customers[is_wanted])

    def _rows(self, times: Ints) -> list[dict[str, Any]]:
        is_filled = times != NO_TIME
        reached = is_filled.sum(axis=0)
        entered = reached[0]
        previous = times[:, 0]
        base = entered
        rows = []
        for place, label in enumerate(self.steps):
            here = is_filled[:, place]
            ended = here & ~is_filled[:, place + 1 :].any(axis=1)
            row: dict[str, Any] = {
                "step_number": place + 1,
                "step": label,
                "reached": int(reached[place]),
                "dropped": int(ended.sum()) if place + 1 < len(self.steps) else 0,
                **_rate("conversion_rate", reached[place], entered),
                **_rate("step_conversion_rate", reached[place] if place else None, base),
            }
            since = {
                "previous": times[here, place] - previous[here],
                "entry": times[here, place] - times[here, 0],
            }
            for name, microseconds in since.items():
                row |= _percentiles(f"seconds_from_{name}", microseconds if place else microseconds[:0])
            previous = np.where(here, times[:, place], previous)
            if place not in self._optional:
                base = reached[place]
            rows.append(row)
        return rows


def _rate(name: str, successes: Any, trials: Any) -> dict[str, float | None]:
    """A share and its interval; nothing of nothing has none."""
    if successes is None or not trials:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    low, high = wilson_interval(successes, trials)
    return {name: float(successes / trials), f"{name}_low": float(low), f"{name}_high": float(high)}


def _percentiles(name: str, microseconds: Ints) -> dict[str, float | None]:
    """Percentiles as SQL's percentile_disc takes them: always a time that somebody took."""
    ordered = np.sort(microseconds)
    ranks = {share: -(-len(ordered) * share // 100) for share in PERCENTILES}
    return {
        f"p{share}_{name}": float(ordered[rank - 1]) / 1e6 if len(ordered) else None
        for share, rank in ranks.items()
    }
