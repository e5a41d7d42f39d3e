"""The first of many conditions that holds, as one expression that does not ask all of them.

Stage rules mostly name their events. A search tree over the names, of nested case expressions, leads to the
few rules that can take an event of this name: 500 rules cost a touchpoint about five comparisons of names and
a case of at most sixteen branches, not 500.

Belongs here: how rules without a context are asked. Does not belong here: what a condition means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from journey_analytics.stages.condition_sql import text_literal
from journey_analytics.stages.conditions import Comparison, Condition

_LEAF = 16
_MOST_GROWTH = 1.25
"""Rules that can take events of both halves stand in both; a split that repeats too many is not worth it."""


@dataclass(frozen=True)
class Numbered:
    """A rule's number, the event names it can take (None: any), and its condition in SQL."""

    number: int
    names: frozenset[str] | None
    condition: exp.Expr

    def can_take(self, names: frozenset[str]) -> bool:
        """Whether it can take an event of one of the names."""
        return self.names is None or not self.names.isdisjoint(names)


def event_names(condition: Condition) -> frozenset[str] | None:
    """The only event names with which a touchpoint can meet the condition; None when any may."""
    if isinstance(condition, Comparison):
        if condition.column == "event_name" and condition.operator in ("equals", "in"):
            return frozenset(condition.value if isinstance(condition.value, list) else [condition.value])
        return None
    found = [event_names(part) for part in condition.parts]
    known = [names for names in found if names is not None]
    if condition.kind == "all" and known:
        return frozenset.intersection(*known)
    if condition.kind == "any" and len(known) == len(found):
        return frozenset().union(*known)
    return None


def numbering_sql(rules: Sequence[Numbered]) -> exp.Expr:
    """The number of the first rule whose condition holds, null when none does."""
    if not rules:
        return exp.null()
    names = sorted(frozenset().union(*(rule.names for rule in rules if rule.names is not None)))
    return _tree(rules, names)


def _tree(rules: Sequence[Numbered], names: list[str]) -> exp.Expr:
    """The number of the first of the rules, for events of the names or of none that a rule names."""
    if len(rules) > _LEAF and len(names) > 1:
        half = len(names) // 2
        halves = (frozenset(names[:half]), frozenset(names[half:]))
        lower, upper = ([rule for rule in rules if rule.can_take(part)] for part in halves)
        if max(len(lower), len(upper)) < len(rules) and (
            len(lower) + len(upper) <= _MOST_GROWTH * len(rules)
        ):
            is_lower = exp.LT(this=exp.column("event_name"), expression=text_literal(names[half]))
            return (
                exp.Case()
                .when(is_lower, _tree(lower, names[:half]), copy=False)
                .else_(_tree(upper, names[half:]), copy=False)
            )
    case = exp.Case()
    for rule in rules:
        case = case.when(rule.condition.copy(), exp.Literal.number(rule.number), copy=False)
    return case if rules else exp.null()
