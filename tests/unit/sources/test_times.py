"""Times as they come: with and without an offset, at both clock changes, as numbers, and in patterns."""

from __future__ import annotations

from pathlib import Path

import pytest

from journey_analytics.errors import ConfigError
from tests.unit.sources.loading import Loaded, load


def times(tmp_path: Path, values: list[str], more: str = "") -> Loaded:
    """A CSV file with these times, loaded; the customer is the number of the row."""
    rows = [f'"{value}",{number}' for number, value in enumerate(values)]
    (tmp_path / "a.csv").write_text("\n".join(["seen,who", *rows]), encoding="utf-8")
    mapping = "source: test\nformat: csv\nfiles: a.csv\nkey: [who]\n"
    return load(
        tmp_path, f"{mapping}columns: {{occurred_at: seen, event_name: \"'x'\", customer_ref: who}}\n{more}"
    )


def by_row(loaded: Loaded) -> list[str]:
    return [at for _, at in sorted(loaded.told("customer_ref", "at"))]


def test_local_times_at_both_clock_changes_are_counted(tmp_path: Path) -> None:
    loaded = times(
        tmp_path,
        ["2024-03-31 01:59:59", "2024-03-31 02:30:00", "2024-03-31 03:00:00", "2024-10-27 01:59:59",
         "2024-10-27 02:30:00", "2024-10-27 03:00:00", "2024-10-27 02:30:00+02:00"],
        "timezone: Europe/Berlin\n",
    )  # fmt: skip
    assert by_row(loaded) == [
        "2024-03-31 00:59:59",
        "2024-03-31 01:30:00",  # no clock showed it: an hour later
        "2024-03-31 01:00:00",
        "2024-10-26 23:59:59",
        "2024-10-27 01:30:00",  # stood twice on the clocks: the later
        "2024-10-27 02:00:00",
        "2024-10-27 00:30:00",  # says itself which one it is
    ]
    assert (loaded.totals.times_ambiguous, loaded.totals.times_shifted) == (1, 1)


def test_offsets_are_read_whatever_the_zone_of_the_source(tmp_path: Path) -> None:
    loaded = times(
        tmp_path,
        ["2024-05-01T10:00:00Z", "2024-05-01 10:00:00.123456+02:00", "2024-05-01 10:00:00-0330",
         "2024-05-01 10:00:00", "2024-05-01"],
        "timezone: Asia/Tokyo\n",
    )  # fmt: skip
    assert by_row(loaded) == [
        "2024-05-01 10:00:00",
        "2024-05-01 08:00:00.123456",
        "2024-05-01 13:30:00",
        "2024-05-01 01:00:00",
        "2024-04-30 15:00:00",
    ]


@pytest.mark.parametrize(
    ("unit", "value"),
    [("epoch_s", "1714557600.25"), ("epoch_ms", "1714557600250"), ("epoch_us", "1714557600250000")],
)
def test_numbers_are_read_in_their_unit(tmp_path: Path, unit: str, value: str) -> None:
    loaded = times(tmp_path, [value, "soon"], f"time_format: {unit}\ntimezone: Asia/Tokyo\n")
    assert by_row(loaded) == ["2024-05-01 10:00:00.250000"]
    assert loaded.bad_rows == [("a.csv", 2, "occurred_at", "soon", "not a time")]


def test_a_number_in_the_wrong_unit_is_a_bad_row(tmp_path: Path) -> None:
    assert times(tmp_path, ["1714557600"], "time_format: epoch_ms\n").bad_rows[0][4] == "before 1990"
    (tmp_path / "a.csv").unlink()
    assert times(tmp_path, ["1714557600000"], "time_format: epoch_s\n").bad_rows[0][4] == "in the future"


def test_a_pattern_reads_day_before_month(tmp_path: Path) -> None:
    loaded = times(
        tmp_path, ["03/02/2024 9:05", "31/12/2024 18:00", "12/31/2024 18:00"], "time_format: '%d/%m/%Y %H:%M'"
    )
    assert by_row(loaded) == ["2024-02-03 09:05:00", "2024-12-31 18:00:00"]
    assert loaded.bad_rows == [("a.csv", 3, "occurred_at", "12/31/2024 18:00", "not a time")]


def test_hours_without_a_leading_zero_are_read(tmp_path: Path) -> None:
    assert by_row(times(tmp_path, ["2018-01-24 3:12:16", "2018-01-24 13:12:16"])) == [
        "2018-01-24 03:12:16",
        "2018-01-24 13:12:16",
    ]


def test_a_number_without_a_unit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"seen": 1714557600}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="say its unit with time_format"):
        load(
            tmp_path,
            "source: t\nformat: jsonl\nfiles: a.jsonl\nfields: {seen: BIGINT}\nkey: [seen]\n"
            "columns: {occurred_at: seen, event_name: \"'x'\", customer_ref: \"'c'\"}\n",
        )
