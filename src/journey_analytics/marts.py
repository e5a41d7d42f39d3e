"""Marts: write a whole new snapshot, move one pointer, and find what is published.

    marts/snapshots/<run_id>/mart_x.parquet                     one file per mart
    marts/snapshots/<run_id>/mart_x/day=2026-10-05/part-0.parquet    one per day, for event-level marts
    marts/snapshots/<run_id>/mart_x/month=2026-10/part-0.parquet     one per month, for journey-level marts
    marts/snapshots/<run_id>/data_dictionary.md, marts.sql      what the columns mean, views of the files
    marts/snapshots/<run_id>/manifest.json                      files, rows, sha256, inputs, versions
    marts/CURRENT                                               the name of the live snapshot

A reader that follows the pointer once sees one whole set, the old or the new. Everything is on disk before
the pointer moves.

Belongs here: publishing, and finding the live snapshot. Does not belong here: what the marts hold
(sql/marts), reading their rows (query.py), and the snapshots of earlier runs (history.py, retention.py).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

from journey_analytics import failpoints
from journey_analytics.contracts import files_of
from journey_analytics.disk import sha256_of, sync, sync_folder
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.errors import DamagedError, MartError, Problem, advise
from journey_analytics.mart_files import write_marts
from journey_analytics.reference.dictionary import DOCUMENTS, document

POINTER = "CURRENT"
MANIFEST = "manifest.json"
SNAPSHOTS = "snapshots"
BECOMES = "becomes"
"""In a manifest, of a file that an erasure is about to replace: what it will be."""


@dataclass(frozen=True)
class Snapshot:
    """One published set of marts, found once and read from then on."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        """Its folder's name: the run's id, with a number behind it when an earlier one has that name."""
        return self.folder.name

    @property
    def run_id(self) -> str:
        """The run that published it."""
        return str(self.manifest["run_id"])

    @property
    def as_of(self) -> date:
        """The local day at whose end it stands."""
        return date.fromisoformat(self.manifest["as_of"])

    @property
    def published_us(self) -> int:
        """When it was published last, microseconds since 1970 UTC; rises from one publishing to the next."""
        return (self.folder / MANIFEST).stat().st_mtime_ns // 1000

    @property
    def erasures(self) -> frozenset[str]:
        """The erasures without whose customers its numbers were made."""
        # none before the first version that erased
        return frozenset(self.manifest.get("erasures", ()))

    @property
    def marts(self) -> dict[str, int]:
        """Mart name to rows."""
        return {name: int(entry["rows"]) for name, entry in self.manifest["marts"].items()}

    def pattern(self, mart: str) -> str:
        """The path pattern of a mart's files, for any Parquet reader."""
        if mart not in self.manifest["marts"]:
            raise MartError(
                Problem(f"there is no mart {mart!r}", str(self.folder), advise(mart, self.marts, "mart"))
            )
        # a snapshot of an earlier version may have other files than its contract says now
        is_split = any("/" in file["path"] for file in self.manifest["marts"][mart]["files"])
        return str(self.folder / files_of(mart, is_split=is_split))


def current(folder: Path) -> Snapshot:
    """The live snapshot.

    Raises:
        MartError: nothing has been published yet, or the pointer leads nowhere.
    """
    name = live_name(folder)
    if name is None:
        raise MartError(
            Problem(
                "no marts have been published yet",
                str(folder),
                "run `journey run -p` on the project",
            )
        )
    return read_snapshot(folder, name)


def read_snapshot(folder: Path, name: str) -> Snapshot:
    """A snapshot by the name of its folder.

    Raises:
        MartError: it is not there.
        DamagedError: its manifest cannot be read.
    """
    manifest = folder / SNAPSHOTS / name / MANIFEST
    try:
        return Snapshot(manifest.parent, json.loads(manifest.read_text(encoding="utf-8")))
    except FileNotFoundError as cause:
        raise MartError(
            Problem(
                f"the snapshot {name!r} is not there",
                str(folder),
                "`journey marts history` lists those that are; `journey run --force` publishes anew",
            )
        ) from cause
    except ValueError as cause:
        raise DamagedError(
            Problem(
                f"the manifest of snapshot {name!r} is damaged: {cause}",
                str(manifest),
                "`journey marts restore` an earlier one, or `journey run --force` to publish anew",
            )
        ) from cause


def is_current(folder: Path, run_id: str) -> bool:
    """Whether the live snapshot is the one this run would publish."""
    try:
        return current(folder).run_id == run_id
    except (MartError, DamagedError):
        return False


