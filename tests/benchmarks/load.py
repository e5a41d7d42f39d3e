"""From a file into stg_touchpoints, beside a plain copy of the same file into a DuckDB table.

    csv          one row in a hundred has a planted fault
    parquet      the rows of that file that could be split into fields
    addresses    Parquet with a page address and a referrer to tell channels from

Each is loaded in a process of its own, whose peak memory is told. Rows kept, quarantined and copies must add
up to what was planted.
"""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time
from typing import TypeVar

import duckdb
from rich.console import Console
from rich.table import Table

from journey_analytics.project import read_project
from journey_analytics.run import STEPS, start
from tests.benchmarks.projects import write_project
from tests.planted_faults import MAPPING, NOW, Planted, write_with_faults

_ADDRESSES = """
    select
        cast(i as varchar) as id,
        strftime(timestamp '2026-01-01' + to_seconds(i), '%Y-%m-%d %H:%M:%S') as ts,
        'page_view' as name,
        'c' || i % 5000 as who,
        'https://shop.example/' || ['products', 'cart', 'blog', 'help'][1 + i % 4] || '/' || i * 31 % 3000
            || case i % 10
                when 0 then '?utm_source=crm&utm_medium=email&utm_campaign=spring%20sale'
                when 1 then '?gclid=' || md5(cast(i as varchar))
                else ''
            end as url,
        case i % 3
            when 0 then 'https://www.google.com/'
            when 1 then 'https://shop.example/' || i * 7 % 3000
        end as referrer
    from range({rows}) as events (i)
"""
_ADDRESS_COLUMNS = "  page_url: url\n  referrer_url: referrer\n"
_CSV = """
    read_csv('{path}', header = true, auto_detect = false, delim = ',', quote = '"', escape = '"',
        store_rejects = true, rejects_limit = 0, columns = {{
            'id': 'VARCHAR', 'ts': 'VARCHAR', 'name': 'VARCHAR', 'who': 'VARCHAR', 'amount': 'VARCHAR',
            'note': 'VARCHAR'
        }})
"""
T = TypeVar("T")
_STAGED = ("load", "identity")


@dataclass(frozen=True)
class Loaded:
    """What came of one file."""

    rows: int
    quarantined: int
    touchpoints: int
    copies: int
    seconds: float
    cpu_seconds: float
    yardstick: float
    memory_gb: float


def run(rows: int, console: Console) -> None:
    """Write the files, load each, compare, print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        planted = _in_own_process(_write, folder, rows)
        loaded = {kind: _in_own_process(_load, folder / kind) for kind in ("csv", "parquet", "addresses")}
    table = Table(
        *(
            "file",
            "rows",
            "quarantined",
            "copies",
            "seconds",
            "cpu",
            "rows/s",
            "plain copy",
            "ratio",
            "memory",
        )
    )
    for kind, found in loaded.items():
        table.add_row(
            kind,
            f"{found.rows:,}",
            f"{found.quarantined:,}",
            f"{found.copies:,}",
            f"{found.seconds:.2f}",
            f"{found.cpu_seconds:.2f}",
            f"{found.rows / found.seconds:,.0f}",
            f"{found.yardstick:.2f} s",
            f"{found.seconds / found.yardstick:.1f}",
            f"{found.memory_gb:.2f} GB",
        )
    console.print(table)
    _must_be_equal("rows of the CSV file", loaded["csv"].rows, planted.records)
    _must_be_equal("rows in quarantine", loaded["csv"].quarantined, len(planted.bad))
    for kind in ("csv", "parquet"):
        found = loaded[kind]
        _must_be_equal(f"copies in {kind}", found.copies, planted.copies)
        accounted = found.touchpoints + found.quarantined + found.copies
        _must_be_equal(f"kept + quarantined + copies in {kind}", accounted, found.rows)


def _must_be_equal(what: str, found: int, expected: int) -> None:
    if found != expected:
        raise SystemExit(f"{what}: {found:,}, not {expected:,}")


def _in_own_process(function: Callable[..., T], *arguments: object) -> T:
    """The function's result, from a fresh process that has done nothing else."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _write(folder: Path, rows: int) -> Planted:
    for kind, columns in (("csv", ""), ("parquet", ""), ("addresses", _ADDRESS_COLUMNS)):
        mapping = MAPPING if kind != "addresses" else MAPPING[: MAPPING.index("  revenue")]
        if kind != "csv":
            mapping = mapping.replace("format: csv", "format: parquet").replace(".csv", ".parquet")
        write_project(folder / kind, mapping + columns)
    csv = folder / "csv" / "events.csv"
    planted = write_with_faults(csv, rows)
    with duckdb.connect(config={"threads": 2}) as engine:
        engine.execute("set enable_progress_bar_print = false")
        for kind, select in (
            ("parquet", f"select * from {_CSV.format(path=csv)}"),
            ("addresses", _ADDRESSES.format(rows=rows)),
        ):
            engine.execute(f"copy ({select}) to '{folder / kind / 'events.parquet'}'")
    return planted


def _load(folder: Path) -> Loaded:
    (file,) = folder.glob("events.*")
    with start(read_project(folder), now=NOW) as run:
        begun, cpu_begun = perf_counter(), process_time()
        for step in STEPS:
            if step.name in _STAGED:
                step.work(run)
        seconds, cpu_seconds = perf_counter() - begun, process_time() - cpu_begun
        (totals,) = run.totals
        touchpoints = run.engine.count("stg_touchpoints")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    table = _CSV.format(path=file) if file.suffix == ".csv" else f"read_parquet('{file}')"
    with duckdb.connect(config={"threads": 2}) as engine:
        engine.execute("set enable_progress_bar_print = false")
        begun = perf_counter()
        engine.execute(f"create table plain as select * from {table}")
        yardstick = perf_counter() - begun
    return Loaded(
        rows=totals.rows,
        quarantined=totals.quarantined,
        touchpoints=touchpoints,
        copies=totals.events - touchpoints,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        yardstick=yardstick,
        memory_gb=memory * 1024 / 1e9,
    )
