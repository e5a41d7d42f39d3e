"""Stage rules as stages.yaml writes them, applied to a history one touchpoint at a time.

Written from the words of the rule language. Nothing of the product is used here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

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


def first_rules(rules: Sequence[Rule], touches: Sequence[Touch]) -> dict[str, int | None]:
    """Event id to the number of the first rule that takes it; None when none does."""
    taken: dict[str, int | None] = {}
    for touch in touches:
        history = sorted(
            (other for other in touches if other.customer == touch.customer),
            key=lambda other: (other.us, other.source, other.event_id),
        )
        before = history[: history.index(touch)]
        numbers = (n for n, rule in enumerate(rules, 1) if takes(rule, rules, touch, before))
        taken[touch.event_id] = next(numbers, None)
    return taken


def takes(rule: Rule, rules: Sequence[Rule], touch: Touch, before: Sequence[Touch]) -> bool:
    """Whether the rule takes the touchpoint, given the customer's earlier ones."""
    if not meets(rule["when"], touch):
        return False
    if "after" in rule and not _happened(rule["after"], rules, touch, before):
        return False
    if "not_after" in rule and _happened(rule["not_after"], rules, touch, before):
        return False
    if "occurrence" in rule:
        count, within = rule["occurrence"]["gte"], rule["occurrence"].get("within")
        alike = [other for other in before if meets(rule["when"], other)] + [touch]
        if len(alike) < count:
            return False
        return within is None or touch.us - alike[-count].us <= duration_us(within)
    return True


def _happened(
    context: Mapping[str, Any], rules: Sequence[Rule], touch: Touch, before: Sequence[Touch]
) -> bool:
    """Whether an earlier touchpoint is what the context speaks of, not longer ago than it says."""
    columns = {key: value for key, value in context.items() if key not in ("stage", "within")}
    for other in before:
        if "within" in context and touch.us - other.us > duration_us(context["within"]):
            continue
        if "stage" in context and plain_stage(rules, other) == context["stage"]:
            return True
        if "stage" not in context and meets(columns, other):
            return True
    return False


def plain_stage(rules: Sequence[Rule], touch: Touch) -> str | None:
    """The stage that the rules without a context give a touchpoint by its own columns."""
    for rule in rules:
        if not {"after", "not_after", "occurrence"} & rule.keys() and meets(rule["when"], touch):
            return rule.get("stage")
    return None


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
