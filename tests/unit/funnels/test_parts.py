"""Rows are put together by customer and sorted, whatever order they come in and wherever they wait."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from journey_analytics import funnel
from journey_analytics.funnels import events as events_module
from journey_analytics.funnels import part_passes
from journey_analytics.funnels import parts as parts_module
from tests.unit.funnels.frames import events

STEPS = ["view", "cart", "order"]
_PEAK = """
import sys
from pathlib import Path
from journey_analytics import funnel
from journey_analytics.funnels import parts
parts._ROWS_AT_ONCE, parts.MOST_BYTES_IN_MEMORY = 100_000, 10_000_000
reached = funnel(sys.argv[1], ["view", "cart", "order"], breakdown="channel").reached
assert reached == [20_000] * 3, reached
# of this process alone: what getrusage says is at least what its parent had
(peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1_000)
"""


def test_rows_that_waited_on_disk_are_counted_with_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last rows come when others are on disk already, and each step of a customer in another piece."""
    rows = [(f"c{number}", minute, step) for minute, step in enumerate(STEPS) for number in range(1_000)]
    frame = events(*rows, ("c7", 5, "refund"), ("c8", 1.5, "refund"))
    asked = {"breakdown": "channel", "exclusions": [("refund", 2, 3)]}
    whole = funnel(frame, STEPS, **asked)
    monkeypatch.setattr(events_module, "_BATCH_ROWS", 90)
    monkeypatch.setattr(parts_module, "_ROWS_AT_ONCE", 200)
    together = funnel(frame, STEPS, **asked)
    monkeypatch.setattr(parts_module, "MOST_BYTES_IN_MEMORY", 14_000)
    spilled = funnel(frame, STEPS, **asked)
    for other in (together, spilled):
        assert other.table.equals(whole.table)
        assert other.by_group.equals(whole.by_group)
    assert whole.reached == [999] * 3


def test_a_long_history_is_sorted_however_it_comes() -> None:
    """Too many moves for an insertion: forwards, backwards, shuffled and all at one time."""
    rows = [
        ("ann", number if number < 9_000 else 20_000, STEPS[number % 3], f"channel {number % 7}")
        for number in range(10_000)
    ]
    shuffled = random.Random(5).sample(rows, len(rows))
    results = [
        funnel(events(*order), STEPS * 3, mode=mode, breakdown="channel", attribution=attribution)
        for mode, attribution in (("ordered", "last_touch"), ("strict", "first_touch"))
        for order in (rows, rows[::-1], shuffled)
    ]
    for first, *others in (results[:3], results[3:]):
        for other in others:
            assert other.by_group.equals(first.by_group)
            assert other.table.equals(first.table)
    assert results[0].reached == [1] * 9


@pytest.mark.parametrize("first", [-(2**52), 2**52 - 1])
@pytest.mark.parametrize("beside", [0, -1, 1])
def test_a_time_may_be_too_far_away_to_be_packed(first: int, beside: int) -> None:
    """The first and the last microsecond that fit, and those beside them; the window is one microsecond."""
    begun = first + beside
    frame = pl.DataFrame(
        {
            "customer_id": ["ann", "ann", "bob", "bob"],
            "occurred_at": pl.Series([begun + 1, begun, begun + 2, begun]).cast(pl.Datetime("us")),
            "event_name": ["order", "view", "order", "view"],
        }
    )
    result = funnel(frame, ["view", "order"], window=timedelta(microseconds=1))
    assert result.reached == [2, 1]
    assert result.customers(2) == ["ann"]


@pytest.mark.parametrize("count", [parts_module.MOST_PACKED_MARKS, parts_module.MOST_PACKED_MARKS + 1])
@pytest.mark.parametrize("kind", [pl.Int64, pl.UInt64, pl.String])
def test_customers_are_told_apart_and_named_with_many_marks(count: int, kind: pl.DataType) -> None:
    """Ids whose numbers differ in their lowest bits alone, which is where packed rows have their marks."""
    back = int(part_passes._UNMIXER)
    ids = [(number * back) % 2**64 for number in (*range(2**63, 2**63 + 40), *range(40))]
    if kind == pl.Int64:
        ids = [number - 2**63 for number in ids]
    steps = [f"step {number}" for number in range(count)]
    rows = [
        (customer, minute, step)
        for number, customer in enumerate(ids)
        for minute, step in enumerate([*steps[: number % count + 1], *[steps[0]] * 3])
    ]
    customers = pl.Series([row[0] for row in rows], dtype=pl.Int64 if kind == pl.Int64 else pl.UInt64)
    frame = pl.DataFrame(
        {
            "customer_id": customers.cast(kind),
            "occurred_at": pl.Series([row[1] for row in rows]).cast(pl.Datetime("us")),
            "event_name": [row[2] for row in rows],
        }
    )
    result = funnel(frame, steps)
    levels = [number % count + 1 for number in range(len(ids))]
    assert result.reached == [sum(level >= step for level in levels) for step in range(1, count + 1)]
    last = [customer for customer, level in zip(ids, levels, strict=True) if level == count]
    assert result.customers(count) == sorted(map(str, last) if kind == pl.String else last)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Three times the rows of the same customers; held in memory the further eight million take 270 MB."""
    peaks = []
    for millions in (4, 12):
        path = tmp_path / f"{millions}.parquet"
        number = pl.int_range(millions * 1_000_000, eager=False)
        pl.select(
            customer_id=pl.format("customer {}", number % 20_000),
            occurred_at=(number * 60_000_000).cast(pl.Datetime("us")),
            event_name=pl.lit(pl.Series(STEPS)).gather(number // 20_000 % 3),
            channel=pl.format("channel {}", number % 7),
        ).write_parquet(path, row_group_size=100_000)
        told = subprocess.run(
            [sys.executable, "-c", _PEAK, str(path)], capture_output=True, text=True, check=True
        )
        peaks.append(int(told.stdout))
    assert peaks[1] - peaks[0] < 150, peaks
