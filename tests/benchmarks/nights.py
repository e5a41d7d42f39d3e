"""What a night costs beside a run that makes everything: a made-up shop, and nights with few new events.

The history is loaded and run once. Then nights bring the shop's last events: so many that they are 1 % and
0.1 % of all. The yardsticks are that run, and DuckDB sorting the stored events into one Parquet file.
"""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from time import perf_counter

import duckdb
from rich.console import Console
from rich.table import Table

from journey_analytics.generator.shop import Arguments, generate
from journey_analytics.project import read_project
from journey_analytics.run import STEPS, start

_NOW = datetime(2027, 1, 1, tzinfo=UTC)
_DAYS = 365
_FILES_A_SOURCE = 12
_SHARES = (0.01, 0.01, 0.001, 0.001)
_SNAPSHOTS = 30


@dataclass(frozen=True)
class Measured:
    """One run: seconds of each step, and bytes of the store and of all snapshots after it."""

    what: str
    steps: dict[str, float]
    said: str
    store: int
    marts: int


def run(rows: int, console: Console) -> None:
    """Generate, run, feed nights, compare, print."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "shop"
        asked = Arguments(rows, rows // 20, _DAYS, 1, date(2025, 1, 1), "parquet")
        generate(asked, folder, lambda *_: None)
        shares = [*_SHARES, *[_SHARES[-1]] * (_SNAPSHOTS - 1 - len(_SHARES))]
        _hold_back(folder, shares)
        measured = [_measure(folder, "everything")]
        copy = _sorted_copy(folder)
        for number, share in enumerate(shares):
            for file in (folder / "held back").glob(f"{number}-*"):
                source = file.stem.partition("-")[2]
                file.rename(folder / "landing" / source / f"night-{number:02}.parquet")
            measured.append(_measure(folder, f"{share:.1%}"))
    _print(console, measured[: len(_SHARES) + 1], copy)
    console.print(
        f"{len(measured)} snapshots: {measured[-1].marts / measured[0].marts:.2f} times the disk of "
        f"the first ({measured[0].marts / 1e6:.1f} MB)"
    )
    console.print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def _hold_back(folder: Path, shares: Sequence[float]) -> None:
    """Take the last events out of the shop's files, a file for each night and source; few files stay."""
    (folder / "held back").mkdir()
    sources = sorted((folder / "landing").iterdir())
    with duckdb.connect() as engine:
        engine.execute("set TimeZone = 'UTC'")
        times = " union all ".join(f"select ts from '{source}/*.parquet'" for source in sources)
        edges = [1 - sum(shares[number:]) for number in range(len(shares))]
        cuts = engine.execute(f"select quantile_disc(ts, {edges}) from ({times})").fetchall()[0][0]
        for source in sources:
            files = sorted(source.iterdir())
            rows = f"read_parquet('{source}/*.parquet')"
            for number, (cut, following) in enumerate(zip(cuts, [*cuts[1:], None], strict=True)):
                until = "" if following is None else f"and ts < '{following}'"
                target = folder / "held back" / f"{number}-{source.name}.parquet"
                engine.execute(f"copy (from {rows} where ts >= '{cut}' {until}) to '{target}'")
            for number in range(_FILES_A_SOURCE):
                names = [str(file) for file in files[number::_FILES_A_SOURCE]]
                if names:
                    history = f"from read_parquet({names}) where ts < '{cuts[0]}'"
                    engine.execute(f"copy ({history}) to '{source}/history-{number:02}.parquet'")
            for file in files:
                file.unlink()


def _measure(folder: Path, what: str) -> Measured:
    """Run the project once."""
    steps = {}
    begun = perf_counter()
    with start(read_project(folder), now=_NOW) as run:
        steps["start"] = perf_counter() - begun
        said = ""
        for step in STEPS:
            begun = perf_counter()
            told = step.work(run)
            said = told if step.name == "identity" else said
            steps[step.name] = perf_counter() - begun
    return Measured(what, steps, said, _bytes(folder / "store"), _bytes(folder / "marts"))


def _sorted_copy(folder: Path) -> float:
    """Seconds that DuckDB needs to sort the stored events by customer and time into Parquet."""
    with duckdb.connect(config={"threads": 2}) as engine:
        begun = perf_counter()
        engine.execute(
            f"copy (select * from read_parquet('{folder}/store/events/*/*.parquet', union_by_name = true) "
            f"order by customer_ref, occurred_us) to '{folder / 'sorted.parquet'}'"
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
    table.add_row("store, MB", *(f"{m.store / 1e6:.1f}" for m in measured))
    console.print(table)
    for m in measured:
        console.print(f"{m.what}: {m.said}")
    console.print(f"everything: {seconds[0] / copy:.1f} times a sorted copy of the events ({copy:.2f} s)")
