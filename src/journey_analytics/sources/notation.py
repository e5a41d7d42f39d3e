"""How the values of a column are written: the time format that reads them, the SQL that makes them numbers.

Belongs here: trying ways of writing on the values of a sample, and telling when two of them fit.
Does not belong here: which column is what (draft.py), and reading times in a run (times.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.local_days import DAY_US
from journey_analytics.sources.times import time_us, with_times
from journey_analytics.sources.values import EARLIEST_US

_TRIED_FIRST = 20
_DATES = (
    (r"\d{4}[-]\d{1,2}[-]\d{1,2}", ("%Y-%m-%d",)),
    (r"\d{4}[/]\d{1,2}[/]\d{1,2}", ("%Y/%m/%d",)),
    (r"\d{4}[.]\d{1,2}[.]\d{1,2}", ("%Y.%m.%d",)),
    (r"\d{1,2}[.]\d{1,2}[.]\d{4}", ("%d.%m.%Y",)),
    (r"\d{1,2}[.]\d{1,2}[.]\d{2}", ("%d.%m.%y",)),
    (r"\d{1,2}/\d{1,2}/\d{4}", ("%d/%m/%Y", "%m/%d/%Y")),
    (r"\d{1,2}/\d{1,2}/\d{2}", ("%d/%m/%y", "%m/%d/%y")),
    (r"\d{1,2}-\d{1,2}-\d{4}", ("%d-%m-%Y", "%m-%d-%Y")),
    (r"\d{1,2}-\d{1,2}-\d{2}", ("%d-%m-%y", "%m-%d-%y", "%y-%m-%d")),
    (r"\d{8}", ("%Y%m%d", "%d%m%Y")),
    (r"\d{1,2} [A-Za-z]+ \d{4}", ("%d %b %Y", "%d %B %Y")),
    (r"\d{1,2}-[A-Za-z]{3}-\d{4}", ("%d-%b-%Y",)),
    (r"\d{1,2}-[A-Za-z]{3}-\d{2}", ("%d-%b-%y",)),
    (r"\d{1,2}/[A-Za-z]{3}/\d{4}", ("%d/%b/%Y",)),
    (r"[A-Za-z]+ \d{1,2}, \d{4}", ("%b %d, %Y", "%B %d, %Y")),
)
"""Dates as they look, and what they may be; between two, the day stands first more often than the month."""
_CLOCKS = (
    (r"\d{1,2}:\d{2}", "%H:%M"),
    (r"\d{1,2}:\d{2}:\d{2}", "%H:%M:%S"),
    (r"\d{1,2}:\d{2}:\d{2}[.]\d{1,9}", "%H:%M:%S.%f"),
    (r"\d{1,2}:\d{2}:\d{2},\d{1,9}", "%H:%M:%S,%f"),
    (r"\d{1,2}:\d{2} [AaPp][Mm]", "%I:%M %p"),
    (r"\d{1,2}:\d{2}[AaPp][Mm]", "%I:%M%p"),
    (r"\d{1,2}:\d{2}:\d{2} [AaPp][Mm]", "%I:%M:%S %p"),
    (r"\d{1,2}:\d{2}:\d{2}[AaPp][Mm]", "%I:%M:%S%p"),
    (r"\d{1,2}[.]\d{2}", "%H.%M"),
    (r"\d{6}", "%H%M%S"),
    (r"\d{4}", "%H%M"),
)
_BETWEEN = r"(?P<between>|T|_|-|:|,? )"
_OFFSET = r"[+-]\d{2}:?\d{2}"
_ENDINGS = (("", ""), ("Z", "Z"), (" UTC", " UTC"), (" Uhr", " Uhr"), (_OFFSET, "%z"), (f" {_OFFSET}", " %z"))
_EPOCHS = {10: "epoch_s", 13: "epoch_ms", 16: "epoch_us"}

_SIGN = re.compile(r"^(?:[€$£¥]|[A-Z]{3})\s*|\s*(?:[€$£¥]|[A-Z]{3})$")
_PLAIN = re.compile(r"[+-]?(\d+[.]?\d*|[.]\d+)([eE][+-]?\d+)?")
_NUMBERS = (
    (re.compile(r"[+-]?(\d{1,3}([.]\d{3})+|\d+)(,\d+)?"), ".", "replace(replace({}, '.', ''), ',', '.')"),
    (re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)([.]\d+)?"), ",", "replace({}, ',', '')"),
)
"""Numbers as they look, what stands between their thousands, and the SQL that takes it out."""


@dataclass(frozen=True)
class Notation:
    """The way of writing that reads most of a column's values.

    Attributes:
        written: a time format, or SQL of a number with `{}` for the column.
        read: how many of the values it reads.
        values: how many there are, empty ones not counted.
        example: a value that it reads.
        other: the next way that reads as many of them, as something else.
    """

    written: str
    read: int
    values: int
    example: str
    other: str | None = None

    @property
    def is_sure(self) -> bool:
        """Whether it reads every value, and no other way does."""
        return self.read == self.values and self.other is None


def time_notation(values: Sequence[str], latest_us: int) -> Notation | None:
    """The time format of a column.

    Args:
        values: of a sample, none empty.
        latest_us: microseconds of UTC; a way of writing does not read what would be later.

    Returns:
        None: no known way reads any.
    """
    epoch = _epoch(values)
    if epoch is not None:
        return epoch
    formats = list(dict.fromkeys(["iso", *(known for value in _some(values) for known in _formats(value))]))
    with DuckDBEngine() as engine:
        engine.load("written", pl.DataFrame({"number": range(len(values)), "value": list(values)}))
        readings = {known: _read(engine, known, latest_us + DAY_US) for known in formats}
    return _best(readings, values)


def number_notation(values: Sequence[str]) -> Notation | None:
    """The SQL that makes numbers of a column's text.

    Args:
        values: of a sample, none empty.

    Returns:
        None: no known way reads any. Where two ways read all values as other numbers, the plainer one.
    """
    stripped = [_SIGN.sub("", value.strip()) for value in values]
    has_signs = any(text != value.strip() for text, value in zip(stripped, values, strict=True))
    bare = "regexp_replace({}, '[^0-9.,+-]', '', 'g')" if has_signs else "{}"
    readings = {bare: [Decimal(text) if _PLAIN.fullmatch(text) else None for text in stripped]}
    for shape, thousands, sql in _NUMBERS:
        readings[sql.format(bare)] = [
            Decimal(text.replace(thousands, "").replace(",", ".")) if shape.fullmatch(text) else None
            for text in stripped
        ]
    return _best(readings, values)


def _best(readings: Mapping[str, Sequence[object]], values: Sequence[str]) -> Notation | None:
    """The first of the ways that read most values, and the next one that reads as many as something else."""
    counts = {written: sum(one is not None for one in read) for written, read in readings.items()}
    most = max(counts.values())
    if not most:
        return None
    first, *others = [written for written, count in counts.items() if count == most]
    other = next((written for written in others if readings[written] != readings[first]), None)
    example = next(value for value, one in zip(values, readings[first], strict=True) if one is not None)
    return Notation(first, most, len(values), example, other)


def _epoch(values: Sequence[str]) -> Notation | None:
    if not all(re.fullmatch(r"\d{10}([.]\d+)?|\d{13}|\d{16}", value) for value in values):
        return None
    unit = _EPOCHS[len(values[0].split(".")[0])]
    return Notation(unit, len(values), len(values), values[0])


def _some(values: Sequence[str]) -> Sequence[str]:
    """A few of them from everywhere."""
    return values[:: max(1, len(values) // _TRIED_FIRST)]


def _formats(value: str) -> Iterator[str]:
    """The formats that a value looks like."""
    text = value.strip()
    for date_shape, dates in _DATES:
        if re.fullmatch(date_shape, text):
            yield from dates
        for clock_shape, clock in _CLOCKS:
            for ending_shape, ending in _ENDINGS:
                whole = re.fullmatch(f"{date_shape}{_BETWEEN}{clock_shape}{ending_shape}", text)
                if whole:
                    # a clock of twelve hours is American, and so is the month in front
                    likely = reversed(dates) if "%p" in clock else dates
                    yield from (f"{date}{whole['between']}{clock}{ending}" for date in likely)


def _read(engine: DuckDBEngine, time_format: str, latest_us: int) -> list[int | None]:
    """Microseconds of UTC of each value, None where it is no time or one that no event has."""
    rows = with_times("written", "value", time_format, "VARCHAR")
    read = engine.rows(
        f"select {time_us(time_format, 'UTC', 'VARCHAR')} as read_us from {rows} order by number"
    )
    times: list[int | None] = [row["read_us"] for row in read]
    return [us if us is not None and EARLIEST_US <= us <= latest_us else None for us in times]
