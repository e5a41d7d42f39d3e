"""Conditions and values in words, as reports and explanations show them.

Belongs here: the wording. Does not belong here: what a condition means (compile.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from journey_analytics.durations import duration_text
from journey_analytics.stages.conditions import Comparison, Condition
from journey_analytics.stages.rules import Earlier, Occurrence, Reach

_WORDS = {
    "equals": "is",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "contains": "contains",
    "starts_with": "starts with",
    "matches": "matches",
}


def condition_text(condition: Condition) -> str:
    """A condition in one line.

    >>> condition_text(Comparison("revenue", "gt", 0))
    'revenue > 0'
    >>> condition_text(Comparison("event_name", "in", ["order", "sale"]))
    "event_name is one of 'order', 'sale'"
    """
    if isinstance(condition, Comparison):
        return _comparison_text(condition)
    parts = [condition_text(part) for part in condition.parts]
    if condition.kind == "not":
        return f"not ({parts[0]})"
    return f"({(' and ' if condition.kind == 'all' else ' or ').join(parts)})"


def earlier_text(earlier: Earlier) -> str:
    """What a context looks for: `after stage purchase within 365 d`."""
    word = "after" if earlier.is_wanted else "not after"
    kind = f"stage {earlier.stage}" if earlier.when is None else condition_text(earlier.when)
    return f"{word} {kind}{_reach_text(earlier.reach)}"


def occurrence_text(occurrence: Occurrence) -> str:
    """What a count asks for: `at least the 8th of its kind within 56 d`."""
    return f"at least the {ordinal_text(occurrence.at_least)} of its kind{_reach_text(occurrence.reach)}"


def ordinal_text(number: int) -> str:
    """The number as a place in a row.

    >>> [ordinal_text(number) for number in (1, 2, 3, 4, 11, 22, 113)]
    ['1st', '2nd', '3rd', '4th', '11th', '22nd', '113th']
    """
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def value_text(value: Any) -> str:
    """A value of a touchpoint: text in quotes, numbers plain, `missing` for none.

    >>> value_text("order"), value_text(12.5), value_text(None)
    ("'order'", '12.5', 'missing')
    """
    if value is None:
        return "missing"
    return repr(value) if isinstance(value, str) else f"{value:f}".rstrip("0").rstrip(".")


def columns_of(condition: Condition) -> Iterator[str]:
    """The columns a condition asks about, in the order it names them, repeats included."""
    if isinstance(condition, Comparison):
        yield condition.column
    else:
        for part in condition.parts:
            yield from columns_of(part)


def _reach_text(reach: Reach) -> str:
    within = f" within {duration_text(reach.within)}" if reach.within is not None else ""
    return within + (" in the same session" if reach.same_session else "")


def _comparison_text(test: Comparison) -> str:
    if test.operator == "exists":
        return f"{test.column} {'exists' if test.value else 'is missing'}"
    values = test.value if isinstance(test.value, list) else [test.value]
    shown = ", ".join(_written(value) for value in values)
    if test.operator == "in":
        return f"{test.column} is one of {shown}"
    if test.operator == "not":
        return f"{test.column} is {'none of' if len(values) > 1 else 'not'} {shown}"
    return f"{test.column} {_WORDS[test.operator]} {shown}"


def _written(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value).lower()
