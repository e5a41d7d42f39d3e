"""Who is to be erased: the customers asked for by any of their ids, with all ids and events of theirs.

Belongs here: finding them in the event store, by the same models that give every event its customer.
Does not belong here: taking them out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted
from journey_analytics.errors import ConfigError, Problem
from journey_analytics.identity import identity_parameters
from journey_analytics.journeys import model_parameters
from journey_analytics.local_days import local_day
from journey_analytics.project import Project
from journey_analytics.sources.erased import ANONYMOUS
from journey_analytics.sources.load import EVENTS, show_events
from journey_analytics.sources.store import Store
from journey_analytics.tables import make, needed_for

_TOUCHPOINTS = "stg_touchpoints"
_ASKED, _CUSTOMERS, _STORED = "asked_ids", "customers_to_erase", "stored_ids"
# an id that is a customer's name is that customer, whatever other events carry it
_RESOLVE = f"""
    with named as (
        select customer_id, customer_id as named, 1 as place
        from {_TOUCHPOINTS} where customer_id in (from {_ASKED})
        union
        select customer_id, customer_ref, 2 from {_TOUCHPOINTS} where customer_ref in (from {_ASKED})
        union
        select customer_id, anonymous_ref, 3 from {_TOUCHPOINTS} where anonymous_ref in (from {_ASKED})
        union
        select customer_id, known_ref, 4 from int_aliased_ids where known_ref in (from {_ASKED})
    )
    select named, customer_id
    from named
    qualify place = min(place) over (partition by named)
    order by named, customer_id
"""
_IDS = f"""
    with known as (
        select customer_ref as id from {_TOUCHPOINTS} semi join {_CUSTOMERS} using (customer_id)
        union
        select known_ref from int_aliased_ids semi join {_CUSTOMERS} using (customer_id) where is_merged
        union
        select customer_id from {_CUSTOMERS}
    ),
    -- links that were withdrawn since count too: what they linked is still in the store
    links as (
        select anonymous_ref, customer_ref from {_STORED} where anonymous_ref is not null
    ),
    anonymous as (
        -- what happened on a device that others use too is known by its events
        select anonymous_ref as id from {_TOUCHPOINTS} semi join {_CUSTOMERS} using (customer_id)
        union
        select anonymous_ref from links where customer_ref in (from known)
        except
        select anonymous_ref from {_TOUCHPOINTS} anti join {_CUSTOMERS} using (customer_id)
        except
        select anonymous_ref from links where customer_ref not in (select id from known where id is not null)
    )
    select id from known where id is not null
    union
    select {quoted(ANONYMOUS)} || id from anonymous where id is not null
"""


@dataclass(frozen=True)
class Theirs:
    """All that the customers who are asked for are known by.

    Attributes:
        customers: how they are called in the marts.
        ids: every id of theirs, an anonymous one with `anonymous:` before it.
        events: source and event_id of every event of theirs.
        last_us: when the last of these happened; 0 without any.
    """

    customers: frozenset[str]
    ids: frozenset[str]
    events: frozenset[tuple[str, str]]
    last_us: int


def find(engine: DuckDBEngine, project: Project, store: Store, asked: Sequence[str]) -> Theirs:
    """Find customers by any of their ids.

    One that no event carries may still be in quarantine, or in what was replaced since: asked for alone, it
    is taken for a customer's name.

    Args:
        engine: an open one, which gets tables of all events.
        project: says which ids are one customer's.
        store: of the project.
        asked: the ids as they were delivered.

    Raises:
        ConfigError: an id is of several customers, or one of several is of none.
    """
    totals = show_events(engine, store, list(project.sources), []) if store.loads else []
    if not any(total.events for total in totals):
        return Theirs(frozenset(asked), frozenset(asked), frozenset(), 0)
    last = engine.rows(f"select max(occurred_us) as last from {EVENTS}")[0]["last"]
    parameters = {**model_parameters(project, local_day(last, project.zone)), **identity_parameters(project)}
    for name in needed_for([_TOUCHPOINTS]):
        make(engine, name, parameters)
    engine.load(_ASKED, pl.DataFrame({"asked": list(asked)}, schema={"asked": pl.String}))
    customers = _resolved(engine, asked)
    engine.load(
        _CUSTOMERS, pl.DataFrame({"customer_id": sorted(customers)}, schema={"customer_id": pl.String})
    )
    engine.create_view(_STORED, store.ids_sql())
    ids = {row["id"] for row in engine.rows(_IDS)}
    theirs = engine.rows(
        f"select source, event_id, occurred_us from {_TOUCHPOINTS} semi join {_CUSTOMERS} using (customer_id)"
    )
    return Theirs(
        frozenset(customers),
        frozenset(ids),
        frozenset((row["source"], row["event_id"]) for row in theirs),
        max((row["occurred_us"] for row in theirs), default=0),
    )


def _resolved(engine: DuckDBEngine, asked: Collection[str]) -> set[str]:
    """The customers of these ids."""
    found: dict[str, list[str]] = {name: [] for name in asked}
    for row in engine.rows(_RESOLVE):
        found[row["named"]].append(row["customer_id"])
    problems = [
        Problem(
            f"the id {name!r} is of {len(customers):,} customers",
            ", ".join(customers[:10]),
            "name the one to erase as the marts call it, in customer_id",
        )
        for name, customers in found.items()
        if len(customers) > 1
    ] + [
        Problem(
            f"no event is of {name!r}",
            "the event store",
            "correct it or leave it out; asked for alone, it is looked for in quarantine too",
        )
        for name, customers in found.items()
        if not customers and len(found) > 1
    ]
    if problems:
        raise ConfigError(problems)
    return {customer for name, customers in found.items() for customer in customers or [name]}
