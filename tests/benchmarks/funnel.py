"""`python -m tests.benchmarks.funnel`: seven steps in 30 days, side by side with ClickHouse in this process.

Made-up shop events of skewed customers and three bots with 100,000 events each, no two at one time, once as a raw
Parquet file in the order of time and once as the product publishes mart_touchpoints: a file a day, all the columns
of its contract, in the order of its key. ClickHouse (`pip install chdb`) counts the same files with its
windowFunnel, two threads each, and the counts must be equal. Other tools are asked the same of a million events
where they are installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import accumulate
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import duckdb
import polars as pl
from rich.console import Console
from rich.table import Table

from journey_analytics import funnel
from journey_analytics.contracts import contract

STEPS = ("page_view", "product_view", "add_to_cart", "begin_checkout", "order", "login", "referral")
WINDOW = timedelta(days=30)
_BOTS, _BOT_EVENTS, _DAYS = 3, 100_000, 90
_ROWS = """
    select
        'web' as source,
        format('e{{:016x}}', hash(i)) as event_id,
        case
            when i % {every} < {bots} then 'bot-' || (i % {every})
            else 'c' || lpad(cast(cast(floor(power(random(), 2) * {customers}) as bigint) as varchar), 9, '0')
        end as customer_id,
        make_timestamptz(1767225600000000 + i * {step} + cast(floor(random() * {step}) as bigint)) as occurred_at,
        [
            'page_view', 'page_view', 'page_view', 'page_view', 'product_view', 'product_view',
            'add_to_cart', 'begin_checkout', 'order', 'login', 'referral', 'share'
        ][1 + cast(floor(power(random(), 1.5) * 12) as bigint)] as event_name,
        [
            'email', 'ads', 'direct', 'organic_search', 'paid_search', 'referral', 'social', 'sms', 'app',
            'store'
        ][1 + cast(floor(random() * 10) as bigint)] as channel,
        '/p/' || (i % 5000) as page_path
    from range({rows}) as events (i)
"""


def main() -> int:
    """Generate, count with everything that is installed, compare, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.funnel", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--customers", type=int, default=500_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120)
    with tempfile.TemporaryDirectory() as folder:
        raw, mart = generate(Path(folder), given.rows, given.customers)
        table = Table("events", "tool", "seconds", "of processor", "ClickHouse / this", "reached")
        for name, files in (("raw file", str(raw)), ("mart_touchpoints", str(mart / "*" / "part-0.parquet"))):
            ways: dict[str, Callable[[], list[int]]] = {"this product": lambda at=files: ours(at)}
            if _is_there("chdb"):
                ways["ClickHouse"] = lambda at=files: clickhouse(at)
            measured = _side_by_side(ways, given.repeats)
            for tool, (seconds, processor, reached) in measured.items():
                assert reached == measured["this product"][2], f"{tool} counts {reached}"
                ratio = f"{seconds / measured['this product'][0]:.2f}" if tool != "this product" else ""
                table.add_row(
                    name, tool, f"{seconds:.2f}", f"{processor:.2f}", ratio, " ".join(map(str, reached))
                )
        console.print(f"{given.rows:,} events of {given.customers:,} customers, best of {given.repeats}")
        console.print(table)
        million = Path(folder) / "million.parquet"
        pl.scan_parquet(raw).head(1_000_000).collect().write_parquet(million)
        for name, way in (("this product", ours), ("retentioneering", retentioneering)):
            if not _is_there(name) and way is not ours:
                console.print(f"{name}: not installed (pip install {name}, in an environment of its own)")
                continue
            seconds, processor, reached = _measure(lambda at=way: at(str(million)), given.repeats)
            console.print(f"1,000,000 events, {name}: {seconds:.2f} s ({processor:.2f} s of processor) {reached}")
    if not _is_there("chdb"):
        console.print("ClickHouse: not installed (pip install chdb)")
    return 0


def generate(folder: Path, rows: int, customers: int) -> tuple[Path, Path]:
    """The events as one file in the order of time, and as the product publishes them."""
    raw, mart = folder / "raw.parquet", folder / "mart_touchpoints"
    select = _ROWS.format(
        rows=rows,
        customers=customers,
        bots=_BOTS,
        every=max(rows // _BOT_EVENTS, 2 * _BOTS),
        step=_DAYS * 86_400_000_000 // rows,
    )
    described = contract("mart_touchpoints")
    with duckdb.connect(config={"threads": 2}) as engine:
        engine.execute("set TimeZone = 'UTC'; select setseed(0.5)")
        engine.execute(f"create table events as {select}")
        slim = "customer_id, occurred_at, event_name, channel"
        engine.execute(f"copy (select {slim} from events) to '{raw}' (compression zstd)")
        made = {
            "source": "source", "event_id": "event_id", "customer_id": "customer_id", "channel": "channel",
            "journey_id": "md5(customer_id)", "touchpoint_number": "1", "session_number": "1",
            "occurred_at": "occurred_at", "occurred_date": "cast(occurred_at as date)",
            "event_name": "event_name", "stage": "'interest'", "rule": "event_name", "page_path": "page_path",
        }  # fmt: skip
        columns = ", ".join(
            f"cast({made.get(column.name, 'null')} as {column.type}) as {column.name}"
            for column in described.columns
        )
        for day in range(_DAYS):
            part = mart / f"day={day:03}" / "part-0.parquet"
            part.parent.mkdir(parents=True)
            engine.execute(
                f"copy (select {columns} from events where cast(occurred_at as date) = date '2026-01-01' + {day} "
                f"order by {', '.join(described.key)}) to '{part}' (compression zstd, row_group_size 122880)"
            )
    return raw, mart


def ours(files: str) -> list[int]:
    """The product's count."""
    return funnel(files, STEPS, window=WINDOW).reached


def clickhouse(files: str) -> list[int]:
    """ClickHouse's count; a level is the furthest step of a customer."""
    import chdb

    steps = ", ".join(f"event_name = '{step}'" for step in STEPS)
    microseconds = WINDOW // timedelta(microseconds=1)
    levels = str(
        chdb.query(
            f"select level, count() from (select customer_id, windowFunnel({microseconds})"
            f"(toUInt64(toUnixTimestamp64Micro(occurred_at)), {steps}) as level "
            f"from file('{files}', Parquet) group by customer_id) group by level settings max_threads = 2"
        )
    )
    counts = dict(tuple(map(int, line.split(","))) for line in levels.splitlines())
    return list(accumulate(counts.get(level, 0) for level in range(len(STEPS), 0, -1)))[::-1]


def retentioneering(files: str) -> list[int]:
    """Its closed funnel, which knows no window."""
    raise NotImplementedError


def _is_there(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _side_by_side(
    ways: dict[str, Callable[[], list[int]]], repeats: int
) -> dict[str, tuple[float, float, list[int]]]:
    """Each way in turn, so that what else the machine does falls on all of them; the best of each."""
    found: dict[str, list[tuple[float, float, list[int]]]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            found[name].append(_measure(way, 1))
    return {name: _best(runs) for name, runs in found.items()}


def _measure(way: Callable[[], list[int]], repeats: int) -> tuple[float, float, list[int]]:
    runs = []
    for _ in range(repeats):
        begun, processor = perf_counter(), process_time()
        reached = way()
        runs.append((perf_counter() - begun, process_time() - processor, reached))
    return _best(runs)


def _best(runs: Iterable[tuple[float, float, Any]]) -> tuple[float, float, Any]:
    listed = list(runs)
    return min(run[0] for run in listed), min(run[1] for run in listed), listed[0][2]


if __name__ == "__main__":
    sys.exit(main())
