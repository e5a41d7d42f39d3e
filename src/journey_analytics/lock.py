"""One run at a time: an advisory lock on the project that the kernel lets go of however a run ends."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from journey_analytics.errors import LockedError, Problem

# `holder` has it for some microseconds
_LOOKS = 5
_LOOK_SECONDS = 0.05


@contextmanager
def hold(path: Path, now: datetime) -> Iterator[None]:
    """Hold the lock at `path` for the length of the block.

    Raises:
        LockedError: another process holds it; with its id and since when.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        if not _taken(file.fileno()):
            raise LockedError(
                Problem(
                    f"another run holds this project: {_holder(file.read())}",
                    str(path),
                    "wait for it to end; the lock goes with its process, nothing needs to be removed",
                )
            )
        file.truncate(0)
        file.seek(0)
        json.dump({"pid": os.getpid(), "since": now.isoformat(timespec="seconds")}, file)
        file.flush()
        yield
        file.truncate(0)


def _taken(descriptor: int) -> bool:
    """Take the lock, unless another has it for longer than a look at it takes."""
    for _ in range(_LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOOK_SECONDS)
        else:
            return True
    return False


def holder(path: Path) -> str | None:
    """Who holds the lock at `path` and since when; None when it is free."""
    try:
        with path.open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _holder(file.read())
    except FileNotFoundError:
        pass
    return None


def _holder(text: str) -> str:
    try:
        holder = json.loads(text)
        return f"process {holder['pid']}, since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "a process that has just begun"
