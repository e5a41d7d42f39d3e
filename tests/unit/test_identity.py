"""Which customer an event belongs to: rows few enough to check by eye, one rule at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from journey_analytics.contracts import contracts
from journey_analytics.engine.duckdb import DuckDBEngine, Limits
from journey_analytics.engine.models import models
from journey_analytics.errors import ConfigError
from journey_analytics.identity import (
    EDGES,
    OUTPUT_TABLE,
    STAR_STATEMENTS,
    connected_components,
    group_aliases,
    identity_parameters,
)
from journey_analytics.project import read_project
from journey_analytics.query import query
from tests.conftest import run_project
from tests.lint.portable_sql import lint

AUDIT = "mart_identity_audit"
MODELS = (
    "stg_copies", "stg_events", EDGES, "int_aliased_ids", "int_anonymous_links", "int_anonymous_events",
    "stg_touchpoints", AUDIT,
)  # fmt: skip
AS_OF_US = 1_000_000
IN_MEMORY, IN_THE_ENGINE = 1_000_000, 0

_TYPES = {"BIGINT": pl.Int64, "DOUBLE": pl.Float64, "DECIMAL(18,4)": pl.Decimal(18, 4), "VARCHAR": pl.String}


@dataclass(frozen=True)
class Event:
    """One event as delivered, with the ids it carries."""

    event_id: str
    us: int
    known: str | None = None
    anonymous: str | None = None
    alias: str | None = None
    source: str = "web"
    received_us: int = 0


def find_customers(
    engine: DuckDBEngine, events: Iterable[Event], max_ids: int = 50, max_edges: int = IN_MEMORY
) -> None:
    """Make every table of the concern, from `events` to the audit."""
    rows = [
        {
            "source": event.source,
            "event_id": event.event_id,
            "occurred_us": event.us,
            "received_us": event.received_us,
            "customer_ref": event.known,
            "anonymous_ref": event.anonymous,
            "alias_ref": event.alias,
            "event_name": "visit",
            "channel": "ads",
            "batch_id": "b",
        }
        for event in events
    ]
    schema = {column.name: _TYPES[column.type] for column in contracts()["events"].columns}
    engine.load("events", pl.DataFrame(rows, schema=schema, orient="row"))
    for name, model in models().items():
        if name in MODELS:
            engine.run_model(model, {"as_of_us": AS_OF_US, "max_ids": max_ids})
        if name == EDGES:
            group_aliases(engine, max_edges)


def customers(engine: DuckDBEngine) -> dict[str, str]:
    """The customer of each event by its event_id."""
    rows = engine.rows("select event_id, customer_id from stg_touchpoints order by event_id")
    return {row["event_id"]: row["customer_id"] for row in rows}


def audit(engine: DuckDBEngine) -> list[tuple[Any, ...]]:
    """(rule, customer_id, id, linked_us, events_moved, ids_in_group, is_merged) in order."""
    rows = engine.rows(
        f"select rule, customer_id, id, epoch_us(linked_at) as us, events_moved, ids_in_group, is_merged "
        f"from {AUDIT} order by all"
    )
    return [tuple(row.values()) for row in rows]


def groups(engine: DuckDBEngine, edges: Iterable[tuple[str, str]], max_edges: int) -> dict[str, str]:
    """The group of each id, by union-find or by the engine."""
    pairs = sorted({(min(pair), max(pair)) for pair in edges})
    schema = {"low_ref": pl.String, "high_ref": pl.String}
    engine.load(EDGES, pl.DataFrame(pairs, schema=schema, orient="row"))
    count = group_aliases(engine, max_edges)
    found = engine.rows(f"select known_ref, group_ref from {OUTPUT_TABLE}")
    assert len(found) == count
    by_id = {row["known_ref"]: row["group_ref"] for row in found}
    assert len(by_id) == count
    return by_id


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    """One engine for all cases; every run makes its tables anew."""
    with DuckDBEngine(limits=Limits(memory_limit="1GB", threads=1)) as opened:
        yield opened


# ---- anonymous ids


def test_an_anonymous_id_that_is_never_linked_is_a_customer_of_its_own(engine: DuckDBEngine) -> None:
    """Under a prefix, so that a cookie that looks like customer x is not x."""
    find_customers(engine, [Event("e1", 1, anonymous="x"), Event("e2", 2, known="x")])
    assert customers(engine) == {"e1": "anonymous:x", "e2": "x"}
    assert audit(engine) == []


def test_an_anonymous_id_seen_with_one_customer_is_theirs_in_the_past_as_well(engine: DuckDBEngine) -> None:
    """Also after the sighting; one more anonymous id is not touched."""
    events = [
        Event("e1", 10, anonymous="a"),
        Event("e2", 20, anonymous="a", known="c1"),
        Event("e3", 30, anonymous="a"),
        Event("e4", 10, anonymous="b"),
    ]
    find_customers(engine, events)
    assert customers(engine) == {"e1": "c1", "e2": "c1", "e3": "c1", "e4": "anonymous:b"}
    assert audit(engine) == [("anonymous_id", "c1", "a", 20, 2, 1, True)]


def test_a_late_link_restates_the_past(engine: DuckDBEngine) -> None:
    """The event that links comes a load later, and is told with the time it happened, not was loaded."""
    first_night = [
        Event("e1", 10, anonymous="a", received_us=100),
        Event("e3", 30, anonymous="a", received_us=100),
    ]
    find_customers(engine, first_night)
    assert customers(engine) == {"e1": "anonymous:a", "e3": "anonymous:a"}
    find_customers(engine, [*first_night, Event("e2", 20, known="c1", anonymous="a", received_us=900)])
    assert customers(engine) == {"e1": "c1", "e2": "c1", "e3": "c1"}
    assert audit(engine) == [("anonymous_id", "c1", "a", 20, 2, 1, True)]


def test_a_link_after_the_as_of_day_is_not_known_yet(engine: DuckDBEngine) -> None:
    """Nor is an alias."""
    events = [
        Event("e1", 10, anonymous="a"),
        Event("e2", 10, known="c1"),
        Event("e3", AS_OF_US, anonymous="a", known="c1"),
        Event("e4", AS_OF_US, known="c1", alias="c0"),
    ]
    find_customers(engine, events)
    assert customers(engine) == {"e1": "anonymous:a", "e2": "c1"}
    assert audit(engine) == []


def test_known_ids_are_not_merged_by_a_shared_device(engine: DuckDBEngine) -> None:
    """An event that carries both ids belongs to the known one."""
    events = [
        Event("e1", 10, known="c1", anonymous="a"),
        Event("e2", 20, known="c2", anonymous="a"),
        Event("e3", 30, known="c1"),
        Event("e4", 40, known="c2"),
    ]
    find_customers(engine, events)
    assert customers(engine) == {"e1": "c1", "e2": "c2", "e3": "c1", "e4": "c2"}
    assert audit(engine) == [
        ("shared_device", "c1", "a", 10, 0, 2, True),
        ("shared_device", "c2", "a", 20, 0, 2, True),
    ]


def test_on_a_shared_device_an_event_goes_to_the_customer_seen_last(engine: DuckDBEngine) -> None:
    """Before any is seen, to the first one seen after it."""
    events = [
        Event("e1", 5, anonymous="a"),
        Event("e2", 10, known="c2", anonymous="a"),
        Event("e3", 15, anonymous="a"),
        Event("e4", 20, known="c1", anonymous="a"),
        Event("e5", 25, anonymous="a"),
        Event("e6", 26, anonymous="a"),
        Event("e7", 30, known="c2", anonymous="a"),
        Event("e8", 35, anonymous="a"),
        Event("e9", 12, anonymous="b"),  # another device, where nobody is known
    ]
    find_customers(engine, events)
    found = customers(engine)
    assert [found[f"e{n}"] for n in (1, 3, 5, 6, 8, 9)] == ["c2", "c2", "c1", "c1", "c2", "anonymous:b"]
    assert audit(engine) == [
        ("shared_device", "c1", "a", 20, 2, 2, True),
        ("shared_device", "c2", "a", 10, 3, 2, True),
    ]


def test_seen_at_the_same_instant_counts_as_before(engine: DuckDBEngine) -> None:
    """Whatever the event ids say; of two seen at one instant the later by source and event_id."""
    events = [
        Event("e0", 5, anonymous="a"),
        Event("e1", 20, anonymous="a"),
        Event("e2", 10, known="c1", anonymous="a"),
        Event("e3", 20, known="c3", anonymous="a", source="app"),
        Event("e4", 20, known="c2", anonymous="a"),
        Event("e5", 19, anonymous="a"),
        Event("f0", 3, anonymous="b"),
        Event("f1", 7, known="c2", anonymous="b"),
        Event("f2", 7, known="c1", anonymous="b"),
    ]
    find_customers(engine, events)
    found = customers(engine)
    assert [found[name] for name in ("e0", "e5", "e1")] == ["c1", "c1", "c2"]
    assert found["f0"] == "c2"  # first seen after it: f1 comes before f2


def test_a_device_of_two_ids_of_one_customer_is_not_shared(engine: DuckDBEngine) -> None:
    """Alias events come first; each id brought the anonymous events that followed it."""
    events = [
        Event("e1", 10, known="old", anonymous="a"),
        Event("e2", 20, anonymous="a"),
        Event("e3", 30, known="new", anonymous="a", alias="old"),
        Event("e4", 40, anonymous="a"),
        Event("e5", 50, anonymous="a"),
    ]
    find_customers(engine, events)
    assert set(customers(engine).values()) == {"old"}
    assert audit(engine) == [
        ("alias", "old", "new", 30, 3, 2, True),
        ("anonymous_id", "old", "a", 10, 3, 1, True),
    ]


def test_copies_of_an_event_are_counted_once(engine: DuckDBEngine) -> None:
    """The copy loaded first stays, with its ids."""
    events = [
        Event("e1", 10, anonymous="a", received_us=1),
        Event("e1", 10, anonymous="b", received_us=2),
        Event("e2", 20, known="c1", anonymous="a"),
        Event("e2", 20, known="c1", anonymous="a"),
        Event("e3", 30, known="c1", alias="x", received_us=2),
        Event("e3", 30, known="c1", received_us=1),
    ]
    find_customers(engine, events)
    assert customers(engine) == {"e1": "c1", "e2": "c1", "e3": "c1"}
    assert audit(engine) == [("anonymous_id", "c1", "a", 20, 1, 1, True)]


def test_copies_that_differ_in_their_alias_alone_are_told_apart(engine: DuckDBEngine) -> None:
    """So the order of rows changes nothing."""
    copies = [Event("e1", 10, known="c1", alias="c3"), Event("e1", 10, known="c1", alias="c2")]
    for events in (copies, copies[::-1]):
        find_customers(engine, events)
        assert audit(engine) == [("alias", "c1", "c2", 10, 0, 2, True)]


# ---- alias events


@pytest.mark.parametrize("max_edges", [IN_MEMORY, IN_THE_ENGINE])
def test_a_chain_of_aliases_is_one_customer(engine: DuckDBEngine, max_edges: int) -> None:
    """In whatever direction each is said, and although the middle of the chain has no event of its own."""
    events = [
        Event("e1", 10, known="d"),
        Event("e2", 20, known="b"),
        Event("e3", 30, known="b", alias="a"),
        Event("e4", 40, known="d", alias="c"),
        Event("e5", 50, known="b", alias="c"),
        Event("e6", 60, known="e"),  # named by no alias event
    ]
    find_customers(engine, events, max_edges=max_edges)
    assert customers(engine) == {"e1": "d", "e2": "d", "e3": "d", "e4": "d", "e5": "d", "e6": "e"}
    assert audit(engine) == [
        ("alias", "d", "a", 30, 0, 4, True),
        ("alias", "d", "b", 30, 3, 4, True),
        ("alias", "d", "c", 40, 0, 4, True),
    ]


def test_the_customer_is_the_id_seen_first_and_a_newer_one_does_not_rename_it(engine: DuckDBEngine) -> None:
    """Although it is the smaller as text; named only by an alias event counts as seen."""
    events = [Event("e1", 10, known="m"), Event("e2", 20, known="n", alias="m")]
    find_customers(engine, events)
    assert set(customers(engine).values()) == {"m"}
    find_customers(engine, [*events, Event("e3", 30, known="a"), Event("e4", 40, known="a", alias="n")])
    assert set(customers(engine).values()) == {"m"}
    find_customers(engine, [Event("e1", 10, known="b", alias="z"), Event("e2", 5, known="z")])
    assert set(customers(engine).values()) == {"z"}
    find_customers(engine, [Event("e1", 10, known="z", alias="b"), Event("e2", 11, known="z")])
    assert set(customers(engine).values()) == {"b"}  # both seen at one instant: the smaller as text


@pytest.mark.parametrize("max_edges", [IN_MEMORY, IN_THE_ENGINE])
def test_a_cycle_of_aliases_is_one_customer(engine: DuckDBEngine, max_edges: int) -> None:
    """And the same pair said twice, in both directions, is one link."""
    events = [
        Event("e1", 10, known="a", alias="b"),
        Event("e2", 20, known="b", alias="c"),
        Event("e3", 30, known="c", alias="a"),
        Event("e4", 40, known="a", alias="c"),
    ]
    find_customers(engine, events, max_edges=max_edges)
    assert set(customers(engine).values()) == {"a"}
    assert audit(engine) == [("alias", "a", "b", 10, 1, 3, True), ("alias", "a", "c", 20, 1, 3, True)]


def test_an_alias_to_itself_joins_nothing(engine: DuckDBEngine) -> None:
    """Nor does an alias of an anonymous id, or one without a customer_ref."""
    events = [
        Event("e1", 10, known="a", alias="a"),
        Event("e2", 20, anonymous="x", alias="a"),
    ]
    find_customers(engine, events)
    assert customers(engine) == {"e1": "a", "e2": "anonymous:x"}
    assert audit(engine) == []


def test_ids_that_differ_in_case_are_different(engine: DuckDBEngine) -> None:
    """Known ones, anonymous ones, and those of an alias."""
    events = [
        Event("e1", 10, known="Anna", anonymous="Cookie"),
        Event("e2", 20, known="anna"),
        Event("e3", 30, anonymous="cookie"),
        Event("e4", 40, known="bob", alias="anna"),
    ]
    find_customers(engine, events)
    assert customers(engine) == {"e1": "Anna", "e2": "anna", "e3": "anonymous:cookie", "e4": "anna"}


def test_an_alias_of_an_id_without_events_moves_none(engine: DuckDBEngine) -> None:
    """It is told all the same, so that a wrong one can be found before its first event."""
    find_customers(engine, [Event("e1", 5, known="c1"), Event("e2", 10, known="c1", alias="b")])
    assert customers(engine) == {"e1": "c1", "e2": "c1"}
    assert audit(engine) == [("alias", "c1", "b", 10, 0, 2, True)]


def test_a_group_of_exactly_max_ids_is_merged_and_one_more_is_not(engine: DuckDBEngine) -> None:
    """A call centre's login, say: above the limit nothing in the group is merged; another group is."""
    three = [
        Event("e1", 10, known="desk"),
        Event("e2", 20, known="desk", alias="c1"),
        Event("e3", 30, known="desk", alias="c2"),
        Event("e4", 40, known="c1", anonymous="a"),
        Event("e5", 41, known="c2", anonymous="a"),
        Event("e6", 50, anonymous="a"),
        Event("e7", 60, known="p", alias="q"),
    ]
    find_customers(engine, three, max_ids=3)
    assert {name: c for name, c in customers(engine).items() if name != "e7"} == dict.fromkeys(
        ("e1", "e2", "e3", "e4", "e5", "e6"), "desk"
    )
    find_customers(engine, [*three, Event("e8", 70, known="c2", alias="c3")], max_ids=3)
    assert customers(engine) == {
        "e1": "desk", "e2": "desk", "e3": "desk", "e4": "c1", "e5": "c2", "e6": "c2", "e7": "p", "e8": "c2",
    }  # fmt: skip
    assert audit(engine) == [
        ("alias", "p", "q", 60, 0, 2, True),
        ("shared_device", "c1", "a", 40, 0, 2, True),
        ("shared_device", "c2", "a", 41, 1, 2, True),
        ("too_many_ids", "desk", "desk", 20, 0, 4, False),
    ]


