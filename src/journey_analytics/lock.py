"""One run at a time: an advisory lock on the project that the kernel lets go of however a run ends."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from journey_analytics.errors import LockedError, Problem


@contextmanager
def hold(path: Path, now: datetime) -> Iterator[None]:
    """Hold the lock at `path` for the length of the block.

    Raises:
        LockedError: another process holds it; with its id and since when.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(
                Problem(
                    f"another run holds this project: {_holder(file.read())}",
                    str(path),
                    "wait for it to end; the lock goes with its process, nothing needs to be removed",
                )
            ) from None
        file.truncate(0)
        file.seek(0)
        json.dump({"pid": os.getpid(), "since": now.isoformat(timespec="seconds")}, file)
        file.flush()
        yield
        file.truncate(0)


def _holder(text: str) -> str:
    try:
        holder = json.loads(text)
        return f"process {holder['pid']}, since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "a process that has just begun"
