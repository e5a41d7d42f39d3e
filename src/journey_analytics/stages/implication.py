"""What conditions say of each other: whether one can never hold, and whether one always holds with another.

`a` implies `b` when `a and not b` can never hold. A condition can never hold when every way to make it true
asks something impossible of one column: values that exclude each other, an empty range, a text that begins
with two things. The ways are walked one test at a time and given up as soon as a column is impossible.

Everything said here is a proof: what cannot be shown is answered with False, and nothing is guessed. A column
is a set of values with missing among them; every test is met or not met by each of them (see conditions.py).

Belongs here: proofs about conditions. Does not belong here: what is done with them (check.py).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from journey_analytics.engine.duckdb import DuckDBEngine, Limits
from journey_analytics.stages.condition_sql import NUMBER, is_number_test, text_of
from journey_analytics.stages.conditions import Comparison, Condition, Group
from journey_analytics.stages.rules import Earlier, Reach, StageRule
from journey_analytics.touchpoints import PROPERTY_PREFIX

_MOST_STEPS = 20_000
"""Ways looked at before a question is left open: conditions can have more of them than time has seconds."""

_NUMBER = re.compile(NUMBER.replace("$", r"\Z"))
_PLAIN_PATTERN = re.compile(r"(\^?)([^.^$*+?()\[\]|{}\\]+)(\$?)")
_INVERSE = {"gt": "lte", "gte": "lt", "lt": "gte", "lte": "gt"}


@dataclass(frozen=True)
class _Test:
    """One test of one column that must be met, or must not be."""

    operator: str
    value: Any
    is_met: bool
    as_number: bool


Way = dict[str, tuple[_Test, ...]]


class _OutOfSteps(Exception):  # noqa: N818 - no error: the question stays open
    """There are more ways than are worth looking at."""


def is_impossible(*conditions: Condition) -> bool:
    """Whether no touchpoint can meet all the conditions. True is a proof; False may be ignorance."""
    return _is_impossible([(condition, True) for condition in conditions])


def implies(condition: Condition, other: Condition) -> bool:
    """Whether every touchpoint that meets the condition meets the other. True is a proof."""
    return condition == other or _is_impossible([(condition, True), (other, False)])


def covers(other: StageRule, rule: StageRule, when: Condition | None = None) -> bool:
    """Whether `other` takes every touchpoint that `rule` takes. True is a proof.

    Args:
        other: the rule that may cover.
        rule: the rule that may be covered.
        when: only touchpoints that meet this too are asked about.
    """
    if other.from_day is not None and (rule.from_day is None or rule.from_day < other.from_day):
        return False
    if other.until_day is not None and (rule.until_day is None or rule.until_day > other.until_day):
        return False
    if not implies(rule.when if when is None else Group("all", (when, rule.when)), other.when):
        return False
    if other.occurrence is not None:
        own = rule.occurrence
        if own is None or own.at_least < other.occurrence.at_least:
            return False
        # what the rule counts must be what the other counts, touchpoint by touchpoint
        if not _is_inside(own.reach, other.occurrence.reach) or not implies(rule.when, other.when):
            return False
    return all(_context_implies(rule, earlier) for earlier in other.earlier)


def context_is_impossible(rule: StageRule) -> bool:
    """Whether the rule wants something earlier that it also forbids. True is a proof."""
    return any(not forbidden.is_wanted and _wants(rule, forbidden) for forbidden in rule.earlier)


def _context_implies(rule: StageRule, earlier: Earlier) -> bool:
    """Whether what another rule asks of the history is given wherever `rule` holds."""
    if earlier.is_wanted:
        return _wants(rule, earlier)
    return any(
        not own.is_wanted and _is_kind(earlier, own) and _is_inside(earlier.reach, own.reach)
        for own in rule.earlier
    )


def _wants(rule: StageRule, earlier: Earlier) -> bool:
    """Whether something that `rule` needs in the history is what `earlier` speaks of, within its reach."""
    if any(
        own.is_wanted and _is_kind(own, earlier) and _is_inside(own.reach, earlier.reach)
        for own in rule.earlier
    ):
        return True
    own = rule.occurrence
    return (
        own is not None
        and earlier.when is not None
        and _is_inside(own.reach, earlier.reach)
        and implies(rule.when, earlier.when)
    )


def _is_kind(earlier: Earlier, other: Earlier) -> bool:
    """Whether every touchpoint that `earlier` speaks of is one that `other` speaks of."""
    if earlier.when is None or other.when is None:
        return earlier.stage is not None and earlier.stage == other.stage
    return implies(earlier.when, other.when)


def _is_inside(reach: Reach, other: Reach) -> bool:
    """Whether all that lies within one reach lies within the other."""
    if other.within is not None and (reach.within is None or reach.within > other.within):
        return False
    return reach.same_session or not other.same_session


def _is_impossible(wanted: Sequence[tuple[Condition, bool]]) -> bool:
    steps = 0

    def walk(pending: tuple[tuple[Condition, bool], ...], way: Way) -> bool:
        """Whether every way to give the pending conditions their truth is impossible."""
        nonlocal steps
        steps += 1
        if steps > _MOST_STEPS:
            raise _OutOfSteps
        if not pending:
            return False
        (condition, truth), rest = pending[0], pending[1:]
        if isinstance(condition, Comparison):
            return not (extended := _with(way, condition, truth)) or walk(rest, extended)
        if condition.kind == "not":
            return walk(((condition.parts[0], not truth), *rest), way)
        together = tuple((part, truth) for part in condition.parts)
        if (condition.kind == "all") == truth:
            return walk((*together, *rest), way)
        return all(walk((part, *rest), way) for part in together)

    # what needs no choice goes first: it narrows the columns before the ways part
    ordered = sorted(wanted, key=lambda part: _choices(*part))
    try:
        return walk(tuple(ordered), {})
    except (_OutOfSteps, RecursionError):
        return False


def _choices(condition: Condition, truth: bool) -> int:  # noqa: FBT001 - the truth wanted
    if isinstance(condition, Comparison):
        return 0
    if condition.kind == "not":
        return _choices(condition.parts[0], not truth)
    own = 0 if (condition.kind == "all") == truth else len(condition.parts)
    return own + sum(_choices(part, truth) for part in condition.parts)


def _with(way: Way, comparison: Comparison, truth: bool) -> Way | None:  # noqa: FBT001
    """The way with one test more; None when its column can no longer have any value."""
    column = comparison.column
    tests = (*way.get(column, ()), *_tests(comparison, truth))
    if _no_value_meets(column, tests):
        return None
    return {**way, column: tests}


def _tests(comparison: Comparison, truth: bool) -> list[_Test]:  # noqa: FBT001
    """The comparison in few operators: in, the orderings, contains, starts_with, matches, exists."""
    operator, value = comparison.operator, comparison.value
    if operator == "exists":
        return [_Test("exists", None, truth == value, as_number=False)]
    is_property = comparison.column.startswith(PROPERTY_PREFIX)
    is_number = is_number_test(comparison)
    if operator in ("equals", "in", "not"):
        values = value if isinstance(value, list) else [value]
        if is_property and not is_number:
            values = [text_of(item) for item in values]
        return [_Test("in", frozenset(values), truth == (operator != "not"), as_number=is_number)]
    if operator == "matches" and (plain := _PLAIN_PATTERN.fullmatch(value)):
        start, text, end = plain.groups()
        if start and end:
            return [_Test("in", frozenset([text]), truth, as_number=False)]
        if not end:
            return [_Test("starts_with" if start else "contains", text, truth, as_number=False)]
    return [_Test(operator, value, truth, as_number=is_number)]


def _no_value_meets(column: str, tests: tuple[_Test, ...]) -> bool:
    """Whether no value, and not the missing one either, meets all tests of the column."""
    if not any(_needs_value(test) for test in tests):
        return False  # the missing value meets them all
    if any(test.operator == "exists" and not test.is_met for test in tests):
        return True
    numbers = [test for test in tests if test.as_number]
    texts = [test for test in tests if not test.as_number and test.operator != "exists"]
    sets = [test.value for test in texts if test.operator == "in" and test.is_met]
    if sets:
        return not any(
            all(_text_meets(value, test) for test in texts)
            and all(_meets_as_number(value, test) for test in numbers)
            for value in frozenset.intersection(*sets)
        )
    if _no_text_meets(texts):
        return True
    # a property that is no number meets no number test, which suits those that must not be met
    if column.startswith(PROPERTY_PREFIX) and not any(test.is_met for test in numbers):
        return False
    return _no_number_meets(numbers)


def _needs_value(test: _Test) -> bool:
    """Whether the missing value fails the test: `exists` and every positive test."""
    return test.is_met


def _text_meets(value: str, test: _Test) -> bool:
    if test.operator == "in":
        met = value in test.value
    elif test.operator == "contains":
        met = test.value in value
    elif test.operator == "starts_with":
        met = value.startswith(test.value)
    else:
        met = _matches(test.value, value)
    return met == test.is_met


def _meets_as_number(text: str, test: _Test) -> bool:
    """Whether a property with this text meets a number test."""
    if _NUMBER.match(text) is None:
        return not test.is_met
    number = float(text)
    met = number in test.value if test.operator == "in" else _in_order(number, test.operator, test.value)
    return met == test.is_met


def _in_order(number: float, operator: str, limit: float) -> bool:
    if operator in ("gt", "lte"):
        return (number > limit) == (operator == "gt")
    return (number >= limit) == (operator == "gte")


@cache
def _matches(pattern: str, text: str) -> bool:
    """Whether the text matches, as the engine sees it: in time linear to it, whatever the pattern is."""
    return bool(_engine().rows("select regexp_matches($1, $2) as is_match", [text, pattern])[0]["is_match"])


@cache
def _engine() -> DuckDBEngine:
    """One in memory for all matches: the library's own connection belongs to whoever else uses it."""
    return DuckDBEngine(limits=Limits(memory_limit="256MB", threads=1))


