"""Conditions as written: `column: value` keys that a touchpoint meets or does not meet by its own columns.

All keys of a condition must hold; `any`, `all` and `not` nest. A column without a value meets no test but
`not` and `exists: false`.

    event_name: order                       equals
    event_name: [order, renewal]            one of them
    event_name: {in_list: orders}           one of those that `lists:` gives under this name
    revenue: {gt: 0, lte: 100}              all tests of a column must hold
    page_path: {matches: "^/pricing"}       contains, starts_with, matches, exists, not, not_in_list

A named list is asked for by a test of its own and not by a sign in front of its name: event names that begin
with such a sign exist (`$pageview`).

Belongs here: the grammar of conditions and every complaint about their text.
Does not belong here: rules and their context (rules.py), SQL (condition_sql.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from journey_analytics.errors import Problem, StageRuleError, advise
from journey_analytics.touchpoints import PROPERTY, RULE_COLUMNS, Kind
from journey_analytics.yaml_file import KeyPath, YamlFile, plain

Operator = Literal[
    "equals", "in", "not", "gt", "gte", "lt", "lte", "contains", "starts_with", "matches", "exists"
]

TEXT_OPERATORS = ("contains", "starts_with", "matches")
ORDER_OPERATORS = ("gt", "gte", "lt", "lte")
OPERATORS: dict[Operator, str] = {
    "equals": "the value, as without a test",
    "in": "one of the values, as a list without a test",
    "not": "neither the value nor one of the values",
    "gt": "more than it",
    "gte": "it or more",
    "lt": "less than it",
    "lte": "it or less",
    "contains": "the text is in it",
    "starts_with": "it begins with the text",
    "matches": "the regular expression is found in it",
    "exists": "`true`: there is a value; `false`: there is none",
}
"""The tests of a column, and when each holds."""
LIST_OPERATORS: dict[str, Operator] = {"in_list": "in", "not_in_list": "not"}
"""Tests against a named list, and the test that they stand for."""

# What RE2 and Java's engine read alike, see the portable subset: no backslash, no look-around,
# no back-reference, no lazy, possessive or counted repeat, no named or combined class.
_UNPORTABLE_REGEX = re.compile(r"\\|\(\?|[*+?][*+?]|\{|\[\[|\[:|&&")
_MAX_REGEX = 1_000
_MAX_DEPTH = 50
_LARGEST_NUMBER = 10**15
_WORDS_OF_YAML_1_1 = ("yes", "no", "on", "off", "y", "n")

Lists = Mapping[str, list[Any]]
Complain = Callable[[Problem], None]


@dataclass(frozen=True)
class Comparison:
    """One test of one column: `page_path` `matches` `^/pricing`."""

    column: str
    operator: Operator
    value: Any


@dataclass(frozen=True)
class Group:
    """Conditions that hold together: all of them, any of them, or (with `not`) none of them."""

    kind: Literal["all", "any", "not"]
    parts: tuple[Condition, ...]


Condition = Comparison | Group


class ConditionReader:
    """Reads the conditions of one file and tells every problem instead of stopping at the first.

    Args:
        file: what the places of the problems are in.
        lists: the named lists that conditions may ask for.
        tell: is given each problem.
    """

    def __init__(self, file: YamlFile | _Argument, lists: Lists, tell: Complain) -> None:
        self.file = file
        self.lists = lists
        self.tell = tell

    def complain(self, what: str, path: KeyPath, do: str, *, value: bool = False) -> None:
        """Tell a problem at the key (or value) at `path`."""
        self.tell(self.file.problem(what, path, do, value=value))

    def conditions(self, entry: Any, path: KeyPath, depth: int = 1) -> Condition | None:
        """The condition written at `path`; None when something in it cannot be used."""
        if not isinstance(entry, Mapping) or not entry:
            self.complain("conditions are 'column: value' keys", path, "name at least one column")
            return None
        if depth > _MAX_DEPTH:
            what = f"conditions are nested more than {_MAX_DEPTH} deep"
            self.complain(what, path, "write them flatter, or as several rules")
            return None
        parts: list[Condition | None] = []
        for key, value in entry.items():
            place = (*path, key)
            if key in ("any", "all"):
                if not isinstance(value, list) or not value:
                    self.complain(f"{key!r} takes a list of conditions", place, "write a list")
                    continue
                inner = [self.conditions(item, (*place, i), depth + 1) for i, item in enumerate(value)]
                parts.append(Group(key, tuple(part for part in inner if part is not None)))
            elif key == "not":
                negated = self.conditions(value, place, depth + 1)
                parts.append(Group("not", (negated,)) if negated is not None else None)
            else:
                parts.extend(self.comparisons(key, value, place))
        known = tuple(part for part in parts if part is not None)
        return known[0] if len(known) == 1 else Group("all", known)

    def comparisons(self, column: str, test: Any, path: KeyPath) -> list[Comparison]:
        """The tests of one column."""
        if not PROPERTY.fullmatch(column) and column not in RULE_COLUMNS:
            known = [*RULE_COLUMNS, "properties.<name>", "any", "all", "not"]
            self.complain(f"unknown column {column!r}", path, advise(column, known, "column"))
            return []
        kind = RULE_COLUMNS.get(column)
        if not isinstance(test, Mapping):
            operator: Operator = "in" if isinstance(test, list) else "equals"
            fits = self.value_fits(column, kind, operator, test, path)
            return [Comparison(column, operator, test)] if fits else []
        if not test:
            self.complain(f"{column} is compared with nothing", path, f"tests: {', '.join(OPERATORS)}")
        found: list[Comparison] = []
        for name, value in test.items():
            place = (*path, name)
            if name in LIST_OPERATORS:
                values = self.named_list(value, place)
                operator = LIST_OPERATORS[name]
                if values is not None and self.value_fits(column, kind, operator, values, place, value):
                    found.append(Comparison(column, operator, values))
            elif name not in OPERATORS:
                self.complain(
                    f"unknown test {name!r} of column {column!r}",
                    place,
                    advise(name, (*OPERATORS, *LIST_OPERATORS), "test"),
                )
            elif self.value_fits(column, kind, name, value, place):
                found.append(Comparison(column, name, value))
        return found

    def named_list(self, name: Any, path: KeyPath) -> list[Any] | None:
        """The values of a named list."""
        if isinstance(name, str) and name in self.lists:
            return self.lists[name]
        self.complain(f"unknown list {name!r}", path, advise(str(name), self.lists, "list"), value=True)
        return None

    def value_fits(
        self, column: str, kind: Kind | None, operator: Operator, value: Any, path: KeyPath, named: str = ""
    ) -> bool:
        """Whether the column can be compared with the value so; `named` is the list that gave it."""
        if operator == "exists":
            if isinstance(value, bool) and self.is_spelt_as_read(value, path):
                return True
            self.complain("exists is true or false", path, "correct it", value=True)
            return False
        values = value if isinstance(value, list) else [value]
        if not values:
            outcome = "never holds" if operator == "in" else "always holds"
            if not named:  # an empty named list is told of where it is written
                self.complain(f"{column} {operator} an empty list {outcome}", path, "list a value")
            return False
        if isinstance(value, list) and operator not in ("in", "not"):
            self.complain(f"{operator!r} takes one value", path, "use 'in' for a list", value=True)
            return False
        for index, item in enumerate(values):
            if named:
                place: KeyPath = ("lists", named, index)
            else:
                place = (*path, index) if isinstance(value, list) else path
            if not self.item_fits(column, kind, operator, item, place):
                return False
        return operator != "matches" or self.regex_fits(str(value), path)

    def item_fits(self, column: str, kind: Kind | None, operator: Operator, item: Any, path: KeyPath) -> bool:
        """Whether the column can be compared with this one value so."""
        is_number = isinstance(item, int | float) and not isinstance(item, bool)
        if operator in TEXT_OPERATORS and kind is Kind.NUMBER:
            self.complain(
                f"{operator!r} compares text, and {column} is a number",
                path,
                "use equals, in, gt, gte, lt or lte",
            )
        elif kind is Kind.NUMBER and not is_number:
            self.complain(f"{column} is a number, not {item!r}", path, "write a number", value=True)
        elif kind is Kind.TEXT and operator in ORDER_OPERATORS:
            self.complain(f"{operator!r} compares numbers, and {column} is text", path, "use equals")
        elif kind is Kind.TEXT and not isinstance(item, str):
            self.complain_of_no_text(column, item, path)
        elif operator in ORDER_OPERATORS and not is_number:
            self.complain(f"{operator!r} needs a number, not {item!r}", path, "write a number")
        elif is_number and not abs(item) <= _LARGEST_NUMBER:
            self.complain(f"{item!r} is not a number that a column can hold", path, "write a smaller one")
        elif operator in TEXT_OPERATORS and not isinstance(item, str):
            self.complain(f"{operator!r} compares text, and {item!r} is not", path, f"write '{item}'")
        elif isinstance(item, bool):
            return self.is_spelt_as_read(item, path)
        elif not isinstance(item, str | int | float):
            self.complain(f"{item!r} is not a value to compare with", path, "write text or a number")
        else:
            return True
        return False

    def complain_of_no_text(self, column: str, item: Any, path: KeyPath) -> None:
        """Say how to write a value as text that YAML reads as something else."""
        written = self.file.written(path) or str(item).lower()
        what = f"{column} is text, and YAML reads {written} as {_in_words(item)}"
        self.complain(what, path, f"put it in quotes: '{written}'", value=True)

    def is_spelt_as_read(self, item: bool, path: KeyPath) -> bool:  # noqa: FBT001 - the value itself
        """Whether a truth value is written as one; YAML 1.1 takes yes, no, on and off for one too."""
        written = self.file.written(path)
        if written.lower() not in _WORDS_OF_YAML_1_1:
            return True
        what = f"YAML 1.1 reads {written} as {_in_words(item)}"
        self.complain(what, path, f"put it in quotes: '{written}', or write {str(item).lower()}", value=True)
        return False

    def regex_fits(self, pattern: str, path: KeyPath) -> bool:
        """Whether both engines read the regular expression, and alike."""
        advice = "use [0-9] classes, anchors, groups and * + ? only"
        if len(pattern) > _MAX_REGEX:
            what = f"the regular expression is {len(pattern):,} characters long"
            self.complain(what, path, f"keep it under {_MAX_REGEX:,}; or list values under 'in'")
            return False
        try:
            re.compile(pattern)
        except (re.error, RecursionError) as cause:
            self.complain(f"bad regular expression: {cause}", path, advice, value=True)
            return False
        unportable = _UNPORTABLE_REGEX.search(pattern)
        if unportable:
            what = f"{unportable[0]!r} means different things to different engines"
            self.complain(f"bad regular expression: {what}", path, advice, value=True)
            return False
        return True


def read_lists(file: YamlFile, tell: Complain) -> dict[str, list[Any]]:
    """The named lists of a stages.yaml: `lists: {paid: [cpc, ppc]}`; their values are checked where used."""
    entry = plain(file.content.get("lists", {}))
    if not isinstance(entry, Mapping):
        tell(file.problem("'lists' is names with lists", ("lists",), "write {paid: [cpc, ppc]}"))
        return {}
    lists: dict[str, list[Any]] = {}
    for name, values in entry.items():
        if isinstance(values, list) and values:
            lists[name] = values
        else:
            tell(file.problem(f"list {name!r} holds no values", ("lists", name), "write [cpc, ppc]"))
            lists[name] = []
    return lists


class _Argument:
    """Stands in for a file where conditions come as an argument: the place is its name and the keys."""

    def __init__(self, name: str) -> None:
        self.name = name

    def problem(self, what: str, path: KeyPath, do: str, *, value: bool = False) -> Problem:  # noqa: ARG002
        return Problem(what, ", ".join((self.name, *map(str, path))), do)

    def written(self, path: KeyPath) -> str:  # noqa: ARG002 - nothing was written
        return ""


def read_condition(entry: Mapping[str, Any], name: str) -> Condition:
    """Conditions that a program gives, in the words of a rule's `when`.

    Args:
        entry: columns and what they are compared with.
        name: of the argument, for complaints.

    Raises:
        StageRuleError: every problem of the conditions together.
    """
    problems: list[Problem] = []
    condition = ConditionReader(_Argument(name), {}, problems.append).conditions(plain(entry), ())
    if problems or condition is None:
        raise StageRuleError(problems)
    return condition


def _in_words(item: Any) -> str:
    if isinstance(item, bool):
        return f"the truth value {str(item).lower()}"
    if item is None:
        return "nothing"
    return "a number" if isinstance(item, int | float) else f"a {type(item).__name__.lower()}"
