"""Local days by the table of UTC offsets against the standard library's zones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from journey_analytics.local_days import end_of_day_us, local_day, to_us, utc_offsets

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE = timedelta(microseconds=1)

_ZONES = st.sampled_from(
    (
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/St_Johns",  # half an hour, and until 2011 clocks changed at one minute past midnight
        "Asia/Kathmandu",  # three quarters of an hour
        "Asia/Kolkata",
        "Australia/Lord_Howe",  # clocks change by half an hour
        "Pacific/Apia",  # one day of 2011 is missing
        "America/Sao_Paulo",  # clocks change at midnight
        "Africa/Casablanca",  # clocks change four times in a year
        "Pacific/Chatham",
        "Asia/Pyongyang",  # the standard time itself changed
    )
)
_INSTANTS = st.integers(631_238_400_000_000, 2_114_294_400_000_000)
"""From 1990 to 2036."""

_NEAR_A_CHANGE = st.builds(
    lambda moment, seconds, us: (moment + timedelta(seconds=seconds) - _EPOCH) // _ONE + us,
    st.sampled_from(
        (
            datetime(2024, 3, 31, 1, tzinfo=UTC),
            datetime(2024, 10, 27, 1, tzinfo=UTC),
            datetime(2024, 3, 10, 7, tzinfo=UTC),
            datetime(2010, 11, 7, 2, 31, tzinfo=UTC),
            datetime(2011, 12, 30, 10, tzinfo=UTC),
            datetime(2023, 12, 31, 23, tzinfo=UTC),
            datetime(2024, 12, 31, 18, 15, tzinfo=UTC),
        )
    ),
    st.integers(-2, 2),
    st.integers(-1, 1),
)
_US = st.one_of(_INSTANTS, _NEAR_A_CHANGE)


@given(name=_ZONES, instants=st.lists(_US, min_size=1, max_size=5))
@example(name="Europe/Berlin", instants=[1_711_846_799_999_999, 1_711_846_800_000_000])
def test_offsets_are_those_of_the_zone_and_cover_every_instant_once(name: str, instants: list[int]) -> None:
    """Each instant lies in exactly one stretch, whose offset the standard library agrees with."""
    zone = ZoneInfo(name)
    near = min(instants) + 400 * 86_400_000_000
    inside = [us for us in instants if us < near]
    table = utc_offsets(zone, min(inside), max(inside)).rows(named=True)
    assert all(a["to_us"] == b["from_us"] for a, b in pairwise(table))
    for us in inside:
        (stretch,) = [row for row in table if row["from_us"] <= us < row["to_us"]]
        expected = (_EPOCH + timedelta(microseconds=us)).astimezone(zone).utcoffset()
        assert expected is not None
        assert stretch["offset_us"] == expected // _ONE


@given(name=_ZONES, us=_US)
def test_local_day_is_the_day_on_the_zones_calendar(name: str, us: int) -> None:
    """The day that the table gives is the day that the standard library gives."""
    zone = ZoneInfo(name)
    expected = (_EPOCH + timedelta(microseconds=us)).astimezone(zone).date()
    assert local_day(us, zone) == expected
    (offset,) = [
        row["offset_us"]
        for row in utc_offsets(zone, us, us).rows(named=True)
        if row["from_us"] <= us < row["to_us"]
    ]
    assert (_EPOCH + timedelta(microseconds=us + offset)).date() == expected


@given(name=_ZONES, day=st.dates(min_value=date(1990, 1, 2), max_value=date(2036, 12, 30)))
def test_a_day_ends_where_the_next_one_begins(name: str, day: date) -> None:
    """The instant before the end of a day is on that day or before; the end itself is after it."""
    zone = ZoneInfo(name)
    end = end_of_day_us(day, zone)
    assert local_day(end - 1, zone) <= day < local_day(end, zone)


def test_moments_become_whole_microseconds() -> None:
    """Nothing is lost in the last digit."""
    assert to_us(datetime(2024, 5, 1, 12, 0, 0, 123457, tzinfo=UTC)) == 1_714_564_800_123_457
