"""Random histories and settings that sit on the edges of the definitions: ties, limits met and missed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import strategies as st

from tests.property.pipeline import DAY, HOUR, IGNORED, MINUTE, STAGES, Event, Restart, Setup

START = 1_711_756_800_000_000
"""2024-03-30 00:00 UTC, a day before clocks change in Europe."""

_GAPS = (
    0, 0, 0, 1, MINUTE, 30 * MINUTE, 30 * MINUTE + 1, HOUR, HOUR - 1, 5 * HOUR, DAY, DAY + 1, DAY - 1,
    2 * DAY, 2 * DAY + 1,
)  # fmt: skip
_NAMES = (*STAGES, *STAGES, "page_read", IGNORED)
_CHANNELS = ("ads", "email", "store")
_ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York")


@st.composite
def histories(draw: st.DrawFn, customers: int = 4, longest: int = 9) -> list[Event]:
    """Events of a few customers, each with an id of its own, in any order; some belong to tickets."""
    events: list[Event] = []
    tickets = draw(st.sampled_from(((None,), (None,), (None, "t1", "t2|!"))))
    for number in range(draw(st.integers(1, customers))):
        us = START + draw(st.sampled_from((0, HOUR, 23 * HOUR)))
        for _ in range(draw(st.integers(1, longest))):
            us += draw(st.sampled_from(_GAPS))
            events.append(
                Event(
                    customer=f"c{number}",
                    us=us,
                    name=draw(st.sampled_from(_NAMES)),
                    source=draw(st.sampled_from(("app", "web"))),
                    event_id=f"e{len(events):03}",
                    channel=draw(st.sampled_from(_CHANNELS)),
                    ticket=draw(st.sampled_from(tickets)),
                    revenue=draw(st.sampled_from((None, Decimal("5.25"), Decimal("-1.5")))),
                )
            )
    ids = draw(st.permutations([event.event_id for event in events]))
    return [replace(event, event_id=name) for event, name in zip(events, ids, strict=True)]


@st.composite
def setups(draw: st.DrawFn, events: list[Event]) -> Setup:
    """Settings whose limits and as-of instant fall on or beside what happens in `events`."""
    some = st.lists(st.sampled_from(STAGES), min_size=1, unique=True)
    restart = None
    if draw(st.booleans()):
        restart = Restart(
            after=draw(st.sampled_from(STAGES)),
            on=tuple(draw(some)),
            cool_down_us=draw(st.sampled_from((0, MINUTE, HOUR, DAY))),
        )
    observed = set(draw(some)) | {draw(st.sampled_from(STAGES))}
    inactivity = draw(st.sampled_from((HOUR, DAY, 2 * DAY)))
    window = draw(st.sampled_from((MINUTE, HOUR, DAY, 3 * DAY)))
    happened = draw(st.sampled_from(sorted({event.us for event in events})))
    later = draw(st.sampled_from((1, HOUR, window, window + 1, inactivity, inactivity + 1, 9 * DAY)))
    return Setup(
        as_of_us=happened + later,
        observed=tuple(stage for stage in STAGES if stage in observed),
        required=tuple(draw(st.lists(st.sampled_from(STAGES), unique=True))),
        inactivity_us=inactivity,
        restart=restart,
        conversion_stage=draw(st.sampled_from(STAGES)),
        conversion_window_us=window,
        zone=draw(st.sampled_from(_ZONES)),
    )


@st.composite
def restarting_cases(draw: st.DrawFn) -> tuple[list[Event], Setup]:
    """Long histories without long silences, in which journeys end by the restart rule alone."""
    events = draw(histories(customers=2, longest=14))
    setup = draw(setups(events))
    restart = Restart(
        after=draw(st.sampled_from(STAGES[:3])),
        on=tuple(draw(st.lists(st.sampled_from(STAGES), min_size=1, unique=True))),
        cool_down_us=draw(st.sampled_from((0, MINUTE, HOUR))),
    )
    return events, replace(setup, observed=STAGES, restart=restart, inactivity_us=9 * DAY)


@st.composite
def cases(draw: st.DrawFn, customers: int = 4, longest: int = 9) -> tuple[list[Event], Setup]:
    """Events, and settings for them."""
    events = draw(histories(customers, longest))
    return events, draw(setups(events))
