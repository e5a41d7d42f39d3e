"""What is wrong with rules that can be read: rules that take nothing, by proof.

Belongs here: findings that need only the rules. Does not belong here: findings that need events
(check_data.py), faults of the text (they are told when it is read).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from journey_analytics.stages.conditions import Comparison, Condition
from journey_analytics.stages.implication import context_is_impossible, covers, is_impossible
from journey_analytics.stages.numbering_sql import event_names
from journey_analytics.stages.rules import StageRule
from journey_analytics.stages.stage_map import StageMap

_MOST_PAIRS = 100_000
"""Pairs of rules compared; 450 rules of one event have as many."""

Level = Literal["warning", "note"]
Kind = Literal[
    "never_matches", "shadowed", "shadowed_on_data", "never_fires", "unknown_event_name", "unused_list",
    "slow_regex", "not_all_compared",
]  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One thing to look at: a warning is a fault, a note may be as it should be.

    Attributes:
        rule: the rule it is about, if it is about one.
        where: a place in a file.
    """

    level: Level
    kind: Kind
    rule: str | None
    what: str
    where: str
    do: str


def check_rules(stages: StageMap) -> list[Finding]:
    """What can be said of a project's own rules without events, in the order of the rules."""
    own = stages.own_rules
    found = [*_shadowed(own), *(finding for rule in own for finding in _of_one(rule))]
    order = {rule.name: number for number, rule in enumerate(own)}
    found.sort(key=lambda finding: order.get(finding.rule or "", len(order)))
    found.extend(
        Finding("note", "unused_list", None, f"list {name!r} is used by no rule", "lists", "remove it")
        for name in stages.unused_lists
    )
    return found


def _of_one(rule: StageRule) -> Iterator[Finding]:
    """What can be said of a rule alone."""
    where = str(rule.place or "")
    if is_impossible(rule.when):
        what = f"stage rule {rule.name!r} can never match: its conditions exclude each other"
        do = "correct the conditions; all keys of a 'when' must hold together"
        yield Finding("warning", "never_matches", rule.name, what, where, do)
    elif context_is_impossible(rule):
        what = f"stage rule {rule.name!r} can never match: what it wants earlier it also forbids"
        do = "correct 'after' or 'occurrence' against 'not_after'"
        yield Finding("warning", "never_matches", rule.name, what, where, do)
    for pattern in sorted(_patterns(rule.when)):
        if _repeats_a_repeat(pattern):
            what = f"stage rule {rule.name!r} repeats a repeat: {pattern!r}"
            do = (
                "nothing for DuckDB, which takes time in line with the text; "
                "for Spark write it without one, for Java's engine may never end"
            )
            yield Finding("note", "slow_regex", rule.name, what, where, do)


def _shadowed(rules: Sequence[StageRule]) -> Iterator[Finding]:
    """Rules whose every touchpoint an earlier rule takes, or several together, event name by event name."""
    earlier = _EarlierRules()
    for rule in rules:
        try:
            others = earlier.that_cover(rule)
        except _TooManyPairs:
            yield _not_all_compared(rule, len(rules))
            return
        if others and not is_impossible(rule.when):
            yield _shadowed_by(rule, others)
        earlier.add(rule)


class _TooManyPairs(Exception):  # noqa: N818 - no error: the other rules are not compared
    """More pairs of rules than are worth the time."""


class _EarlierRules:
    """The rules so far, by the event names they can take; others cannot cover a rule of a name."""

    def __init__(self) -> None:
        self.of_name: dict[str, list[StageRule]] = defaultdict(list)
        self.of_any: list[StageRule] = []
        self.pairs = 0

    def add(self, rule: StageRule) -> None:
        names = event_names(rule.when)
        if names is None:
            self.of_any.append(rule)
        for name in names or ():
            self.of_name[name].append(rule)

    def that_cover(self, rule: StageRule) -> list[StageRule]:
        """The rules that take all that the rule would take; none when something is left to it."""
        found: dict[str, StageRule] = {}
        names: list[str | None] = [*sorted(event_names(rule.when) or ())]
        for name in names or [None]:
            only = None if name is None else Comparison("event_name", "equals", name)
            others = self.of_any if name is None else [*self.of_any, *self.of_name[name]]
            cover = next((other for other in others if self.covers(other, rule, only)), None)
            if cover is None:
                return []
            found[cover.name] = cover
        return list(found.values())

    def covers(self, other: StageRule, rule: StageRule, only: Condition | None) -> bool:
        self.pairs += 1
        if self.pairs > _MOST_PAIRS:
            raise _TooManyPairs
        return covers(other, rule, only)


def _shadowed_by(rule: StageRule, others: list[StageRule]) -> Finding:
    told = " and ".join(
        f"{other.name!r}" + (f" (line {other.place.line})" if other.place else "") for other in others
    )
    return Finding(
        "warning",
        "shadowed",
        rule.name,
        f"stage rule {rule.name!r} takes nothing: {told} "
        f"{'takes' if len(others) == 1 else 'take'} all of it first",
        str(rule.place or ""),
        "put it in front, narrow what stands in front of it, or remove it",
    )


def _not_all_compared(rule: StageRule, count: int) -> Finding:
    return Finding(
        "note",
        "not_all_compared",
        rule.name,
        f"of {count:,} rules those from {rule.name!r} on were not compared with the ones in front of them",
        str(rule.place or ""),
        "run with published marts, which show what never fires; or use fewer rules with lists of event names",
    )


def _patterns(condition: Condition) -> set[str]:
    if isinstance(condition, Comparison):
        return {condition.value} if condition.operator == "matches" else set()
    return set().union(*map(_patterns, condition.parts))


def _repeats_a_repeat(pattern: str) -> bool:
    """Whether a group that holds `*` or `+` is repeated itself, as in (a+)+."""
    holds_repeat = [False]
    in_class = False
    was_group = False
    for position, sign in enumerate(pattern):
        closes_group = False
        if in_class:
            in_class = sign != "]" or pattern[position - 1] in "[^"
        elif sign == "[":
            in_class = True
        elif sign == "(":
            holds_repeat.append(False)
        elif sign == ")" and len(holds_repeat) > 1:
            closes_group = holds_repeat.pop()
        elif sign in "*+":
            if was_group:
                return True
            holds_repeat[-1] = True
        if closes_group:
            holds_repeat[-1] = True
        was_group = closes_group
    return False
