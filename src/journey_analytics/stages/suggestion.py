"""A stage for each event name that no rule takes, with the evidence for it and a confidence.

Naive Bayes with stated weights: each piece of evidence gives every stage a likelihood (likelihood.py), its
weight says how much the logarithm counts, and the sums, made to add up to one over the stages, are the
confidence. The weights were set by hand, with the real data of the tests in view; `measure` says how
well they do on any project's own data, by hiding each mapped event name and asking for it back.

Belongs here: summing up, wording, the rule to paste, and the measure. Does not belong here: the likelihoods.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.compat import StringIO

from journey_analytics.project import Project
from journey_analytics.rehearsal import Rehearsal
from journey_analytics.reports.wording import percent
from journey_analytics.stages.evidence import NOTHING, POSITIONS, gather
from journey_analytics.stages.likelihood import Likelihoods, Weigher

WEIGHTS = {
    "words": 1.0,
    "names": 1.0,
    "neighbours": 0.7,
    "conversion": 0.5,
    "revenue": 1.0,
    "reach": 0.1,
    "stages": 0.5,
}
"""How much the logarithm of each piece of evidence counts. Neighbours and conversion see the same order of
events, so together they count little more than one."""

_MOST_NAMES = 3


@dataclass(frozen=True)
class Piece:
    """One piece of evidence: what it says, and its weighted log-odds for the stage against the next best."""

    kind: str
    says: str
    log_odds: float


@dataclass(frozen=True)
class Suggestion:
    """A stage for one event name.

    Attributes:
        confidences: every stage of the model to its confidence, the best first; they add up to one.
        evidence: the pieces, the one that speaks most for the stage first.
        rule: the rule to paste under `rules:` of stages.yaml, behind the others.
    """

    event_name: str
    stage: str
    confidence: float
    confidences: dict[str, float]
    events: int
    customers: int
    evidence: tuple[Piece, ...]
    rule: str


@dataclass(frozen=True)
class Asked:
    """A mapped event name that was hidden: the stage most of its events have, and what was suggested."""

    event_name: str
    stage: str
    events: int
    ranked: tuple[str, ...]

    def is_among(self, best: int) -> bool:
        """Whether the stage is among so many best suggestions."""
        return self.stage in self.ranked[:best]


@dataclass(frozen=True)
class Measure:
    """How often the suggestion was the stage that the rules give.

    Attributes:
        by_majority: how often it would have been by always taking the stage with the most other names.
    """

    asked: tuple[Asked, ...]
    by_majority: int

    def right(self, best: int) -> int:
        """Event names whose stage was among so many best suggestions."""
        return sum(asked.is_among(best) for asked in self.asked)


def suggest(rehearsal: Rehearsal, project: Project) -> list[Suggestion]:
    """A suggestion for every event name with unmapped events, the commonest first."""
    rehearsal.stage(project)
    evidence = gather(rehearsal.engine, project)
    weigher = Weigher(evidence, project.stage_model.names, project.settings.conversion.stage)
    used = {rule.name for rule in project.stage_map.rules}
    names = sorted(evidence.unmapped, key=lambda name: (-evidence.unmapped[name].events, name))
    return [_suggestion(weigher, name, used) for name in names]


def measure(rehearsal: Rehearsal, project: Project, without: Collection[str] = ()) -> Measure:
    """Hide each mapped event name in turn, from the rules and from the evidence, and ask for it back.

    The vocabulary stays: it is shipped with the product and knows nothing of the project. `without` leaves
    it out, to see what the data alone gives.

    Args:
        rehearsal: of the project.
        project: whose rules are taken for the truth.
        without: pieces of evidence to leave out.
    """
    rehearsal.stage(project)
    stages, conversion = project.stage_model.names, project.settings.conversion.stage
    truth = Weigher(gather(rehearsal.engine, project), stages, conversion)
    asked, by_majority = [], 0
    for name, stage in sorted(truth.stage_of.items()):
        weigher = Weigher(gather(rehearsal.engine, project, hidden=[name]), stages, conversion)
        found = _confidences(weigher.likelihoods(name), without)
        asked.append(Asked(name, stage, weigher.evidence.unmapped[name].events, tuple(found)))
        others = weigher.names_of.most_common(1)
        by_majority += bool(others) and others[0][0] == stage
    return Measure(tuple(asked), by_majority)


def _confidences(found: Mapping[str, Likelihoods], without: Collection[str] = ()) -> dict[str, float]:
    """Each stage's confidence, the best first; among equals the earlier stage."""
    pieces = {piece: likelihoods for piece, likelihoods in found.items() if piece not in without}
    stages = list(found["stages"])
    sums = {stage: sum(WEIGHTS[piece] * pieces[piece][stage] for piece in pieces) for stage in stages}
    highest = max(sums.values())
    odds = {stage: math.exp(value - highest) for stage, value in sums.items()}
    total = sum(odds.values())
    return {stage: odds[stage] / total for stage in sorted(stages, key=lambda stage: -odds[stage])}


