"""Sessions and journeys beside DuckDB's own sort of the same touchpoints by customer and time into a table.

Made-up touchpoints of skewed customers, two in three with a stage. Sessions and journeys are to cost at most
two and a half times the sort.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

from rich.console import Console
from rich.table import Table

from journey_analytics.engine.duckdb import DuckDBEngine, Limits
from journey_analytics.tables import make

_US_OF_A_DAY = 86_400_000_000
_START = 1_767_225_600_000_000
_DAYS = 60
_PARAMETERS: dict[str, str | int | None] = {
    "stage_model": "seven_stage",
    "session_timeout_us": 30 * 60_000_000,
    "inactivity_us": 10 * _US_OF_A_DAY,
    "as_of_us": _START + _DAYS * _US_OF_A_DAY,
    "conversion_stage": "stage_4",
    "conversion_window_us": 30 * _US_OF_A_DAY,
}
_TOUCHPOINTS = """
    select
        'web' as source,
        md5(cast(i as varchar)) as event_id,
        'customer-' || cast(floor(power(random(), 2) * {customers}) as bigint) as customer_id,
        cast(null as varchar) as journey_ref,
        {start} + cast(floor(random() * {span}) as bigint) as occurred_us,
        date '2026-01-01' as occurred_date,
        ['page_view', 'cart', 'order', 'login', 'ad'][1 + i % 5] as event_name,
        ['email', 'ads', 'direct'][1 + (i * 7) % 3] as channel,
        'rule_' || i % 7 as rule,
        case when i % 3 > 0 then 'stage_' || 1 + i % 7 end as stage,
        case when i % 3 > 0 then 1 + i % 7 end as stage_ordinal,
        cast(null as decimal(18, 4)) as revenue
    from range({rows}) as events (i)
"""


def run(rows: int, console: Console) -> None:
    """Generate, sort, cut, print."""
    table = Table("what", "seconds", "of processor", "ratio", "of processor")
    with tempfile.TemporaryDirectory() as folder, DuckDBEngine(Path(folder), Limits(threads=2)) as engine:
        engine.execute("select setseed(0.5)")
        made = _TOUCHPOINTS.format(
            rows=rows, customers=max(rows // 20, 1), start=_START, span=_DAYS * _US_OF_A_DAY
        )
        engine.create_table("int_touchpoints", made)
        engine.execute("create table int_journey_restarts (source varchar, event_id varchar)")
        sort = "select * from int_touchpoints order by customer_id, occurred_us"
        yardstick = _timed(lambda: engine.create_table("sorted", sort))
        engine.execute("drop table sorted")
        names = ("int_journey_touchpoints", "int_journeys")
        measured = {
            name: _timed(lambda name=name: make(engine, name, _PARAMETERS))  # type: ignore[misc]
            for name in names
        }
    measured["both"] = tuple(map(sum, zip(*measured.values(), strict=True)))  # type: ignore[assignment]
    for name, (seconds, processor) in measured.items():
        table.add_row(
            name,
            f"{seconds:.2f}",
            f"{processor:.2f}",
            f"{seconds / yardstick[0]:.2f}",
            f"{processor / yardstick[1]:.2f}",
        )
    console.print(
        f"{rows:,} touchpoints; ratio 1 = sorting them by customer and time into a table, "
        f"{yardstick[0]:.2f} s ({yardstick[1]:.2f} s of processor)"
    )
    console.print(table)


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    begun, used = perf_counter(), process_time()
    work()
    return perf_counter() - begun, process_time() - used
