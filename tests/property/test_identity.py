"""Identity: the models against a reader that goes event by event, groups of ids against a plain search."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journey_analytics.engine.duckdb import DuckDBEngine, Limits
from tests.unit.test_identity import IN_MEMORY, IN_THE_ENGINE, Event, audit, customers, find_customers, groups

_KNOWN = ("a", "B", "b", "c", "d", "e")
_ANONYMOUS = ("a", "x", "y")
_WAYS = st.sampled_from((IN_MEMORY, IN_THE_ENGINE))


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    """One engine for all examples; every run makes its tables anew."""
    with DuckDBEngine(limits=Limits(memory_limit="1GB", threads=1)) as opened:
        yield opened


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events with a known id, an anonymous one or both, some with an alias, few instants apart."""
    events: list[Event] = []
    for number in range(draw(st.integers(1, 24))):
        known = draw(st.sampled_from((None, None, *_KNOWN)))
        anonymous = draw(st.sampled_from((None, *_ANONYMOUS, *_ANONYMOUS)))
        if known is None and anonymous is None:
            anonymous = "x"
        events.append(
            Event(
                event_id=f"e{number:02}",
                us=draw(st.integers(1, 12)),
                known=known,
                anonymous=anonymous,
                alias=draw(st.sampled_from((None, None, None, *_KNOWN))),
                source=draw(st.sampled_from(("app", "web"))),
            )
        )
    ids = draw(st.permutations([event.event_id for event in events]))
    return [replace(event, event_id=name) for event, name in zip(events, ids, strict=True)]


