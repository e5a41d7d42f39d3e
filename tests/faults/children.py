"""Runs as processes of their own that need no time to start: everything is imported once, then forked.

The parent must never use an engine itself: its threads would not be there after the fork.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from time import monotonic, sleep

from journey_analytics import cli
from journey_analytics.failpoints import VARIABLE

_NO_EXIT = 99
for _module in (
    "journal",
    "quality.gates",
    "quality.sql_checks",
    "reports.dropoff",
    "funnels.closed",
    "erasure",
):
    import_module(f"journey_analytics.{_module}")  # what a run imports on its way


def fork(work: Callable[[], None], log: Path) -> int:
    """Start a process that does the work and ends with its exit code; its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = _NO_EXIT
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        work()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        with contextlib.suppress(OSError):
            if code == _NO_EXIT:
                traceback.print_exc()
            sys.stderr.flush()
        os._exit(code)


def start_run(folder: Path, log: Path, *options: str, failpoint: str | None = None) -> int:
    """Start `journey run` on a project; its process id."""

    def work() -> None:
        if failpoint is not None:
            os.environ[VARIABLE] = failpoint
        cli.main(["run", "-p", str(folder), "--json", *options])

    return fork(work, log)


def ended(pid: int) -> int:
    """Wait for a process: its exit code, minus the signal that killed it."""
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def run(folder: Path, log: Path, *options: str, failpoint: str | None = None) -> int:
    """`journey run` to its end: its exit code, minus the signal that killed it."""
    return ended(start_run(folder, log, *options, failpoint=failpoint))


def is_running(pid: int) -> bool:
    """Whether a process still runs; it can be waited for afterwards."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def pauses(seconds: float) -> Iterator[None]:
    """Give the turn back every few milliseconds until the time is over."""
    until = monotonic() + seconds
    while monotonic() < until:
        sleep(0.005)
        yield
