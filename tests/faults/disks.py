"""Disks: full at any moment of a run, or broken: an fsync fails, and what was written may be gone."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import sleep

from journey_analytics import cli
from journey_analytics.errors import EXIT_MACHINE
from tests.faults.children import ended, fork
from tests.faults.kills import Ready
from tests.faults.outcome import Outcome
from tests.faults.shop import copy, live_set

_DISK_BYTES = 64 << 20
_PAGE = 4096
_FILLED = 8
_BROKEN = 8


def can_mount() -> bool:
    """Whether this process may make a small disk of memory."""
    return os.geteuid() == 0 and shutil.which("mount") is not None


def can_inject() -> bool:
    """Whether there is a tool that makes a system call fail."""
    return shutil.which("strace") is not None


def full_disk(scratch: Path, *, quick: bool) -> list[Outcome]:
    """Run on a disk with room for none, an eighth, two eighths ... of what the run writes; then make room."""
    ready = Ready(scratch)
    needed = _used(scratch / "undisturbed") - _used(ready.before)
    outcome = Outcome("disk full")
    for part in range(0, _FILLED, 4 if quick else 1):
        with _small_disk(scratch / "disk") as disk:
            folder = copy(ready.before, disk / "shop")
            filler = disk / "filler"
            room = needed * part // _FILLED
            _fill(filler, shutil.disk_usage(disk).free - room)
            _count(ready, outcome, folder, partial(_run, folder))
            filler.unlink()
            ready.recover(folder, outcome)
    return [outcome]


def broken_disk(scratch: Path, *, quick: bool) -> list[Outcome]:
    """Run on a disk that fails from the n-th fsync on, from a run's first to its last."""
    ready = Ready(scratch)
    outcome = Outcome("EIO on fsync")
    asked = scratch / "fsyncs"
    ended(fork(partial(_run, ready.try_project(), "-o", str(asked)), ready.log))
    fsyncs = len(asked.read_text(encoding="utf-8").splitlines())
    for part in range(0, _BROKEN, 4 if quick else 1):
        number = 1 + (fsyncs - 1) * part // (_BROKEN - 1)
        folder = ready.try_project()
        fault = ("-o", os.devnull, "-e", f"inject=fsync:error=EIO:when={number}+")
        _count(ready, outcome, folder, partial(_run, folder, *fault))
        ready.recover(folder, outcome)
    return [outcome]


def _run(folder: Path, *traced: str) -> None:
    if traced:
        _trace(traced)
    cli.main(["run", "-p", str(folder), "--json"])


def _count(ready: Ready, outcome: Outcome, folder: Path, work: Callable[[], None]) -> None:
    """Let a process do the work, which the disk must stop, and count what is live."""
    code = ended(fork(work, ready.log))
    outcome.tries += 1
    outcome.saw(live_set(folder), ready.old, ready.new)
    if code != EXIT_MACHINE:
        outcome.note = outcome.note or f"exit code {code}"


@contextmanager
def _small_disk(place: Path) -> Iterator[Path]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "none", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
        place.rmdir()


def _fill(path: Path, size: int) -> None:
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(size // _PAGE * _PAGE, _PAGE))


def _used(folder: Path) -> int:
    """Bytes of a folder on disk, in whole pages."""
    sizes = (path.stat().st_size for path in folder.rglob("*"))
    return sum(-(-size // _PAGE) * _PAGE for size in sizes)


def _trace(options: Sequence[str]) -> None:
    """From here on let strace see the fsyncs of this process."""
    tracer = ["strace", "-f", "-qq", "-e", "trace=fsync", "-e", "signal=none", *options]
    subprocess.Popen([*tracer, "-p", str(os.getpid())], stdin=subprocess.DEVNULL)
    while "TracerPid:\t0\n" in Path("/proc/self/status").read_text(encoding="ascii"):
        sleep(0.01)
