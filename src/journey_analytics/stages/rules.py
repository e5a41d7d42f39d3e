"""Stage rules as written: ordered, named, first match wins.

Belongs here: the grammar of a rule and every complaint about its text.
Does not belong here: SQL (compile.py).

A rule has a `when` (conditions on the touchpoint's own columns; all keys must hold, `any`, `all` and `not`
nest) and may have a context: `after` and `not_after` (something earlier in the same customer's history),
`occurrence` (the how-manieth touchpoint of this kind it is). A context looks at what an earlier touchpoint
is by its own columns, never at that one's context: `after: {stage: purchase}` means an earlier touchpoint
that a rule of that stage without a context would take. So the result never depends on its own outcome.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from ruamel.yaml.comments import CommentedMap

from journey_analytics.durations import parse_duration
from journey_analytics.errors import Problem, StageRuleError, advise
from journey_analytics.stages.stage_models import StageModel
from journey_analytics.touchpoints import PROPERTY, RULE_COLUMNS, Kind
from journey_analytics.yaml_file import KeyPath, YamlFile, plain

Operator = Literal[
    "equals", "in", "not", "gt", "gte", "lt", "lte", "contains", "starts_with", "matches", "exists"
]

TEXT_OPERATORS = ("contains", "starts_with", "matches")
ORDER_OPERATORS = ("gt", "gte", "lt", "lte")
OPERATORS: tuple[Operator, ...] = (
    "equals", "in", "not", "gt", "gte", "lt", "lte", "contains", "starts_with", "matches", "exists",
)  # fmt: skip
RULE_KEYS = ("rule", "stage", "ignore", "when", "after", "not_after", "occurrence")

# What RE2 and Java's engine read alike, see the portable subset: no backslash, no look-around,
# no back-reference, no lazy, possessive or counted repeat, no named or combined class.
_UNPORTABLE_REGEX = re.compile(r"\\|\(\?|[*+?][*+?]|\{|\[\[|\[:|&&")
_MAX_REGEX = 1_000
_LARGEST_NUMBER = 10**15


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


@dataclass(frozen=True)
class Earlier:
    """Something earlier in the same customer's history that must be there, or must not."""

    stage: str | None
    when: Condition | None
    within: timedelta | None
    is_wanted: bool


@dataclass(frozen=True)
class Occurrence:
    """The touchpoint is at least the `at_least`-th of its kind, the last ones within `within`."""

    at_least: int
    within: timedelta | None


@dataclass(frozen=True)
class StageRule:
    """One rule: what it takes, and the stage it gives (None for a rule that ignores)."""

    name: str
    stage: str | None
    when: Condition
    earlier: tuple[Earlier, ...] = ()
    occurrence: Occurrence | None = None

    @property
    def ignores(self) -> bool:
        """Whether touchpoints of this rule are taken out of journeys."""
        return self.stage is None

    @property
    def has_context(self) -> bool:
        """Whether the rule asks about the customer's history."""
        return bool(self.earlier) or self.occurrence is not None


@dataclass(frozen=True)
class StageMap:
    """A stage model and the rules that map events to its stages, in order of precedence."""

    model: StageModel
    rules: tuple[StageRule, ...]

    @property
    def observed_stages(self) -> list[str]:
        """The stages some rule gives, in the model's order; the others cannot be seen in this data."""
        given = {rule.stage for rule in self.rules}
        return [stage for stage in self.model.names if stage in given]


def read_rules(file: YamlFile, model: StageModel) -> tuple[StageRule, ...]:
    """The rules of a stages.yaml, checked against the stage model.

    Raises:
        StageRuleError: every problem of the file together, each at its line and column.
    """
    return _Reader(file, model).read()


