"""A night: which customers changed since the last run, and the tables made anew for them alone.

An event that came, went or moved over the as-of day changes the customer it belongs to, and with it every
customer whom alias events, shared anonymous ids or keys of journeys tie to that one. What those are made of
is made anew by the models as they are, in a schema of its own where their events are all the events there
are. For the tables over all customers the rows of the others stand beside them, as the last run left them.

    suspects     keys of events in loads that came or went, or between the two as-of days
    changed      of those, the ones whose event is not what it was
    customers    the customers of those events, before and now; those whose journeys ended since; and all that
                 are tied to them

Belongs here: what changed, and showing new rows and kept ones as one table.
Does not belong here: what is kept (work.py), what the tables mean (sql).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from journey_analytics.contracts import Contract, contracts
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.models import marts
from journey_analytics.engine.sql_text import quoted, quoted_path
from journey_analytics.identity import connected_components
from journey_analytics.journeys import Parameters
from journey_analytics.sources.batches import InForce, in_force
from journey_analytics.sources.load import EVENTS
from journey_analytics.sources.mapping import Source
from journey_analytics.sources.store import Store, replaced_days
from journey_analytics.stages.compile import journey_key_sql
from journey_analytics.tables import make
from journey_analytics.work import (
    ALL_JOURNEYS,
    CHANGED,
    CUSTOMERS,
    JOURNEYS,
    KEPT,
    TOUCHPOINTS,
    RebuildError,
    Slice,
    State,
    kept_tables,
)

if TYPE_CHECKING:
    from journey_analytics.marts import Snapshot

_MAX_ROUNDS = 20
"""A chain of ids longer than this is followed in memory, over all links at once."""

_KEY = "source, event_id"


@dataclass(frozen=True)
class Night:
    """What changed since the state the tables of work.duckdb are in.

    Attributes:
        state: of work.duckdb, attached to the engine.
        base: the snapshot published from it, whose files hold the published tables made per customer.
        events: how many events came, went or changed.
        customers_before: how many customers are made anew, as they were.
        touchpoints_before: how many touchpoints those had.
    """

    state: State
    base: Snapshot
    events: int
    customers_before: int
    touchpoints_before: int

    def make(self, engine: DuckDBEngine, name: str, parameters: Parameters) -> int:
        """Make a table: for the customers that changed, when it is made per customer; the rows made."""
        if not contracts()[name].per_customer:
            return make(engine, name, parameters)
        with engine.schema(CHANGED):
            rows = make(engine, name, parameters)
        self.show(engine, name)
        return rows

    def show(self, engine: DuckDBEngine, name: str) -> None:
        """Let a table made for the customers that changed be read together with the rows of the others."""
        contract = contracts()[name]
        if name in marts():
            columns = contract.column_names
            kept = published_rows(self.base, contract)
        elif name in kept_tables():
            columns = list(kept_tables()[name])
            kept = f"{KEPT}.{name}"
        else:
            return
        listed = ", ".join(f'"{column}"' for column in columns)
        rows = f"select {listed} from {CHANGED}.{name}"
        if kept is not None:
            rows += f" union all select {listed} from {of_others(kept, contract)}"
        engine.create_view(name, rows)

    def days_of_moved_customers(self) -> str:
        """A SELECT of the days on which journeys began whose customer lost or took events of another."""
        return f"""
            with moved as (
                select was.customer_id as old_id, now.customer_id as new_id
                from {KEPT}.{TOUCHPOINTS} as was
                inner join {CHANGED}.{TOUCHPOINTS} as now using ({_KEY})
                where was.customer_id <> now.customer_id
            ),
            customers as (select old_id as customer_id from moved union select new_id from moved)
            select entry_date from {KEPT}.{ALL_JOURNEYS} where customer_id in (from customers)
            union
            select entry_date from {CHANGED}.{ALL_JOURNEYS} where customer_id in (from customers)
        """

    @contextmanager
    def rows_made(self, engine: DuckDBEngine) -> Iterator[None]:
        """Show of the published tables made per customer only the rows made anew, in the block."""
        tables = [name for name in marts() if contracts()[name].per_customer]
        for name in tables:
            engine.create_view(name, f"select * from {CHANGED}.{name}")
        try:
            yield
        finally:
            for name in tables:
                self.show(engine, name)


def slices(counting: InForce) -> tuple[Slice, ...]:
    """What is in force of each load."""
    found = []
    for source, loads in counting:
        replaced = replaced_days(source, loads)
        for load in loads:
            days = tuple(str(day) for day in replaced.get(load.batch_id, ()))
            found.append(Slice(source.name, load.batch_id, days))
    return tuple(found)


def begin(
    engine: DuckDBEngine,
    store: Store,
    sources: Sequence[Source],
    state: State,
    base: Snapshot,
    parameters: Parameters,
    journey_key: str | None,
) -> Night:
    """Find out what changed, and make stg_events of the customers it changed.

    Args:
        engine: with the view `events` of all loads in force, and work.duckdb attached.
        store: holds the loads in force now, and those that were.
        sources: of the project.
        state: of work.duckdb.
        base: the snapshot published from it.
        parameters: of the models, at the as-of day of this run.
        journey_key: where an event carries its journey's own key.

    Raises:
        RebuildError: a load that was in force is gone from the store.
    """
    engine.execute(f"create schema {CHANGED}")
    with engine.schema(CHANGED):
        _find_suspects(
            engine, store, state, slices(in_force(store, sources)), int(parameters["as_of_us"] or 0)
        )
        _make_events_of_suspects(engine, parameters)
        events = _find_changed(engine)
        _find_customers(engine, state, parameters, journey_key)
        _tie(engine)
        engine.create_table(
            "journeys",
            f"select journey_id from {KEPT}.{ALL_JOURNEYS} semi join customers using (customer_id)",
        )
        columns = ", ".join(contracts()["stg_events"].column_names)
        before = f"{KEPT}.{TOUCHPOINTS} semi join customers using (customer_id)"
        engine.create_table(
            "stg_events",
            f"select {columns} from {before} anti join changed_keys using ({_KEY}) "
            f"union all select {columns} from new_rows semi join changed_keys using ({_KEY})",
        )
        counts = engine.rows(f"select count(distinct customer_id) as customers, count(*) as n from {before}")[
            0
        ]
    return Night(state, base, events, counts["customers"], counts["n"])


def forget(engine: DuckDBEngine) -> None:
    """Take back everything of a night, and let go of work.duckdb."""
    views = engine.rows(
        "select view_name as name from duckdb_views() where database_name = 'memory' and schema_name = 'main'"
    )
    for row in views:
        if row["name"] in kept_tables() or row["name"] in marts():
            engine.execute(f"drop view main.{row['name']}")
    engine.execute(f"drop schema if exists {CHANGED} cascade")
    engine.execute(f"detach database if exists {KEPT}")


def published_rows(base: Snapshot, contract: Contract) -> str | None:
    """The rows of a published table as they are in a snapshot; None when it has no file."""
    files = ", ".join(
        quoted_path(base.folder / file["path"]) for file in base.manifest["marts"][contract.table]["files"]
    )
    return f"read_parquet([{files}], hive_partitioning = false)" if files else None


def of_changed(rows: str, contract: Contract) -> str:
    """Of the rows of a table made per customer, those of customers that are made anew."""
    return f"{rows} semi join {_made_anew(contract)} using ({contract.owner})"


def of_others(rows: str, contract: Contract) -> str:
    """Of the rows of a table made per customer, those of all other customers."""
    return f"{rows} anti join {_made_anew(contract)} using ({contract.owner})"


def _made_anew(contract: Contract) -> str:
    return CUSTOMERS if contract.owner == "customer_id" else JOURNEYS


def _find_suspects(
    engine: DuckDBEngine, store: Store, state: State, now: tuple[Slice, ...], as_of_us: int
) -> None:
    """The keys of events that may not be what they were."""
    differ = set(state.slices).symmetric_difference(now)
    replaced: dict[str, set[str]] = {}
    whole: dict[str, bool] = {}
    for part in differ:
        whole[part.batch_id] = part.batch_id not in whole
        replaced.setdefault(part.batch_id, set()).symmetric_difference_update(part.replaced)
    loads = {load.batch_id: load for load in store.loads}
    parts = [f"select {_KEY} from main.{EVENTS} where false"]
    for batch_id, is_whole in sorted(whole.items()):
        if batch_id not in loads:
            message = f"load {batch_id}, which was in force, is gone from the store"
            raise RebuildError(message)
        days = ", ".join(f"date '{day}'" for day in sorted(replaced[batch_id]))
        condition = "" if is_whole else f" where local_day in ({days})"
        parts.append(f"select {_KEY} from ({store.stored_keys(loads[batch_id])}){condition}")
    low, high = sorted((as_of_us, state.as_of_us))
    if low < high:
        parts.append(f"select {_KEY} from main.{EVENTS} where occurred_us >= {low} and occurred_us < {high}")
    engine.create_table("suspects", f"select distinct * from ({' union all '.join(parts)})")


def _make_events_of_suspects(engine: DuckDBEngine, parameters: Parameters) -> None:
    """The suspects' events, up to the as-of day and without copies, as the models make them."""
    batches = engine.rows(f"select distinct batch_id from main.{EVENTS} semi join suspects using ({_KEY})")
    listed = ", ".join(quoted(row["batch_id"]) for row in batches) or "''"
    # a copy may lie in any load; only those with one are read as a whole
    engine.create_table(
        EVENTS,
        f"select * from main.{EVENTS} semi join suspects using ({_KEY}) where batch_id in ({listed})",
    )
    for name in ("stg_copies", "stg_events"):
        make(engine, name, parameters)
    engine.create_table("new_rows", "select * from stg_events")
    # the name is needed for the events of the customers
    engine.execute("drop view stg_events")


