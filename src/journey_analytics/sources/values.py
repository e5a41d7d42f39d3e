"""From a source's rows to typed events: one SELECT made from its mapping.

Belongs here: how a value becomes typed, which rows cannot be events and why, and the types of both tables.
Does not belong here: times (times.py), reading files (formats.py), keeping the result (store.py), copies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import duckdb

from journey_analytics.contracts import RowRule, contracts
from journey_analytics.engine.duckdb import DuckDBEngine, first_line
from journey_analytics.engine.sql_text import quoted
from journey_analytics.errors import ConfigError, Problem, advise
from journey_analytics.row_sql import expression_fault
from journey_analytics.sources.formats import (
    ADDED_COLUMNS,
    FAULT_COLUMN,
    TEXT_COLUMN,
)
from journey_analytics.sources.mapping import Source, SourceMapping, event_types
from journey_analytics.sources.times import time_us, with_times
from journey_analytics.sources.traffic import Traffic, text_sql, traffic_of
from journey_analytics.touchpoints import (
    MAPPED_COLUMNS,
    PROPERTY_PREFIX,
    UNASSIGNED_CHANNEL,
    Kind,
)
from journey_analytics.yaml_file import KeyPath

EARLIEST_US = 631_152_000_000_000
"""1990-01-01 UTC; an event before it carries a default date, not a time."""

EVENT_TYPES = {
    "source": "VARCHAR",
    "event_id": "VARCHAR",
    "occurred_us": "BIGINT",
    "received_us": "BIGINT",
    "customer_ref": "VARCHAR",
    "anonymous_ref": "VARCHAR",
    "alias_ref": "VARCHAR",
    "session_ref": "VARCHAR",
    "event_name": "VARCHAR",
    "channel": "VARCHAR",
    "utm_source": "VARCHAR",
    "utm_medium": "VARCHAR",
    "utm_campaign": "VARCHAR",
    "referrer_host": "VARCHAR",
    "page_path": "VARCHAR",
    "device": "VARCHAR",
    "country": "VARCHAR",
    "revenue": "DECIMAL(18,4)",
    "currency": "VARCHAR",
    "score": "DOUBLE",
    "score_kind": "VARCHAR",
    "properties": "VARCHAR",
    "batch_id": "VARCHAR",
}
QUARANTINE_TYPES = {
    "source": "VARCHAR",
    "file": "VARCHAR",
    "row_number": "BIGINT",
    "column_name": "VARCHAR",
    "value": "VARCHAR",
    "reason": "VARCHAR",
    "received_us": "BIGINT",
    "batch_id": "VARCHAR",
    "raw_row": "VARCHAR",
    "raw_types": "VARCHAR",
}

_UNKNOWN_COLUMN = re.compile(r'column "?([^"\s]+)"? not found', re.IGNORECASE)


def column_types(engine: DuckDBEngine, raw: str) -> dict[str, str]:
    """The columns of the rows as delivered, with their types."""
    described = engine.rows(f"describe select * from {raw}")
    types = {str(row["column_name"]): str(row["column_type"]) for row in described}
    return {name: kind for name, kind in types.items() if name not in ADDED_COLUMNS}


def row_rules(source: Source) -> list[RowRule]:
    """The rules that every event of a source must keep: those of all events, and its own."""
    ours = [rule for rule in contracts()["events"].row_rules if rule.action == "quarantine"]
    return [*ours, *source.mapping.rows]


def expression_types(engine: DuckDBEngine, source: Source, raw: str) -> dict[str, str]:
    """The type DuckDB gives each expression of the mapping; complains of all that do not fit."""
    names = column_types(engine, raw)
    asked: list[tuple[str, KeyPath, str]] = [
        (column, ("columns", column), expression) for column, expression in source.mapping.columns.items()
    ]
    asked += [
        (f"key {key!r}", ("key", index), key_sql(key, names)) for index, key in enumerate(source.mapping.key)
    ]
    types: dict[str, str] = {}
    problems = [
        source.problem(f"key {key!r}: {fault}", ("key", index), advise(key, names, "column"))
        for index, key in enumerate(source.mapping.key)
        if key not in names and (fault := expression_fault(key))
    ]
    if problems:
        raise ConfigError(problems)
    for name, place, expression in asked:
        try:
            described = engine.rows(f"describe select ({expression}) as value from {raw}")
        except duckdb.Error as cause:
            unknown = _UNKNOWN_COLUMN.search(str(cause))
            what, do = first_line(cause), "correct the expression"
            if unknown:
                what = f"the rows have no column {unknown[1]!r}"
                empty = f"or take it as empty where a file has none, with fields: {{{unknown[1]}: VARCHAR}}"
                do = f"{advise(unknown[1], names, 'column')}; {empty}"
            problems.append(source.problem(f"{name}: {what}", place, do))
            continue
        types[name] = str(described[0]["column_type"])
    problems += _rule_problems(engine, source)
    kind = types.get("occurred_at", "VARCHAR")
    if not kind.startswith(("DATE", "TIME", "VARCHAR", "JSON")) and source.mapping.time_format == "iso":
        problems.append(
            source.problem(
                f"occurred_at is a {kind}, not a time",
                ("columns", "occurred_at"),
                "say its unit with time_format: epoch_s, epoch_ms or epoch_us",
            )
        )
    if problems:
        raise ConfigError(problems)
    return types


def _rule_problems(engine: DuckDBEngine, source: Source) -> Iterator[Problem]:
    """The source's own rules that the engine cannot evaluate, or not as a condition."""
    event = ", ".join(f"cast(null as {kind}) as {name}" for name, kind in event_types().items())
    for number, rule in enumerate(source.mapping.rows):
        place: KeyPath = ("rows", number, "holds")
        do = "write one SQL condition over the event columns"
        try:
            kind = engine.rows(f"describe select ({rule.holds}) as holds from (select {event})")
        except duckdb.Error as cause:
            yield source.problem(f"rule {rule.rule!r}: {first_line(cause)}", place, do)
            continue
        if kind[0]["column_type"] != "BOOLEAN":
            what = f"rule {rule.rule!r}: {rule.holds!r} is a {kind[0]['column_type']}, not a condition"
            yield source.problem(what, place, do)


