"""Names asked for are told from all others by their numbers."""

from __future__ import annotations

import polars as pl

from journey_analytics import funnel
from tests.unit.funnels.frames import events


def test_each_of_very_many_names_is_found_and_none_beside_them() -> None:
    """Two thousand names in a table of eight thousand places: many look for one that is taken."""
    asked = [f"name {number}" for number in range(2_000)]
    frame = events(*((f"c{name}", 0, name) for name in [*asked, *(f"other {name}" for name in asked)]))
    result = funnel(frame, [asked[:-1], asked[-1]])
    assert result.reached == [1_999, 0]
    assert result.customers(1) == sorted(f"c{name}" for name in asked[:-1])


def test_an_event_without_a_name_fills_no_step() -> None:
    """Ann's event has none; Bob's have."""
    frame = events(("ann", 0, "view"), ("bob", 0, "view"), ("bob", 1, "cart"))
    nameless = frame.with_columns(event_name=pl.when(pl.col("customer_id") == "bob").then("event_name"))
    assert funnel(nameless, ["view", "cart"]).reached == [1, 1]
