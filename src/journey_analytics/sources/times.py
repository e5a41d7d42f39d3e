"""The time of an event as it is written, to microseconds of UTC: the SQL for it.

Belongs here: ISO times, patterns, epoch numbers, and the clocks of the source's zone.
Does not belong here: finding out how a file writes its times (notation.py).
"""

from __future__ import annotations

from journey_analytics.engine.sql_text import quoted

_LOCAL_TIME = "^[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}([ T][0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?)?$"
# a value taken from JSON may still carry its quotes
_TIME_TEXT = "trim(_given_at, ' \"')"
_EPOCH_UNITS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}


def with_times(rows: str, expression: str, time_format: str, kind: str) -> str:
    """The rows with what `time_us` reads: _given_at, _plain_at, _local_at; each is made in its own layer.

    Args:
        rows: a table, or a query in brackets.
        expression: SQL of the time over them.
        time_format: of the mapping.
        kind: the type of the expression.
    """
    # what the next layer asks for more than once is computed in the layer before it
    for item in (
        f"{_given_at(expression, time_format, kind)} as _given_at",
        f"{_plain_at(time_format, kind)} as _plain_at",
        f"{_local_at(time_format, kind)} as _local_at",
    ):
        rows = f"(select *, {item} from {rows})"
    return rows


def time_us(time_format: str, timezone: str, kind: str) -> str:
    """SQL of an event's microseconds of UTC over the rows of `with_times`; null where its time is none."""
    if time_format in _EPOCH_UNITS:
        unit = _EPOCH_UNITS[time_format]
        return f"cast(round(try_cast({_TIME_TEXT} as decimal(38, 6)) * {unit}) as bigint)"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return "epoch_us(_given_at)"
    local = "_local_at" if timezone == "UTC" else f"timezone('{timezone}', _local_at)"
    if kind.startswith(("DATE", "TIMESTAMP")):
        return f"epoch_us({local})"
    if "%z" in time_format:
        return f"epoch_us(try_strptime({_TIME_TEXT}, {quoted(time_format)}))"
    if time_format != "iso":
        return f"epoch_us({local})"
    # what is more than a date and a time names its zone or offset, and is taken at its word or not at all
    joined = f"regexp_replace({_TIME_TEXT}, ' ([+-][0-9])', '\\1')"
    is_more = f"not regexp_matches({_TIME_TEXT}, '{_LOCAL_TIME}')"
    with_offset = f"case when {is_more} then try_cast({joined} as timestamptz) end"
    # not coalesce, which works out the second as well
    return f"case when _local_at is not null then epoch_us({local}) else epoch_us({with_offset}) end"


def _given_at(expression: str, time_format: str, kind: str) -> str:
    """The event's time as it came, text where it is no time already."""
    return f"({expression})" if _is_time(time_format, kind) else f"cast(({expression}) as varchar)"


def _is_time(time_format: str, kind: str) -> bool:
    return kind.startswith(("DATE", "TIMESTAMP")) and time_format not in _EPOCH_UNITS


def _plain_at(time_format: str, kind: str) -> str:
    """The event's time where it is written as most are; twice as quick as asking whether it is."""
    if _is_time(time_format, kind) or time_format != "iso":
        return "cast(null as timestamp)"
    return "try_strptime(_given_at, '%Y-%m-%d %H:%M:%S')"


def _local_at(time_format: str, kind: str) -> str:
    """The event's time on the source's clocks, as a TIMESTAMP; null where it carries its own offset."""
    if time_format in _EPOCH_UNITS or kind == "TIMESTAMP WITH TIME ZONE":
        return "cast(null as timestamp)"
    if kind.startswith(("DATE", "TIMESTAMP")):
        return "cast(_given_at as timestamp)"
    if "%z" in time_format:
        return "cast(null as timestamp)"
    if time_format != "iso":
        return f"try_strptime({_TIME_TEXT}, {quoted(time_format)})"
    return (
        f"case when _plain_at is not null then _plain_at "
        f"when regexp_matches({_TIME_TEXT}, '{_LOCAL_TIME}') then try_cast({_TIME_TEXT} as timestamp) end"
    )
