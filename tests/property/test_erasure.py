"""Erasure against a project that never knew the customer, on histories with merges and shared devices."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from journey_analytics.erasure import erase
from journey_analytics.marts import current
from journey_analytics.project import read_project
from tests.property.nights import (
    FIRST_NIGHT,
    Delivery,
    Event,
    Setup,
    deliver,
    events,
    hashes,
    run_night,
    write_project,
)

_ALWAYS = Event("always", 0, "ad", customer="always")
# a heartbeat is in no mart that would say whose it is
_HISTORIES = st.lists(events().filter(lambda event: event.name != "heartbeat"), min_size=5, max_size=40)


@settings(max_examples=8)
@given(_HISTORIES, st.sampled_from("abcde"), st.booleans())
def test_what_is_left_is_what_a_project_makes_that_never_knew_the_customer(
    several: list[Event], who: str, restart: bool
) -> None:
    history = [replace(event, id=f"n{number}") for number, event in enumerate(several)]
    assume(any(event.customer == who for event in history))
    with tempfile.TemporaryDirectory() as scratch:
        folder = _run(Path(scratch) / "knew", [_ALWAYS, *history], restart)
        customers = _customers(folder)
        (theirs,) = {customers[event.id] for event in history if event.customer == who}
        now = FIRST_NIGHT + timedelta(hours=9)
        removed = erase(read_project(folder), [who], now=now).erasure.removed
        run_night(folder, 1)
        linked = [event for event in history if customers[event.id] == theirs and event.customer]
        ids = {name for event in linked for name in (event.customer, event.alias)}
        ids -= {"", *(event.customer for event in history if customers[event.id] != theirs)}
        # somebody else's event that names one of these ids goes too
        left = [event for event in history if customers[event.id] != theirs and event.alias not in ids]
        assert removed.events == len(history) - len(left)
        assert hashes(folder) == hashes(_run(Path(scratch) / "never", [_ALWAYS, *left], restart))


def _run(folder: Path, history: list[Event], restart: bool) -> Path:
    write_project(folder, Setup(restart=restart))
    deliver(folder, 0, [Delivery("web", tuple(history))])
    run_night(folder, 0)
    return folder


def _customers(folder: Path) -> dict[str, str]:
    """Whose each event is."""
    files = current(folder / "marts").folder / "mart_touchpoints" / "*" / "*.parquet"
    return dict(pl.read_parquet(files, columns=["event_id", "customer_id"]).iter_rows())