def write_snapshot(
    engine: DuckDBEngine,
    folder: Path,
    run_id: str,
    about: Mapping[str, Any],
    base: Snapshot | None = None,
) -> Path:
    """Write every mart and the manifest to a new snapshot folder, all of it on disk when this returns.

    Args:
        engine: holds the mart tables.
        folder: the project's marts folder.
        run_id: names the snapshot; a leftover of a run that was cut short is written over. A snapshot of the
            same run stays when it is equal and sound, and else the new one gets a number behind its name.
        about: what else the manifest says: inputs, versions, the as-of day.
        base: after a night, the snapshot that holds the rows of customers who did not change.

    Returns:
        The snapshot's folder; no reader sees it before `move_pointer`.
    """
    scratch = folder / SNAPSHOTS / f".{run_id}.tmp"
    if scratch.exists():
        shutil.rmtree(scratch)
    scratch.mkdir(parents=True)
    written = write_marts(engine, scratch, base)
    documents = [_write_document(scratch, name) for name in DOCUMENTS]
    manifest = {"run_id": run_id, **about, "marts": written, "documents": documents}
    text = json.dumps(manifest, indent=1, sort_keys=True, default=str) + "\n"
    (scratch / MANIFEST).write_text(text, encoding="utf-8")
    failpoints.reach("publish.manifest_written")
    final = _place_for(folder, run_id, text)
    if final.exists():
        shutil.rmtree(scratch)
        return final
    sync_folder(scratch)
    failpoints.reach("publish.snapshot_on_disk")
    scratch.rename(final)
    sync(final.parent)
    failpoints.reach("publish.snapshot_named")
    return final


def _place_for(folder: Path, run_id: str, manifest: str) -> Path:
    """The folder of the new snapshot: one that says the same and is sound, or else a name that is free.

    A snapshot that is there is never written over: it may be the live one, or one that somebody reads.
    """
    for number in count(1):
        place = folder / SNAPSHOTS / (run_id if number == 1 else f"{run_id}-{number}")
        path = place / MANIFEST
        says_the_same = path.is_file() and path.read_text(encoding="utf-8", errors="replace") == manifest
        if not place.exists() or (says_the_same and not damage(Snapshot(place, json.loads(manifest)))):
            break
    return place


def live_name(folder: Path) -> str | None:
    """The name of the live snapshot's folder; None before the first is published."""
    pointer = folder / POINTER
    return pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else None


def publish(folder: Path, name: str, now_us: int) -> None:
    """Make a written snapshot the newest one, and the live one in one rename.

    Args:
        folder: the project's marts folder.
        name: of the snapshot's folder.
        now_us: when that is, microseconds since 1970 UTC; should the clock have been set back, it counts as
            just after the newest.
    """
    date_snapshot(folder, name, now_us)
    move_pointer(folder, name)


def date_snapshot(folder: Path, name: str, now_us: int) -> None:
    """Say that a snapshot was published now, after all others; the time of its manifest holds it."""
    mine = folder / SNAPSHOTS / name / MANIFEST
    others = (path for path in (folder / SNAPSHOTS).glob(f"[!.]*/{MANIFEST}") if path != mine)
    newest_us = max((path.stat().st_mtime_ns // 1000 for path in others), default=0)
    moment_ns = max(now_us, newest_us + 1) * 1000
    os.utime(mine, ns=(moment_ns, moment_ns))
    sync(mine)
    failpoints.reach("publish.dated")


def move_pointer(folder: Path, name: str) -> None:
    """Make a written snapshot the live one, in one rename; all of it is on disk when this returns.

    Args:
        folder: the project's marts folder.
        name: of the snapshot's folder.
    """
    scratch = folder / f"{POINTER}.tmp"
    scratch.write_text(name + "\n", encoding="utf-8")
    sync(scratch)
    failpoints.reach("publish.pointer_written")
    scratch.rename(folder / POINTER)
    failpoints.reach("publish.pointer_moved")
    sync(folder)


def damage(snapshot: Snapshot) -> list[Problem]:
    """Every file of a snapshot that is not what its manifest says, byte for byte."""
    heal = "`journey run --force` publishes anew; `journey marts verify` says which others can be restored"
    return [
        Problem(what, f"{path}, {path.stat().st_size:,} bytes" if path.is_file() else str(path), heal)
        for path, what in damaged_files(snapshot).items()
    ]


def damaged_files(snapshot: Snapshot) -> dict[Path, str]:
    """The files of a snapshot that are not what its manifest says, and what is wrong with each."""
    published = [file for entry in snapshot.manifest["marts"].values() for file in entry["files"]]
    damaged = {}
    for file in [*published, *snapshot.manifest["documents"]]:
        path = snapshot.folder / file["path"]
        if not path.is_file():
            damaged[path] = "a published file is missing"
            continue
        found = sha256_of(path)
        if found not in (file["sha256"], file.get(BECOMES, file)["sha256"]):
            told = f"sha256 {found[:12]}, published as {file['sha256'][:12]}"
            damaged[path] = f"a published file is damaged: {told}"
    return damaged


def _write_document(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    path.write_text(document(name), encoding="utf-8")
    return _entry(path, folder)


def _entry(path: Path, folder: Path) -> dict[str, Any]:
    """A file of the snapshot as its manifest lists it."""
    sync(path)
    return {
        "path": str(path.relative_to(folder)),
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
    }