class _Reader:
    """Walks the rules of one file and collects every problem instead of stopping at the first."""

    def __init__(self, file: YamlFile, model: StageModel) -> None:
        self.file = file
        self.model = model
        self.problems: list[Problem] = []

    def complain(self, what: str, path: KeyPath, do: str, *, value: bool = False) -> None:
        self.problems.append(self.file.problem(what, path, do, value=value))

    def read(self) -> tuple[StageRule, ...]:
        entries = plain(self.file.content.get("rules"))
        if not isinstance(entries, list) or not entries:
            self.complain("there are no stage rules", ("rules",), "list at least one under 'rules'")
            raise StageRuleError(self.problems)
        rules = [self.rule(entry, ("rules", index)) for index, entry in enumerate(entries)]
        seen: dict[str, int] = {}
        for index, rule in enumerate(rules):
            if rule is not None and rule.name in seen:
                first = self.file.place(("rules", seen[rule.name], "rule")).line
                self.complain(
                    f"stage rule {rule.name!r} is named twice (first on line {first})",
                    ("rules", index, "rule"),
                    "give each rule a name of its own",
                )
            elif rule is not None:
                seen[rule.name] = index
        complete = tuple(rule for rule in rules if rule is not None)
        if len(complete) == len(rules):  # a rule that is refused may be the one that another needs
            for index, rule in enumerate(complete):
                self.check_stages_have_plain_rules(rule, complete, ("rules", index))
        if self.problems:
            raise StageRuleError(self.problems)
        return complete

    def rule(self, entry: Any, path: KeyPath) -> StageRule | None:
        if not isinstance(entry, Mapping):
            self.complain("a rule is a list of keys", path, f"known keys: {', '.join(RULE_KEYS)}")
            return None
        count = len(self.problems)
        for key in entry:
            if key not in RULE_KEYS:
                self.complain(f"unknown key {key!r}", (*path, key), advise(key, RULE_KEYS, "key"))
        name = entry.get("rule")
        if not isinstance(name, str) or not name:
            self.complain("a rule needs a name", (*path, "rule"), "write 'rule: some_name'")
            name = "(unnamed)"
        stage = self.stage_of(entry, path, name)
        if "when" not in entry:
            self.complain(f"stage rule {name!r} has no 'when'", path, "say what it takes")
            return None
        when = self.conditions(entry["when"], (*path, "when"))
        earlier = tuple(
            found
            for key in ("after", "not_after")
            if key in entry and (found := self.earlier(entry[key], (*path, key), key)) is not None
        )
        occurrence = None
        if "occurrence" in entry:
            occurrence = self.occurrence(entry["occurrence"], (*path, "occurrence"))
        if len(self.problems) > count or when is None:
            return None
        return StageRule(name, stage, when, earlier, occurrence)

    def stage_of(self, entry: Mapping[str, Any], path: KeyPath, name: str) -> str | None:
        stage, ignore = entry.get("stage"), entry.get("ignore", False)
        if ignore is not True and ignore is not False:
            self.complain("ignore is true or false", (*path, "ignore"), "correct it", value=True)
        if (stage is None) == (ignore is not True):
            self.complain(
                f"stage rule {name!r} needs either a stage or 'ignore: true'",
                path,
                f"stages of {self.model.name}: {', '.join(self.model.names)}",
            )
        elif stage is not None:
            self.known_stage(stage, (*path, "stage"))
        return stage if isinstance(stage, str) else None

    def known_stage(self, stage: Any, path: KeyPath) -> None:
        if stage not in self.model.names:
            self.complain(
                f"unknown stage {stage!r} in stage model {self.model.name!r}",
                path,
                advise(str(stage), self.model.names, "stage"),
                value=True,
            )

    def check_stages_have_plain_rules(
        self, rule: StageRule, rules: tuple[StageRule, ...], path: KeyPath
    ) -> None:
        for earlier in rule.earlier:
            if earlier.stage is None:
                continue
            if not any(other.stage == earlier.stage and not other.has_context for other in rules):
                self.complain(
                    f"stage rule {rule.name!r} looks back at stage {earlier.stage!r}, "
                    "which no rule without a context gives",
                    (*path, "after" if earlier.is_wanted else "not_after"),
                    "name the earlier event instead, for example {event_name: order_completed}",
                )

    def conditions(self, entry: Any, path: KeyPath) -> Condition | None:
        if not isinstance(entry, Mapping) or not entry:
            self.complain("conditions are 'column: value' keys", path, "name at least one column")
            return None
        parts: list[Condition] = []
        for key, value in entry.items():
            place = (*path, key)
            if key in ("any", "all"):
                if not isinstance(value, list) or not value:
                    self.complain(f"{key!r} takes a list of conditions", place, "write a list")
                    continue
                inner = [self.conditions(item, (*place, i)) for i, item in enumerate(value)]
                parts.append(Group(key, tuple(part for part in inner if part is not None)))
            elif key == "not":
                negated = self.conditions(value, place)
                if negated is not None:
                    parts.append(Group("not", (negated,)))
            else:
                parts.extend(self.comparisons(key, value, place))
        return parts[0] if len(parts) == 1 else Group("all", tuple(parts))

    def comparisons(self, column: str, test: Any, path: KeyPath) -> list[Comparison]:
        is_property = PROPERTY.fullmatch(column) is not None
        if not is_property and column not in RULE_COLUMNS:
            known = [*RULE_COLUMNS, "properties.<name>", "any", "all", "not"]
            self.complain(f"unknown column {column!r}", path, advise(column, known, "column"))
            return []
        kind = None if is_property else RULE_COLUMNS[column]
        tests = test if isinstance(test, Mapping) else {_implied_operator(test): test}
        found: list[Comparison] = []
        for operator, value in tests.items():
            place = (*path, operator) if isinstance(test, Mapping) else path
            if operator not in OPERATORS:
                self.complain(
                    f"unknown test {operator!r} of column {column!r}",
                    place,
                    advise(operator, OPERATORS, "test"),
                )
            elif self.value_fits(column, kind, operator, value, place):
                found.append(Comparison(column, operator, value))
        return found

    def value_fits(self, column: str, kind: Kind | None, operator: str, value: Any, path: KeyPath) -> bool:
        if operator == "exists":
            if isinstance(value, bool):
                return True
            self.complain("exists is true or false", path, "correct it", value=True)
            return False
        values = value if isinstance(value, list) else [value]
        if not values:
            outcome = "never holds" if operator == "in" else "always holds"
            self.complain(f"{column} {operator} an empty list {outcome}", path, "list a value")
            return False
        if isinstance(value, list) and operator not in ("in", "not"):
            self.complain(f"{operator!r} takes one value", path, "use 'in' for a list", value=True)
            return False
        for item in values:
            if not self.item_fits(column, kind, operator, item, path):
                return False
        return operator != "matches" or self.regex_fits(str(value), path)

    def item_fits(self, column: str, kind: Kind | None, operator: str, item: Any, path: KeyPath) -> bool:
        is_number = isinstance(item, int | float) and not isinstance(item, bool)
        if operator in TEXT_OPERATORS and kind is Kind.NUMBER:
            self.complain(
                f"{operator!r} compares text, and {column} is a number",
                path,
                "use equals, in, gt, gte, lt or lte",
            )
        elif kind is Kind.NUMBER and not is_number:
            self.complain(f"{column} is a number, not {item!r}", path, "write a number", value=True)
        elif kind is Kind.TEXT and not isinstance(item, str):
            self.complain(
                f"{column} is text, and {item!r} is not",
                path,
                f"put it in quotes: '{str(item).lower()}'",
                value=True,
            )
        elif kind is Kind.TEXT and operator in ORDER_OPERATORS:
            self.complain(f"{operator!r} compares numbers, and {column} is text", path, "use equals")
        elif operator in ORDER_OPERATORS and not is_number:
            self.complain(f"{operator!r} needs a number, not {item!r}", path, "write a number")
        elif is_number and not abs(item) <= _LARGEST_NUMBER:
            self.complain(f"{item!r} is not a number that a column can hold", path, "write a smaller one")
        elif operator in TEXT_OPERATORS and not isinstance(item, str):
            self.complain(f"{operator!r} compares text, and {item!r} is not", path, f"write '{item}'")
        elif not isinstance(item, str | int | float):
            self.complain(f"{item!r} is not a value to compare with", path, "write text or a number")
        else:
            return True
        return False

    def regex_fits(self, pattern: str, path: KeyPath) -> bool:
        advice = "use [0-9] classes, anchors, groups and * + ? only"
        if len(pattern) > _MAX_REGEX:
            what = f"the regular expression is {len(pattern):,} characters long"
            self.complain(what, path, f"keep it under {_MAX_REGEX:,}; or list values under 'in'")
            return False
        try:
            re.compile(pattern)
        except re.error as cause:
            self.complain(f"bad regular expression: {cause}", path, advice, value=True)
            return False
        unportable = _UNPORTABLE_REGEX.search(pattern)
        if unportable:
            what = f"{unportable[0]!r} means different things to different engines"
            self.complain(f"bad regular expression: {what}", path, advice, value=True)
            return False
        return True

    def earlier(self, entry: Any, path: KeyPath, key: str) -> Earlier | None:
        if not isinstance(entry, Mapping):
            self.complain(f"{key!r} names a stage or columns", path, "write {stage: purchase}")
            return None
        columns = {k: v for k, v in entry.items() if k not in ("stage", "within")}
        stage = entry.get("stage")
        if (stage is None) == (not columns):
            self.complain(
                f"{key!r} takes either a stage or columns of the earlier touchpoint",
                path,
                "write {stage: purchase} or {event_name: order_completed}",
            )
            return None
        if stage is not None:
            self.known_stage(stage, (*path, "stage"))
        when = self.conditions(columns, path) if columns else None
        return Earlier(stage, when, self.within(entry, path), is_wanted=key == "after")

    def occurrence(self, entry: Any, path: KeyPath) -> Occurrence | None:
        keys = ("gte", "within")
        if not isinstance(entry, Mapping) or "gte" not in entry:
            self.complain("'occurrence' needs a count", path, "write {gte: 2} or {gte: 2, within: 30d}")
            return None
        for key in entry:
            if key not in keys:
                self.complain(f"unknown key {key!r}", (*path, key), advise(key, keys, "key"))
        count = entry["gte"]
        if not isinstance(count, int) or isinstance(count, bool) or count < 2:
            self.complain(f"gte is a whole number from 2, not {count!r}", (*path, "gte"), "correct it")
            return None
        return Occurrence(count, self.within(entry, path))

    def within(self, entry: Mapping[str, Any], path: KeyPath) -> timedelta | None:
        if "within" not in entry:
            return None
        try:
            return parse_duration(entry["within"])
        except ValueError as cause:
            self.complain(str(cause), (*path, "within"), "correct the duration", value=True)
            return None


