"""Incidents: what goes wrong in the shop for some days, as a file declares it, and what it does to visits.

    incidents:
      - kind: conversion_drop     # fewer go on from the stage
        stage: consideration
        device: mobile            # of some visits alone: channel, device, campaign, page they land on
        from: 2025-03-20
        to: 2025-03-27
        strength: 0.4             # of the chances, or of the visits

Belongs here: reading the file. Does not belong here: what incidents do to visits (effects.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from journey_analytics.errors import ConfigError, advise
from journey_analytics.generator.behaviour import Behaviour
from journey_analytics.generator.calendar import Period
from journey_analytics.generator.kinds import KINDS
from journey_analytics.generator.site import Site
from journey_analytics.yaml_file import KeyPath, YamlFile

STEP_ON = {"interest": "product", "consideration": "order"}
"""The step by which a visit goes on from a stage; from awareness any does."""
_DROPS = ("awareness", *STEP_ON)
_TAGS = tuple(
    dict.fromkeys(
        kind.stage for kind in KINDS if kind.source == "web" and kind.stage not in (None, "awareness")
    )
)
"""The stages whose tags on the site can be lost; without session_start there would be no visit."""


class Incident(BaseModel):
    """One thing that goes wrong.

    conversion_drop: fewer go on from the stage. channel_outage: who comes by the channel leaves at once.
    slow_page: who lands on the page leaves at once. tag_loss: the site no longer records the stage's events.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    kind: Literal["conversion_drop", "channel_outage", "slow_page", "tag_loss"]
    stage: str | None = Field(None, description="Of conversion_drop and tag_loss.")
    channel: str | None = None
    device: str | None = None
    campaign: str | None = None
    page: str | None = Field(None, description="Path of the page the visit lands on.")
    first: date = Field(alias="from", description="First day.")
    last: date = Field(alias="to", description="Last day, included.")
    strength: float = Field(gt=0, le=1, description="Share of the chances, or of the visits, that are lost.")


class Incidents(BaseModel):
    """The content of an incidents file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    incidents: tuple[Incident, ...]


def read_incidents(path: Path, behaviour: Behaviour, period: Period) -> tuple[Incident, ...]:
    """The incidents of a file.

    Raises:
        ConfigError: with every fault of the file, its place and the closest valid name.
    """
    file = YamlFile(path)
    found = file.validate(Incidents).incidents
    paths = Site(behaviour).paths
    problems = [
        file.problem(what, ("incidents", number, *key), do, value=bool(key))
        for number, incident in enumerate(found)
        for what, key, do in _faults(incident, behaviour, period, paths)
    ]
    if problems:
        raise ConfigError(problems)
    return found


def _faults(
    incident: Incident, behaviour: Behaviour, period: Period, paths: Sequence[str]
) -> Iterator[tuple[str, KeyPath, str]]:
    needs = {"channel_outage": "channel", "slow_page": "page"}.get(incident.kind, "stage")
    if getattr(incident, needs) is None:
        yield f"{incident.kind} without {needs}", (), f"add {needs!r} here"
    stages = {"conversion_drop": _DROPS, "tag_loss": _TAGS}.get(incident.kind, ())
    if incident.stage is not None and not stages:
        yield f"{incident.kind} is of no stage", ("stage",), "remove 'stage'"
    known: tuple[tuple[str, Sequence[str]], ...] = (
        ("stage", [str(stage) for stage in stages]),
        ("channel", [name for name in behaviour.channels if name != "store"]),
        ("device", list(behaviour.devices)),
        ("campaign", behaviour.campaigns),
        ("page", paths),
    )
    for name, values in known:
        value = getattr(incident, name)
        if value is not None and values and value not in values:
            yield f"{name}: there is no {value!r}", (name,), advise(value, values, name)
    if incident.last < incident.first:
        yield (
            f"it ends on {incident.last}, before it begins",
            ("to",),
            f"name {incident.first} or a later day",
        )
    for key, day in (("from", incident.first), ("to", incident.last)):
        if not period.first <= day <= period.last:
            yield (
                f"{key}: {day} is not in the period",
                (key,),
                f"name a day from {period.first} to {period.last}",
            )