def typed_sql(
    source: Source,
    raw: str,
    names: Mapping[str, str],
    types: dict[str, str],
    *,
    traffic_table: str,
    latest_us: int,
) -> str:
    """The rows of `raw` typed, with column_name, value, reason and the row as it was given where one is none.

    local_us is the time on the source's clocks as if they were UTC, null where it came with an offset.

    Args:
        source: its mapping, and the channel rules of the project.
        raw: the rows as delivered: a table, or a query in brackets.
        names: its columns, with their types.
        traffic_table: holds what `traffic_of` tells of the rows.
        types: what `expression_types` says of the expressions.
        latest_us: a later event is taken for a fault.
    """
    mapping = source.mapping
    columns = mapping.columns
    traffic = traffic_of(source)
    kind = types["occurred_at"]
    rows = with_times(
        traffic.joined_sql(raw, traffic_table), columns["occurred_at"], mapping.time_format, kind
    )
    selected = [
        f"{time_us(mapping.time_format, mapping.timezone, kind)} as occurred_us",
        "epoch_us(_local_at) as local_us",
        f"{_event_id(mapping, names)} as event_id",
        f"{traffic.channel} as channel",
        f"{_properties(columns, traffic)} as properties",
    ]
    selected += [
        f"{_value(name, kind, traffic.columns.get(name, columns.get(name)))} as {name}"
        for name, kind in MAPPED_COLUMNS.items()
        if name not in ("occurred_at", "event_id", "channel")
    ]
    selected += [
        f"cast(({columns[name]}) as varchar) as given_{name}"
        for name, kind in MAPPED_COLUMNS.items()
        if name in columns and (kind is not Kind.TEXT or name == "event_name")
    ]
    faults = [*_faults(columns, latest_us), *map(_fault_of_rule, row_rules(source))]
    row = ", ".join(f"{_identifier(name)} := {_identifier(name)}" for name in names)
    selected += [f"struct_pack({row}) as _row_given", *ADDED_COLUMNS]
    first_fault = " ".join(f"when {fault.test} then {number}" for number, fault in enumerate(faults))
    return f"""
        with typed as (
            select {", ".join(selected)} from {rows}
        ),
        judged as (
            select *, case {first_fault} end as fault from typed
        )
        select *,
            {_of_fault(faults, "column_name", lambda fault: fault.column)},
            {_of_fault(faults, "value", lambda fault: fault.value)},
            {_of_fault(faults, "reason", lambda fault: fault.reason)},
            case when {FAULT_COLUMN} is null then cast(to_json(_row_given) as varchar) end as raw_row,
            case when {FAULT_COLUMN} is null then {quoted(json.dumps(names))} end as raw_types
        from judged
    """


def mapped_columns(source: Source) -> tuple[str, ...]:
    """The event columns that a mapping can fill; in all others its events have nothing."""
    traffic = traffic_of(source)
    mapped = {"event_id", "occurred_us", "event_name", "channel", *source.mapping.columns, *traffic.columns}
    if _kept_properties(source.mapping.columns, traffic) or (traffic.given and traffic.derived):
        mapped.add("properties")
    return tuple(name for name in EVENT_TYPES if name in mapped)