def _no_text_meets(tests: Iterable[_Test]) -> bool:
    """Whether tests that name no finite set of texts exclude each other."""
    held: dict[str, list[str]] = defaultdict(list)
    refused: dict[str, list[str]] = defaultdict(list)
    for test in tests:
        if test.operator != "in":
            (held if test.is_met else refused)[test.operator].append(test.value)
    starts = held["starts_with"]
    longest = max(starts, key=len, default="")
    if not all(longest.startswith(start) for start in starts):
        return True
    pieces = [*starts, *held["contains"]]
    return (
        any(text in piece for text in refused["contains"] for piece in pieces)
        or any(longest.startswith(start) for start in refused["starts_with"])
        or any(pattern in held["matches"] for pattern in refused["matches"])
        or any("" in refused[operator] for operator in ("contains", "starts_with"))
    )


def _no_number_meets(tests: Iterable[_Test]) -> bool:
    """Whether no number meets all the tests; what one of them needs is a number."""
    low, high = (float("-inf"), True), (float("inf"), True)
    allowed: frozenset[Any] | None = None
    excluded: set[Any] = set()
    for test in tests:
        if test.operator == "in":
            if not test.is_met:
                excluded |= test.value
            else:
                allowed = test.value if allowed is None else allowed & test.value
            continue
        operator = test.operator if test.is_met else _INVERSE[test.operator]
        is_closed = operator in ("gte", "lte")
        if operator in ("gt", "gte"):
            low = max(low, (test.value, is_closed), key=lambda end: (end[0], not end[1]))
        else:
            high = min(high, (test.value, is_closed), key=lambda end: (end[0], end[1]))
    if allowed is not None:
        return not any(_is_between(value, low, high) for value in allowed - excluded)
    if low[0] == high[0]:
        return not (low[1] and high[1]) or low[0] in excluded
    return low[0] > high[0]


def _is_between(value: float, low: tuple[float, bool], high: tuple[float, bool]) -> bool:
    above = value >= low[0] if low[1] else value > low[0]
    below = value <= high[0] if high[1] else value < high[0]
    return above and below
