"""How long the report takes, beside one plain reading of the two marts it reads most of.

The made-up web events of `steps` are run as a project; then its report is written from the published marts.
"""

from __future__ import annotations

import resource
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import duckdb
from rich.console import Console
from rich.table import Table

from journey_analytics.marts import current
from journey_analytics.project import read_project
from journey_analytics.reports.dropoff import write_report
from journey_analytics.run import STEPS, start
from tests.benchmarks.projects import write_project
from tests.benchmarks.steps import MAPPING, write_events

_READ_MOST = ("mart_journey_stages", "mart_journeys")


def run(rows: int, console: Console) -> None:
    """Generate, run, report, print."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop"
        write_project(path, MAPPING.replace("KIND", "parquet"))
        write_events(path / "events.parquet", rows)
        project = read_project(path)
        with start(project, now=datetime(2027, 1, 1, tzinfo=UTC)) as running:
            for step in STEPS[:-1]:
                step.work(running)
        snapshot = current(project.marts_folder)
        begun = perf_counter()
        written = write_report(project, snapshot)
        seconds = perf_counter() - begun
        begun = perf_counter()
        with duckdb.connect(config={"threads": 2}) as engine:
            for mart in _READ_MOST:
                engine.execute(f"select sum(hash(r)) from read_parquet('{snapshot.pattern(mart)}') as r")
        yardstick = perf_counter() - begun
        size = written.path.stat().st_size
    console.print(
        f"{rows:,} events; ratio 1 = DuckDB reading {' and '.join(_READ_MOST)} once: {yardstick:.2f} s"
    )
    table = Table("report", "seconds", "ratio", "MB")
    table.add_row(
        "report.html, mail.html, index.html",
        f"{seconds:.2f}",
        f"{seconds / yardstick:.1f}",
        f"{size / 1e6:.2f}",
    )
    console.print(table)
    console.print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
