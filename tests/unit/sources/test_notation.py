"""How values are written: each format on one value, and what two formats leave open."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from journey_analytics.local_days import to_us
from journey_analytics.sources.notation import number_notation, time_notation

LATEST_US = to_us(datetime(2026, 11, 22, tzinfo=UTC))


@pytest.mark.parametrize(
    ("value", "time_format"),
    [
        ("2026-02-14 21:13:20", "iso"),
        ("2026-02-14T21:13:20+01:00", "iso"),
        ("2026-02-14 9:13 PM", "%Y-%m-%d %I:%M %p"),
        ("14.02.2026", "%d.%m.%Y"),
        ("01.02.2026 01:03:00", "%d.%m.%Y %H:%M:%S"),
        ("14.02.2026, 21:13 Uhr", "%d.%m.%Y, %H:%M Uhr"),
        ("14.02.26 21:13", "%d.%m.%y %H:%M"),
        ("14/02/2026 21:13:20", "%d/%m/%Y %H:%M:%S"),
        ("02/14/2026 9:13 PM", "%m/%d/%Y %I:%M %p"),
        ("02/14/26", "%m/%d/%y"),
        ("20260214 211320", "%Y%m%d %H%M%S"),
        ("20260214211320", "%Y%m%d%H%M%S"),
        ("20260214T211320Z", "%Y%m%dT%H%M%SZ"),
        ("14/Feb/2026:21:13:20 +0100", "%d/%b/%Y:%H:%M:%S %z"),
        ("Feb 14, 2026", "%b %d, %Y"),
        ("1771100000", "epoch_s"),
        ("1771100000123", "epoch_ms"),
    ],
)
def test_a_time_is_read_by_its_format_and_no_other(value: str, time_format: str) -> None:
    notation = time_notation([value], LATEST_US)
    assert notation is not None
    assert (notation.written, notation.is_sure) == (time_format, True)


def test_day_and_month_stay_open_until_a_day_is_past_the_twelfth() -> None:
    open_still = time_notation(["02/03/2026 09:00", "11/03/2026 09:00"], LATEST_US)
    assert open_still is not None
    assert (open_still.written, open_still.other) == ("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M")
    settled = time_notation(["02/03/2026 09:00", "02/13/2026 09:00"], LATEST_US)
    assert settled is not None
    assert (settled.written, settled.other) == ("%m/%d/%Y %H:%M", None)


def test_a_reading_in_the_future_is_none() -> None:
    """On 22 November 12-11 is of November: the 11th of December has not come."""
    notation = time_notation(["12-11-2026 10:00"], LATEST_US)
    assert notation is not None
    assert (notation.written, notation.is_sure) == ("%d-%m-%Y %H:%M", True)


def test_a_value_that_is_no_time_is_counted() -> None:
    notation = time_notation(["n/a", "14.02.2026", "15.02.2026"], LATEST_US)
    assert notation is not None
    assert (notation.written, notation.read, notation.values) == ("%d.%m.%Y", 2, 3)
    assert (notation.example, notation.is_sure) == ("14.02.2026", False)
    assert time_notation(["n/a", "tomorrow"], LATEST_US) is None


@pytest.mark.parametrize(
    ("values", "sql", "other"),
    [
        (["49.90", "5"], "{}", None),
        (["1.234,56", "5"], "replace(replace({}, '.', ''), ',', '.')", None),
        (["1,234.56", "5"], "replace({}, ',', '')", None),
        (["1.234"], "{}", "replace(replace({}, '.', ''), ',', '.')"),
        (["1,234"], "replace(replace({}, '.', ''), ',', '.')", "replace({}, ',', '')"),
        (["EUR 5", "-6"], "regexp_replace({}, '[^0-9.,+-]', '', 'g')", None),
    ],
)
def test_a_number_is_read_by_the_plainest_sql(values: list[str], sql: str, other: str | None) -> None:
    notation = number_notation(values)
    assert notation is not None
    assert (notation.written, notation.other) == (sql, other)


def test_words_are_no_numbers() -> None:
    assert number_notation(["free"]) is None
