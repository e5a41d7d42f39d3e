"""Sessions, journeys and stages read one touchpoint after the other, customer by customer.

Written from the definitions in words (the headers under sql/ and the rule book), without looking for a
fast way. Nothing of the product is used here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from tests.property.pipeline import IGNORED, STAGES, Event, Setup


@dataclass
class Touchpoint:
    """An event that is part of a journey, with what its place in the history makes of it."""

    event: Event
    ordinal: int | None
    session: int = 0

    @property
    def us(self) -> int:
        """When it happened."""
        return self.event.us


@dataclass
class Journey:
    """One journey as a reader of the events would mark it."""

    customer: str
    number: int
    touchpoints: list[Touchpoint] = field(default_factory=list)
    ticket: str | None = None
    is_ended: bool = False
    state: str = ""
    converted_us: int | None = None

    @property
    def first(self) -> Touchpoint:
        """The touchpoint it began with."""
        return self.touchpoints[0]

    @property
    def journey_id(self) -> str:
        """Named after its key, or its customer and first touchpoint."""
        event = self.first.event
        text = f"{event.source}|{_spelled_out(event.customer)}|{event.event_id}"
        if self.ticket is not None:
            text = f"key|{_spelled_out(self.ticket)}"
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    @property
    def revenue(self) -> Decimal | None:
        """The money of its touchpoints; None when none has any."""
        given = [t.event.revenue for t in self.touchpoints if t.event.revenue is not None]
        return sum(given, Decimal(0)) if given else None

    @property
    def furthest(self) -> int | None:
        """The furthest stage's place in the model; None when no touchpoint has a stage."""
        return max((t.ordinal for t in self.touchpoints if t.ordinal is not None), default=None)


@dataclass(frozen=True)
class StageReached:
    """One stage of one journey in one kind of funnel."""

    journey_id: str
    funnel_kind: str
    stage: str
    is_skipped: bool
    entered_us: int
    left_us: int | None
    touchpoints: int
    first_channel: str
    entry_channel: str
    last_channel: str
    outcome: str


def read_journeys(events: Iterable[Event], setup: Setup) -> list[Journey]:
    """Every journey of every customer."""
    histories: dict[str, list[Touchpoint]] = {}
    for event in first_copies(events, setup):
        if event.name == IGNORED:
            continue
        ordinal = setup.ordinal(event.name) if event.name in setup.observed else None
        histories.setdefault(event.customer, []).append(Touchpoint(event, ordinal))
    found = []
    tickets: dict[str, Journey] = {}
    for customer, history in sorted(histories.items()):
        history.sort(key=_place)
        _number_sessions(history, setup)
        found.extend(_cut(customer, [t for t in history if t.event.ticket is None], setup))
        for touchpoint in history:
            ticket = touchpoint.event.ticket
            if ticket is not None:
                tickets.setdefault(ticket, Journey("", 0, ticket=ticket)).touchpoints.append(touchpoint)
    for journey in tickets.values():
        journey.touchpoints.sort(key=_place)
        journey.customer = journey.first.event.customer
        _close(journey, setup, is_last=True)
    found.extend(tickets.values())
    for customer in histories:
        own = sorted((j for j in found if j.customer == customer), key=lambda j: _place(j.first))
        for number, journey in enumerate(own, start=1):
            journey.number = number
    return found


def first_copies(events: Iterable[Event], setup: Setup) -> list[Event]:
    """Of the copies of an event the one received first; nothing at or after the as-of instant."""
    kept: dict[tuple[str, str], Event] = {}
    for event in events:
        key = (event.source, event.event_id)
        if event.us < setup.as_of_us and (key not in kept or event.received_us < kept[key].received_us):
            kept[key] = event
    return list(kept.values())


def local_date(us: int, setup: Setup) -> date:
    """The day on the calendar of the project's zone."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
    return moment.astimezone(ZoneInfo(setup.zone)).date()


def _spelled_out(text: str) -> str:
    return text.replace("!", "!!").replace("|", "!p")


def _place(touchpoint: Touchpoint) -> tuple[int, int, str, str]:
    """Time, then the earlier stage (none at all before the first), then the names."""
    event = touchpoint.event
    return touchpoint.us, touchpoint.ordinal or 0, event.source, event.event_id


def _number_sessions(history: list[Touchpoint], setup: Setup) -> None:
    """Sessions are runs of all of a customer's touchpoints, whatever journeys they belong to."""
    session = 0
    previous: Touchpoint | None = None
    for touchpoint in history:
        if previous is None or touchpoint.us - previous.us > setup.session_timeout_us:
            session += 1
        touchpoint.session = session
        previous = touchpoint


def _cut(customer: str, history: list[Touchpoint], setup: Setup) -> list[Journey]:
    """The journeys of a customer that have no key of their own."""
    journeys: list[Journey] = []
    previous: Touchpoint | None = None
    past_after_us: int | None = None
    for touchpoint in history:
        silence = None if previous is None else touchpoint.us - previous.us
        begins = silence is None or silence > setup.inactivity_us
        if setup.restart is not None and past_after_us is not None:
            rested = touchpoint.us - past_after_us >= setup.restart.cool_down_us
            begins = begins or (rested and touchpoint.event.name in _restarting(setup))
        if begins:
            journeys.append(Journey(customer, len(journeys) + 1))
            past_after_us = None
        journeys[-1].touchpoints.append(touchpoint)
        if _is_past(touchpoint, setup):
            past_after_us = touchpoint.us
        previous = touchpoint
    for journey in journeys:
        _close(journey, setup, is_last=journey is journeys[-1])
    return journeys


