"""The channel of an event: rules over its source, medium, campaign, click id and referrer, as DuckDB SQL.

Belongs here: the rule table (GA4's default channel group, a project's own rules in front of it), the lists
of known sources, and the SQL and the explanation made from them. Does not belong here: where an event's
source and medium come from in a file (mapping.py), and when a delivered channel is kept instead (load.py).

How an event gets its channel:

    1. its effective source and medium: what it was tagged with, else what its click id stands for, else its
       referrer when that is another site, else (direct) / (none);
    2. the first rule that takes it, else `unassigned`.

Some sources write a mark where they removed or never had a value. `(not set)` and `(not provided)` are
missing values. `(data deleted)` and `<Other>` hide one: they are missing too, but an event that has nothing
else is not direct. A source that is one of the project's own hosts is missing, and so is its `referral`.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
RULE_KEYS = ("rule", "channel", "when")

Origin = Literal["given", "click_id", "referrer", "direct", "unknown"]
"""Where the effective source comes from; `unknown`: hidden by a mark, or a click id nobody knows."""

_HOSTS = ("referrer_host", "landing_host")
_MISSING = ("(not set)", "(not provided)")
_HIDDEN = ("(data deleted)", "<other>")
_DIRECT = "(direct)"
_NO_MEDIUM = "(none)"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_HOST = re.compile(r"[^\s/:@?#.,]+(\.[^\s/:@?#.,]+)*")
_MAX_REGEX = 1_000

# The one column of the subqueries, a struct; unlike any column of an event, so that it cannot hide one.
_EVENT = "channel_event_"


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


@dataclass(frozen=True)
class ChannelStep:
    """One step of an explanation: first the traffic source, then each rule that was tried.

    Attributes:
        rule: name of the rule; `traffic_source` for the first step, `unassigned` when no rule was left.
        channel: what the rule gives; None for the first step.
        is_matched: whether the rule took the event (always true of the first and of the last step).
        reason: in words, what holds or which condition does not.
        source, medium, origin: the effective ones, the same in every step.
    """

    rule: str
    channel: str | None
    is_matched: bool
    reason: str
    source: str | None
    medium: str | None
    origin: Origin


# --- reading -----------------------------------------------------------------------------------------------


class _ChannelsFile(BaseModel):
    """The keys of a channels.yaml; the rules themselves are read by `_Reader`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    own_hosts: tuple[str, ...] = Field((), description="Hosts that are never a source, with all below them.")
    rules: Any = Field((), description="Rules tried before the default channel group.")


