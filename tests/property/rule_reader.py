"""Stage rules as stages.yaml writes them, applied to a history one touchpoint at a time.

Written from the words of the rule language. Nothing of the product is used here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

Rule = Mapping[str, Any]

UNIT_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}


@dataclass(frozen=True)
class Touch:
    """One touchpoint with the columns that the rules of these tests ask about."""

    customer: str
    us: int
    source: str
    event_id: str
    event_name: str
    channel: str
    page_path: str | None
    revenue: Decimal | None
    properties: str | None
    score: float | None = None
    score_kind: str | None = None
    device: str | None = None
    country: str | None = None


@dataclass(frozen=True)
class RuleFile:
    """The content of a stages.yaml, and what its project says of time."""

    rules: Sequence[Rule]
    lists: Mapping[str, Sequence[Any]]
    zone: str = "Europe/Berlin"
    session_timeout: str = "30m"

    def named_lists_written_out(self) -> Sequence[Rule]:
        """The rules, each named list as the values it holds."""
        return [_written_out(rule, self.lists) for rule in self.rules]


def first_rules(file: RuleFile, touches: Sequence[Touch]) -> dict[str, int | None]:
    """Event id to the number of the first rule that takes it; None when none does."""
    reader = _Reader(file)
    rules = reader.rules
    taken: dict[str, int | None] = {}
    for touch in touches:
        history = sorted(
            (other for other in touches if other.customer == touch.customer),
            key=lambda other: (other.us, other.source, other.event_id),
        )
        before = history[: history.index(touch)]
        numbers = (n for n, rule in enumerate(rules, 1) if reader.takes(rule, touch, before))
        taken[touch.event_id] = next(numbers, None)
    return taken


class _Reader:
    def __init__(self, file: RuleFile) -> None:
        self.rules = file.named_lists_written_out()
        self.zone = ZoneInfo(file.zone)
        self.timeout_us = duration_us(file.session_timeout)

    def takes(self, rule: Rule, touch: Touch, before: Sequence[Touch]) -> bool:
        """Whether the rule takes the touchpoint, given the customer's earlier ones."""
        if not self.takes_without_context(rule, touch):
            return False
        if "after" in rule and not self.happened(rule["after"], touch, before):
            return False
        if "not_after" in rule and self.happened(rule["not_after"], touch, before):
            return False
        if "occurrence" in rule:
            context = rule["occurrence"]
            alike = [other for other in before if meets(rule["when"], other)] + [touch]
            if len(alike) < context["gte"]:
                return False
            return self.is_near(context, alike[-context["gte"]], touch, before)
        return True

    def takes_without_context(self, rule: Rule, touch: Touch) -> bool:
        """By its columns and its day alone."""
        day = (
            (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=touch.us)).astimezone(self.zone).date()
        )
        if "from" in rule and day < _day(rule["from"]):
            return False
        if "until" in rule and day >= _day(rule["until"]):
            return False
        return meets(rule["when"], touch)

    def happened(self, context: Mapping[str, Any], touch: Touch, before: Sequence[Touch]) -> bool:
        """Whether an earlier touchpoint is what the context speaks of, near enough."""
        columns = {
            key: value for key, value in context.items() if key not in ("stage", "within", "same_session")
        }
        for other in before:
            if not self.is_near(context, other, touch, before):
                continue
            if "stage" in context and (self.plain_rule(other) or {}).get("stage") == context["stage"]:
                return True
            if "stage" not in context and meets(columns, other):
                return True
        return False

    def is_near(
        self, context: Mapping[str, Any], other: Touch, touch: Touch, before: Sequence[Touch]
    ) -> bool:
        """Not longer ago than `within`, not before the session."""
        if "within" in context and touch.us - other.us > duration_us(context["within"]):
            return False
        return not context.get("same_session") or other.us >= self.session_start(touch, before)

    def session_start(self, touch: Touch, before: Sequence[Touch]) -> int:
        """Back from touchpoint to touchpoint while the gaps are short; ignored ones are no steps."""
        start = touch.us
        for other in reversed(before):
            rule = self.plain_rule(other)
            if rule is not None and rule.get("ignore"):
                continue
            if start - other.us > self.timeout_us:
                break
            start = other.us
        return start

    def plain_rule(self, touch: Touch) -> Rule | None:
        """The rule without a context that takes a touchpoint by its own columns."""
        for rule in self.rules:
            has_context = {"after", "not_after", "occurrence"} & rule.keys()
            if not has_context and self.takes_without_context(rule, touch):
                return rule
        return None


def _day(given: Any) -> date:
    return given if isinstance(given, date) else date.fromisoformat(given)


def _written_out(node: Any, lists: Mapping[str, Sequence[Any]]) -> Any:
    if isinstance(node, list):
        return [_written_out(item, lists) for item in node]
    if not isinstance(node, dict):
        return node
    named = {"in_list": "in", "not_in_list": "not"}
    return {
        named.get(key, key): list(lists[value]) if key in named else _written_out(value, lists)
        for key, value in node.items()
    }


def duration_us(text: str) -> int:
    """`30m` in microseconds."""
    return int(text[:-1]) * UNIT_US[text[-1]]


def meets(conditions: Mapping[str, Any], touch: Touch) -> bool:
    """Whether every key of a `when` holds for the touchpoint."""
    for key, value in conditions.items():
        if key == "any":
            holds = any(meets(part, touch) for part in value)
        elif key == "all":
            holds = all(meets(part, touch) for part in value)
        elif key == "not":
            holds = not meets(value, touch)
        else:
            tests = value if isinstance(value, dict) else {"in": _listed(value)}
            holds = all(_passes(touch, key, name, wanted) for name, wanted in tests.items())
        if not holds:
            return False
    return True


def _passes(touch: Touch, column: str, operator: str, wanted: Any) -> bool:
    found = _value(touch, column, wanted if operator != "exists" else "")
    if operator == "exists":
        return (found is not None) == wanted
    if operator == "not":
        return found is None or found not in [_comparable(item) for item in _listed(wanted)]
    if found is None:
        return False
    if operator in ("equals", "in"):
        return found in [_comparable(item) for item in _listed(wanted)]
    return _OPERATORS[operator](found, _comparable(wanted))


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": lambda found, wanted: found > wanted,
    "gte": lambda found, wanted: found >= wanted,
    "lt": lambda found, wanted: found < wanted,
    "lte": lambda found, wanted: found <= wanted,
    "contains": lambda found, wanted: wanted in found,
    "starts_with": lambda found, wanted: found.startswith(wanted),
    "matches": lambda found, wanted: re.search(wanted, found) is not None,
}


def _value(touch: Touch, column: str, wanted: Any) -> Any:
    """The touchpoint's value, as text or as a number, whichever the rule compares with."""
    if not column.startswith("properties."):
        return getattr(touch, column)
    name = column.removeprefix("properties.")
    found = json.loads(touch.properties).get(name) if touch.properties is not None else None
    if found is None:
        return None
    if isinstance(_listed(wanted)[0], str):
        return found if isinstance(found, str) else json.dumps(found)
    try:
        return Decimal(str(found))
    except ArithmeticError:
        return None


def _comparable(wanted: Any) -> Any:
    return wanted if isinstance(wanted, str) else Decimal(str(wanted))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
