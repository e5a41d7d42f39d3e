"""What was published: the snapshots that are kept, the one of a day, and going back to one.

Belongs here: finding kept snapshots and making one live again. Does not belong here: which are kept
(retention.py), whether they are sound (verification.py), and what differs between two (marts_difference.py).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from pathlib import Path

from journey_analytics.errors import DamagedError, MartError, Problem, advise
from journey_analytics.local_days import check_day
from journey_analytics.marts import (
    MANIFEST,
    SNAPSHOTS,
    Snapshot,
    current,
    damage,
    move_pointer,
    read_snapshot,
)


def newest_first(folder: Path) -> list[Path]:
    """The folders of the snapshots that are kept, the one published last first."""
    manifests = (folder / SNAPSHOTS).glob(f"[!.]*/{MANIFEST}")
    return [path.parent for path in sorted(manifests, key=lambda path: path.stat().st_mtime_ns, reverse=True)]


def snapshots(folder: Path) -> list[Snapshot]:
    """Every snapshot that is kept, the one published last first; without those whose manifest is damaged."""
    found = []
    for place in newest_first(folder):
        with suppress(DamagedError):
            found.append(read_snapshot(folder, place.name))
    return found


def snapshot_as_of(folder: Path, day: date) -> Snapshot:
    """The newest kept snapshot that stands at the end of this day.

    Raises:
        ConfigError: the day cannot be computed with.
        MartError: none does; with the days there are.
    """
    check_day(day)
    kept = snapshots(folder)
    for snapshot in kept:
        if snapshot.as_of == day:
            return snapshot
    days = sorted({snapshot.as_of for snapshot in kept})
    listed = f"there are: {', '.join(map(str, days))}; " if days else ""
    raise MartError(
        Problem(
            f"no kept snapshot stands at the end of {day}",
            str(folder / SNAPSHOTS),
            f"{listed}`journey run --date {day}` or `journey backfill` makes one",
        )
    )


def find_snapshot(folder: Path, name: str | None = None) -> Snapshot:
    """A kept snapshot by its name or the first letters of it, which only one may have; the live one without.

    Raises:
        MartError: none, or more than one, is called so.
    """
    if name is None:
        return current(folder)
    names = [place.name for place in newest_first(folder)]
    called = [name] if name in names else [other for other in names if other.startswith(name)]
    if len(called) != 1:
        what = f"{len(called)} snapshots begin with {name!r}" if called else f"there is no snapshot {name!r}"
        raise MartError(Problem(what, str(folder / SNAPSHOTS), advise(name, called or names, "snapshot")))
    return read_snapshot(folder, called[0])


def restore(folder: Path, name: str) -> Snapshot:
    """Make a kept snapshot the live one again, if every file of it is as it was published.

    The caller holds the project's lock.

    Raises:
        MartError: there is no such snapshot.
        DamagedError: files of it are damaged or missing; the live one stays.
    """
    snapshot = find_snapshot(folder, name)
    problems = damage(snapshot)
    if problems:
        raise DamagedError(problems)
    move_pointer(folder, snapshot.name)
    return snapshot
