"""Why an event has its channel, in words, answered by the same SQL that a run uses.

Belongs here: the wording. Does not belong here: deciding (sql.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from journey_analytics.sources.channels.rules import (
    RULE_COLUMNS,
    ChannelRules,
    Comparison,
    Condition,
    Group,
    Origin,
)
from journey_analytics.sources.channels.sql import (
    carried,
    check_inputs,
    condition_sql,
    events_sql,
    struct_sql,
)
from journey_analytics.sources.mapping import Source
from journey_analytics.touchpoints import TRAFFIC_COLUMNS, UNASSIGNED_CHANNEL


@dataclass(frozen=True)
class ChannelStep:
    """One step of an explanation: first the traffic source, then each rule that was tried.

    Attributes:
        rule: name of the rule; `traffic_source` for the first step, `unassigned` when no rule was left,
            `source` when the source itself names the channel.
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


def explain(rules: ChannelRules, row: Mapping[str, str | None]) -> list[ChannelStep]:
    """How one event gets its channel: its effective source, then every rule up to the one that takes it.

    The answer comes from the same SQL that a run uses, so it cannot say anything else.

    Args:
        rules: as `read_channels` gives them.
        row: values of any of INPUTS.
    """
    check_inputs(row)
    expressions = {name: f"${name}" for name in row}
    tried = [(number, part) for number, rule in enumerate(rules.rules) for part in _parts_of(rule.when)]
    fields = carried(*RULE_COLUMNS, "origin")
    for place, (_, part) in enumerate(tried):
        fields[f"part_{place}"] = f"coalesce({condition_sql(part, {})}, false)"
    query = f"select {struct_sql(fields)} from ({events_sql(rules, expressions, {})})"
    with duckdb.connect() as engine:
        answer = engine.execute(query, dict(row)).fetchone()
    event: dict[str, Any] = answer[0] if answer else {}
    held = {(number, part): event[f"part_{place}"] for place, (number, part) in enumerate(tried)}
    return _steps(rules, event, held)


def told_by_source(source: Source, channel: str, derived: ChannelStep) -> ChannelStep | None:
    """Why an event has its channel where no rule was asked; None when the rules gave it.

    Args:
        source: of the event.
        channel: the published one.
        derived: the last step of what the rules make of the event.
    """
    columns = source.mapping.columns
    can_derive = any(name in columns for name in TRAFFIC_COLUMNS)
    if can_derive and derived.channel == channel:
        return None
    if channel == UNASSIGNED_CHANNEL and not can_derive:
        reason = "the source names none, and its mapping has no tag, referrer or page to derive one from"
        return replace(derived, rule=UNASSIGNED_CHANNEL, channel=channel, is_matched=True, reason=reason)
    if "channel" not in columns:
        return None
    reason = (
        f"the source names it itself (channel: {columns['channel']}), in lower case; then no rule is asked"
    )
    return replace(derived, rule="source", channel=channel, is_matched=True, reason=reason)


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
