"""What proofs about rules leave behind."""

from __future__ import annotations

import duckdb

from journey_analytics.stages.conditions import Comparison
from journey_analytics.stages.implication import implies


def test_matching_a_pattern_leaves_the_librarys_own_connection_free() -> None:
    """An open result on it would stop whoever asks it next."""
    named = Comparison("event_name", "equals", "order_of_a_pattern_asked_for_once")
    assert implies(named, Comparison("event_name", "matches", "^(order|cart)_of"))
    assert duckdb.sql("select 1").fetchall() == [(1,)]
