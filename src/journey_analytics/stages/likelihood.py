"""How likely each piece of evidence about an event name is in each stage of the model.

    words       the shipped vocabulary: words in event names and the stage they usually mean
    names       its words in the names of mapped events, stage by stage
    neighbours  the stages of the nearest mapped touchpoints before and after
    conversion  whether its events lie before or after the customer's first conversion
    revenue     whether its events bring money
    reach       the share of customers who have it
    stages      how many mapped event names each stage has

What each stage is like is counted from its own mapped events, mixed with what is assumed of any stage:
neighbours in time are neighbours in the model, earlier stages come before later ones, money comes at the
conversion stage. Where a stage has few mapped events or none, the assumption alone speaks.

Belongs here: one likelihood per piece of evidence. Does not belong here: counting (evidence.py), summing up
and wording (suggestion.py).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property

from journey_analytics.sources.draft import vocabulary_stages
from journey_analytics.stages.evidence import NOTHING, POSITIONS, Evidence, Traits

Likelihoods = dict[str, float]
"""Stage to the logarithm of how likely a piece of evidence is there; only differences count."""

_HAS_WORD, _HAS_OTHER_WORD, _HAS_NO_WORD = 1.05, 0.35, 0.05
"""How likely a stage's name is to hold the first word found, a word found later, or none of the stage's."""

_NAMES_ASSUMED = 1.0
_KNOWN_SHARE = 0.7
"""What a stage's own events count at most; the rest is assumed, so that no profile rules a stage out."""

_EVENTS_ASSUMED = 20
_EVENTS_FOR_HALF = 10
_STEP = 0.5
_WRONG_WAY = 0.5
_REACH_SPREAD = 1.5
_EARLY = {"before": 0.7, "after": 0.3}
_LATE = {"before": 0.1, "after": 0.9}

_CAMEL = re.compile(r"([a-z])([A-Z])")
_WORD = re.compile(r"[a-z]+")
_ENDING = re.compile(r"(ing|ed|es|e|s)$")


def words_of(name: str) -> list[str]:
    """The words of an event name, without numbers, in lower case.

    >>> words_of("2 - shoppingCart_viewed")
    ['shopping', 'cart', 'viewed']
    """
    return _WORD.findall(_CAMEL.sub(r"\1 \2", name).lower())


def stems_of(name: str) -> set[str]:
    """The words without their usual endings, so that `viewed` and `views` are one.

    >>> sorted(stems_of("RESOLVED red tickets")), stems_of("resolve")
    (['red', 'resolv', 'ticket'], {'resolv'})
    """
    cut = {word: _ENDING.sub("", word) for word in words_of(name)}
    return {stem if len(stem) >= 3 else word for word, stem in cut.items()}


