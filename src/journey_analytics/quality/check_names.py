"""The names of the learned checks, so that journey.yaml can name them before any day is judged.

Belongs here: what is measured by name, which names there can be, and the one closest to a misspelt one.
Does not belong here: which of them a day really has (staged.py): channels and events are known by their data.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum

from journey_analytics.errors import Problem, closest
from journey_analytics.touchpoints import UNMAPPED
from journey_analytics.yaml_file import YamlFile

ALL_SOURCES = "all sources"

CARRIED = {
    "customer_ref": "customer_refs",
    "anonymous_ref": "anonymous_refs",
    "session_ref": "session_refs",
    "utm_source": "utm_sources",
    "utm_medium": "utm_mediums",
    "utm_campaign": "utm_campaigns",
    "referrer_host": "referrer_hosts",
    "page_path": "page_paths",
    "device": "devices",
    "country": "countries",
    "currency": "currencies",
    "score": "scores",
    "revenue": "revenues",
}
"""Columns that may be null, and the count of the events that carry a value."""


class Measure(StrEnum):
    """What is measured of a source and day, in the words of a check's name."""

    EVENTS = "events"
    CHANNEL = "channel"
    STAGE = "stage"
    EVENT = "event"
    MISSING = "missing"
    NEGATIVE = "negative revenue"
    REVENUE = "mean revenue"
    FRESHNESS = "freshness"
    HOURS = "hours"
    CLOCK = "clock"


_WHOLE = (
    Measure.EVENTS,
    Measure.FRESHNESS,
    Measure.REVENUE,
    Measure.NEGATIVE,
    Measure.HOURS,
    Measure.CLOCK,
)
"""Of a source as a whole; the others are of a part of it."""
_OF_DATA = (Measure.CHANNEL, Measure.EVENT)
"""Of a part that only the data knows."""


def accept_problems(file: YamlFile, sources: Collection[str], stages: Collection[str]) -> list[Problem]:
    """Checks that `quality.accept` of journey.yaml names and that there cannot be, whatever else is wrong.

    Args:
        file: journey.yaml.
        sources: names of the project's sources.
        stages: names of its stages.
    """
    quality = file.content.get("quality")
    accepted = quality.get("accept") if isinstance(quality, Mapping) else None
    problems = []
    for index, entry in enumerate(accepted if isinstance(accepted, list) else ()):
        name = entry.get("check") if isinstance(entry, Mapping) else None
        if isinstance(name, str) and not _can_be(name, sources, stages):
            path = ("quality", "accept", index, "check")
            do = _advice(name, sources, stages)
            problems.append(file.problem(f"there is no check {name!r} to accept", path, do, value=True))
    return problems


def known_by_data(name: str) -> str | None:
    """The series without which there is no such check, where only the data can tell; none for all others.

    What is missing in an event has a series only while something is missing: the event itself tells.

    >>> known_by_data("missing device in order of web"), known_by_data("hours of web")
    ('event order of web', None)
    """
    measure, _, part = name.partition(" ")
    if measure == Measure.MISSING:
        return f"{Measure.EVENT} {part.partition(' in ')[2]}"
    return name if measure in _OF_DATA else None


def _can_be(name: str, sources: Collection[str], stages: Collection[str]) -> bool:
    measured, _, source = name.rpartition(" of ")
    if source == ALL_SOURCES:
        return measured == Measure.EVENTS and len(sources) > 1
    if source not in sources:
        return False
    if measured in _WHOLE:
        return True
    measure, _, part = measured.partition(" ")
    if measure == Measure.STAGE:
        return part in stages or part == UNMAPPED
    if measure == Measure.MISSING:
        column, _, event_name = part.partition(" in ")
        return column in CARRIED and bool(event_name)
    return measure in _OF_DATA and bool(part)


def _advice(name: str, sources: Collection[str], stages: Collection[str]) -> str:
    near = closest(name, _like(name, sources, stages))
    kinds = (
        f"checks are: {', '.join(_WHOLE)} of SOURCE; channel NAME, event NAME, stage NAME, "
        "missing COLUMN in EVENT of SOURCE" + (f"; events of {ALL_SOURCES}" if len(sources) > 1 else "")
    )
    return f"use {near!r} (closest known check); {kinds}" if near else kinds


def _like(name: str, sources: Collection[str], stages: Collection[str]) -> Iterator[str]:
    """Names that there can be, of parts only those that the misspelt name itself speaks of."""
    part = name.rpartition(" of ")[0].partition(" ")[2]
    _, _, event_name = part.partition(" in ")
    if len(sources) > 1:
        yield f"{Measure.EVENTS} of {ALL_SOURCES}"
    for source in sources:
        yield from (f"{measure} of {source}" for measure in _WHOLE)
        yield from (f"{Measure.STAGE} {stage} of {source}" for stage in (*stages, UNMAPPED))
        if part:
            yield from (f"{measure} {part} of {source}" for measure in _OF_DATA)
        if event_name:
            yield from (f"{Measure.MISSING} {column} in {event_name} of {source}" for column in CARRIED)
