"""Every table between the events and the marts: which function or model makes it, and in which order.

Most are SQL models. What SQL cannot say, or not in bounded time, is a kernel: a function that reads tables of
the engine and makes one. To the order of things a kernel is a model like any other.
Belongs here: the list of kernels and the order. Does not belong here: what a model or a kernel does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from graphlib import TopologicalSorter

from journey_analytics.continuation import estimate_continuations
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.models import models
from journey_analytics.identity import group_aliases
from journey_analytics.journeys import Parameters


@dataclass(frozen=True)
class Kernel:
    """A table made by a function: the tables it reads, and the call, which says how many rows came out."""

    reads: tuple[str, ...]
    make: Callable[[DuckDBEngine, Parameters], int]


def _alias_groups(engine: DuckDBEngine, _: Parameters) -> int:
    return group_aliases(engine)


def _continuations(engine: DuckDBEngine, _: Parameters) -> int:
    return estimate_continuations(engine)


def _closed_entries(engine: DuckDBEngine, parameters: Parameters) -> int:
    # numba takes longer to import than a command may take to print its help
    from journey_analytics.funnels.closed import find_closed_entries

    return find_closed_entries(
        engine, str(parameters["stage_model"]), int(parameters["conversion_window_us"] or 0)
    )


def _stage_changes(engine: DuckDBEngine, parameters: Parameters) -> int:
    # scipy takes longer to import than a command may take to print its help
    from journey_analytics.alerts.kernels import make_changes

    return make_changes(engine, _as_of(parameters))


def _stage_limits(engine: DuckDBEngine, parameters: Parameters) -> int:
    from journey_analytics.alerts.kernels import make_limits

    return make_limits(engine, _as_of(parameters))


def _alert_causes(engine: DuckDBEngine, parameters: Parameters) -> int:
    from journey_analytics.alerts.kernels import make_causes

    return make_causes(engine, _as_of(parameters))


def _as_of(parameters: Parameters) -> date:
    return date.fromisoformat(str(parameters["as_of_date"]))


KERNELS: dict[str, Kernel] = {
    "int_stage_continuations": Kernel(("int_stage_durations",), _continuations),
    "int_alias_groups": Kernel(("int_alias_edges",), _alias_groups),
    "int_closed_entries": Kernel(
        ("int_journey_touchpoints", "int_further_touchpoints", "int_funnel_stages"), _closed_entries
    ),
    "int_stage_changes": Kernel(("int_stage_days",), _stage_changes),
    "int_stage_limits": Kernel(("int_stage_days", "int_stage_changes"), _stage_limits),
    "int_alert_causes": Kernel(("int_stage_changes", "int_stage_entries"), _alert_causes),
}


@cache
def in_order() -> list[str]:
    """Every model and kernel, each after those it reads."""
    reads = {name: model.reads for name, model in models().items()} | {
        name: frozenset(kernel.reads) for name, kernel in KERNELS.items()
    }
    order = TopologicalSorter({name: sorted(reads[name] & reads.keys()) for name in sorted(reads)})
    return list(order.static_order())


def needed_for(tables: Iterable[str]) -> list[str]:
    """The models and kernels that make these tables and all those they are made from, in order."""
    needed = set(tables)
    for name in reversed(in_order()):
        if name in needed:
            needed |= set(KERNELS[name].reads) if name in KERNELS else models()[name].reads
    return [name for name in in_order() if name in needed]


def make(engine: DuckDBEngine, name: str, parameters: Parameters) -> int:
    """Make one table by its model or kernel and return its rows."""
    if name in KERNELS:
        return KERNELS[name].make(engine, parameters)
    return engine.run_model(models()[name], parameters)
