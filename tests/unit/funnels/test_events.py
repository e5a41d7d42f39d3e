"""What may hold the events of a funnel, and what is said when it does not hold them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from journey_analytics import funnel
from journey_analytics.errors import ConfigError
from journey_analytics.funnels import events as events_module
from tests.unit.funnels.frames import at, events

ROWS = events(
    ("ann", 0, "view", "ads"), ("ann", 1, "order", None), ("bob", 0, "view", "ads"), (None, 0, "view", "ads"),
    ("cem", None, "view", "ads"),
)  # fmt: skip
STEPS = ["view", "order"]


def as_parquet(folder: Path) -> Path:
    ROWS.write_parquet(folder / "events.parquet")
    return folder / "events.parquet"


def as_folder(folder: Path) -> Path:
    for day, part in enumerate((ROWS[:2], ROWS[2:])):
        (folder / f"day={day}").mkdir()
        part.write_parquet(folder / f"day={day}" / "part-0.parquet")
    return folder


def as_csv(folder: Path) -> Path:
    ROWS.write_csv(folder / "events.csv")
    return folder / "events.csv"


SOURCES: dict[str, Callable[[Path], Any]] = {
    "frame": lambda folder: ROWS,
    "lazy frame": lambda folder: ROWS.lazy(),
    "Arrow table": lambda folder: ROWS.to_arrow(),
    "relation": lambda folder: duckdb.from_arrow(ROWS.to_arrow()),
    "Parquet file": as_parquet,
    "Parquet path as text": lambda folder: str(as_parquet(folder)),
    "folder": as_folder,
    "pattern": lambda folder: as_folder(folder) / "*" / "part-0.parquet",
    "CSV file": as_csv,
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_the_same(kind: str, tmp_path: Path) -> None:
    result = funnel(SOURCES[kind](tmp_path), STEPS, breakdown="channel")
    assert result.reached == [2, 1]
    assert (result.events_without_customer, result.events_without_time) == (1, 1)
    assert result.customers(1, dropped=True) == ["bob"]
    assert result.by_group.select("group", "reached").rows() == [("ads", 2), ("ads", 1)]


def test_the_events_are_read_in_batches_that_end_with_a_customer(monkeypatch: pytest.MonkeyPatch) -> None:
    """One customer is longer than a batch, and borders fall everywhere."""
    rows = [
        (f"c{number}", minute, "view" if minute % 2 == 0 else "order")
        for number in range(40)
        for minute in range(7_000 if number == 20 else number)
    ]
    frame = events(*rows)
    whole = funnel(frame, STEPS * 2)
    monkeypatch.setattr(events_module, "_BATCH_ROWS", 2_048)
    assert funnel(frame, STEPS * 2).table.equals(whole.table)
    assert whole.reached == [39, 38, 37, 36]


def test_customers_whose_hashes_are_equal_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        (f"c{number}", minute, step)
        for number in range(50)
        for minute, step in enumerate(STEPS[: number % 3])
    ]
    plain = funnel(events(*rows), STEPS)
    hashed = events_module._number

    def with_few_hashes(name: str, kind: Any) -> dict[str, pl.Expr]:
        columns = hashed(name, kind)
        return {**columns, "customer": columns["customer"] % 4} if "check" in columns else columns

    monkeypatch.setattr(events_module, "_number", with_few_hashes)
    result = funnel(events(*rows), STEPS)
    assert result.table.equals(plain.table)
    assert result.customers(1, dropped=True) == plain.customers(1, dropped=True)
    assert plain.reached == [33, 16]


@pytest.mark.parametrize("kind", [pl.Int64, pl.UInt32, pl.UInt64, pl.Categorical])
def test_an_id_may_be_a_number_or_a_category(kind: Any) -> None:
    frame = events(("7", 0, "view"), ("7", 1, "order"), ("8", 0, "view"))
    through = frame if kind is pl.Categorical else frame.with_columns(pl.col("customer_id").cast(pl.Int64))
    result = funnel(through.with_columns(pl.col("customer_id").cast(kind)), STEPS)
    assert result.reached == [2, 1]
    assert [str(customer) for customer in result.customers(2)] == ["7"]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_times_may_come_in_any_unit_and_without_a_zone(unit: Any) -> None:
    frame = ROWS.with_columns(pl.col("occurred_at").dt.replace_time_zone(None).dt.cast_time_unit(unit))
    assert funnel(frame, STEPS, window=timedelta(seconds=60)).reached == [2, 1]
    assert funnel(frame, STEPS, window=timedelta(seconds=59)).reached == [2, 0]


def test_days_are_moments_too() -> None:
    frame = pl.DataFrame(
        {
            "customer_id": ["a", "a"],
            "occurred_at": [date(1969, 12, 31), date(1970, 1, 1)],
            "event_name": STEPS,
        }
    )
    assert funnel(frame, STEPS, window=timedelta(days=1), mode="strict").reached == [1, 1]


def test_another_column_may_be_who_goes_through() -> None:
    frame = ROWS.rename({"customer_id": "journey_id"})
    assert funnel(frame, STEPS, entity="journey_id").reached == [2, 1]


def test_a_condition_is_read_as_in_a_stage_rule() -> None:
    frame = pl.DataFrame(
        {
            "customer_id": ["ann", "ann", "bob", "bob"],
            "occurred_at": [at(minutes=minute) for minute in range(4)],
            "event_name": ["page_view", "order", "page_view", "order"],
            "page_path": ["/pricing/all", None, "/about", None],
            "revenue": [None, 10.0, None, 0.0],
            "properties": ['{"plan": "pro"}', None, None, None],
        }
    )
    pricing = {"event_name": "page_view", "page_path": {"matches": "^/pricing"}}
    assert funnel(frame, [pricing, {"revenue": {"gt": 0}}]).reached == [1, 1]
    assert funnel(frame, ["page_view", {"revenue": {"gt": 0}}]).reached == [2, 1]
    assert funnel(frame, [{"properties.plan": "pro"}]).reached == [1]
    assert funnel(frame, ["page_view", "order"], exclusions=[({"revenue": 0}, 1, 2)]).reached == [2, 2]


def test_a_late_answer_still_finds_its_customers() -> None:
    """The events are kept as long as the result is."""
    result = funnel(ROWS.lazy(), STEPS)
    assert [result.customers(1), result.customers(2)] == [["ann", "bob"], ["ann"]]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (ROWS.rename({"occurred_at": "occured_at"}), ["no column 'occurred_at'", "use 'occured_at'"]),
        (
            ROWS.with_columns(pl.col("occurred_at").cast(pl.String)),
            ["occurred_at is String", "str.to_datetime"],
        ),
        ({"customer_id": ["a"]}, ["events in a dict cannot be read", "Polars frame"]),
        ("nowhere/*.parquet", ["the events cannot be read", "nowhere/*.parquet"]),
    ],
)
def test_what_cannot_be_read_is_named(frame: Any, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        funnel(frame, STEPS)
    for word in words:
        assert word in str(caught.value)


def test_a_time_that_is_none_is_named_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("customer_id,occurred_at,event_name\nann,yesterday,view\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="yesterday") as caught:
        funnel(path, STEPS)
    assert str(path) in str(caught.value)


def test_naive_and_zoned_times_are_both_utc() -> None:
    naive = pl.DataFrame(
        {"customer_id": ["a", "a"], "occurred_at": [datetime(2026, 3, 29, 0), datetime(2026, 3, 30, 0)]}  # noqa: DTZ001
    ).with_columns(event_name=pl.Series(STEPS))
    assert funnel(naive, STEPS, window=timedelta(hours=24)).reached == [1, 1]
