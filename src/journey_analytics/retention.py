"""Which old snapshots go: all but the newest, and never one that somebody needs.

A reader pins a snapshot by a shared lock (flock) on its manifest.json for as long as it reads; the lock goes
with the reader's process, however that ends. `open_marts` does so, and any other program can:

    flock --shared marts/snapshots/<name>/manifest.json  my-report ...

Belongs here: pins, and what is removed. Does not belong here: writing snapshots (marts.py).
"""

from __future__ import annotations

import fcntl
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from journey_analytics import failpoints
from journey_analytics.errors import MartError, Problem
from journey_analytics.history import newest_first
from journey_analytics.marts import MANIFEST, SNAPSHOTS, Snapshot, live_name

_NAMED = re.compile(r'<meta name="journey-snapshot" content="([^"]+)">')
_HEAD = 4096


@contextmanager
def pinned(snapshot: Snapshot) -> Iterator[None]:
    """Keep a snapshot from being removed for the length of the block.

    Raises:
        MartError: it was removed just now.
    """
    path = snapshot.folder / MANIFEST
    with ExitStack() as held:
        try:
            manifest = held.enter_context(path.open("rb"))
            fcntl.flock(manifest, fcntl.LOCK_SH)
            path.stat()
        except FileNotFoundError as cause:
            raise MartError(
                Problem(
                    f"the snapshot {snapshot.name!r} was removed just now",
                    str(snapshot.folder),
                    "ask again: the live one is never removed",
                )
            ) from cause
        yield


def named_by_reports(folder: Path) -> set[str]:
    """The names of the snapshots that kept reports were made from."""
    names = set()
    for path in folder.glob("*.html"):
        with path.open(encoding="utf-8", errors="replace") as page:
            names.update(_NAMED.findall(page.read(_HEAD)))
    return names


def remove_leftovers(folder: Path) -> None:
    """Delete what runs that were cut short left of snapshots, half written or half removed."""
    for scratch in (folder / SNAPSHOTS).glob(".*.tmp"):
        shutil.rmtree(scratch)


def remove_old_snapshots(folder: Path, keep: int, needed: Collection[str] = ()) -> list[str]:
    """Delete all but the newest snapshots, and name what went.

    What runs that were cut short left half written or half removed goes too: the caller holds the project's
    lock.

    Args:
        folder: the project's marts folder.
        keep: how many of the snapshots published last stay. The live one, those that are pinned and those
            that are needed stay beside them.
        needed: names of snapshots.
    """
    remove_leftovers(folder)
    kept = {live_name(folder), *needed}
    old = [place for place in newest_first(folder)[keep:] if place.name not in kept]
    return [place.name for place in old if _remove(place)]


def _remove(place: Path) -> bool:
    """Remove a snapshot that nobody has pinned: in one rename it is none any more."""
    with (place / MANIFEST).open("rb") as manifest:
        try:
            fcntl.flock(manifest, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        scratch = place.with_name(f".{place.name}.tmp")
        place.rename(scratch)
        failpoints.reach("retention.out_of_sight")
        shutil.rmtree(scratch)
        failpoints.reach("retention.removed")
    return True