class _ClickId(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    medium: str


class _ClickIdsFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    click_ids: dict[str, _ClickId]


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
        own_hosts = reader.own_hosts(file.validate(_ChannelsFile).own_hosts)
    except ConfigError as error:
        reader.problems.extend(error.problems)
    own = reader.rules(is_own=True)
    return ChannelRules((*own, *group), own_hosts)


@cache
def _default_group() -> tuple[ChannelRule, ...]:
    with as_file(files(__package__) / "channel_groups" / "rules.yaml") as path:
        return _Reader(YamlFile(path)).rules(is_own=False)


@cache
def _click_ids() -> dict[str, _ClickId]:
    with as_file(files(__package__) / "channel_groups" / "click_ids.yaml") as path:
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
            is_whole_host = column in _HOSTS and operator in ("in", "not", "starts_with")
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


# --- source lists ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Listed:
    """One line of a source list: a name or a host, and its list (None for a host taken out)."""

    text: str
    source_list: str | None

    @property
    def is_host(self) -> bool:
        return "." in self.text

    @property
    def pattern(self) -> str:
        """The line as a regular expression of the whole name, or of a host's end."""
        if self.text.endswith(".*"):
            return re.escape(self.text.removesuffix(".*")) + r"\.(?:com|(?:com?\.)?[a-z][a-z])"
        return re.escape(self.text)


@cache
def _listed() -> tuple[_Listed, ...]:
    found = []
    for source_list in SOURCE_LISTS:
        text = (files(__package__) / "channel_groups" / f"{source_list}.txt").read_text(encoding="utf-8")
        for line in text.splitlines():
            name = line.strip()
            if name.startswith("!"):
                found.append(_Listed(name[1:], None))
            elif name and not name.startswith("#"):
                found.append(_Listed(name, source_list))
    return tuple(found)


@cache
def _listed_by_depth() -> tuple[tuple[_Listed, ...], ...]:
    """The lines, those with no listed host above them first, then those with one, and so on."""
    hosts = [(line, re.compile(rf".+\.{line.pattern}")) for line in _listed() if line.is_host]

    def depth(line: _Listed) -> int:
        # google.* stands for google.com here: what is below it is below all its forms
        host = _example(line)
        above = [
            other
            for other, below in hosts
            if "." + other.text.removesuffix("*") in host and below.fullmatch(host)
        ]
        return 1 + max(map(depth, above), default=-1)

    depths = {line: depth(line) for line in _listed()}
    return tuple(
        tuple(line for line in _listed() if depths[line] == level)
        for level in range(max(depths.values()) + 1)
    )


def _example(line: _Listed) -> str:
    return line.text.removesuffix("*") + "com" if line.text.endswith(".*") else line.text


def _is_listed(value: str, lines: Sequence[_Listed]) -> str:
    """SQL: whether the value is one of the names, or one of the hosts or below it."""
    names = "|".join(line.pattern for line in lines if not line.is_host)
    hosts = "|".join(line.pattern for line in lines if line.is_host)
    parts = [f"^(?:{names})$"] if names else []
    if hosts:
        parts.append(rf"(?:^|\.)(?:{hosts})$")
    return f"regexp_matches({value}, {_quoted('|'.join(parts))})"


def _source_list_sql(value: str) -> str:
    """SQL: the list that holds the value (lower case), of several hosts the longest's; else null."""
    branches = [f"when {value} is null or not {_is_listed(value, _listed())} then null"]
    for lines in reversed(_listed_by_depth()):
        held = {
            source_list: [line for line in lines if line.source_list == source_list]
            for source_list in (*SOURCE_LISTS, None)
        }
        results = " ".join(
            f"when {_is_listed(value, group)} then {_quoted(source_list) if source_list else 'null'}"
            for source_list, group in held.items()
            if group
        )
        branches.append(f"when {_is_listed(value, lines)} then case {results} end")
    return f"case {' '.join(branches)} end"


def _engine_name_sql(host: str) -> str:
    """SQL: a search engine's name as GA4 reports it (`google` for www.google.co.uk), else the host."""
    lines = [line for line in _listed() if line.source_list == "search" and not line.is_host]
    names = "|".join(line.pattern for line in lines)
    found = f"regexp_extract({host}, {_quoted(rf'(?:^|[.])({names})[.]')}, 1)"
    return f"coalesce(nullif({found}, ''), {host})"


# --- SQL ---------------------------------------------------------------------------------------------------


def channel_sql(rules: ChannelRules, expressions: Mapping[str, str]) -> str:
    """One scalar DuckDB expression for the channel of an event; never null.

    It is a subquery over the expressions, which DuckDB answers once for each combination of the columns
    they name: plain columns of few values are far quicker than an expression over whole addresses.

    Args:
        rules: as `read_channels` gives them.
        expressions: SQL of any of INPUTS; what is not named is null. `click_id` is the name of the URL
            parameter (gclid), not its value.
    """
    flags = _shared_conditions(rules.rules)
    return f"(select {_case(rules, flags)} from ({_events(rules, expressions, flags)}))"


def traffic_source_sql(rules: ChannelRules, expressions: Mapping[str, str]) -> str:
    """One scalar DuckDB expression for the effective source of an event.

    Args:
        rules: as `read_channels` gives them.
        expressions: as in `channel_sql`.

    Returns:
        A STRUCT: source, medium (text in lower case, or null) and origin (given, click_id, referrer, direct,
        unknown). A direct event has source `(direct)` and medium `(none)`.
    """
    fields = _carried("source", "medium", "origin")
    return f"(select {_struct(fields)} from ({_events(rules, expressions, {})}))"


def _events(rules: ChannelRules, expressions: Mapping[str, str], flags: Mapping[Condition, str]) -> str:
    """A query of one row and one struct: what rules ask about, and the conditions several of them share."""
    _check_inputs(expressions)
    stages = [
        _delivered(expressions),
        _understood(rules.own_hosts),
        _originated(),
        _looked_up(),
        _listed_source(),
        _effective(),
    ]
    if flags:
        shared = {name: _condition_sql(condition, {}) for condition, name in flags.items()}
        stages.append({**_carried(*RULE_COLUMNS, "origin"), **shared})
    query = f"select {_struct(stages[0])} as {_EVENT}"
    for stage in stages[1:]:
        query = f"select {_struct(stage)} as {_EVENT} from ({query})"
    return query


def _delivered(expressions: Mapping[str, str]) -> dict[str, str]:
    return {name: _cleaned(expressions.get(name), is_host=name in _HOSTS) for name in INPUTS}


def _understood(own_hosts: Sequence[str]) -> dict[str, str]:
    """Without marks and without the project's own hosts, and what the marks said."""
    source, medium, referrer = f"{_EVENT}.source", f"{_EVENT}.medium", f"{_EVENT}.referrer_host"
    marks, hidden = _texts((*_MISSING, *_HIDDEN)), _texts(_HIDDEN)
    is_own = _below(source, own_hosts)

    def real(column: str, *not_values: str) -> str:
        tests = [f"{_EVENT}.{column} in {marks}", *not_values]
        return f"case when {' or '.join(tests)} then null else {_EVENT}.{column} end"

    return {
        "source": real("source", is_own),
        "medium": real(
            "medium", f"{medium} = {_quoted(_NO_MEDIUM)}", f"({medium} = 'referral' and {is_own})"
        ),
        "campaign": real("campaign"),
        "click_id": real("click_id"),
        "referrer_host": real(
            "referrer_host", f"{referrer} = {_EVENT}.landing_host", _below(referrer, own_hosts)
        ),
        "landing_host": real("landing_host"),
        "is_direct": f"{source} = {_quoted(_DIRECT)} "
        f"and ({medium} is null or {medium} in {_texts((_NO_MEDIUM, *_MISSING))})",
        "is_hidden": f"coalesce({source} in {hidden}, false) or coalesce({medium} in {hidden}, false)",
    }


def _originated() -> dict[str, str]:
    return {
        **_carried(*INPUTS),
        "origin": f"case when {_EVENT}.is_direct then 'direct' "
        f"when {_EVENT}.source is not null or {_EVENT}.medium is not null then 'given' "
        f"when {_EVENT}.click_id in {_texts(tuple(_click_ids()))} then 'click_id' "
        f"when {_EVENT}.referrer_host is not null then 'referrer' "
        f"when {_EVENT}.is_hidden or {_EVENT}.click_id is not null then 'unknown' "
        f"else 'direct' end",
    }


def _looked_up() -> dict[str, str]:
    found = _by_origin(
        direct=_quoted(_DIRECT),
        given=f"{_EVENT}.source",
        click_id=_of_click_id("source"),
        referrer=f"{_EVENT}.referrer_host",
    )
    return {**_carried(*INPUTS, "origin"), "found": found}


def _listed_source() -> dict[str, str]:
    return {**_carried(*INPUTS, "origin", "found"), "source_list": _source_list_sql(f"{_EVENT}.found")}


def _effective() -> dict[str, str]:
    """What rules ask about."""
    is_search = f"{_EVENT}.origin = 'referrer' and {_EVENT}.source_list = 'search'"
    return {
        **_carried("campaign", "click_id", "referrer_host", "landing_host", "source_list", "origin"),
        "source": f"case when {is_search} then {_engine_name_sql(f'{_EVENT}.found')} else {_EVENT}.found end",
        "medium": _by_origin(
            direct=_quoted(_NO_MEDIUM),
            given=f"{_EVENT}.medium",
            click_id=_of_click_id("medium"),
            referrer=f"case {_EVENT}.source_list when 'search' then 'organic' "
            "when 'ai_assistants' then 'ai-assistant' else 'referral' end",
        ),
    }


def _carried(*columns: str) -> dict[str, str]:
    return {name: f"{_EVENT}.{name}" for name in columns}


def _check_inputs(names: Mapping[str, Any]) -> None:
    for name in names:
        if name not in INPUTS:
            near = difflib.get_close_matches(name, INPUTS, n=1)
            message = f"{name!r} is not an input of a channel; known: {', '.join(INPUTS)}"
            raise ValueError(f"{message} (did you mean {near[0]!r}?)" if near else message)


def _cleaned(expression: str | None, *, is_host: bool) -> str:
    """The text in lower case without blanks around it; empty is null; a host loses www. and its final dot."""
    if expression is None:
        return "cast(null as varchar)"
    text = f"nullif(lower(trim(cast(({expression}) as varchar))), '')"
    if not is_host:
        return text
    # not by regular expression, which takes three times as long
    host = f"case when suffix({text}, '.') then rtrim({text}, '.') else {text} end"
    return f"case when prefix({text}, 'www.') then substr({host}, 5) else {host} end"


def _by_origin(*, direct: str, click_id: str, referrer: str, given: str) -> str:
    return (
        f"case {_EVENT}.origin when 'direct' then {direct} when 'given' then {given} "
        f"when 'click_id' then {click_id} when 'referrer' then {referrer} end"
    )


def _of_click_id(part: Literal["source", "medium"]) -> str:
    """SQL: what the event's click id stands for."""
    by_result: dict[str, list[str]] = {}
    for name, stands_for in _click_ids().items():
        by_result.setdefault(getattr(stands_for, part), []).append(name)
    branches = [
        f"when {_EVENT}.click_id in {_texts(ids)} then {_quoted(result)}" for result, ids in by_result.items()
    ]
    return f"case {' '.join(branches)} end"


def _below(value: str, hosts: Sequence[str]) -> str:
    """SQL: whether the value is one of the hosts or below one of them."""
    tests = [f"{value} in {_texts(hosts)}"] if hosts else ["false"]
    tests.extend(f"suffix({value}, {_quoted('.' + host)})" for host in hosts)
    return _any_of(tests)


def _any_of(tests: Sequence[str]) -> str:
    return "(" + " or ".join(tests) + ")"


def _case(rules: ChannelRules, flags: Mapping[Condition, str]) -> str:
    branches = " ".join(
        f"when {_condition_sql(rule.when, flags)} then {_quoted(rule.channel)}" for rule in rules.rules
    )
    return f"case {branches} else {_quoted(UNASSIGNED_CHANNEL)} end"


def _condition_sql(condition: Condition, flags: Mapping[Condition, str]) -> str:
    """The condition over the event's struct; null counts as not met."""
    if condition in flags:
        return f"{_EVENT}.{flags[condition]}"
    if isinstance(condition, Comparison):
        return _comparison_sql(condition)
    parts = [_condition_sql(part, flags) for part in condition.parts]
    if condition.kind == "not":
        return f"(not coalesce({parts[0]}, false))"
    return "(" + (" and " if condition.kind == "all" else " or ").join(parts) + ")"


def _comparison_sql(test: Comparison) -> str:
    column = f"{_EVENT}.{test.column}"
    match test.operator:
        case "in":
            return f"{column} in {_texts(test.values)}"
        case "not":
            return f"({column} is null or {column} not in {_texts(test.values)})"
        case "exists":
            return f"{column} is {'not ' if test.is_wanted else ''}null"
        case "matches":
            return f"regexp_matches({column}, {_quoted(test.values[0])}, 'i')"
        case _:
            function = {"contains": "contains", "starts_with": "prefix", "ends_with": "suffix"}[test.operator]
            return f"{function}({column}, {_quoted(test.values[0])})"


def _shared_conditions(rules: Sequence[ChannelRule]) -> dict[Condition, str]:
    """Conditions dearer than a comparison that more than one rule uses, each with the name of its flag."""
    counts = Counter(part for rule in rules for part in _outermost(rule.when))
    shared = [part for part, count in counts.items() if count > 1]
    return {part: f"is_shared_{number}" for number, part in enumerate(shared, start=1)}


def _outermost(condition: Condition) -> Iterator[Condition]:
    """The largest parts of a condition that can be shared: `all` is taken apart, `any` is not."""
    if isinstance(condition, Group) and condition.kind == "all":
        for part in condition.parts:
            yield from _outermost(part)
    elif isinstance(condition, Group) or condition.operator not in ("in", "exists"):
        yield condition


def _struct(fields: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"'{name}': {value}" for name, value in fields.items()) + "}"


def _texts(values: Sequence[str]) -> str:
    return "(" + ", ".join(_quoted(value) for value in values) + ")"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# --- addresses ---------------------------------------------------------------------------------------------

_SEPARATORS = r"/?#\\"
_AUTHORITY = rf"(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//[^{_SEPARATORS}]*"
# without a scheme: a first part with a dot or a port is a host; `checkout/step` is a path
_BARE_AUTHORITY = rf"[\pL\pN_-]+(?:[.][\pL\pN_-]+)+(?:[.])?(?::[0-9]+)?(?:[{_SEPARATORS}]|$)"
_BARE_PORT = rf"[\pL\pN_-]+:[0-9]+(?:[{_SEPARATORS}]|$)"


def parse_url_sql(url_expr: str) -> dict[str, str]:
    """DuckDB expressions for the parts of an address.

    Args:
        url_expr: SQL of the address: whole, without a scheme, or only a path with its query. It is repeated
            in the results: name a column.

    Returns:
        host (lower case, without port and user), path (decoded; `/` when there is a host and no path),
        utm_source, utm_medium, utm_campaign (decoded, `+` is a blank) and click_id (the lower-case name of
        the first known click id that has a value). Each is null where the address does not have it.
        Parameters are read from the query, not from the fragment; of a parameter named twice the first
        counts. What cannot be decoded is kept as it is. Without a scheme, a first part with a dot or a port
        is taken for a host.
    """
    url = f"trim(cast(({url_expr}) as varchar))"
    full = f"regexp_matches({url}, {_quoted('^' + _AUTHORITY)})"
    bare = f"regexp_matches({url}, {_quoted(f'^(?:{_BARE_AUTHORITY}|{_BARE_PORT})')})"
    opaque = f"regexp_matches({url}, '^[a-zA-Z][a-zA-Z0-9+.-]*:')"
    # everything up to the last @ of the authority is a user's name, whatever it looks like
    in_full = rf"^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//(?:[^{_SEPARATORS}]*@)?(\[[^\]]*\]|[^{_SEPARATORS}:]*)"
    host = (
        f"nullif(rtrim(lower(case when {full} then regexp_extract({url}, {_quoted(in_full)}, 1) "
        f"when {bare} then regexp_extract({url}, {_quoted(rf'^[^{_SEPARATORS}:]*')}) end), '.'), '')"
    )
    after_full = rf"^{_AUTHORITY}([^?#]*)"
    after_bare = rf"^[^{_SEPARATORS}]*([^?#]*)"
    path = (
        f"case when {full} then {_path_or_root(url, after_full)} "
        f"when {bare} then {_path_or_root(url, after_bare)} "
        f"when {opaque} then null "
        f"else nullif(regexp_extract({url}, '^[^?#]*'), '') end"
    )
    before_fragment = f"split_part({url}, '#', 1)"
    query = f"substr({before_fragment}, instr({before_fragment}, '?'))"
    names = "|".join(re.escape(name) for name in _click_ids())
    click_id = f"lower(regexp_extract({query}, {_quoted(rf'(?i)(?:^[?]|[&;])({names})=[^&;]')}, 1))"
    return {
        "host": host,
        "path": _decoded(path),
        **{name: _parameter(url, query, name) for name in ("utm_source", "utm_medium", "utm_campaign")},
        "click_id": f"case when contains({before_fragment}, '?') then nullif({click_id}, '') end",
    }


def _path_or_root(url: str, pattern: str) -> str:
    return f"coalesce(nullif(regexp_extract({url}, {_quoted(pattern)}, 1), ''), '/')"


def _parameter(url: str, query: str, name: str) -> str:
    value = f"regexp_extract({query}, {_quoted(rf'(?i)(?:^[?]|[&;]){name}=([^&]*)')}, 1)"
    decoded = _decoded(f"replace({value}, '+', ' ')")
    has_one = rf"regexp_matches({url}, {_quoted(rf'(?i)^[^?#]*[?][^#]*{name}=')})"
    return f"case when {has_one} then nullif(trim({decoded}), '') end"


def _decoded(text: str) -> str:
    """SQL: the text with its percent signs decoded; as it is when that gives no text."""
    return f"coalesce(try(url_decode({text})), {text})"


# --- explanation -------------------------------------------------------------------------------------------


def explain(rules: ChannelRules, row: Mapping[str, str | None]) -> list[ChannelStep]:
    """How one event gets its channel: its effective source, then every rule up to the one that takes it.

    The answer comes from the same SQL that a run uses, so it cannot say anything else.

    Args:
        rules: as `read_channels` gives them.
        row: values of any of INPUTS.
    """
    _check_inputs(row)
    expressions = {name: f"${name}" for name in row}
    tried = [(number, part) for number, rule in enumerate(rules.rules) for part in _parts_of(rule.when)]
    fields = _carried(*RULE_COLUMNS, "origin")
    for place, (_, part) in enumerate(tried):
        fields[f"part_{place}"] = f"coalesce({_condition_sql(part, {})}, false)"
    query = f"select {_struct(fields)} from ({_events(rules, expressions, {})})"
    with duckdb.connect() as engine:
        answer = engine.execute(query, dict(row)).fetchone()
    event: dict[str, Any] = answer[0] if answer else {}
    held = {(number, part): event[f"part_{place}"] for place, (number, part) in enumerate(tried)}
    return _steps(rules, event, held)


def _parts_of(condition: Condition) -> tuple[Condition, ...]:
    """What must hold together, one by one."""
    if isinstance(condition, Group) and condition.kind == "all":
        return condition.parts
    return (condition,)


def _steps(
    rules: ChannelRules, event: Mapping[str, Any], held: Mapping[tuple[int, Condition], bool]
) -> list[ChannelStep]:
    def step(rule: str, channel: str | None, reason: str, *, is_matched: bool) -> ChannelStep:
        return ChannelStep(
            rule, channel, is_matched, reason, event["source"], event["medium"], event["origin"]
        )

    steps = [step("traffic_source", None, _told_origin(event), is_matched=True)]
    for number, rule in enumerate(rules.rules):
        parts = _parts_of(rule.when)
        failed = next((part for part in parts if not held[number, part]), None)
        if failed is None:
            reason = " and ".join(_told(part) for part in parts)
            return [*steps, step(rule.name, rule.channel, reason, is_matched=True)]
        reason = f"not met: {_told(failed)}{_told_values(failed, event)}"
        steps.append(step(rule.name, rule.channel, reason, is_matched=False))
    return [*steps, step(UNASSIGNED_CHANNEL, UNASSIGNED_CHANNEL, "no rule takes it", is_matched=True)]


def _told_origin(event: Mapping[str, Any]) -> str:
    pair = f"{event['source'] or 'no source'} / {event['medium'] or 'no medium'}"
    match event["origin"]:
        case "given":
            return f"{pair}, as the event was tagged"
        case "click_id":
            return f"{pair}, which the click id {event['click_id']} stands for"
        case "referrer":
            return f"{pair}, from the referrer {event['referrer_host']}"
        case "direct":
            return f"{pair}: no tag, no click id, and no referrer from another site"
        case _:
            return f"{pair}: there is one, but it is hidden or not known"


def _told(condition: Condition) -> str:
    """The condition in words."""
    if isinstance(condition, Group):
        if condition.kind == "not":
            return f"not ({_told(condition.parts[0])})"
        joined = f" {'and' if condition.kind == 'all' else 'or'} ".join(map(_told, condition.parts))
        return f"({joined})"
    if condition.operator == "exists":
        return f"{condition.column} is {'there' if condition.is_wanted else 'missing'}"
    words = {"in": "is", "not": "is not", "starts_with": "starts with", "ends_with": "ends with"}
    word = words.get(condition.operator, condition.operator)
    values = ", ".join(repr(value) for value in condition.values)
    return f"{condition.column} {word} {'one of ' if len(condition.values) > 1 else ''}{values}"


def _told_values(condition: Condition, event: Mapping[str, Any]) -> str:
    """What the columns of the condition hold."""
    columns = dict.fromkeys(test.column for test in _comparisons_of(condition))
    told = ", ".join(
        f"{column} is {event[column]!r}" if event[column] is not None else f"{column} is missing"
        for column in columns
    )
    return f" ({told})"


def _comparisons_of(condition: Condition) -> Iterator[Comparison]:
    if isinstance(condition, Comparison):
        yield condition
    else:
        for part in condition.parts:
            yield from _comparisons_of(part)