class _Fault(NamedTuple):
    """What keeps a row out: a test over the typed row, and SQL for the column, the value and the reason."""

    test: str
    column: str
    value: str
    reason: str


def _fault(test: str, column: str, reason: str, value: str | None = None) -> _Fault:
    return _Fault(test, quoted(column), value or f"given_{column}", quoted(reason))


def _of_fault(faults: Sequence[_Fault], name: str, pick: Callable[[_Fault], str]) -> str:
    """A column that holds, of the first fault a row has, what `pick` takes from it."""
    branches = " ".join(f"when {number} then {pick(fault)}" for number, fault in enumerate(faults))
    return f"case fault {branches} end as {name}"


def _faults(columns: dict[str, str], latest_us: int) -> list[_Fault]:
    """Everything that keeps a row out, most basic first."""
    faults = [
        _Fault(f"{FAULT_COLUMN} is not null", "null", TEXT_COLUMN, FAULT_COLUMN),
        _fault(
            "occurred_us is null and nullif(trim(given_occurred_at), '') is null", "occurred_at", "no time"
        ),
        _fault("occurred_us is null", "occurred_at", "not a time"),
        _fault(f"occurred_us < {EARLIEST_US}", "occurred_at", "before 1990"),
        _fault(f"occurred_us > {latest_us}", "occurred_at", "in the future"),
        _fault("event_id is null", "event_id", "no event id", "null"),
        _fault("event_name is null", "event_name", "no event name"),
        _fault("customer_ref is null and anonymous_ref is null", "customer_ref", "no id", "null"),
    ]
    faults += [
        _fault(f"{name} is null and nullif(trim(given_{name}), '') is not null", name, "not a number")
        for name, kind in MAPPED_COLUMNS.items()
        if kind is Kind.NUMBER and name in columns
    ]
    if "score" in columns:
        faults.append(_fault("not isfinite(score)", "score", "not a number"))
    return faults


def _fault_of_rule(rule: RowRule) -> _Fault:
    """A broken rule as a fault of the first column it looks at."""
    column = rule.columns[0]
    return _Fault(
        rule.is_broken,
        quoted(column),
        f"cast({column} as varchar)",
        quoted(f"{rule.rule}: {rule.description}"),
    )


def key_sql(key: str, names: Collection[str]) -> str:
    """A part of the key as SQL: the name of a column, or else an expression over the columns."""
    return _identifier(key) if key in names else key


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _event_id(mapping: SourceMapping, names: Collection[str]) -> str:
    if "event_id" in mapping.columns:
        return text_sql(mapping.columns["event_id"])
    keys = [f"cast(({key_sql(key, names)}) as varchar)" for key in mapping.key]
    if len(keys) == 1:
        return f"nullif(trim({keys[0]}), '')"
    # as JSON, so that ('a', 'bc') and ('ab', 'c') differ, and a missing part differs from an empty one
    return f"md5(cast(to_json([{', '.join(keys)}]) as varchar))"


def _value(name: str, kind: Kind, expression: str | None) -> str:
    if expression is None:
        return f"cast(null as {EVENT_TYPES[name]})"
    if kind is Kind.NUMBER:
        return f"try_cast(({expression}) as {EVENT_TYPES[name]})"
    if name == "event_name":
        return f"nfc_normalize({text_sql(expression)})"
    return text_sql(expression)


def _kept_properties(columns: dict[str, str], traffic: Traffic) -> dict[str, str]:
    """Property name to SQL: what the mapping keeps besides, and what decided the channel."""
    kept = {
        name.removeprefix(PROPERTY_PREFIX): f"({expression})"
        for name, expression in columns.items()
        if name.startswith(PROPERTY_PREFIX)
    }
    # so that the channel can be explained
    decided = ("click_id", "landing_host")
    return kept | {name: column for name, column in traffic.columns.items() if name in decided}


def _properties(columns: dict[str, str], traffic: Traffic) -> str:
    """The kept properties as JSON; with the channel derived, where the source gives another."""
    parts = [f"{quoted(name)}, {value}" for name, value in _kept_properties(columns, traffic).items()]
    known = f"json_object({', '.join(parts)})" if parts else "null"
    if traffic.given and traffic.derived:
        differs = f"nullif({traffic.derived}, '{UNASSIGNED_CHANNEL}') <> {traffic.given}"
        other = f"json_object('derived_channel', {traffic.derived})"
        known = (
            f"case when {differs} then json_merge_patch(coalesce({known}, '{{}}'), {other}) else {known} end"
        )
    return f"cast({known} as varchar)"
