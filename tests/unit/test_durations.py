"""Durations: a whole number and a unit, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from journey_analytics.durations import microseconds, parse_duration, short_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("30m", 1_800), ("12h", 43_200), ("90d", 7_776_000), ("2w", 1_209_600), ("0s", 0)],
)
def test_every_unit_is_read(text: str, seconds: int) -> None:
    """Days have 24 hours, weeks seven days."""
    assert parse_duration(text) == timedelta(seconds=seconds)


def test_spaces_around_and_before_the_unit_do_not_matter() -> None:
    """As people write it."""
    assert parse_duration(" 30 m ") == timedelta(minutes=30)


def test_a_duration_stays_what_it_is() -> None:
    """Defaults are written as durations already."""
    assert parse_duration(timedelta(hours=1)) == timedelta(hours=1)


@pytest.mark.parametrize(
    "value", ["30", 30, "", "m", "1.5h", "-3d", "30min", "3M", "3 d 4 h", None, True, "٣d"]
)
def test_anything_else_is_refused_with_an_example(value: object) -> None:
    """Most of all a number without a unit."""
    with pytest.raises(ValueError, match="30m or 90d") as caught:
        parse_duration(value)
    assert repr(value) in str(caught.value)


def test_a_number_too_long_for_a_duration_is_refused() -> None:
    """A slip of the finger is a wrong value, not a crash."""
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration("99999999999d")


def test_microseconds_are_whole() -> None:
    """The unit of every model."""
    assert microseconds(timedelta(seconds=1, microseconds=7)) == 1_000_007


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.04, "0 s"), (0.25, "0.2 s"), (59.94, "59.9 s"), (59.96, "1 m"), (60.9, "1 m"),
        (3_661, "1 h 1 m"),
        (86_405, "1 d 5 s"), (8_640_000, "100 d"),
    ],
)  # fmt: skip
def test_the_short_form_has_the_two_largest_units(seconds: float, text: str) -> None:
    """Rounded down to the second, and to the tenth below a minute."""
    assert short_duration(seconds) == text
