"""What the gates cost: their share of a whole first night over a generated shop, gate by gate.

The first night is their dearest: all events are new. Target: at most 15 % of the run at 10 million events.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table

from journey_analytics.generator.shop import Arguments, generate
from journey_analytics.project import read_project
from journey_analytics.run import STEPS, start

TARGET = 0.15
_DAYS = 180
_START = datetime(2025, 1, 1, tzinfo=UTC)


def run(rows: int, console: Console) -> None:
    """Generate, run, compare, print."""
    with tempfile.TemporaryDirectory() as folder:
        shop = Path(folder) / "shop"
        asked = Arguments(
            events=rows,
            customers=max(rows // 20, 1),
            days=_DAYS,
            seed=1,
            start=_START.date(),
            format="parquet",
        )
        generate(asked, shop, lambda what, rows: None)
        show(measure(shop, _START + timedelta(days=_DAYS + 30)), console)


def measure(folder: Path, now: datetime) -> dict[str, tuple[float, str]]:
    """The seconds of each step of a run of the project, and what it says of itself."""
    measured = {}
    with start(read_project(folder), now=now) as run:
        for step in STEPS:
            begun = perf_counter()
            told = step.work(run)
            measured[step.name] = (perf_counter() - begun, told)
    return measured


def show(measured: dict[str, tuple[float, str]], console: Console) -> None:
    """Print each step with its share of the run; the gates are the steps called check."""
    whole = sum(seconds for seconds, _ in measured.values())
    table = Table("step", "seconds", "share of the run", "what came out")
    for name, (seconds, told) in measured.items():
        table.add_row(name, f"{seconds:.2f}", f"{seconds / whole:.1%}", told)
    console.print(table)
    gates = sum(seconds for name, (seconds, _) in measured.items() if name.startswith("check_"))
    console.print(f"gates {gates:.1f} s of {whole:.1f} s: {gates / whole:.1%}, target {TARGET:.0%}")