def test_without_anonymous_ids_and_aliases_every_known_id_is_a_customer(engine: DuckDBEngine) -> None:
    """The audit is empty, and may be."""
    from journey_analytics.quality.gates import contract_suite, run_gate

    find_customers(engine, [Event("e1", 1, known="c1"), Event("e2", 2, known="c2")])
    assert customers(engine) == {"e1": "c1", "e2": "c2"}
    results = run_gate(engine, "marts", {AUDIT: contract_suite(contracts()[AUDIT])})
    assert {result.status for result in results} == {"passed"}
    engine.execute("delete from stg_touchpoints")
    results = run_gate(engine, "marts", {"stg_touchpoints": contract_suite(contracts()["stg_touchpoints"])})
    assert [result.check for result in results if result.status == "failed"] == [
        "expect_table_row_count_to_be_between"
    ]


# ---- groups of ids


@pytest.mark.parametrize("max_edges", [IN_MEMORY, IN_THE_ENGINE])
@pytest.mark.parametrize("step", [1, 7, 999])
def test_a_chain_of_2000_ids_is_one_group(engine: DuckDBEngine, max_edges: int, step: int) -> None:
    """In the order of their names and in others."""
    names = [f"c{number * step % 2000:04}" for number in range(2000)]
    found = groups(engine, pairwise(names), max_edges)
    assert found == dict.fromkeys(names, "c0000")