@st.composite
def graphs(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Pairs of different ids: chains, stars, cycles and what lies between."""
    count = draw(st.integers(2, 40))
    numbers = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(numbers, numbers), max_size=60))
    names = draw(st.permutations([f"n{number:02}" for number in range(count)]))
    return [(names[a], names[b]) for a, b in pairs if a != b]


@given(edges=graphs())
def test_groups_are_the_connected_components(engine: DuckDBEngine, edges: list[tuple[str, str]]) -> None:
    """Of any graph, in memory and in the engine alike."""
    expected = {name: min(members) for members in _components(edges) for name in members}
    assert groups(engine, edges, IN_MEMORY) == expected
    assert groups(engine, edges, IN_THE_ENGINE) == expected


@given(events=histories(), max_ids=st.integers(1, 6), way=_WAYS)
def test_customers_are_those_of_a_sequential_reader(
    engine: DuckDBEngine, events: list[Event], max_ids: int, way: int
) -> None:
    """Every event has exactly one customer: the one a reader would give it."""
    find_customers(engine, events, max_ids, way)
    expected = _read(events, max_ids)
    assert engine.count("stg_touchpoints") == len(events)
    assert customers(engine) == {name: customer for name, (_, customer) in expected.items()}


@given(events=histories(), max_ids=st.integers(1, 6))
def test_the_audit_tells_every_link_and_the_events_it_moved(
    engine: DuckDBEngine, events: list[Event], max_ids: int
) -> None:
    """Each row against the reader's customers, counted event by event."""
    find_customers(engine, events, max_ids)
    resolved = _read(events, max_ids)
    expected = [*_alias_rows(events, resolved, max_ids), *_anonymous_rows(events, resolved)]
    assert audit(engine) == sorted(expected)
    key = "rule, customer_id, id_kind, id"
    assert engine.rows(f"select {key} from mart_identity_audit group by {key} having count(*) > 1") == []


@given(events=histories(), data=st.data())
def test_the_order_of_rows_copies_and_loads_changes_nothing(
    engine: DuckDBEngine, events: list[Event], data: st.DataObject
) -> None:
    """Copies that come later are as if they had not come."""
    find_customers(engine, events)
    before = customers(engine), audit(engine)
    copies = data.draw(st.lists(st.sampled_from(events), max_size=5))
    later = [replace(copy, us=copy.us + 1, known="late", received_us=1) for copy in copies]
    find_customers(engine, data.draw(st.permutations([*events, *copies, *later])))
    assert (customers(engine), audit(engine)) == before


@given(events=histories())
def test_an_event_of_somebody_else_changes_nothing(engine: DuckDBEngine, events: list[Event]) -> None:
    """Neither a known id of its own nor another device."""
    find_customers(engine, events)
    before = customers(engine), audit(engine)
    find_customers(engine, [*events, Event("f1", 6, known="f"), Event("f2", 6, anonymous="z")])
    after = customers(engine)
    assert (after.pop("f1"), after.pop("f2")) == ("f", "anonymous:z")
    assert (after, audit(engine)) == before


def _components(edges: Iterable[tuple[str, str]]) -> list[set[str]]:
    """The sets of names that edges connect, by walking from each name not yet met."""
    next_to: dict[str, set[str]] = defaultdict(set)
    for a, b in edges:
        next_to[a].add(b)
        next_to[b].add(a)
    found: list[set[str]] = []
    for start in next_to:
        if any(start in members for members in found):
            continue
        members, to_visit = set(), [start]
        while to_visit:
            name = to_visit.pop()
            if name not in members:
                members.add(name)
                to_visit.extend(next_to[name])
        found.append(members)
    return found


def _aliases(events: list[Event]) -> list[Event]:
    return [e for e in events if e.known is not None and e.alias is not None and e.known != e.alias]


def _alias_groups(events: list[Event]) -> list[tuple[str, set[str]]]:
    """(the id seen first, all ids) of each group that alias events join."""
    edges = [(str(event.known), str(event.alias)) for event in _aliases(events)]
    first: dict[str, int] = {}
    for event in sorted(events, key=lambda event: event.us):
        named = (event.known, event.alias) if event in _aliases(events) else (event.known,)
        for name in named:
            if name is not None:
                first.setdefault(name, event.us)
    return [(min(members, key=lambda name: (first[name], name)), members) for members in _components(edges)]


def _read(events: list[Event], max_ids: int) -> dict[str, tuple[str | None, str]]:
    """(the known id that decides, the customer) of each event."""
    customer_of = {
        name: first for first, members in _alias_groups(events) if len(members) <= max_ids for name in members
    }
    found: dict[str, tuple[str | None, str]] = {}
    in_order = sorted(events, key=lambda event: (event.us, event.source, event.event_id))
    for event in events:
        decides = event.known
        if decides is None:
            sightings = [e for e in in_order if e.anonymous == event.anonymous and e.known is not None]
            before = [e for e in sightings if e.us <= event.us]
            decides = before[-1].known if before else sightings[0].known if sightings else None
        customer = f"anonymous:{event.anonymous}" if decides is None else customer_of.get(decides, decides)
        found[event.event_id] = decides, customer
    return found


def _alias_rows(
    events: list[Event], resolved: dict[str, tuple[str | None, str]], max_ids: int
) -> Iterator[tuple[object, ...]]:
    moved = Counter(decides for decides, _ in resolved.values())
    for first, members in _alias_groups(events):
        times = {name: min(e.us for e in _aliases(events) if name in (e.known, e.alias)) for name in members}
        if len(members) > max_ids:
            yield "too_many_ids", first, first, min(times.values()), 0, len(members), False
        else:
            for name in members - {first}:
                yield "alias", first, name, times[name], moved[name], len(members), True


def _anonymous_rows(
    events: list[Event], resolved: dict[str, tuple[str | None, str]]
) -> Iterator[tuple[object, ...]]:
    for name in {event.anonymous for event in events} - {None}:
        on_it = [event for event in events if event.anonymous == name]
        seen = [event for event in on_it if event.known is not None]
        known_customers = {resolved[event.event_id][1] for event in seen}
        rule = "anonymous_id" if len(known_customers) == 1 else "shared_device"
        for customer in known_customers:
            linked = min(event.us for event in seen if resolved[event.event_id][1] == customer)
            moved = sum(e.known is None and resolved[e.event_id][1] == customer for e in on_it)
            yield rule, customer, name, linked, moved, len(known_customers), True