class _Argument(YamlFile):
    """Stands in for a file where conditions come as an argument: the place is its name and the keys."""

    def __init__(self, name: str) -> None:  # there is nothing to parse
        self.path = Path(name)
        self.content = CommentedMap()

    def problem(self, what: str, path: KeyPath, do: str, *, value: bool = False) -> Problem:  # noqa: ARG002
        """A problem at the key at `path`."""
        return Problem(what, ", ".join(map(str, (self.path, *path))), do)


def read_condition(entry: Mapping[str, Any], name: str) -> Condition:
    """Conditions that a program gives, in the words of a rule's `when`.

    Args:
        entry: columns and what they are compared with.
        name: of the argument, for complaints.

    Raises:
        StageRuleError: every problem of the conditions together.
    """
    reader = _Reader(_Argument(name), StageModel.model_construct(name="", stages=()))
    condition = reader.conditions(plain(entry), ())
    if reader.problems or condition is None:
        raise StageRuleError(reader.problems)
    return condition


def _implied_operator(value: Any) -> Operator:
    return "in" if isinstance(value, list) else "equals"


class _StagesFile(BaseModel):
    """The keys of a stages.yaml; the rules themselves are read by `read_rules`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage_model: StageModel | None = None
    rules: Any = None


def read_stages(path: Path, model: StageModel | None) -> StageMap:
    """The stage model and the rules of a stages.yaml.

    Args:
        path: the file.
        model: the shipped model the project names; a `stage_model` in the file itself goes before it.

    Raises:
        StageRuleError: every problem of the file together.
    """
    file = YamlFile(path, StageRuleError)
    content, problems = file.check(_StagesFile)
    if content is not None and content.stage_model is not None:
        model = content.stage_model
    if model is None:
        if "stage_model" not in file.content:
            problems.append(file.problem("no stage model is given", ("stage_model",), "list the stages here"))
        raise StageRuleError(problems)
    try:
        rules = read_rules(file, model)
    except StageRuleError as error:
        raise StageRuleError([*problems, *error.problems]) from None
    if problems:
        raise StageRuleError(problems)
    return StageMap(model, rules)