def _find_changed(engine: DuckDBEngine) -> int:
    """Of the suspects those whose event is not what it was; how many."""
    columns = ", ".join(contracts()["stg_events"].column_names)
    engine.create_table(
        "old_rows",
        f"select {columns}, customer_id from {KEPT}.{TOUCHPOINTS} semi join suspects using ({_KEY})",
    )
    old, new = (f"select {columns} from {table}" for table in ("old_rows", "new_rows"))
    return engine.create_table(
        "changed_keys",
        f"select distinct {_KEY} from (({old} except all {new}) union all ({new} except all {old}))",
    )


def _find_customers(
    engine: DuckDBEngine, state: State, parameters: Parameters, journey_key: str | None
) -> None:
    """The customers of events that changed, before and now, and those whose journeys ended since."""
    journeys = f"select customer_id from {KEPT}.{ALL_JOURNEYS}"
    ended = " or ".join(
        f"({state.as_of_us} - {since} > {limit}) <> ({parameters['as_of_us']} - {since} > {limit})"
        for since, limit in (
            ("last_us", parameters["inactivity_us"]),
            ("entered_us", parameters["conversion_window_us"]),
        )
    )
    ids = "coalesce(customer_ref, 'anonymous:' || anonymous_ref)"
    links = [(ids, "'anonymous:' || anonymous_ref"), (ids, "alias_ref")]
    if journey_key is not None:
        links.append((ids, f"'key:' || {journey_key_sql(journey_key)}"))
    new_rows = f"new_rows semi join changed_keys using ({_KEY})"
    engine.create_view(
        "links",
        " union all ".join(
            [
                f"select one_id, other_id from {KEPT}.id_links",
                *(
                    f"select {one} as one_id, {other} as other_id from {new_rows} where {other} is not null"
                    for one, other in links
                ),
            ]
        ),
    )
    engine.create_table(
        "customers",
        f"select distinct customer_id from ("
        f"select customer_id from old_rows semi join changed_keys using ({_KEY}) "
        f"union all select {ids} from {new_rows} "
        f"union all {journeys} where {ended})",
    )


def _tie(engine: DuckDBEngine) -> None:
    """Add every customer that is tied to one that changed, by however many ids between."""
    engine.create_table("frontier", "select customer_id from customers")
    for _ in range(_MAX_ROUNDS):
        found = engine.create_table(
            "found",
            "select other_id as customer_id from links where one_id in (select customer_id from frontier) "
            "union select one_id from links where other_id in (select customer_id from frontier) "
            "except select customer_id from customers",
        )
        if not found:
            return
        engine.execute("insert into customers select customer_id from found")
        engine.create_table("frontier", "select customer_id from found")
    pairs = engine.frame("select one_id as low_ref, other_id as high_ref from links")
    engine.load("tied", connected_components(pairs))
    engine.execute(
        "insert into customers select known_ref from tied where group_ref in (select group_ref from tied "
        "where known_ref in (select customer_id from customers)) except select customer_id from customers"
    )
