"""Channel rules to SQL: an event's effective source and medium, and the first rule that takes it.

Belongs here: what rules mean in DuckDB. Does not belong here: their text (rules.py).
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from journey_analytics.engine.sql_text import quoted
from journey_analytics.sources.channels.lists import engine_name_sql, source_list_sql
from journey_analytics.sources.channels.rules import (
    HOST_COLUMNS,
    INPUTS,
    RULE_COLUMNS,
    ChannelRule,
    ChannelRules,
    Comparison,
    Condition,
    Group,
    click_ids,
)
from journey_analytics.touchpoints import UNASSIGNED_CHANNEL

_MISSING = ("(not set)", "(not provided)")
_HIDDEN = ("(data deleted)", "<other>")
_DIRECT = "(direct)"
_NO_MEDIUM = "(none)"

# The one column of the subqueries, a struct; unlike any column of an event, so that it cannot hide one.
_EVENT = "channel_event_"


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
    return f"(select {_case(rules, flags)} from ({events_sql(rules, expressions, flags)}))"


def events_sql(rules: ChannelRules, expressions: Mapping[str, str], flags: Mapping[Condition, str]) -> str:
    """A query of one row and one struct: what rules ask about, and the conditions several of them share."""
    check_inputs(expressions)
    stages = [
        _delivered(expressions),
        _understood(rules.own_hosts),
        _originated(),
        _looked_up(),
        _listed_source(),
        _effective(),
    ]
    if flags:
        shared = {name: condition_sql(condition, {}) for condition, name in flags.items()}
        stages.append({**carried(*RULE_COLUMNS, "origin"), **shared})
    query = f"select {struct_sql(stages[0])} as {_EVENT}"
    for stage in stages[1:]:
        query = f"select {struct_sql(stage)} as {_EVENT} from ({query})"
    return query


def _delivered(expressions: Mapping[str, str]) -> dict[str, str]:
    return {name: _cleaned(expressions.get(name), is_host=name in HOST_COLUMNS) for name in INPUTS}


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
        "medium": real("medium", f"{medium} = {quoted(_NO_MEDIUM)}", f"({medium} = 'referral' and {is_own})"),
        "campaign": real("campaign"),
        "click_id": real("click_id"),
        "referrer_host": real(
            "referrer_host", f"{referrer} = {_EVENT}.landing_host", _below(referrer, own_hosts)
        ),
        "landing_host": real("landing_host"),
        "is_direct": f"{source} = {quoted(_DIRECT)} "
        f"and ({medium} is null or {medium} in {_texts((_NO_MEDIUM, *_MISSING))})",
        "is_hidden": f"coalesce({source} in {hidden}, false) or coalesce({medium} in {hidden}, false)",
    }


def _originated() -> dict[str, str]:
    return {
        **carried(*INPUTS),
        "origin": f"case when {_EVENT}.is_direct then 'direct' "
        f"when {_EVENT}.source is not null or {_EVENT}.medium is not null then 'given' "
        f"when {_EVENT}.click_id in {_texts(tuple(click_ids()))} then 'click_id' "
        f"when {_EVENT}.referrer_host is not null then 'referrer' "
        f"when {_EVENT}.is_hidden or {_EVENT}.click_id is not null then 'unknown' "
        f"else 'direct' end",
    }


def _looked_up() -> dict[str, str]:
    found = _by_origin(
        direct=quoted(_DIRECT),
        given=f"{_EVENT}.source",
        click_id=_of_click_id("source"),
        referrer=f"{_EVENT}.referrer_host",
    )
    return {**carried(*INPUTS, "origin"), "found": found}


def _listed_source() -> dict[str, str]:
    return {**carried(*INPUTS, "origin", "found"), "source_list": source_list_sql(f"{_EVENT}.found")}


def _effective() -> dict[str, str]:
    """What rules ask about."""
    is_search = f"{_EVENT}.origin = 'referrer' and {_EVENT}.source_list = 'search'"
    return {
        **carried("campaign", "click_id", "referrer_host", "landing_host", "source_list", "origin"),
        "source": f"case when {is_search} then {engine_name_sql(f'{_EVENT}.found')} else {_EVENT}.found end",
        "medium": _by_origin(
            direct=quoted(_NO_MEDIUM),
            given=f"{_EVENT}.medium",
            click_id=_of_click_id("medium"),
            referrer=f"case {_EVENT}.source_list when 'search' then 'organic' "
            "when 'ai_assistants' then 'ai-assistant' else 'referral' end",
        ),
    }


def carried(*columns: str) -> dict[str, str]:
    """The columns as they stand in the event's struct, by name."""
    return {name: f"{_EVENT}.{name}" for name in columns}


def check_inputs(names: Mapping[str, Any]) -> None:
    """Refuse, with a ValueError, what is none of INPUTS; with the closest name."""
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
    return f"nullif(case when prefix({text}, 'www.') then substr({host}, 5) else {host} end, '')"


def _by_origin(*, direct: str, click_id: str, referrer: str, given: str) -> str:
    return (
        f"case {_EVENT}.origin when 'direct' then {direct} when 'given' then {given} "
        f"when 'click_id' then {click_id} when 'referrer' then {referrer} end"
    )


def _of_click_id(part: Literal["source", "medium"]) -> str:
    """SQL: what the event's click id stands for."""
    by_result: dict[str, list[str]] = {}
    for name, stands_for in click_ids().items():
        by_result.setdefault(getattr(stands_for, part), []).append(name)
    branches = [
        f"when {_EVENT}.click_id in {_texts(ids)} then {quoted(result)}" for result, ids in by_result.items()
    ]
    return f"case {' '.join(branches)} end"


def _below(value: str, hosts: Sequence[str]) -> str:
    """SQL: whether the value is one of the hosts or below one of them."""
    tests = [f"{value} in {_texts(hosts)}"] if hosts else ["false"]
    tests.extend(f"suffix({value}, {quoted('.' + host)})" for host in hosts)
    return _any_of(tests)


def _any_of(tests: Sequence[str]) -> str:
    return "(" + " or ".join(tests) + ")"


def _case(rules: ChannelRules, flags: Mapping[Condition, str]) -> str:
    branches = " ".join(
        f"when {condition_sql(rule.when, flags)} then {quoted(rule.channel)}" for rule in rules.rules
    )
    return f"case {branches} else {quoted(UNASSIGNED_CHANNEL)} end"


def condition_sql(condition: Condition, flags: Mapping[Condition, str]) -> str:
    """The condition over the event's struct; null counts as not met."""
    if condition in flags:
        return f"{_EVENT}.{flags[condition]}"
    if isinstance(condition, Comparison):
        return _comparison_sql(condition)
    parts = [condition_sql(part, flags) for part in condition.parts]
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
            return f"regexp_matches({column}, {quoted(test.values[0])}, 'i')"
        case _:
            function = {"contains": "contains", "starts_with": "prefix", "ends_with": "suffix"}[test.operator]
            return f"{function}({column}, {quoted(test.values[0])})"


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


def struct_sql(fields: Mapping[str, str]) -> str:
    """A struct of the fields, each an SQL expression."""
    return "{" + ", ".join(f"'{name}': {value}" for name, value in fields.items()) + "}"


def _texts(values: Sequence[str]) -> str:
    return "(" + ", ".join(quoted(value) for value in values) + ")"