class Weigher:
    """Puts the evidence about one event name after another to the stages of a model.

    Args:
        evidence: as counted.
        stages: of the model, in order.
        conversion_stage: one of them.
    """

    def __init__(self, evidence: Evidence, stages: Sequence[str], conversion_stage: str) -> None:
        self.evidence = evidence
        self.stages = stages
        self.conversion = stages.index(conversion_stage)
        self.profiles = {stage: Traits() for stage in stages}
        counts: dict[str, Counter[str]] = {}
        for (name, stage), traits in evidence.mapped.items():
            self.profiles[stage].add(traits)
            counts.setdefault(name, Counter())[stage] += traits.events
        self.stage_of = {name: stages.most_common(1)[0][0] for name, stages in counts.items()}
        self.names_of = Counter(self.stage_of.values())

    def likelihoods(self, name: str) -> dict[str, Likelihoods]:
        """The likelihoods by each piece of evidence that says something about an unmapped event name."""
        traits = self.evidence.unmapped[name]
        found = {
            "words": self._words(name),
            "names": self._names(name),
            "neighbours": self._neighbours(traits),
            "conversion": self._conversion(traits),
            "revenue": self._revenue(traits),
            "reach": self._reach(traits),
            "stages": {stage: math.log(1 + self.names_of[stage]) for stage in self.stages},
        }
        return {piece: likelihoods for piece, likelihoods in found.items() if likelihoods}

    def words_found(self, name: str) -> dict[str, str]:
        """Stages that a word of the name usually means, with the word; in the vocabulary's order."""
        found = {}
        for stage, known in vocabulary_stages():
            word = next((word for word in words_of(name) if word in known), None)
            if word is not None and stage in self.stages:
                found[stage] = word
        return found

    def names_alike(self, name: str) -> dict[str, set[str]]:
        """Mapped event names that share a word, with the words in common."""
        own = stems_of(name)
        shared = {other: own & stems for other, stems in self._stems.items()}
        return {other: stems for other, stems in shared.items() if stems}

    @cached_property
    def _stems(self) -> dict[str, set[str]]:
        return {name: stems_of(name) for name in self.stage_of}

    @cached_property
    def _has_revenue(self) -> bool:
        every = (*self.evidence.mapped.values(), *self.evidence.unmapped.values())
        return any(traits.with_revenue for traits in every)

    def _words(self, name: str) -> Likelihoods:
        found = self.words_found(name)
        if not found:
            return {}
        first = next(iter(found))
        return {
            stage: math.log(
                _HAS_WORD if stage == first else _HAS_OTHER_WORD if stage in found else _HAS_NO_WORD
            )
            for stage in self.stages
        }

    def _names(self, name: str) -> Likelihoods:
        """Each word by the share of a stage's names that hold it; a word that no name holds says nothing."""
        alike = self.names_alike(name)
        # words that always come together are one thing said twice
        held_by = {
            frozenset(other for other, stems in alike.items() if stem in stems) for stem in stems_of(name)
        } - {frozenset()}
        found = dict.fromkeys(self.stages, 0.0) if held_by else {}
        for names in held_by:
            usual = len(names) / len(self.stage_of)
            holders = Counter(self.stage_of[other] for other in names)
            for stage in found:
                held = holders[stage] + _NAMES_ASSUMED * usual
                found[stage] += math.log(held / (self.names_of[stage] + _NAMES_ASSUMED))
        return found

    def _neighbours(self, traits: Traits) -> Likelihoods:
        if set(traits.before) | set(traits.after) <= {NOTHING}:
            return {}
        kinds = (*self.stages, NOTHING)
        return {
            stage: _trust(traits)
            * (
                _fit(traits.before, profile.before, self._assumed_neighbours(stage, -1), kinds)
                + _fit(traits.after, profile.after, self._assumed_neighbours(stage, 1), kinds)
            )
            for stage, profile in self.profiles.items()
        }

    def _assumed_neighbours(self, stage: str, direction: int) -> dict[str, float]:
        """Shares of the neighbours before (-1) or after (1): the nearer in the model the more."""
        place = self.stages.index(stage)
        shares = {NOTHING: 1.0}
        for other, name in enumerate(self.stages):
            steps = (other - place) * direction
            shares[name] = math.exp(-_STEP * abs(steps)) * (1.0 if steps >= 0 else _WRONG_WAY)
        total = sum(shares.values())
        return {name: share / total for name, share in shares.items()}

    def _conversion(self, traits: Traits) -> Likelihoods:
        seen = {place: traits.positions[place] for place in POSITIONS}
        decided = sum(seen.values())
        if not decided:
            return {}
        return {
            stage: decided
            / (traits.events + _EVENTS_FOR_HALF)
            * _fit(
                seen,
                {place: profile.positions[place] for place in POSITIONS},
                _EARLY if number < self.conversion else _LATE,
                POSITIONS,
            )
            for number, (stage, profile) in enumerate(self.profiles.items())
        }

    def _revenue(self, traits: Traits) -> Likelihoods:
        if not self._has_revenue:
            return {}
        found = {}
        own = traits.with_revenue / traits.events
        for place, (stage, profile) in enumerate(self.profiles.items()):
            assumed = 0.5 if place == self.conversion else 0.05 if place > self.conversion else 0.01
            share = (profile.with_revenue + _EVENTS_ASSUMED * assumed) / (profile.events + _EVENTS_ASSUMED)
            found[stage] = _trust(traits) * (own * math.log(share) + (1 - own) * math.log(1 - share))
        return found

    def _reach(self, traits: Traits) -> Likelihoods:
        """By how far the log-odds of having the event lie from each stage's mean; far off is all alike."""
        known: dict[str, list[float]] = {stage: [] for stage in self.stages}
        for (_, stage), mapped in self.evidence.mapped.items():
            known[stage].append(self._log_odds(mapped))
        everywhere = [value for values in known.values() for value in values]
        if not everywhere:
            return {}
        overall = sum(everywhere) / len(everywhere)
        found = {}
        for stage, values in known.items():
            usual = (sum(values) + overall) / (len(values) + 1)
            found[stage] = -math.log1p(((self._log_odds(traits) - usual) / _REACH_SPREAD) ** 2)
        return found

    def _log_odds(self, traits: Traits) -> float:
        return math.log((traits.customers + 0.5) / (self.evidence.customers - traits.customers + 0.5))


def _fit(
    seen: Mapping[str, int], known: Mapping[str, int], assumed: Mapping[str, float], kinds: Sequence[str]
) -> float:
    """The mean log-likelihood of what was seen, by a mixture of what is known and assumed of a stage."""
    total, events = sum(seen.values()), sum(known.values())
    weight = _KNOWN_SHARE * events / (events + _EVENTS_ASSUMED)
    return sum(
        seen.get(kind, 0)
        / total
        * math.log(weight * known.get(kind, 0) / max(events, 1) + (1 - weight) * assumed[kind])
        for kind in kinds
    )


def _trust(traits: Traits) -> float:
    """How much so many events can say, from 0 to 1."""
    return traits.events / (traits.events + _EVENTS_FOR_HALF)