def test_passes_of_the_engine_grow_with_the_logarithm_of_a_chain(
    engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chain of 2,000 ids would take as many passes when each only hands its smallest id on."""
    made: list[str] = []
    create_table = engine.create_table

    def counted(table: str, sql: str, parameters: Any = None) -> int:
        made.append(table)
        return create_table(table, sql, parameters)

    monkeypatch.setattr(engine, "create_table", counted)
    names = [f"c{number:04}" for number in range(2000)]
    groups(engine, pairwise(names), IN_THE_ENGINE)
    assert 1 < made.count("alias_large_stars") <= 16


@pytest.mark.parametrize("max_edges", [IN_MEMORY, IN_THE_ENGINE])
def test_no_aliases_make_no_groups(engine: DuckDBEngine, max_edges: int) -> None:
    """The table is there, with its columns."""
    assert groups(engine, [], max_edges) == {}
    columns = [row["column_name"] for row in engine.rows(f"describe {OUTPUT_TABLE}")]
    assert columns == contracts()[OUTPUT_TABLE].column_names


def test_the_group_is_the_smallest_id_by_its_bytes_in_both_ways(engine: DuckDBEngine) -> None:
    """Upper case before lower, and no letter is taken for another."""
    edges = [("b", "B"), ("é", "e"), ("e", "z"), ("10", "9")]
    expected = {"b": "B", "B": "B", "é": "e", "e": "e", "z": "e", "10": "10", "9": "10"}
    assert groups(engine, edges, IN_MEMORY) == groups(engine, edges, IN_THE_ENGINE) == expected


def test_union_find_takes_edges_in_any_order() -> None:
    """Two trees that each have a root of their own before they meet."""
    edges = [("b", "c"), ("d", "e"), ("c", "e"), ("a", "e"), ("x", "y")]
    frame = pl.DataFrame(edges, schema=["low_ref", "high_ref"], orient="row")
    expected = {"a": "a", "b": "a", "c": "a", "d": "a", "e": "a", "x": "x", "y": "x"}
    for order in (frame, frame.reverse()):
        assert dict(connected_components(order).rows()) == expected


@pytest.mark.parametrize("statement", STAR_STATEMENTS)
def test_the_statements_of_the_engine_are_portable(statement: str) -> None:
    assert lint(statement) == []


# ---- the project


def test_the_limit_of_ids_is_a_setting(tiny: Path, edit: Callable[[Path, str, str], None]) -> None:
    """50 when the project says nothing; less than one id is no customer."""
    assert identity_parameters(read_project(tiny)) == {"max_ids": 50}
    edit(tiny / "journey.yaml", "session_timeout:", "identity: {max_ids: 2}\nsession_timeout:")
    assert identity_parameters(read_project(tiny)) == {"max_ids": 2}
    edit(tiny / "journey.yaml", "max_ids: 2", "max_ids: 0")
    with pytest.raises(ConfigError, match="max_ids"):
        read_project(tiny)


def test_a_run_publishes_customers_and_their_links(
    tiny: Path, edit: Callable[[Path, str, str], None]
) -> None:
    """From a file with a cookie and a former id to the marts, with the project's own limit."""
    (tiny / "input" / "web.csv").write_text(
        "id,ts,action,customer,channel,amount,cookie,former\n"
        "e1,2026-01-05 10:00:00,visit,,ads,,k1,\n"
        "e2,2026-01-05 10:05:00,cart,new,ads,,k1,\n"
        "e3,2026-01-05 10:06:00,order,new,email,12.50,,old\n"
        "e4,2026-01-04 10:00:00,visit,old,ads,,,\n"
        "e5,2026-01-04 10:00:00,visit,,ads,,k2,\n"
    )
    edit(
        tiny / "sources" / "web.yaml",
        "  customer_ref:",
        "  anonymous_ref: cookie\n  alias_ref: former\n  customer_ref:",
    )
    snapshot = run_project(tiny)
    found = query(snapshot, "select event_id, customer_id from mart_touchpoints")
    assert dict(found.iter_rows()) == {
        "e1": "old",
        "e2": "old",
        "e3": "old",
        "e4": "old",
        "e5": "anonymous:k2",
    }
    links = query(
        snapshot, f"select rule, customer_id, id, linked_at, events_moved from {AUDIT} order by rule"
    )
    assert links.rows() == [
        ("alias", "old", "new", datetime(2026, 1, 5, 10, 6, tzinfo=UTC), 3),
        ("anonymous_id", "old", "k1", datetime(2026, 1, 5, 10, 5, tzinfo=UTC), 1),
    ]
    edit(tiny / "journey.yaml", "session_timeout:", "identity: {max_ids: 1}\nsession_timeout:")
    links = query(run_project(tiny), f"select rule, customer_id, is_merged from {AUDIT} order by rule")
    assert links.rows() == [("anonymous_id", "new", True), ("too_many_ids", "old", False)]
