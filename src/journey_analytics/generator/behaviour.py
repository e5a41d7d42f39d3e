"""How made-up customers behave: tables of rates, and the chance of a step that they give.

Belongs here: reading behaviour.yaml, looking rates up, and the one function through which every chance goes
(`Rates.chance`): whatever changes a rate for some days changes it there.
Does not belong here: drawing anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from journey_analytics.yaml_file import YamlFile

Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]

STORE = "store"
"""The channel whose visits are made in a store: an order and nothing on the site."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Chances(_Table):
    """The chance of each step, before factors."""

    search: float
    newsletter: float
    product: float
    wishlist: float
    cart: float
    checkout: float
    payment_failed: float
    order: float
    stays_logged_in: float
    login: float
    returned: float
    ticket: float
    csat: float
    nps: float
    review: float
    invite: float
    friend_joined: float
    opened: float


STEPS = tuple(Chances.model_fields)


class _WithFactors(_Table):
    factors: dict[str, float] = Field({}, description="Step: factor of its chance.")


class Persona(_WithFactors):
    """A kind of customer: how many, how often they come, from where, and what they do unlike the others."""

    share: float
    activity: float = Field(description="How often they come, against the others.")
    basket: float = Field(description="Median value of an order, euros.")
    devices: dict[str, float]
    channels: dict[str, float] = Field(description="Channel: factor of its weight.")
    nps: tuple[float, ...] = Field(min_length=11, max_length=11, description="Weights of 0 to 10.")
    csat: tuple[float, ...] = Field(min_length=5, max_length=5, description="Weights of 1 to 5.")
    rating: tuple[float, ...] = Field(min_length=5, max_length=5, description="Weights of 1 to 5.")


class Device(_WithFactors):
    """A kind of device."""

    agents: tuple[str, ...]


class Form(_Table):
    """One way a visit of a channel shows in the address it lands on."""

    weight: float
    referrer: str | None = None
    query: str | None = None


class Channel(_WithFactors):
    """A channel: how often visits begin with it, and how they show."""

    first: float
    returning: float
    forms: tuple[Form, ...]


class Calendar(_Table):
    """Weights of days and hours."""

    weekdays: tuple[float, ...] = Field(min_length=7, max_length=7)
    months: tuple[float, ...] = Field(min_length=12, max_length=12)
    days: dict[str, float]
    black_friday: float
    hours: tuple[float, ...] = Field(min_length=24, max_length=24)


class Delay(_Table):
    """Days from one thing to what follows it."""

    least: float
    mean: float


class Identity(_Table):
    """How people are spread over ids."""

    second_device: float
    second_device_visits: float
    cookie_days: float
    shared_device: float


class Bots(_Table):
    """Machines among the visitors."""

    share: float
    fewest: int
    people_per_bot: int
    silent_every: int
    agents: tuple[str, ...]


class Deliveries(_Table):
    """What goes wrong between an event and its file."""

    late: float
    late_days: tuple[float, ...]
    copies: float
    copies_next_day: float


class Behaviour(_Table):
    """The content of behaviour.yaml; codes of personas, channels and devices are their places in it."""

    timezone: str
    events_per_visit: float
    activity_spread: float
    new_people: float
    chances: Chances
    returning_order: float
    failed_payment_order: float
    mails_per_visit: float
    personas: dict[str, Persona]
    devices: dict[str, Device]
    channels: dict[str, Channel]
    campaigns: tuple[str, ...]
    calendar: Calendar
    delays: dict[str, Delay]
    countries: dict[str, float]
    contacts: dict[str, float]
    topics: dict[str, float]
    sections: dict[str, float]
    pages: dict[str, int]
    identity: Identity
    bots: Bots
    deliveries: Deliveries

    @model_validator(mode="after")
    def _names_are_known(self) -> Behaviour:
        tables: tuple[_WithFactors, ...] = (
            *self.personas.values(),
            *self.channels.values(),
            *self.devices.values(),
        )
        named = {
            "step": ({step for table in tables for step in table.factors}, STEPS),
            "channel": (
                {name for persona in self.personas.values() for name in persona.channels},
                self.channels,
            ),
            "device": (
                {name for persona in self.personas.values() for name in persona.devices},
                self.devices,
            ),
        }
        for kind, (used, known) in named.items():
            unknown = sorted(used - set(known))
            if unknown:
                raise ValueError(f"unknown {kind}: {', '.join(unknown)}")
        return self


@cache
def shipped_behaviour() -> Behaviour:
    """The shop that comes with the package."""
    path = Path(str(files("journey_analytics") / "generator" / "behaviour.yaml"))
    return YamlFile(path).validate(Behaviour)


class Rates:
    """The chance of every step, looked up for many visits at once.

    Args:
        behaviour: the tables.
        persona: the code of each visit's persona; channel and device alike.
        factor: by which incidents multiply the chance of a step, for each visit.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        persona: Ints,
        channel: Ints,
        device: Ints,
        factor: Callable[[str], Floats],
    ) -> None:
        self._factor = factor
        self._base = behaviour.chances
        self._by: tuple[tuple[Sequence[_WithFactors], Ints], ...] = (
            (list(behaviour.personas.values()), persona),
            (list(behaviour.channels.values()), channel),
            (list(behaviour.devices.values()), device),
        )

    def chance(self, step: str) -> Floats:
        """The chance of the step for each visit, given that what it needs has happened."""
        chance = np.full(self._by[0][1].size, getattr(self._base, step))
        for tables, codes in self._by:
            factors = np.array([table.factors.get(step, 1.0) for table in tables])
            if (factors != 1.0).any():
                chance *= factors[codes]
        return np.asarray(np.minimum(chance, 1.0) * self._factor(step))


def pick(uniform: Floats, weights: Sequence[float] | Mapping[str, float]) -> Ints:
    """The place in `weights` that each number from [0, 1) falls on."""
    values = list(weights.values()) if isinstance(weights, Mapping) else list(weights)
    return np.searchsorted(cumulated(values), uniform, side="right").astype(np.uint8)


def pick_by(rows: Ints, uniform: Floats, weights: Sequence[Sequence[float]]) -> Ints:
    """The same, where each number has the weights of its row."""
    table = np.array([cumulated(row) for row in weights])
    picked = np.zeros(uniform.size, dtype=np.uint8)
    for column in range(table.shape[1]):
        picked += uniform >= table[rows, column]
    return picked


def cumulated(weights: Sequence[float]) -> Floats:
    """Where each weight's share of [0, 1) ends, the last one left out."""
    sums = np.cumsum(np.asarray(weights, dtype=np.float64))
    return np.asarray(sums[:-1] / sums[-1])
