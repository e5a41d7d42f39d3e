"""Days of the project's time zone: the table that turns an instant into a local day in any engine.

Engines disagree on zones in casts, so the models join one row per stretch of time with one UTC offset.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from journey_analytics.errors import ConfigError, Problem

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MINUTE_US = 60_000_000
DAY_US = 86_400_000_000
FIRST_DAY, LAST_DAY = date(1990, 1, 1), date(2199, 12, 31)
"""Days that a run can be asked for. An event before 1990 is none (sources/values.py), and beyond the last day
there is room in the calendar for every time reckoned from it."""


def check_day(day: date, today: date | None = None) -> None:
    """Refuse a day that nothing can be computed for.

    Args:
        day: local day.
        today: by this machine's clock; None where the day may be one to come.

    Raises:
        ConfigError: it is before FIRST_DAY, after LAST_DAY or after today.
    """
    if not FIRST_DAY <= day <= LAST_DAY:
        what = f"{day} is no day that can be computed with"
        raise ConfigError(Problem(what, "the day asked for", f"name one from {FIRST_DAY} to {LAST_DAY}"))
    if today is not None and day > today:
        what = f"{day} is still to come: by this machine's clock it is {today}"
        raise ConfigError(Problem(what, "the day asked for", "name a day up to today"))


def to_us(moment: datetime) -> int:
    """Microseconds of UTC since 1970 of an aware moment."""
    return (moment - _EPOCH) // _MICROSECOND


def to_moment(us: int) -> datetime:
    """The UTC moment at so many microseconds since 1970."""
    return _EPOCH + us * _MICROSECOND


def end_of_day_us(day: date, zone: ZoneInfo) -> int:
    """The first instant after the local day."""
    return to_us(datetime.combine(day + timedelta(days=1), time(), tzinfo=zone))


def local_day(us: int, zone: ZoneInfo) -> date:
    """The local day on which an instant falls."""
    return to_moment(us).astimezone(zone).date()


def utc_offsets(zone: ZoneInfo, first_us: int, last_us: int) -> pl.DataFrame:
    """One row per stretch of time with one UTC offset, covering first_us to last_us, both included.

    Returns:
        from_us (Int64, included), to_us (Int64, not included), offset_us (Int64, east of UTC positive);
        the stretches touch, in order.
    """
    start, end = first_us - DAY_US, last_us + DAY_US
    rows = []
    begun, offset = start, _offset_us(zone, start)
    for day in range(start, end, DAY_US):
        following = _offset_us(zone, day + DAY_US)
        if following != offset:
            change = _first_minute_with(zone, following, day, day + DAY_US)
            rows.append((begun, change, offset))
            begun, offset = change, following
    rows.append((begun, end + DAY_US, offset))
    schema = {"from_us": pl.Int64, "to_us": pl.Int64, "offset_us": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _offset_us(zone: ZoneInfo, us: int) -> int:
    offset = to_moment(us).astimezone(zone).utcoffset()
    return (offset or timedelta()) // _MICROSECOND


def _first_minute_with(zone: ZoneInfo, offset_us: int, low: int, high: int) -> int:
    """The first whole minute after `low` at which the zone has the offset it has at `high`."""
    low, high = low // _MINUTE_US, -(-high // _MINUTE_US)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_us(zone, middle * _MINUTE_US) == offset_us:
            high = middle
        else:
            low = middle
    return high * _MINUTE_US