def _suggestion(weigher: Weigher, name: str, used: set[str]) -> Suggestion:
    found = weigher.likelihoods(name)
    confidences = _confidences(found)
    best, second = list(confidences)[:2]
    traits = weigher.evidence.unmapped[name]
    pieces = [
        Piece(kind, _says(weigher, kind, name, best), WEIGHTS[kind] * (stages[best] - stages[second]))
        for kind, stages in found.items()
    ]
    return Suggestion(
        event_name=name,
        stage=best,
        confidence=confidences[best],
        confidences=confidences,
        events=traits.events,
        customers=traits.customers,
        evidence=tuple(sorted(pieces, key=lambda piece: -piece.log_odds)),
        rule=_rule_text(name, best, used),
    )


def _says(weigher: Weigher, kind: str, name: str, stage: str) -> str:
    """A piece of evidence in words."""
    traits = weigher.evidence.unmapped[name]
    match kind:
        case "words":
            found = weigher.words_found(name).items()
            told = "in its name " + ", ".join(f"{word!r} usually means {other}" for other, word in found)
        case "names":
            told = _alike(weigher, name, stage)
        case "neighbours":
            told = f"before it mostly {_commonest(traits.before)}, after it mostly {_commonest(traits.after)}"
        case "conversion":
            shares = {place: percent(traits.positions[place] / traits.events) for place in POSITIONS}
            conversion = weigher.stages[weigher.conversion]
            told = (
                f"{shares['before']} of its events come before the customer's first {conversion}, "
                f"{shares['after']} at or after it"
            )
        case "revenue":
            told = f"{percent(traits.with_revenue / traits.events)} of its events bring money"
        case "reach":
            told = f"{percent(traits.customers / weigher.evidence.customers)} of customers have it"
        case _:
            told = f"{weigher.names_of[stage]} of {len(weigher.stage_of)} mapped event names are {stage}"
    return told


def _alike(weigher: Weigher, name: str, stage: str) -> str:
    """The mapped event names that share words, those of the stage first."""
    alike = sorted(weigher.names_alike(name), key=lambda other: (weigher.stage_of[other] != stage, other))
    told = ", ".join(f"{other} ({weigher.stage_of[other]})" for other in alike[:_MOST_NAMES])
    return f"it shares words with {told}" + (" and others" if len(alike) > _MOST_NAMES else "")


def _commonest(counts: Counter[str]) -> str:
    stage, count = counts.most_common(1)[0]
    return f"{'nothing' if stage == NOTHING else stage} ({percent(count / counts.total())})"


def _rule_text(name: str, stage: str, used: set[str]) -> str:
    base = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "rule"
    rule, number = base, 2
    while rule in used:
        rule, number = f"{base}_{number}", number + 1
    used.add(rule)
    when = CommentedMap(event_name=name)
    when.fa.set_flow_style()
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = StringIO()
    yaml.dump([CommentedMap(rule=rule, stage=stage, when=when)], stream)
    return str(stream.getvalue())
