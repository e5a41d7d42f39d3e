"""Which column of a bare file is what, by its name and its values, and how its values are written.

Belongs here: guessing columns, each guess told with its reason and how sure it is.
Does not belong here: formats and stages (draft.py), ways of writing (notation.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, Literal

from journey_analytics.errors import ConfigError, Problem
from journey_analytics.sources.notation import Notation, number_notation, time_notation
from journey_analytics.touchpoints import MAPPED_COLUMNS, Kind
from journey_analytics.yaml_file import YamlFile, plain

Sureness = Literal["sure", "likely", "a guess", "not found"]
Rows = Sequence[dict[str, Any]]

_SIMPLE_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_HAS_ZONE = re.compile(r"(Z|[+-]\d{2}:?\d{2})$")
_ZONED_FORMATS = ("epoch_s", "epoch_ms", "epoch_us")
_ZONED_ENDINGS = ("%z", "Z", " UTC")
_IS_TIME_SHARE = 0.9
_MOST_NAMED = 3


@dataclass(frozen=True)
class Guess:
    """One thing taken for another, why, and how sure that is."""

    what: str
    value: str
    why: str
    sureness: Sureness


@dataclass
class Columns:
    """What the columns of a file were taken for.

    Attributes:
        mapping: keys of the source mapping: columns, and what else reads them.
        guesses: everything that was guessed.
        gaps: event columns that no column was taken for, and that a source cannot be without.
        other_time_format: another one that reads the times as well, as other times.
    """

    mapping: dict[str, Any] = field(default_factory=dict)
    guesses: list[Guess] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    other_time_format: str | None = None


def guess_columns(path: Path, rows: Rows, *, is_json: bool, latest_us: int) -> Columns:
    """Look at names and values of a sample.

    Args:
        path: its file, for a complaint.
        rows: the sample, as delivered.
        is_json: whether an expression takes a column out of `data`.
        latest_us: now, in microseconds of UTC.

    Raises:
        ConfigError: no column can be taken for the time, none for the event and none for the customer.
    """
    found = Columns()
    names = list(dict.fromkeys(name for row in rows[:100] for name in row if name is not None))
    taken = _by_name(names, rows, found)
    if "occurred_at" not in taken:
        _find_time(names, rows, taken, found, latest_us)
    found.gaps = [name for name in ("occurred_at", "event_name") if name not in taken]
    if "customer_ref" not in taken and "anonymous_ref" not in taken:
        found.gaps.append("customer_ref")
    if {"occurred_at", "event_name", "customer_ref"} <= set(found.gaps):
        what = f"no column looks like {', '.join(found.gaps)}"
        do = "write the source mapping by hand; the README has an example of ten lines"
        raise ConfigError(Problem(what, f"{path}, columns: {', '.join(names)}", do))
    free = [name for name in names if name not in taken.values()]
    found.guesses += [
        Guess(gap, "?", f"no column is called like it; free: {', '.join(free) or 'none'}", "not found")
        for gap in found.gaps
    ]
    if "occurred_at" in taken:
        _guess_time(_values(rows, taken["occurred_at"]), found, latest_us)
    if "event_id" not in taken and not found.gaps:
        refs = ("customer_ref", "anonymous_ref", "occurred_at", "event_name")
        key = [taken[name] for name in refs if name in taken]
        found.mapping["key"] = [_expression(name, is_json=True) for name in key] if is_json else key
        found.guesses.append(Guess("key", ", ".join(key), "no column is unique by itself", "a guess"))
    columns = {target: _expression(column, is_json=is_json) for target, column in taken.items()}
    for target, kind in MAPPED_COLUMNS.items():
        if kind is Kind.NUMBER and target in taken:
            columns[target] = _as_number(target, columns[target], _values(rows, taken[target]), found)
    others = [name for name in free if _SIMPLE_NAME.fullmatch(name.lower())]
    columns |= {f"properties.{name.lower()}": _expression(name, is_json=is_json) for name in others}
    found.mapping["columns"] = columns
    return found


def vocabulary() -> dict[str, Any]:
    """Words and the stage or the column they usually mean."""
    path = Path(str(package_files("journey_analytics") / "sources" / "vocabulary.yaml"))
    content: dict[str, Any] = plain(YamlFile(path).content)
    return content


def _by_name(names: list[str], rows: Rows, found: Columns) -> dict[str, str]:
    """Event column to the column whose name says so."""
    taken: dict[str, str] = {}
    for target, usual in vocabulary()["columns"].items():
        free = {_simple(name): name for name in reversed(names) if name not in taken.values()}
        column = next((free[_simple(word)] for word in usual if _simple(word) in free), None)
        if column is None or (target == "event_id" and not _is_unique(rows, column)):
            continue
        taken[target] = column
        sureness: Sureness = "sure" if column.lower() in (usual[0], target) else "likely"
        found.guesses.append(Guess(target, column, "its name", sureness))
    return taken


def _simple(name: str) -> str:
    """A name without its case and its signs.

    >>> _simple("Kunden-Nr.")
    'kunden_nr'
    """
    return re.sub(r"\W+", "_", name.lower()).strip("_")


def _is_unique(rows: Rows, column: str) -> bool:
    values = [row.get(column) for row in rows]
    return None not in values and len(set(map(str, values))) >= 0.98 * len(values)


def _values(rows: Rows, column: str) -> list[Any]:
    return [row[column] for row in rows if row.get(column) not in (None, "")]


def _find_time(names: list[str], rows: Rows, taken: dict[str, str], found: Columns, latest_us: int) -> None:
    """Take the first free column for the time whose values are written like times."""
    for name in names:
        values = _values(rows, name)
        if name in taken.values() or not values or not all(isinstance(value, str) for value in values):
            continue
        notation = time_notation(values, latest_us)
        if (
            notation is not None
            and notation.written not in _ZONED_FORMATS
            and notation.read >= _IS_TIME_SHARE * notation.values
        ):
            taken["occurred_at"] = name
            found.guesses.append(Guess("occurred_at", name, f"values such as {values[0]}", "likely"))
            return


def _guess_time(values: list[Any], found: Columns, latest_us: int) -> None:
    """How the times are written; nothing where they come as times."""
    texts = [str(value) for value in values]
    if not texts:
        return
    notation = time_notation(texts, latest_us)
    if notation is None:
        example = ", ".join(dict.fromkeys(texts[:_MOST_NAMED]))
        why = f"no known way of writing times fits values such as {example}"
        found.guesses.append(Guess("time_format", "?", why, "not found"))
        return
    found.other_time_format = notation.other
    if notation.written != "iso":
        found.mapping["time_format"] = notation.written
        found.guesses.append(_told("time_format", notation.written, notation))
    ends_in_zone = notation.written.endswith(_ZONED_ENDINGS) or (
        notation.written == "iso" and _HAS_ZONE.search(texts[0]) and ":" in texts[0]
    )
    if notation.written not in _ZONED_FORMATS and not ends_in_zone:
        found.mapping["timezone"] = "UTC"
        why = "the times carry no zone; say yours, for example Europe/Berlin"
        found.guesses.append(Guess("timezone", "UTC", why, "a guess"))


def _as_number(target: str, expression: str, values: list[Any], found: Columns) -> str:
    """The expression of a column of numbers, with what its way of writing needs."""
    if not values or not all(isinstance(value, str) for value in values):
        return expression
    notation = number_notation(values)
    if notation is None:
        why = f"no known way of writing numbers fits values such as {values[0]}"
        found.guesses.append(Guess(f"numbers of {target}", "?", why, "not found"))
        return expression
    written = notation.written.format(expression)
    if written != expression or not notation.is_sure:
        found.guesses.append(_told(f"numbers of {target}", written, notation))
    return written


def _told(what: str, written: str, notation: Notation) -> Guess:
    why = f"values such as {notation.example}"
    if notation.read < notation.values:
        why += f"; it reads {notation.read:,} of {notation.values:,}"
    if notation.other is not None:
        why += f"; ambiguous, {notation.other.format('...')} reads them too"
    return Guess(what, written, why, "likely" if notation.is_sure else "a guess")


def _expression(column: str, *, is_json: bool) -> str:
    if is_json:
        return f"data->>'$.\"{column}\"'"
    return column if _SIMPLE_NAME.fullmatch(column) else '"' + column.replace('"', '""') + '"'
