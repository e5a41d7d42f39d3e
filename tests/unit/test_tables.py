"""The order of models and kernels, and what kernels make."""

from __future__ import annotations

from journey_analytics.contracts import contracts
from journey_analytics.engine.models import models
from journey_analytics.tables import KERNELS, in_order, needed_for
from tests.property.histories import START
from tests.property.pipeline import DAY, HOUR, Event, Setup, new_engine, run


def test_every_table_comes_after_those_it_reads() -> None:
    order = in_order()
    assert sorted(order) == sorted({*models(), *KERNELS})
    for place, name in enumerate(order):
        reads = KERNELS[name].reads if name in KERNELS else models()[name].reads
        assert not set(reads) & set(order[place:]), name


def test_what_a_table_needs_and_nothing_else() -> None:
    assert needed_for(["int_alias_groups"]) == [
        "stg_copies", "stg_events", "int_alias_edges", "int_alias_groups",
    ]  # fmt: skip


def test_kernels_make_what_their_contracts_say() -> None:
    """Columns and types, with rows in them."""
    events = [
        Event("c1", START, "awareness", "web", "e1"),
        Event("c1", START + HOUR, "purchase", "web", "e2"),
    ]
    with new_engine() as engine:
        run(engine, events, Setup(as_of_us=START + DAY))
        for name in KERNELS:
            found = {row["column_name"]: row["column_type"] for row in engine.rows(f"describe {name}")}
            assert found == {column.name: column.type for column in contracts()[name].columns}
        assert engine.count("int_closed_entries") == 1  # interest is required, and was not touched
        assert engine.count("int_stage_continuations") > 0
