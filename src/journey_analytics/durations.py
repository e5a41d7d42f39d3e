"""Lengths of time as users write them: a whole number and a unit. A number without a unit is refused."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PATTERN = re.compile(r"([0-9]+)\s*([smhdw])")


def parse_duration(value: object) -> timedelta:
    """A duration such as `30m`, `12h`, `90d` or `2w` (24-hour days).

    Raises:
        ValueError: the value has no unit, an unknown unit, or is not a whole number of it.

    >>> parse_duration("90d").days
    90
    """
    if isinstance(value, timedelta):
        return value
    match = _PATTERN.fullmatch(str(value).strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(
            f"{value!r} is not a duration: write a whole number with a unit, "
            "s, m, h, d or w, for example 30m or 90d"
        )
    seconds = int(match[1]) * _UNITS[match[2]]
    if seconds > timedelta.max.total_seconds():
        raise ValueError(f"{value!r} is not a duration that anything lasts")
    return timedelta(seconds=seconds)


def microseconds(duration: timedelta) -> int:
    """The duration in whole microseconds, the unit every model computes with."""
    return duration // timedelta(microseconds=1)


def duration_text(duration: timedelta) -> str:
    """A length of time in words, exactly.

    >>> duration_text(timedelta(days=28)), duration_text(timedelta(hours=30, seconds=5, microseconds=1))
    ('28 d', '1 d 6 h 5.000001 s')
    """
    rest = duration // timedelta(seconds=1)
    parts = []
    for unit in ("d", "h", "m"):
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{count} {unit}")
    if rest or duration.microseconds or not parts:
        fraction = f".{duration.microseconds:06}".rstrip("0").rstrip(".")
        parts.append(f"{rest}{fraction} s")
    return " ".join(parts)


def short_duration(seconds: float) -> str:
    """A length of time in its two largest units; of less than a minute also the tenths of a second.

    >>> short_duration(93_784.5), short_duration(5_400), short_duration(59.25), short_duration(0)
    ('1 d 2 h', '1 h 30 m', '59.2 s', '0 s')
    """
    shown = round(seconds, 1) if seconds < _UNITS["m"] else int(seconds)
    return " ".join(duration_text(timedelta(seconds=shown)).split()[:4])


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
