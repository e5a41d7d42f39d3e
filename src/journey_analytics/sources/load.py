"""From a source's rows to typed events: one SQL statement per source, made from its mapping.

Belongs here: how a value becomes typed, which rows go to quarantine and why.
Does not belong here: finding files (reader.py), removing copies (sql/staging), stages.

Tables made in the working database:

    raw_<source>              the rows of the mapping's query, as delivered
    events                    one row per row that could be typed, of every source
    quarantine_touchpoints    one row per row that could not, with file, row, column, value and reason
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import duckdb
import sqlglot
from sqlglot import exp

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.errors import ConfigError, Problem, SourceError, advise
from journey_analytics.sources.mapping import Source, SourceMapping
from journey_analytics.sources.reader import FILE_COLUMN, ROW_COLUMN, InputFile, rows_sql
from journey_analytics.touchpoints import (
    MAPPED_COLUMNS,
    PROPERTY_PREFIX,
    SCORE_KINDS,
    UNASSIGNED_CHANNEL,
    Kind,
)

EVENTS = "events"
QUARANTINE = "quarantine_touchpoints"

EARLIEST_US = 631_152_000_000_000
"""1990-01-01 UTC; an event before it carries a default date, not a time."""
_DAY_US = 86_400_000_000

_EVENT_TYPES = {
    "source": "VARCHAR",
    "event_id": "VARCHAR",
    "occurred_us": "BIGINT",
    "received_us": "BIGINT",
    "customer_ref": "VARCHAR",
    "anonymous_ref": "VARCHAR",
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
_QUARANTINE_TYPES = {
    "source": "VARCHAR",
    "file": "VARCHAR",
    "row_number": "BIGINT",
    "column_name": "VARCHAR",
    "value": "VARCHAR",
    "reason": "VARCHAR",
    "received_us": "BIGINT",
    "batch_id": "VARCHAR",
}

_UNKNOWN_COLUMN = re.compile(r'column "?([^"\s]+)"? not found', re.IGNORECASE)
_LOCAL_TIME = "^[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}([ T][0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?)?$"
_PLACE_IN_CSV = re.compile(r"Line: (\d+)")
_FILE_OF_CSV = re.compile(r'"([^"\n]+)"|file ?= ?(\S+)')


@dataclass(frozen=True)
class LoadedSource:
    """What became of one source's rows: rows = events + quarantined."""

    source: str
    files: int
    rows: int
    events: int
    quarantined: int


def create_event_tables(engine: DuckDBEngine) -> None:
    """Make `events` and `quarantine_touchpoints` anew, empty."""
    for table, types in ((EVENTS, _EVENT_TYPES), (QUARANTINE, _QUARANTINE_TYPES)):
        columns = ", ".join(f"{name} {kind}" for name, kind in types.items())
        engine.execute(f"create or replace table {table} ({columns})")


def load_source(
    engine: DuckDBEngine, source: Source, files: dict[str, list[InputFile]], received_us: int
) -> LoadedSource:
    """Read a source's files into `events`, and what cannot be typed into quarantine.

    Args:
        engine: holds the tables of `create_event_tables`.
        source: the mapping.
        files: of each input, as `find_files` gives them.
        received_us: when the load began, microseconds of UTC.

    Raises:
        ConfigError: an expression names a column that is not there, or gives no usable type.
        SourceError: a file breaks off while it is read.
    """
    raw = f"raw_{source.name}"
    _create_raw(engine, source, files, raw)
    types = _expression_types(engine, source, raw)
    batch_id = _batch_id(files)
    typed = f"typed_{source.name}"
    select = _typed_sql(source.mapping, raw, types, latest_us=received_us + _DAY_US)
    _run(engine, source, f"create or replace temp table {typed} as {select}", key="columns")
    known = {"received_us": received_us, "batch_id": batch_id}
    engine.execute(
        f"insert into {EVENTS} select {_event_columns(source.name)} from {typed} where reason is null",
        known,
    )
    engine.execute(
        f"insert into {QUARANTINE} select '{source.name}', {FILE_COLUMN}, {ROW_COLUMN}, column_name, "
        f"value, reason, $received_us, $batch_id from {typed} where reason is not null",
        known,
    )
    rows = engine.count(raw)
    rejected = engine.rows(f"select count(*) as n from {typed} where reason is not null")[0]["n"]
    engine.execute(f"drop table {typed}")
    count = sum(len(group) for group in files.values())
    return LoadedSource(source.name, count, rows, rows - rejected, rejected)