def _is_past(touchpoint: Touchpoint, setup: Setup) -> bool:
    """Whether it is at or past the stage that a journey must have reached before it can restart."""
    if setup.restart is None or touchpoint.ordinal is None:
        return False
    return touchpoint.ordinal >= setup.ordinal(setup.restart.after)


def _restarting(setup: Setup) -> set[str]:
    on = setup.restart.on if setup.restart else ()
    return {stage for stage in on if stage in setup.observed}


def _close(journey: Journey, setup: Setup, *, is_last: bool) -> None:
    """Whether the journey is over on the as-of day, and what came of it."""
    began = journey.first.us
    silence = setup.as_of_us - journey.touchpoints[-1].us
    journey.is_ended = not is_last or silence > setup.inactivity_us
    for touchpoint in journey.touchpoints:
        in_time = touchpoint.us - began <= setup.conversion_window_us
        is_goal = touchpoint.ordinal is not None and (touchpoint.event.name == setup.conversion_stage)
        if in_time and is_goal and journey.converted_us is None:
            journey.converted_us = touchpoint.us
    window_has_passed = setup.as_of_us - began > setup.conversion_window_us
    if journey.converted_us is not None:
        journey.state = "converted"
    elif journey.is_ended or window_has_passed:
        journey.state = "lost"
    else:
        journey.state = "open"


def read_stages(journey: Journey, setup: Setup) -> list[StageReached]:
    """Every stage that the journey reached, in each kind of funnel."""
    found = _read_closed(journey, setup)
    for place, stage in enumerate(observed := _in_order(setup)):
        is_last = place == len(observed) - 1
        entry = _first(journey, lambda ordinal, s=stage: ordinal == setup.ordinal(s))
        if entry is not None:
            left = _first(journey, lambda ordinal, s=stage: ordinal > setup.ordinal(s), entry + 1)
            found.append(_reached(journey, "touched", stage, entry, left, is_last=is_last))
        entry = _first(journey, lambda ordinal, s=stage: ordinal >= setup.ordinal(s))
        if entry is not None:
            left = None
            if not is_last:
                following = observed[place + 1]
                left = _first(journey, lambda ordinal, s=following: ordinal >= setup.ordinal(s))
            found.append(_reached(journey, "progressive", stage, entry, left, is_last=is_last))
    return found


def _read_closed(journey: Journey, setup: Setup) -> list[StageReached]:
    """The stages of the best chain through the required ones: each entry tried, each step taken at once."""
    required = [stage for stage in _in_order(setup) if stage in setup.required]
    chains: list[tuple[tuple[int, int, int, int], list[int]]] = []
    for start, entry in enumerate(journey.touchpoints):
        if not required or entry.event.name != required[0]:
            continue
        chain = [start]
        for stage in required[1:]:
            following = _first(journey, lambda ordinal, s=stage: ordinal == setup.ordinal(s), chain[-1] + 1)
            if following is None:
                break
            if journey.touchpoints[following].us - entry.us > setup.conversion_window_us:
                break
            chain.append(following)
        completed = journey.touchpoints[chain[-1]].us
        # the furthest, of those the earliest completed, of those the latest begun
        chains.append(((-len(chain), completed, -entry.us, start), chain))
    if not chains:
        return []
    best = min(chains)[1]
    lefts = [*best[1:], None]
    return [
        _reached(journey, "closed", stage, place, left, is_last=stage == required[-1])
        for stage, place, left in zip(required, best, lefts, strict=False)
    ]


def _in_order(setup: Setup) -> list[str]:
    return [stage for stage in STAGES if stage in setup.observed]


def _first(journey: Journey, fits: object, start: int = 0) -> int | None:
    """The place of the first touchpoint, from `start` on, whose stage fits."""
    for place in range(start, len(journey.touchpoints)):
        ordinal = journey.touchpoints[place].ordinal
        if ordinal is not None and fits(ordinal):
            return place
    return None


def _reached(
    journey: Journey, kind: str, stage: str, entry: int, left: int | None, *, is_last: bool
) -> StageReached:
    touchpoints = journey.touchpoints
    # the touchpoints of the stage are those from the entry up to the one that leaves it
    inside: Sequence[Touchpoint] = touchpoints[entry:left]
    last = inside[-1] if inside else touchpoints[entry]
    what_came = "dropped" if journey.is_ended else "open"
    outcome = "continued" if is_last or left is not None else what_came
    return StageReached(
        journey_id=journey.journey_id,
        funnel_kind=kind,
        stage=stage,
        is_skipped=touchpoints[entry].event.name != stage,
        entered_us=touchpoints[entry].us,
        left_us=None if left is None else touchpoints[left].us,
        touchpoints=len(inside),
        first_channel=journey.first.event.channel,
        entry_channel=touchpoints[entry].event.channel,
        last_channel=last.event.channel,
        outcome=outcome,
    )
