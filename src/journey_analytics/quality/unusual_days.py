"""Days on which most shops sell much more or much less than on the same weekday of other weeks.

Belongs here: the days that any project shares. A project's own stand in its journey.yaml.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

_AROUND_NEW_YEAR = ((12, 22), (1, 2))
_EASTER_DAYS = range(-3, 2)
_BLACK_FRIDAY_DAYS = range(-1, 4)


@cache
def is_unusual(day: date) -> bool:
    """Whether it is around New Year (22 December to 2 January), Easter or Black Friday (to Cyber Monday).

    >>> is_unusual(date(2026, 12, 24)), is_unusual(date(2026, 11, 27)), is_unusual(date(2026, 4, 5))
    (True, True, True)
    >>> is_unusual(date(2026, 6, 10))
    False
    """
    begin, end = _AROUND_NEW_YEAR
    if (day.month, day.day) >= begin or (day.month, day.day) <= end:
        return True
    return (day - easter(day.year)).days in _EASTER_DAYS or (
        day - black_friday(day.year)
    ).days in _BLACK_FRIDAY_DAYS


def black_friday(year: int) -> date:
    """The day after the fourth Thursday of November.

    >>> black_friday(2026)
    datetime.date(2026, 11, 27)
    """
    first = date(year, 11, 1)
    return first + timedelta(days=(3 - first.weekday()) % 7 + 22)


def easter(year: int) -> date:
    """Easter Sunday of the Western churches (J.-M. Oudin, 1940).

    >>> easter(2026), easter(2024)
    (datetime.date(2026, 4, 5), datetime.date(2024, 3, 31))
    """
    century, golden = year // 100, year % 19
    shift = (century - 17) // 25
    epact = (century - century // 4 - (century - shift) // 3 + 19 * golden + 15) % 30
    epact -= (epact // 28) * (1 - (epact // 28) * (29 // (epact + 1)) * ((21 - golden) // 11))
    weekday = (year + year // 4 + epact + 2 - century + century // 4) % 7
    offset = epact - weekday
    month = 3 + (offset + 40) // 44
    return date(year, month, offset + 28 - 31 * (month // 4))