def _create_raw(engine: DuckDBEngine, source: Source, files: dict[str, list[InputFile]], raw: str) -> None:
    mapping = source.mapping
    for name, group in files.items():
        sql = rows_sql(mapping, group)
        _run(engine, source, f"create or replace temp view {_input_view(mapping, name)} as {sql}")
    if mapping.query is None:
        statement = f"select * from {_input_view(mapping, next(iter(files)))}"
    else:
        tree = sqlglot.parse_one(mapping.query, read="duckdb")
        own = {cte.alias for cte in tree.find_all(exp.CTE)}
        for table in list(tree.find_all(exp.Table)):
            if table.name in files and table.name not in own:
                view = exp.to_table(_input_view(mapping, table.name))
                table.replace(exp.alias_(view, table.alias or table.name, table=True))
        statement = (
            f"select *, cast(null as varchar) as {FILE_COLUMN}, cast(null as bigint) as {ROW_COLUMN} "
            f"from ({tree.sql('duckdb')})"
        )
    _run(engine, source, f"create or replace table {raw} as {statement}", key="query")


def _input_view(mapping: SourceMapping, name: str) -> str:
    return f"input_{mapping.source}_{name}"


def _run(engine: DuckDBEngine, source: Source, sql: str, key: str = "files") -> None:
    """Run a statement over the files; what breaks is the files' fault or the mapping's."""
    try:
        engine.execute(sql)
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException) as cause:
        what = f"the SQL of source {source.name!r} does not fit its files: {_first_line(cause)}"
        raise ConfigError(source.problem(what, (key,), "correct the names in the query")) from cause
    except duckdb.Error as cause:
        raise SourceError(
            Problem(
                f"source {source.name!r} breaks off while it is read: {_first_line(cause)}",
                f"{source.file.place((key,), value=True)}{_place_in_file(cause)}",
                "get the file again, or use try_cast where a value may not fit; the marts were not touched",
            )
        ) from cause


def _place_in_file(cause: duckdb.Error) -> str:
    """The file and line that the engine's message tells further down, if it does."""
    line, file = _PLACE_IN_CSV.search(str(cause)), _FILE_OF_CSV.search(str(cause))
    name = next((group for group in file.groups() if group), "") if file else ""
    return f", {name}:{line[1]}" if line and name else ""


def _first_line(cause: duckdb.Error) -> str:
    return str(cause).splitlines()[0]


def _expression_types(engine: DuckDBEngine, source: Source, raw: str) -> dict[str, str]:
    """The type DuckDB gives each expression of the mapping; complains of all that do not fit."""
    known = [row["column_name"] for row in engine.rows(f"describe {raw}")]
    names = [name for name in known if name not in (FILE_COLUMN, ROW_COLUMN)]
    problems = [
        source.problem(
            f"key column {key!r} is not in the rows",
            ("key", index),
            advise(key, names, "column"),
        )
        for index, key in enumerate(source.mapping.key)
        if key not in names
    ]
    types: dict[str, str] = {}
    for column, expression in source.mapping.columns.items():
        try:
            described = engine.rows(f"describe select ({expression}) as value from {raw}")
        except duckdb.Error as cause:
            unknown = _UNKNOWN_COLUMN.search(str(cause))
            do = advise(unknown[1], names, "column") if unknown else "correct the expression"
            problems.append(source.problem(f"{column}: {_first_line(cause)}", ("columns", column), do))
            continue
        types[column] = str(described[0]["column_type"])
    if "occurred_at" in types and not types["occurred_at"].startswith(("DATE", "TIME", "VARCHAR")):
        problems.append(
            source.problem(
                f"occurred_at is a {types['occurred_at']}, not a time",
                ("columns", "occurred_at"),
                "say its unit: make_timestamp(us), epoch_ms(ms) or to_timestamp(seconds)",
            )
        )
    if problems:
        raise ConfigError(problems)
    return types


def _typed_sql(mapping: SourceMapping, raw: str, types: dict[str, str], latest_us: int) -> str:
    """The rows of `raw` typed, with column_name, value and reason where one cannot be an event."""
    columns = mapping.columns
    selected = [f"{_time_us(columns['occurred_at'], types['occurred_at'], mapping.timezone)} as occurred_us"]
    selected.append(f"{_event_id(mapping)} as event_id")
    for name, kind in MAPPED_COLUMNS.items():
        if name not in ("occurred_at", "event_id"):
            selected.append(f"{_value(name, kind, columns.get(name))} as {name}")
    selected.append(f"{_properties(columns)} as properties")
    given = [
        f"cast(({expression}) as varchar) as given_{name}"
        for name, expression in columns.items()
        if not name.startswith(PROPERTY_PREFIX)
    ]
    faults = _faults(columns, latest_us)
    return f"""
        with typed as (
            select {", ".join(selected + given)}, {FILE_COLUMN}, {ROW_COLUMN} from {raw}
        )
        select *,
            {_first(faults, "column_name", lambda fault: f"'{fault.column}'")},
            {_first(faults, "value", lambda fault: fault.value)},
            {_first(faults, "reason", lambda fault: f"'{fault.reason}'")}
        from typed
    """


