"""Whether kept snapshots are as they were published, file by file.

A file that no night changed is one and the same in many snapshots, by hard links, and damaged in all of them.
Belongs here: comparing kept snapshots, and telling a damaged file once. Does not belong here: one snapshot's
files and their hashes (marts.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from journey_analytics.errors import DamagedError, Problem
from journey_analytics.history import find_snapshot
from journey_analytics.marts import SNAPSHOTS, damaged_files
from journey_analytics.retention import pinned

_HEAL = "`journey run --force` publishes anew, with a file of its own"


@dataclass(frozen=True)
class Verified:
    """Kept snapshots compared with what they were when published.

    Attributes:
        sound: their names.
        problems: one per damaged or missing file, however many snapshots share it.
    """

    sound: list[str]
    problems: list[Problem]


def verify(folder: Path, names: Sequence[str]) -> Verified:
    """Compare every file of these snapshots with the sha256 in its manifest.

    Raises:
        MartError: a snapshot is not there.
    """
    sound: list[str] = []
    problems: list[Problem] = []
    shared: dict[tuple[int, int], list[tuple[Path, str]]] = {}
    for name in names:
        try:
            snapshot = find_snapshot(folder, name)
            with pinned(snapshot):
                damaged = damaged_files(snapshot)
        except DamagedError as error:
            problems.extend(error.problems)
            continue
        if not damaged:
            sound.append(snapshot.name)
        for path, what in damaged.items():
            if path.is_file():
                about = path.stat()
                shared.setdefault((about.st_dev, about.st_ino), []).append((path, what))
            else:
                problems.append(Problem(what, str(path), _HEAL))
    for (path, what), *others in shared.values():
        kept = [other.relative_to(folder / SNAPSHOTS).parts[0] for other, _ in others]
        count = f"{len(kept)} other snapshot{'s' * (len(kept) > 1)}"
        also = f"; the same file is in {count}: {', '.join(kept)}" if kept else ""
        problems.append(Problem(what, f"{path}, {path.stat().st_size:,} bytes{also}", _HEAL))
    return Verified(sound, problems)
