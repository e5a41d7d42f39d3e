"""work.duckdb: what a run keeps for the next one, so that a night makes anew only what it changed.

    state       one row: which loads, settings, models and product version the rest was made from, and which
                snapshot was published from it
    id_links    the pairs of ids that make customers and keyed journeys
    others      the tables made per customer that tables over all customers are made from (`kept_tables`)

The file may be deleted at any time: the next run makes everything anew from the event store. It changes in
one transaction or is replaced by a rename, after the marts are published, so that a run that is cut short
leaves it as it was. Tables made per customer that are published are not in it: the snapshot has them.

Belongs here: the file, its tables and its state. Does not belong here: what a night changes (nights.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import exp

from journey_analytics import failpoints
from journey_analytics.contracts import contracts
from journey_analytics.disk import sync
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.models import marts, models
from journey_analytics.engine.sql_text import quoted
from journey_analytics.tables import KERNELS

KEPT = "kept"
"""The file's name in a run's engine, while it is attached."""

CHANGED = "changed"
"""The schema of what a night makes anew; its tables stand before those of the same name."""

CUSTOMERS = f"{CHANGED}.customers"
JOURNEYS = f"{CHANGED}.journeys"
"""The customers whose rows a night makes anew, and the journeys they had before it."""

TOUCHPOINTS = "stg_touchpoints"
ALL_JOURNEYS = "int_journeys"
_LINKS_SQL = """
    select 'anonymous:' || anonymous_ref as one_id, known_ref as other_id from int_anonymous_links
    union all
    select low_ref as one_id, high_ref as other_id from int_alias_edges
    union all
    select distinct 'key:' || journey_ref as one_id, customer_id as other_id from int_touchpoint_rules
    where journey_ref is not null
"""


class RebuildError(Exception):
    """Why a run has to make every table anew."""


@dataclass(frozen=True)
class Slice:
    """What is in force of one load: its events but those of days that a later load replaced."""

    source: str
    batch_id: str
    replaced: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """What the tables of work.duckdb were made from.

    Attributes:
        made_by: everything but the events that decides the tables, by what people call it.
        as_of_us: end of the as-of day.
        slices: the loads in force.
        unseen: of each stage model the starter rules that took nothing.
        snapshot: the folder name of the snapshot published from the tables.
        customers: how many there were.
        touchpoints: how many there were.
    """

    made_by: Mapping[str, str]
    as_of_us: int
    slices: tuple[Slice, ...]
    unseen: tuple[tuple[int, ...], ...]
    snapshot: str
    customers: int
    touchpoints: int


@cache
def kept_tables() -> dict[str, tuple[str, ...]]:
    """The tables to keep, and what of each: the columns that tables over all customers read.

    All columns of two: touchpoints, for customers are made anew from theirs, and journeys, which end by time.
    """
    known = contracts()
    kept = {table: set(known[table].column_names) for table in (TOUCHPOINTS, ALL_JOURNEYS)}
    for name, model in models().items():
        if not known[name].per_customer:
            named = {
                column.name for column in sqlglot.parse_one(model.text, read="duckdb").find_all(exp.Column)
            }
            for table in _kept_of(model.reads):
                kept.setdefault(table, {known[table].owner}).update(named)
    for name, kernel in KERNELS.items():
        if not known[name].per_customer:
            for table in _kept_of(kernel.reads):
                kept.setdefault(table, set()).update(known[table].column_names)
    return {
        table: tuple(name for name in known[table].column_names if name in columns)
        for table, columns in kept.items()
    }


def _kept_of(reads: frozenset[str] | tuple[str, ...]) -> list[str]:
    known = contracts()
    return [table for table in reads if table in known and known[table].per_customer and table not in marts()]


def attach(engine: DuckDBEngine, path: Path) -> State:
    """Make the file's tables readable in the engine, and say what they were made from.

    Raises:
        RebuildError: there is no such file, or it is damaged.
    """
    if not path.is_file():
        message = "there is no work.duckdb"
        raise RebuildError(message)
    try:
        engine.execute(f"attach {quoted(str(path))} as {KEPT}")
        rows = engine.rows(f"select made_from from {KEPT}.state")
        said = json.loads(rows[0]["made_from"])
        return State(
            **{
                **said,
                "slices": tuple(Slice(**{**s, "replaced": tuple(s["replaced"])}) for s in said["slices"]),
                "unseen": tuple(tuple(numbers) for numbers in said["unseen"]),
            }
        )
    except (duckdb.Error, IndexError, ValueError, TypeError, KeyError) as cause:
        message = f"work.duckdb cannot be read: {str(cause).splitlines()[0]}"
        raise RebuildError(message) from cause


def keep_all(engine: DuckDBEngine, path: Path, state: State) -> None:
    """Write a new file from the tables of a run that made everything; the one there was is replaced."""
    scratch = path.with_suffix(".new")
    for leftover in (scratch, scratch.with_suffix(".new.wal"), path.with_suffix(".duckdb.wal")):
        leftover.unlink(missing_ok=True)
    new = "keeping"
    engine.execute(f"attach {quoted(str(scratch))} as {new}")
    for table, columns in kept_tables().items():
        engine.execute(f"create table {new}.{table} as select {', '.join(columns)} from {table}")
    engine.execute(f"create table {new}.id_links as {_LINKS_SQL}")
    engine.execute(f"create table {new}.state as select {quoted(_text(state))} as made_from")
    engine.execute(f"detach {new}")
    sync(scratch)
    failpoints.reach("keep.written")
    scratch.rename(path)
    failpoints.reach("keep.named")
    sync(path.parent)


def keep_changed(engine: DuckDBEngine, state: State) -> None:
    """Put what a night made anew in the place of what it had been, in one transaction."""
    known = contracts()
    engine.execute("begin")
    for table, columns in kept_tables().items():
        listed = ", ".join(columns)
        owner = known[table].owner
        changed = CUSTOMERS if owner == "customer_id" else JOURNEYS
        engine.execute(f"delete from {KEPT}.{table} where {owner} in (select {owner} from {changed})")
        engine.execute(f"insert into {KEPT}.{table} ({listed}) select {listed} from {CHANGED}.{table}")
    engine.execute(f"delete from {KEPT}.id_links where one_id in (select customer_id from {CUSTOMERS})")
    with engine.schema(CHANGED):
        engine.execute(f"insert into {KEPT}.id_links {_LINKS_SQL}")
    engine.execute(f"update {KEPT}.state set made_from = {quoted(_text(state))}")
    failpoints.reach("keep.before_commit")
    engine.execute("commit")
    failpoints.reach("keep.committed")


def _text(state: State) -> str:
    return json.dumps(asdict(state), sort_keys=True)
