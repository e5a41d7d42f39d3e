"""Channel rules as written: the rule table, a project's own rules in front, and every complaint about them.

Belongs here: the grammar of a rule, own hosts and click ids. Does not belong here: SQL (sql.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal

import duckdb
from pydantic import BaseModel, ConfigDict, Field

from journey_analytics.errors import ConfigError, Problem, advise
from journey_analytics.touchpoints import UNASSIGNED_CHANNEL
from journey_analytics.yaml_file import KeyPath, YamlFile, plain

Operator = Literal["in", "not", "contains", "starts_with", "ends_with", "matches", "exists"]

INPUTS = ("source", "medium", "campaign", "click_id", "referrer_host", "landing_host")
"""What an event may bring: SQL expressions of `channel_sql`, columns a rule may ask about."""
SOURCE_LISTS = ("search", "social", "shopping", "video", "ai_assistants")
RULE_COLUMNS = (*INPUTS, "source_list")
GROUPS = ("any", "all", "not")
OPERATORS: tuple[Operator, ...] = (
    "in", "not", "contains", "starts_with", "ends_with", "matches", "exists",
)  # fmt: skip
RULE_KEYS = {
    "rule": "Name of the rule.",
    "channel": "The channel it gives.",
    "when": "Conditions on source, medium, campaign and referrer, all of which hold.",
}
"""The keys of a rule, and what each says."""

Origin = Literal["given", "click_id", "referrer", "direct", "unknown"]
"""Where the effective source comes from; `unknown`: hidden by a mark, or a click id nobody knows."""

HOST_COLUMNS = ("referrer_host", "landing_host")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_HOST = re.compile(r"[^\s/:@?#.,]+(\.[^\s/:@?#.,]+)*")
_MAX_REGEX = 1_000


@dataclass(frozen=True)
class Comparison:
    """One test of one column: `medium` `in` (cpc, ppc). Text is lower case; `exists` has no values."""

    column: str
    operator: Operator
    values: tuple[str, ...]
    is_wanted: bool = True


@dataclass(frozen=True)
class Group:
    """Conditions that hold together: all of them, any of them, or (with `not`) not this one."""

    kind: Literal["all", "any", "not"]
    parts: tuple[Condition, ...]


Condition = Comparison | Group


@dataclass(frozen=True)
class ChannelRule:
    """One rule: what it takes and the channel it gives."""

    name: str
    channel: str
    when: Condition
    is_own: bool = False


@dataclass(frozen=True)
class ChannelRules:
    """The rules in order, a project's own before the group, and the hosts that are never a source."""

    rules: tuple[ChannelRule, ...]
    own_hosts: tuple[str, ...] = ()

    @property
    def channels(self) -> tuple[str, ...]:
        """Every channel an event can get, in the rules' order, `unassigned` last."""
        given = dict.fromkeys(rule.channel for rule in self.rules)
        given.pop(UNASSIGNED_CHANNEL, None)
        return (*given, UNASSIGNED_CHANNEL)


class ChannelsFile(BaseModel):
    """The channel rules of a project, and its own hosts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    own_hosts: tuple[str, ...] = Field((), description="Hosts that are never a source, with all below them.")
    rules: Any = Field((), description="Rules tried before the default channel group.")


class ClickId(BaseModel):
    """What the presence of a click id says of where the click came from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    medium: str


class _ClickIdsFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    click_ids: dict[str, ClickId]


def read_channels(path: Path | None) -> ChannelRules:
    """The channel rules of a project.

    Args:
        path: a project's channels.yaml; None for GA4's default channel group alone.

    Raises:
        ConfigError: every problem of the file together, each at its line and column.
    """
    group = _default_group()
    if path is None:
        return ChannelRules(group)
    file = YamlFile(path)
    reader = _Reader(file)
    own_hosts: tuple[str, ...] = ()
    try:
        own_hosts = reader.own_hosts(file.validate(ChannelsFile).own_hosts)
    except ConfigError as error:
        reader.problems.extend(error.problems)
    own = reader.rules(is_own=True)
    return ChannelRules((*own, *group), own_hosts)


