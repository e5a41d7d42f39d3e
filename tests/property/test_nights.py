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
    events,
    hashes,
    made_anew,
    run_night,
    write_project,
)

_AS_OFS = (None, None, None, date(2026, 4, 8), date(2026, 4, 15), date(2026, 4, 22))


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
