"""An erasure that is killed: published sets stay sound, and the next run does it to its end."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from journey_analytics import cli
from journey_analytics.failpoints import LIST, MARK, VARIABLE
from tests.faults.children import ended, fork, run
from tests.faults.kills import ERASING
from tests.faults.outcome import Outcome
from tests.faults.shop import copy, deliver, live_set, write_shop

_CUSTOMERS = ("c7", "c8", "c9")


def erasing(scratch: Path, *, quick: bool) -> list[Outcome]:
    """Die at every failpoint of an erasure, where it is reached first and where it is reached last."""
    log = scratch / "log"
    before = _published(scratch / "before", log)
    undisturbed = copy(before, scratch / "undisturbed")
    _must(_erase(undisturbed, log), log)
    _must(run(undisturbed, log), log)
    new = live_set(undisturbed)
    if new == live_set(before) or _named(undisturbed):
        message = f"the erasure left {_named(undisturbed)}"
        raise SystemExit(message)
    listed = scratch / "listed"
    _must(_erase(copy(before, scratch / "try"), listed, failpoint=LIST), listed)
    lines = listed.read_text(encoding="utf-8").splitlines()
    hits = Counter(line.removeprefix(MARK) for line in lines if line.startswith(f"{MARK}{ERASING}"))
    outcomes = []
    for name, last in sorted(hits.items())[:: 3 if quick else 1]:
        outcome = Outcome(f"kill -9 at {name}")
        for number in sorted({1, last})[: 1 if quick else 2]:
            folder = copy(before, scratch / "try")
            outcome.tries += 1
            code = _erase(folder, log, failpoint=f"{name}:{number}")
            if code != -signal.SIGKILL:
                outcome.note = f"it did not die at hit {number}: exit code {code}"
            outcome.saw(_unsound(folder), "", "")
            outcome.to_recover += 1
            code = run(folder, log)
            if code == 0 and live_set(folder) == new and not _named(folder) and not _unsound(folder):
                outcome.recovered += 1
            else:
                outcome.note = outcome.note or f"the next run ended with {code}, left {_named(folder)}"
        outcomes.append(outcome)
        sys.stderr.write(f"{outcome}\n")
    return outcomes


def _published(folder: Path, log: Path) -> Path:
    """A project with two snapshots, and reports that show some of the customers."""
    write_shop(folder)
    _must(run(folder, log), log)
    deliver(folder)
    _must(run(folder, log), log)
    return folder


def _erase(folder: Path, log: Path, *, failpoint: str | None = None) -> int:
    """`journey erase` to its end: its exit code, minus the signal that killed it."""

    def work() -> None:
        if failpoint is not None:
            os.environ[VARIABLE] = failpoint
        named = [word for customer in _CUSTOMERS for word in ("--customer", customer)]
        cli.main(["erase", *named, "--yes", "-p", str(folder)])

    return ended(fork(work, log))


def _unsound(folder: Path) -> str:
    """What `marts verify` finds wrong with the snapshots that are kept."""
    told = folder.with_suffix(".verified")
    told.unlink(missing_ok=True)
    code = ended(fork(lambda: cli.main(["marts", "verify", "-p", str(folder)]), told))
    return "" if code == 0 else told.read_text(encoding="utf-8")


def _named(folder: Path) -> str:
    """The files of the store, the marts and the reports in which one of them is still named."""
    told = folder.with_suffix(".named")
    # in a process of its own, as every engine is
    _must(ended(fork(lambda: _write(told, _files_naming(folder, set(_CUSTOMERS))), told)), told)
    return told.read_text(encoding="utf-8")


def _files_naming(folder: Path, ids: set[str]) -> Iterator[str]:
    for path in sorted([*(folder / "store").rglob("*.parquet"), *(folder / "marts").rglob("*.parquet")]):
        frame = pl.read_parquet(path, hive_partitioning=False).select(pl.col(pl.String))
        if any(ids & set(column) for column in frame):
            yield path.name
    for path in (folder / "reports").glob("*.html"):
        page = path.read_text(encoding="utf-8")
        if any(f"<bdi>{customer}</bdi>" in page for customer in ids):
            yield path.name


def _write(path: Path, names: Iterable[str]) -> None:
    path.write_text(" ".join(names), encoding="utf-8")


def _must(code: int, log: Path) -> None:
    if code:
        raise SystemExit(f"an undisturbed command ended with {code}:\n{log.read_text(encoding='utf-8')}")
