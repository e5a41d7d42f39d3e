"""Local days on the days when clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from journey_analytics.local_days import FIRST_DAY, end_of_day_us, local_day, to_moment, to_us, utc_offsets
from journey_analytics.sources.values import EARLIEST_US

_BERLIN = ZoneInfo("Europe/Berlin")
_HOUR = 3_600_000_000


def _us(*parts: int) -> int:
    return to_us(datetime(*parts, tzinfo=UTC))


def test_a_moment_comes_back_as_it_went() -> None:
    """To the microsecond, before 1970 too."""
    for moment in (datetime(2024, 5, 1, 1, 2, 3, 4, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC)):
        assert to_moment(to_us(moment)) == moment


def test_the_first_day_that_can_be_asked_for_has_the_first_event_that_there_can_be() -> None:
    assert local_day(EARLIEST_US, ZoneInfo("UTC")) == FIRST_DAY


def test_the_day_when_clocks_go_forward_has_23_hours() -> None:
    """And the one when they go back has 25."""
    spring, autumn = date(2024, 3, 31), date(2024, 10, 27)
    assert end_of_day_us(spring, _BERLIN) - _us(2024, 3, 30, 23) == 23 * _HOUR
    assert end_of_day_us(autumn, _BERLIN) - _us(2024, 10, 26, 22) == 25 * _HOUR


def test_midnight_belongs_to_the_day_that_begins() -> None:
    """The instant before it does not."""
    midnight = _us(2024, 4, 30, 22)
    assert local_day(midnight, _BERLIN) == date(2024, 5, 1)
    assert local_day(midnight - 1, _BERLIN) == date(2024, 4, 30)


def test_the_stretches_touch_and_change_at_the_minute_of_the_clock() -> None:
    """A year in Berlin: winter, summer, winter."""
    table = utc_offsets(_BERLIN, _us(2024, 1, 1), _us(2024, 12, 31)).rows()
    assert [offset for _, _, offset in table] == [_HOUR, 2 * _HOUR, _HOUR]
    assert [start for start, _, _ in table[1:]] == [_us(2024, 3, 31, 1), _us(2024, 10, 27, 1)]
    assert [end for _, end, _ in table[:-1]] == [start for start, _, _ in table[1:]]


def test_one_instant_is_covered() -> None:
    """A project whose events all happen at once."""
    us = _us(2024, 3, 31, 1)
    ((start, end, offset),) = [row for row in utc_offsets(_BERLIN, us, us).rows() if row[0] <= us < row[1]]
    assert start <= us < end
    assert offset == 2 * _HOUR


def test_a_zone_without_changes_has_one_stretch() -> None:
    """UTC."""
    assert utc_offsets(ZoneInfo("UTC"), 0, _us(2024, 1, 1)).height == 1
