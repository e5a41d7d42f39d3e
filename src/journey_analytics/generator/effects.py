"""What incidents do to visits: which are hit, and how hard.

Belongs here: from incidents and visits to flags and factors. Does not belong here: the chances themselves
(behaviour.py), what comes of visits (outcomes.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from journey_analytics.generator.behaviour import Flags, Floats
from journey_analytics.generator.incidents import STEP_ON, Incident
from journey_analytics.generator.visits import Visits, forms, in_store
from journey_analytics.generator.world import World


class Effects:
    """What a world's incidents do to visits.

    Attributes:
        bounced: visits that end on the page they land on.
    """

    def __init__(self, world: World, visits: Visits) -> None:
        self._world = world
        self._visits = visits
        self._hit = [(incident, _affected(world, visits, incident)) for incident in world.incidents]
        self.bounced: Flags = np.zeros(visits.count, dtype=np.bool_)
        for number, (incident, hit) in enumerate(self._hit):
            is_bounce = incident.kind in ("channel_outage", "slow_page") or incident.stage == "awareness"
            if is_bounce:
                self.bounced |= hit & self._lost(number, incident)

    def factor(self, step: str) -> Floats:
        """By which the chance of a step is multiplied, for each visit."""
        factor = np.ones(self._visits.count)
        for incident, hit in self._hit:
            if incident.kind == "conversion_drop" and STEP_ON.get(str(incident.stage)) == step:
                factor[hit] *= 1.0 - incident.strength
        return factor

    def untagged(self, stage: str | None) -> Flags:
        """The visits whose events of the stage the site does not record."""
        lost: Flags = np.zeros(self._visits.count, dtype=np.bool_)
        for number, (incident, hit) in enumerate(self._hit):
            if incident.kind == "tag_loss" and incident.stage == stage:
                lost |= hit & self._lost(number, incident)
        return lost

    def truth(self) -> list[dict[str, Any]]:
        """Every incident as it was declared, with the visits it was about."""
        return [
            {**incident.model_dump(mode="json", by_alias=True, exclude_none=True), "visits": int(hit.sum())}
            for incident, hit in self._hit
        ]

    def _lost(self, number: int, incident: Incident) -> Flags:
        """A share of all visits as large as the incident is strong."""
        return self._world.draws(f"incident {number}").random(self._visits.count) < incident.strength


def _affected(world: World, visits: Visits, incident: Incident) -> Flags:
    """The visits that an incident is about; none in a store."""
    behaviour, period = world.behaviour, world.period
    day = period.day_numbers(visits.start)
    hit = ~in_store(behaviour, visits)
    hit &= (day >= (incident.first - period.first).days) & (day <= (incident.last - period.first).days)
    if incident.channel is not None:
        hit &= visits.channel == list(behaviour.channels).index(incident.channel)
    if incident.device is not None:
        hit &= visits.device == list(behaviour.devices).index(incident.device)
    if incident.campaign is not None:
        shows = np.array(["{campaign}" in (form.query or "") for _, form in forms(behaviour)])
        hit &= (visits.campaign == behaviour.campaigns.index(incident.campaign)) & shows[visits.form]
    if incident.page is not None:
        hit &= visits.landing == world.site.paths.index(incident.page)
    return np.asarray(hit)
