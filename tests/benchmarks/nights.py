"""What a night costs beside a run that makes everything: a made-up shop, and nights with few new events.

The history is loaded and run once. Then nights bring the files that the shop delivers on the days after it,
late events and copies among them. The yardsticks are that run, and DuckDB sorting the stored events into one
Parquet file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import duckdb
from rich.console import Console
from rich.table import Table

from journey_analytics.generator.shop import Arguments, generate
from journey_analytics.machine import forget_peak_memory, peak_memory_bytes
from journey_analytics.project import read_project
from journey_analytics.run import STEPS, start

_FIRST = date(2024, 1, 1)
_DAYS = 1000
_NOW = datetime(2027, 1, 1, tzinfo=UTC)
_FILES_A_SOURCE = 12
_NIGHTS = (10, 10, 1, 1)
"""Days of files that the nights to look at bring: of a thousand, about 1 % and 0.1 % of all events."""
_SNAPSHOTS = 30


@dataclass(frozen=True)
class Measured:
    """One run: seconds of each step, its most memory, bytes of the store and of all snapshots after it."""

    what: str
    steps: dict[str, float]
    said: str
    peak: int
    store: int
    marts: int


def run(rows: int, console: Console) -> None:
    """Generate, run, feed nights, compare, print."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "shop"
        generate(Arguments(rows, rows // 20, _DAYS, 1, _FIRST, "parquet"), folder, lambda *_: None)
        nights = [*_NIGHTS, *[_NIGHTS[-1]] * (_SNAPSHOTS - 1 - len(_NIGHTS))]
        held_back = hold_back(folder, nights)
        measured = [_measure(folder, "everything")]
        copy = _sorted_copy(folder)
        for files in held_back:
            for file in files:
                file.rename(folder / "landing" / file.parent.name / file.name)
            measured.append(_measure(folder, _days_of(files)))
    _print(console, measured[: len(_NIGHTS) + 1], copy)
    console.print(
        f"{len(measured)} snapshots: {measured[-1].marts / measured[0].marts:.2f} times the disk of "
        f"the first ({measured[0].marts / 1e6:.1f} MB)"
    )


def hold_back(folder: Path, nights: Sequence[int]) -> list[list[Path]]:
    """Take the last days' files away, and make few files of the others; the files of each night to come."""
    sources = sorted((folder / "landing").iterdir())
    days = sorted({file.stem for source in sources for file in source.iterdir()})
    ends = [len(days) - sum(nights[number:]) for number in range(len(nights) + 1)]
    with duckdb.connect() as engine:
        for source in sources:
            (folder / "held back" / source.name).mkdir(parents=True)
            files = sorted(source.iterdir())
            history = [file for file in files if file.stem < days[ends[0]]]
            for file in files[len(history) :]:
                file.rename(folder / "held back" / source.name / file.name)
            for number in range(_FILES_A_SOURCE):
                names = [str(file) for file in history[number::_FILES_A_SOURCE]]
                if names:
                    merged = source / f"history-{number:02}.parquet"
                    engine.execute(f"copy (from read_parquet({names})) to '{merged}'")
            for file in history:
                file.unlink()
    return [
        [file for day in days[begin:end] for file in (folder / "held back").glob(f"*/{day}.parquet")]
        for begin, end in pairwise(ends)
    ]


def _measure(folder: Path, what: str) -> Measured:
    """Run the project once."""
    steps = {}
    forget_peak_memory()
    begun = perf_counter()
    with start(read_project(folder), now=_NOW) as run:
        steps["start"] = perf_counter() - begun
        said = ""
        for step in STEPS:
            begun = perf_counter()
            told = step.work(run)
            said = told if step.name == "identity" else said
            steps[step.name] = perf_counter() - begun
    return Measured(
        what, steps, said, peak_memory_bytes(), _bytes(folder / "store"), _bytes(folder / "marts")
    )


def _days_of(files: Sequence[Path]) -> str:
    days = len({file.name for file in files})
    return "1 day" if days == 1 else f"{days} days"


def _sorted_copy(folder: Path) -> float:
    """Seconds that DuckDB needs to sort the stored events by customer and time into Parquet."""
    with duckdb.connect(config={"threads": 2}) as engine:
        begun = perf_counter()
        engine.execute(
            f"copy (select * from read_parquet('{folder}/store/events/*/*.parquet', union_by_name = true) "
            f"order by coalesce(customer_ref, anonymous_ref), occurred_us) to '{folder / 'sorted.parquet'}'"
        )
        return perf_counter() - begun


def _bytes(folder: Path) -> int:
    """What a folder takes of the disk; a file with several names counts once."""
    found = {path.stat().st_ino: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    return sum(found.values())


def _print(console: Console, measured: Sequence[Measured], copy: float) -> None:
    seconds = [sum(m.steps.values()) for m in measured]
    table = Table("seconds of", *(m.what for m in measured))
    for step in measured[0].steps:
        table.add_row(step, *(f"{m.steps[step]:.2f}" for m in measured))
    table.add_row("all", *(f"{second:.2f}" for second in seconds))
    table.add_row("of everything", *(f"{second / seconds[0]:.1%}" for second in seconds))
    table.add_row("peak memory, GB", *(f"{m.peak / 1e9:.2f}" for m in measured))
    table.add_row("store, MB", *(f"{m.store / 1e6:.1f}" for m in measured))
    table.add_row("all snapshots, MB", *(f"{m.marts / 1e6:.1f}" for m in measured))
    console.print(table)
    for m in measured:
        console.print(f"{m.what}: {m.said}")
    console.print(f"everything: {seconds[0] / copy:.1f} times a sorted copy of the events ({copy:.2f} s)")
