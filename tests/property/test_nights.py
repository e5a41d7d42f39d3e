"""Nights that make anew what changed, against the same deliveries made anew as a whole."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.nights import (
    MODES,
    Delivery,
    Event,
    Setup,
    deliver,
    hashes,
    made_anew,
    run_night,
    write_project,
)

_NAMES = ("ad", "view", "page", "order", "order", "heartbeat", "other")
_AS_OFS = (None, None, None, date(2026, 4, 8), date(2026, 4, 15), date(2026, 4, 22))


@st.composite
def events(draw: st.DrawFn) -> Event:
    """An event of one of few customers and cookies, seldom with an alias or a ticket."""
    customer = draw(st.sampled_from(("", "a", "b", "c", "d", "e")))
    cookie = draw(st.sampled_from(("", "", "x", "y", "a")))
    return Event(
        id=f"e{draw(st.integers(0, 60))}",
        quarter=draw(st.integers(0, 2400)),
        name=draw(st.sampled_from(_NAMES)),
        customer=customer,
        cookie=cookie or ("" if customer else "z"),
        alias=draw(st.sampled_from(("", "", "", "", "", "b", "d", "f"))),
        ticket=draw(st.sampled_from(("", "", "", "t1", "t2"))),
        channel=draw(st.sampled_from(("ads", "mail"))),
        page=draw(st.sampled_from(("", "/a"))),
        revenue=draw(st.sampled_from(("", "7.5"))),
    )


deliveries = st.builds(
    Delivery, st.sampled_from(("web", "web", *MODES)), st.lists(events(), min_size=1, max_size=9).map(tuple)
)
nights = st.tuples(st.lists(deliveries, max_size=2), st.sampled_from(_AS_OFS))
setups = st.builds(Setup, st.booleans(), st.booleans(), st.booleans(), st.booleans())


@settings(max_examples=6)
@given(setups, st.lists(deliveries, min_size=1, max_size=3), st.lists(nights, min_size=1, max_size=4))
def test_every_night_equals_a_run_that_makes_everything_anew(
    setup: Setup, first: list[Delivery], following: list[tuple[list[Delivery], date | None]]
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "nightly"
        write_project(folder, setup)
        # there is an event before every as-of day
        always = Delivery("web", (Event("first", 0, "ad", customer="first"),))
        for night, (brought, as_of) in enumerate([([always, *first], date(2026, 4, 27)), *following]):
            deliver(folder, night, brought)
            run_night(folder, night, as_of)
            assert hashes(folder) == made_anew(folder, Path(scratch) / "anew", night, as_of)
