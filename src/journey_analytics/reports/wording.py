"""How values read: counts, shares, lengths of time, money and days, the same on page, mail and terminal.

Belongs here: one value as text. Does not belong here: sentences (findings, sections).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from journey_analytics.durations import short_duration

NOTHING = "–"


class Kind(StrEnum):
    """What a value is, and so how it reads."""

    TEXT = "text"
    COUNT = "count"
    SHARE = "share"
    INTERVAL = "interval"
    LENGTH = "length"
    MONEY = "money"
    DAY = "day"
    MOMENT = "moment"


def percent(share: float | None) -> str:
    """A share in words of one decimal; a dash when there is none.

    >>> percent(0.2543), percent(None)
    ('25.4 %', '–')
    """
    return NOTHING if share is None else f"{share * 100:.1f} %"


def interval(low: float | None, high: float | None) -> str:
    """The two ends of an interval of shares; a dash when there is none.

    >>> interval(0.231, 0.279)
    '23.1–27.9 %'
    """
    return NOTHING if low is None or high is None else f"{low * 100:.1f}–{high * 100:.1f} %"


def length(seconds: float | None) -> str:
    """A length of time in its two largest units.

    >>> length(5400.0), length(2.5)
    ('1 h 30 m', '2.5 s')
    """
    return NOTHING if seconds is None else short_duration(seconds)


def count(number: float | None) -> str:
    """A whole number with separators between the thousands.

    >>> count(1817)
    '1,817'
    """
    return NOTHING if number is None else f"{number:,.0f}"


def money(amount: Decimal | float | None, currency: str | None = None) -> str:
    """An amount with two decimals; of which currency, its heading says where it has none itself.

    >>> money(Decimal("4211.5")), money(Decimal("4211.5"), "EUR")
    ('4,211.50', '4,211.50 EUR')
    """
    return NOTHING if amount is None else " ".join(filter(None, (f"{amount:,.2f}", currency)))


def day(value: date | None) -> str:
    """A day as ISO 8601 writes it."""
    return NOTHING if value is None else value.isoformat()


def text(value: object) -> str:
    """Any other value as it is."""
    return NOTHING if value is None else str(value)


def told(value: Any, kind: Kind) -> str:
    """A value as its kind reads."""
    return _WORDS[kind](value)


def several(number: int, one: str, many: str | None = None) -> str:
    """A number with the word for one or for several.

    >>> several(1, "alert"), several(2, "alert"), several(1200, "journey")
    ('1 alert', '2 alerts', '1,200 journeys')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


_WORDS: dict[Kind, Callable[[Any], str]] = {
    Kind.TEXT: text,
    Kind.COUNT: count,
    Kind.SHARE: percent,
    Kind.INTERVAL: lambda ends: interval(*ends),
    Kind.LENGTH: length,
    Kind.MONEY: money,
    Kind.DAY: day,
    Kind.MOMENT: text,
}