@cache
def _default_group() -> tuple[ChannelRule, ...]:
    with as_file(files(__package__) / "groups" / "rules.yaml") as path:
        return _Reader(YamlFile(path)).rules(is_own=False)


@cache
def click_ids() -> dict[str, ClickId]:
    """The known click ids by the name of their URL parameter."""
    with as_file(files(__package__) / "groups" / "click_ids.yaml") as path:
        return YamlFile(path).validate(_ClickIdsFile).click_ids


class _Reader:
    """Walks the rules of one file and collects every problem instead of stopping at the first."""

    def __init__(self, file: YamlFile) -> None:
        self.file = file
        self.problems: list[Problem] = []
        # rules are compared with lower(), so only that engine can say what a text is in lower case,
        # and whether it takes a regular expression
        self.engine = duckdb.connect()

    def complain(self, what: str, path: KeyPath, do: str, *, value: bool = False) -> None:
        self.problems.append(self.file.problem(what, path, do, value=value))

    def own_hosts(self, given: Sequence[str]) -> tuple[str, ...]:
        hosts = []
        for index, text in enumerate(given):
            host = self.lower(text.strip()).removeprefix("www.").rstrip(".")
            if _HOST.fullmatch(host):
                hosts.append(host)
                continue
            address = re.match(r"(?:[a-z][a-z0-9+.-]*:)?//([^/?#:@]+)|([^/?#:@*]+\.[^/?#:@*]+)[/:]", host)
            found = next((part for part in address.groups() if part), None) if address else None
            self.complain(
                f"{text!r} is not a host",
                ("own_hosts", index),
                f"write {found or 'shop.example'}; hosts below it are included",
                value=True,
            )
        return tuple(dict.fromkeys(hosts))

    def rules(self, *, is_own: bool) -> tuple[ChannelRule, ...]:
        entries = plain(self.file.content.get("rules", []))
        rules: list[ChannelRule] = []
        if not isinstance(entries, list):
            self.complain("'rules' is a list of rules", ("rules",), "write '- channel: name' lines")
            entries = []
        for index, entry in enumerate(entries):
            rule = self.rule(entry, ("rules", index), is_own=is_own)
            if rule is not None:
                rules.append(rule)
        if self.problems:
            raise ConfigError(self.problems)
        return tuple(rules)

    def rule(self, entry: Any, path: KeyPath, *, is_own: bool) -> ChannelRule | None:
        if not isinstance(entry, Mapping):
            self.complain("a rule is a list of keys", path, f"known keys: {', '.join(RULE_KEYS)}")
            return None
        count = len(self.problems)
        for key in entry:
            if key not in RULE_KEYS:
                self.complain(f"unknown key {key!r}", (*path, key), advise(key, RULE_KEYS, "key"))
        channel = self.name(entry.get("channel"), "channel", path)
        name = self.name(entry["rule"], "rule", path) if "rule" in entry else channel
        if "when" not in entry:
            self.complain(f"the rule of channel {channel!r} has no 'when'", path, "say what it takes")
            return None
        when = self.conditions(entry["when"], (*path, "when"))
        if len(self.problems) > count or when is None:
            return None
        return ChannelRule(name, channel, when, is_own)

    def name(self, given: Any, key: str, path: KeyPath) -> str:
        if given is None or given == "":
            self.complain(f"a rule needs a {key}", (*path, key), f"write '{key}: some_name'")
        elif not isinstance(given, str) or not _NAME.fullmatch(given):
            words = re.sub(r"[^a-z0-9]+", "_", str(given).lower()).strip("_")
            suggestion = words if _NAME.fullmatch(words) else "some_name"
            self.complain(
                f"{key} {given!r} is not a name in lower case",
                (*path, key),
                f"write {suggestion!r}: letters, digits and _ only",
                value=True,
            )
        return str(given)

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
                inner = [self.conditions(item, (*place, index)) for index, item in enumerate(value)]
                parts.append(Group(key, tuple(part for part in inner if part is not None)))
            elif key == "not":
                negated = self.conditions(value, place)
                if negated is not None:
                    parts.append(Group("not", (negated,)))
            elif key not in RULE_COLUMNS:
                self.complain(
                    f"unknown column {key!r}", place, advise(key, (*RULE_COLUMNS, *GROUPS), "column")
                )
            else:
                parts.extend(self.comparisons(key, value, place))
        return parts[0] if len(parts) == 1 else Group("all", tuple(parts))

    def comparisons(self, column: str, test: Any, path: KeyPath) -> list[Comparison]:
        if not isinstance(test, Mapping):
            found = self.comparison(column, "in", test, path)
            return [found] if found else []
        if not test:
            self.complain(f"{column} is compared with nothing", path, f"tests: {', '.join(OPERATORS)}")
        comparisons = []
        for operator, value in test.items():
            place = (*path, operator)
            if operator not in OPERATORS:
                self.complain(
                    f"unknown test {operator!r} of column {column!r}",
                    place,
                    advise(operator, OPERATORS, "test"),
                )
                continue
            found = self.comparison(column, operator, value, place)
            if found:
                comparisons.append(found)
        return comparisons

    def comparison(self, column: str, operator: Operator, value: Any, path: KeyPath) -> Comparison | None:
        if operator == "exists":
            if isinstance(value, bool):
                return Comparison(column, operator, (), is_wanted=value)
            self.complain("exists is true or false", path, "correct it", value=True)
            return None
        if isinstance(value, list) and operator not in ("in", "not"):
            self.complain(f"{operator!r} takes one value", path, "use 'any' for several", value=True)
            return None
        values = value if isinstance(value, list) else [value]
        if not values:
            self.complain(f"{column} is compared with an empty list", path, "list a value")
        texts = [self.text(column, operator, item, path) for item in values]
        known = tuple(text for text in texts if text is not None)
        return Comparison(column, operator, known) if values and len(known) == len(values) else None

    def text(self, column: str, operator: Operator, item: Any, path: KeyPath) -> str | None:
        """The value as it is compared: lower case, as the data is; a regular expression as written."""
        if not isinstance(item, str):
            shown = (
                f"put it in quotes: '{str(item).lower()}'" if isinstance(item, int | float) else "write text"
            )
            self.complain(f"{column} is text, and {item!r} is not", path, shown, value=True)
        elif not item.strip():
            self.complain(f"{column} is compared with an empty text", path, "use {exists: false}", value=True)
        elif operator == "matches":
            return item if self.regex_fits(item, path) else None
        elif column == "source_list" and item not in SOURCE_LISTS:
            advice = advise(item, SOURCE_LISTS, "source list")
            self.complain(f"unknown source list {item!r}", path, advice, value=True)
        else:
            lowered = self.lower(item)
            is_whole_host = column in HOST_COLUMNS and operator in ("in", "not", "starts_with")
            return lowered.removeprefix("www.") if is_whole_host else lowered
        return None

    def regex_fits(self, pattern: str, path: KeyPath) -> bool:
        if len(pattern) > _MAX_REGEX:
            what = f"the regular expression is {len(pattern):,} characters long"
            self.complain(what, path, f"keep it under {_MAX_REGEX:,}", value=True)
            return False
        try:
            self.engine.execute("select regexp_matches('', $1, 'i')", [pattern])
        except duckdb.Error as cause:
            what = f"bad regular expression: {str(cause).splitlines()[0]}"
            self.complain(what, path, "use RE2's syntax: no look-around, no back-reference", value=True)
            return False
        return True

    def lower(self, text: str) -> str:
        row = self.engine.execute("select lower($1)", [text]).fetchone()
        return str(row[0]) if row else text