class _Fault(NamedTuple):
    """Something that keeps a row out: an SQL test over the typed row, and what quarantine says of it."""

    test: str
    column: str
    value: str
    reason: str


def _first(faults: Sequence[_Fault], name: str, pick: Callable[[_Fault], str]) -> str:
    """A column that holds, of the first fault a row has, what `pick` takes from it."""
    branches = " ".join(f"when {fault.test} then {pick(fault)}" for fault in faults)
    return f"case {branches} end as {name}"


def _faults(columns: dict[str, str], latest_us: int) -> list[_Fault]:
    """Everything that keeps a row out, most basic first."""
    at = "given_occurred_at"
    faults = [
        _Fault(f"occurred_us is null and {at} is null", "occurred_at", at, "no time"),
        _Fault("occurred_us is null", "occurred_at", at, "not a time"),
        _Fault(f"occurred_us < {EARLIEST_US}", "occurred_at", at, "before 1990"),
        _Fault(f"occurred_us > {latest_us}", "occurred_at", at, "in the future"),
        _Fault("event_id is null", "event_id", "null", "no event id"),
        _Fault("event_name is null", "event_name", "given_event_name", "no event name"),
        _Fault("customer_ref is null and anonymous_ref is null", "customer_ref", "null", "no id"),
    ]
    faults.extend(
        _Fault(f"{name} is null and given_{name} is not null", name, f"given_{name}", "not a number")
        for name, kind in MAPPED_COLUMNS.items()
        if kind is Kind.NUMBER and name in columns
    )
    if "score" in columns:
        faults.append(_Fault("not isfinite(score)", "score", "given_score", "not a number"))
    if "score_kind" in columns:
        kinds = ", ".join(f"'{kind}'" for kind in SCORE_KINDS)
        test = f"score_kind not in ({kinds})"
        faults.append(_Fault(test, "score_kind", "given_score_kind", "unknown kind of score"))
    return faults


def _time_us(expression: str, kind: str, zone: str) -> str:
    """Microseconds of UTC; a time without an offset is taken in the source's zone."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"epoch_us({expression})"
    if kind.startswith(("DATE", "TIMESTAMP")):
        return f"epoch_us(timezone('{zone}', cast(({expression}) as timestamp)))"
    # what is more than a date and a time names its zone or offset, and is taken at its word or not at all
    text = f"trim({expression})"
    joined = f"regexp_replace({text}, ' ([+-][0-9])', '\\1')"
    return (
        f"case when regexp_matches({text}, '{_LOCAL_TIME}') "
        f"then epoch_us(timezone('{zone}', try_cast({text} as timestamp))) "
        f"else epoch_us(try_cast({joined} as timestamptz)) end"
    )


def _event_id(mapping: SourceMapping) -> str:
    if "event_id" in mapping.columns:
        return _text(mapping.columns["event_id"])
    keys = [f'cast("{key}" as varchar)' for key in mapping.key]
    if len(keys) == 1:
        return f"nullif(trim({keys[0]}), '')"
    # as JSON, so that ('a', 'bc') and ('ab', 'c') differ, and a missing part differs from an empty one
    return f"md5(cast(to_json([{', '.join(keys)}]) as varchar))"


def _value(name: str, kind: Kind, expression: str | None) -> str:
    if name == "channel":
        given = f"lower({_text(expression)})" if expression else "null"
        return f"coalesce({given}, '{UNASSIGNED_CHANNEL}')"
    if expression is None:
        return f"cast(null as {_EVENT_TYPES[name]})"
    if kind is Kind.NUMBER:
        return f"try_cast(({expression}) as {_EVENT_TYPES[name]})"
    if name == "event_name":
        return f"nfc_normalize({_text(expression)})"
    return _text(expression)


def _text(expression: str) -> str:
    return f"nullif(trim(cast(({expression}) as varchar)), '')"


def _properties(columns: dict[str, str]) -> str:
    parts = [
        f"'{name.removeprefix(PROPERTY_PREFIX)}', ({expression})"
        for name, expression in columns.items()
        if name.startswith(PROPERTY_PREFIX)
    ]
    return f"cast(json_object({', '.join(parts)}) as varchar)" if parts else "cast(null as varchar)"


def _event_columns(source: str) -> str:
    known = {
        "source": f"'{source}'",
        "received_us": "$received_us",
        "batch_id": "$batch_id",
    }
    return ", ".join(known.get(name, name) for name in _EVENT_TYPES)


def _batch_id(files: dict[str, list[InputFile]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        for item in files[name]:
            digest.update(f"{name}:{item.sha256}\n".encode())
    return digest.hexdigest()[:16]
