"""Seven steps in 30 days, side by side with ClickHouse in this process.

Made-up shop events of skewed customers and three bots with 100,000 events each, no two at one time, once as
a raw Parquet file in the order of time and once as the product publishes mart_touchpoints: a file a day,
all columns of its contract, in its order. ClickHouse (`pip install chdb`) counts the same files
with its windowFunnel on two threads, and the counts must be equal. It is asked twice: as it comes, and
without the memory of a query's groups, which makes every asking but the first slower. Seconds of processor
tell more than seconds on a machine that others use too. retentioneering, where it is installed, is asked
about a million events without a window, which it does not know; pm4py has no funnel.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import duckdb
import polars as pl
from rich.console import Console
from rich.table import Table

from journey_analytics import funnel
from journey_analytics.contracts import contract

STEPS = ("page_view", "product_view", "add_to_cart", "begin_checkout", "order", "login", "referral")
WINDOW = timedelta(days=30)
_BOTS, _BOT_EVENTS, _DAYS = 3, 100_000, 90
_REPEATS = 9
_FORGETFUL = ", collect_hash_table_stats_during_aggregation = 0"
_ROWS = """
    select
        'web' as source,
        format('e{{:016x}}', hash(i)) as event_id,
        case
            when i % {every} < {bots} then 'bot-' || (i % {every})
            else 'c' || lpad(cast(cast(floor(power(random(), 2) * {customers}) as bigint) as varchar), 9, '0')
        end as customer_id,
        make_timestamptz(
            1767225600000000 + i * {step} + cast(floor(random() * {step}) as bigint)
        ) as occurred_at,
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


@dataclass(frozen=True)
class Measured:
    """Several runs of one tool: seconds in the middle and at best, of processor in the middle; its counts."""

    seconds: float
    best: float
    processor: float
    reached: list[int]

    def against(self, other: Measured) -> str:
        """How many times the other's seconds, at best, and of processor."""
        ratios = (self.seconds / other.seconds, self.best / other.best, self.processor / other.processor)
        return "{:.2f} ({:.2f}, {:.2f})".format(*ratios)


def run(rows: int, console: Console) -> None:
    """Generate, count with everything that is installed, compare, print."""
    customers = max(rows // 20, 1)
    with tempfile.TemporaryDirectory() as folder:
        raw, mart = generate(Path(folder), rows, customers)
        table = Table(
            "events", "tool", "seconds", "best", "of processor", "ratio (best, processor)", "reached"
        )
        for name, files in (("raw file", str(raw)), ("mart_touchpoints", str(mart / "*" / "part-0.parquet"))):
            ways: dict[str, Callable[[], list[int]]] = {"this product": lambda at=files: ours(at)}
            if _is_there("chdb"):
                ways["ClickHouse"] = lambda at=files: clickhouse(at)
                ways["ClickHouse, forgetful"] = lambda at=files: clickhouse(at, _FORGETFUL)
            measured = _side_by_side(ways, _REPEATS)
            own = measured["this product"]
            for tool, found in measured.items():
                assert found.reached == own.reached, f"{tool} counts {found.reached}"
                ratio = "" if found is own else found.against(own)
                reached = " ".join(map(str, found.reached))
                times = (found.seconds, found.best, found.processor)
                table.add_row(name, tool, *(f"{time:.2f}" for time in times), ratio, reached)
        console.print(f"{rows:,} events of {customers:,} customers, medians of {_REPEATS} in turn")
        console.print(table)
        million = Path(folder) / "million.parquet"
        pl.scan_parquet(raw).head(1_000_000).collect().write_parquet(million)
        ways = {"this product": lambda: funnel(million, STEPS).reached}
        if _is_there("retentioneering"):
            ways["retentioneering"] = lambda: retentioneering(million)
        measured = _side_by_side(ways, _REPEATS)
        own = measured["this product"]
        for tool, found in measured.items():
            assert found.reached == own.reached, f"{tool} counts {found.reached}"
            console.print(
                f"1,000,000 events, {tool}: {found.seconds:.2f} s ({found.processor:.2f} s of processor), "
                f"ratio {found.against(own)}"
            )
    if not _is_there("chdb"):
        console.print("ClickHouse: not installed (pip install chdb)")
    if not _is_there("retentioneering"):
        console.print("retentioneering: not installed (pip install retentioneering)")


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
                f"copy (select {columns} from events "
                f"where cast(occurred_at as date) = date '2026-01-01' + {day} "
                f"order by {', '.join(described.sorted_by)}) to '{part}' "
                "(compression zstd, row_group_size 122880)"
            )
    return raw, mart


def ours(files: str) -> list[int]:
    """The product's count."""
    return funnel(files, STEPS, window=WINDOW).reached


def clickhouse(files: str, settings: str = "") -> list[int]:
    """ClickHouse's count; a level is the furthest step of a customer."""
    import chdb

    steps = ", ".join(f"event_name = '{step}'" for step in STEPS)
    microseconds = WINDOW // timedelta(microseconds=1)
    levels = str(
        chdb.query(
            f"select level, count() from (select customer_id, windowFunnel({microseconds})"
            f"(toUInt64(toUnixTimestamp64Micro(occurred_at)), {steps}) as level "
            f"from file('{files}', Parquet) group by customer_id) group by level "
            f"settings max_threads = 2{settings}"
        )
    )
    counts = dict(tuple(map(int, line.split(","))) for line in levels.splitlines())
    return list(accumulate(counts.get(level, 0) for level in range(len(STEPS), 0, -1)))[::-1]


def retentioneering(file: Path) -> list[int]:
    """Its sequential funnel, from the same file."""
    from retentioneering.eventstream.eventstream import Eventstream
    from retentioneering.tools.funnel import Funnel

    names = {"customer_id": "user_id", "event_name": "event", "occurred_at": "timestamp"}
    stream = Eventstream(pl.read_parquet(file, columns=list(names)).rename(names).to_pandas(), {})
    return [int(step["unique_paths"]) for step in Funnel(stream).fit(list(STEPS))["steps"]]


def _is_there(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _side_by_side(ways: dict[str, Callable[[], list[int]]], repeats: int) -> dict[str, Measured]:
    """What each takes; in turn, so that other load falls on all."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    processor: dict[str, list[float]] = {name: [] for name in ways}
    reached = {}
    for _ in range(repeats):
        for name, way in ways.items():
            begun, worked = perf_counter(), process_time()
            reached[name] = way()
            seconds[name].append(perf_counter() - begun)
            processor[name].append(process_time() - worked)
    return {
        name: Measured(median(seconds[name]), min(seconds[name]), median(processor[name]), reached[name])
        for name in ways
    }
