"""A slow reader of funnels, written from the rule book in `journey_analytics.funnels` and nothing else.

It looks at every chain there is. A customer is a list of (time, name, value); times are microseconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

Event = tuple[int, str, str | None]
Chain = list[tuple[int, int]]  # (step, position of the event), steps from 1


@dataclass(frozen=True)
class Asked:
    """A funnel; every step and exclusion is a list of names."""

    steps: list[list[str]]
    mode: str = "ordered"
    window: float = math.inf
    step_windows: dict[int, int] = field(default_factory=dict)
    exclusions: list[tuple[list[str], int, int]] = field(default_factory=list)
    optional: list[int] = field(default_factory=list)
    attribution: str = "first_touch"
    attribution_step: int | None = None


def chain_of(events: list[Event], asked: Asked) -> Chain | None:
    """The chain that counts, or None when the customer is not in the funnel."""
    if asked.mode == "unordered":
        chain = _unordered_chain(events, asked)
        if chain and _is_excluded(chain, events, asked):
            return chain[:1]
        return chain or None
    chains = list(_all_chains([], events, asked))
    if not chains:
        return None
    best = min(chains, key=lambda chain: _preference(chain, events, asked))
    return None if _is_excluded(best, events, asked) else best


def group_of(chain: Chain, events: list[Event], asked: Asked) -> str:
    """The group of a chain."""
    values = {step: events[place][2] or "unknown" for step, place in chain}
    match asked.attribution:
        case "first_touch":
            return values[1]
        case "last_touch":
            return values[max(values)]
        case "step":
            return values.get(asked.attribution_step or 0, "unknown")
    return values[1] if len(set(values.values())) == 1 else "mixed"


def _all_chains(chain: Chain, events: list[Event], asked: Asked) -> Iterator[Chain]:
    if chain:
        yield chain
    last = chain[-1][0] if chain else 0
    for step in range(last + 1, len(asked.steps) + 1):
        for place, event in enumerate(events):
            if event[1] in asked.steps[step - 1] and _may_follow(chain, step, place, events, asked):
                yield from _all_chains([*chain, (step, place)], events, asked)
        if step not in asked.optional:
            return


def _may_follow(chain: Chain, step: int, place: int, events: list[Event], asked: Asked) -> bool:
    if not chain:
        return step == 1
    first, before, now = events[chain[0][1]][0], events[chain[-1][1]][0], events[place][0]
    return (
        place not in [used for _, used in chain]
        and before <= now
        and now - first <= asked.window
        and now - before <= asked.step_windows.get(step, math.inf)
        and not (asked.mode == "strict" and any(before < other[0] < now for other in events))
    )


def _preference(chain: Chain, events: list[Event], asked: Asked) -> tuple[object, ...]:
    times = [events[place][0] for _, place in chain]
    filled = [step for step, _ in chain]
    return (
        -filled[-1],
        times[-1],
        [step not in filled for step in range(2, filled[-1])],
        -times[0],
        times,
        [_rank(events[place], asked) for _, place in chain],
    )


def _rank(event: Event, asked: Asked) -> tuple[str, list[bool]]:
    marks = [*asked.steps, *(names for names, _, _ in asked.exclusions)]
    return event[2] or "unknown", [event[1] in names for names in reversed(marks)]


def _is_excluded(chain: Chain, events: list[Event], asked: Asked) -> bool:
    times = [events[place][0] for _, place in chain]
    steps = [step for step, _ in chain]
    for names, start, stop in asked.exclusions:
        if steps[-1] < start:
            continue
        since = max(time for time, step in zip(times, steps, strict=True) if step <= start)
        later = [time for time, step in zip(times, steps, strict=True) if step >= stop]
        for time, name, _ in events:
            is_before_end = time < later[0] if later else time - times[0] <= asked.window
            if name in names and since < time and is_before_end:
                return True
    return False


def _unordered_chain(events: list[Event], asked: Asked) -> Chain:
    stretches = [
        (-_most_steps(_between(events, start, end), asked.steps), end, -start)
        for start, _, _ in events
        for end, _, _ in events
        if 0 <= end - start <= asked.window
    ]
    if not stretches:
        return []
    most, end, start = min(stretches)
    inside = [place for place, event in enumerate(events) if -start <= event[0] <= end]
    inside.sort(key=lambda place: (events[place][0], _rank(events[place], asked)))
    chain: Chain = []
    for number in range(1, len(inside) + 1):
        if len(chain) < _most_steps([events[place] for place in inside[:number]], asked.steps) <= -most:
            chain.append((len(chain) + 1, inside[number - 1]))
    return chain


def _between(events: list[Event], start: int, end: int) -> list[Event]:
    return [event for event in events if start <= event[0] <= end]


def _most_steps(events: list[Event], steps: list[list[str]]) -> int:
    """How many steps can each have an event of their own, by trying."""
    if not steps:
        return 0
    best = _most_steps(events, steps[1:])
    for place, event in enumerate(events):
        if event[1] in steps[0]:
            best = max(best, 1 + _most_steps(events[:place] + events[place + 1 :], steps[1:]))
    return best
