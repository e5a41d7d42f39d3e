"""Where a run's time goes, beside what DuckDB alone needs for the same rows.

Made-up web events (skewed customers, four kinds of event, ten channels) are written as CSV and as Parquet.
The yardstick is DuckDB sorting the same rows by customer and time into Parquet.
"""

from __future__ import annotations

import resource
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import duckdb
from rich.console import Console
from rich.table import Table

from journey_analytics.project import read_project
from journey_analytics.run import STEPS, start
from tests.benchmarks.projects import write_project

_ROWS = """
    select
        cast(i as varchar) as id,
        strftime(timestamp '2026-01-01' + to_seconds(i * 7), '%Y-%m-%d %H:%M:%S') as ts,
        ['page_view', 'page_view', 'page_view', 'add_to_cart', 'begin_checkout', 'order']
            [1 + i % 6] as name,
        'c' || cast(floor(power(random(), 2) * {customers}) as bigint) as customer,
        [
            'email', 'ads', 'direct', 'organic_search', 'paid_search', 'referral', 'social', 'sms', 'app',
            'store'
        ][1 + (i * 13) % 10] as channel,
        case when i % 6 = 5 then cast(10 + i % 90 as varchar) end as amount
    from range({rows}) as events (i)
"""
MAPPING = """
source: web
format: KIND
files: events.KIND
columns:
  event_id: id
  occurred_at: ts
  event_name: name
  customer_ref: customer
  channel: channel
  revenue: amount
"""


@dataclass(frozen=True)
class Measured:
    """Seconds of each step of one run, and of what DuckDB alone needs."""

    kind: str
    steps: dict[str, float]
    yardstick: float


def run(rows: int, console: Console) -> None:
    """Generate, run, compare, print."""
    with tempfile.TemporaryDirectory() as folder:
        measured = [_measure(Path(folder), kind, rows) for kind in ("csv", "parquet")]
    table = Table("step", *(f"{m.kind}: seconds" for m in measured), *(f"{m.kind}: ratio" for m in measured))
    for step in (*measured[0].steps, "all"):
        seconds = [m.steps[step] if step != "all" else sum(m.steps.values()) for m in measured]
        ratios = [second / m.yardstick for second, m in zip(seconds, measured, strict=True)]
        table.add_row(step, *(f"{s:.2f}" for s in seconds), *(f"{r:.2f}" for r in ratios))
    console.print(
        f"{rows:,} events; ratio 1 = DuckDB sorting the same file by customer and time into Parquet"
    )
    console.print("yardstick: " + ", ".join(f"{m.kind} {m.yardstick:.2f} s" for m in measured))
    console.print(table)
    console.print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def write_events(path: Path, rows: int) -> None:
    """Make up so many events, as CSV or Parquet by the file's name."""
    with duckdb.connect(config={"threads": 2}) as engine:
        engine.execute("select setseed(0.5)")
        select = _ROWS.format(rows=rows, customers=max(rows // 20, 1))
        engine.execute(f"copy ({select}) to '{path}' {'(header)' if path.suffix == '.csv' else ''}")


def _measure(folder: Path, kind: str, rows: int) -> Measured:
    """Run a project over generated events of one format, and the yardstick over the same file."""
    project = folder / kind
    write_project(project, MAPPING.replace("KIND", kind))
    events = project / f"events.{kind}"
    write_events(events, rows)
    steps = {}
    with start(read_project(project), now=datetime(2027, 1, 1, tzinfo=UTC)) as run:
        for step in STEPS:
            begun = perf_counter()
            step.work(run)
            steps[step.name] = perf_counter() - begun
    with duckdb.connect(config={"threads": 2}) as engine:
        begun = perf_counter()
        engine.execute(
            f"copy (select * from '{events}' order by customer, ts) to '{project / 'sorted.parquet'}'"
        )
        yardstick = perf_counter() - begun
    return Measured(kind, steps, yardstick)
