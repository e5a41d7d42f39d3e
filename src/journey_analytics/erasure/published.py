"""Kept snapshots without those who are erased: their rows in the marts that have rows of single customers.

Sums over all customers stay as they were published; the next run makes them anew for the live snapshot. A
file that several snapshots share is written once, and shared again.

Readers go on reading, for every file is replaced in one rename. The manifest first says of each file what it
becomes, so that a snapshot is sound at every moment (`damaged_files` takes a file for either), and in the end
what it is; it keeps the time at which it was published. A reader's pin on a manifest that is replaced holds
no longer.

Belongs here: which rows of published files go. Does not belong here: what people read (texts.py).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from journey_analytics import failpoints
from journey_analytics.disk import put_in_place, sha256_of, write_whole
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.sql_text import quoted, quoted_path
from journey_analytics.errors import DamagedError, Problem
from journey_analytics.history import newest_first
from journey_analytics.mart_files import ROW_GROUP
from journey_analytics.marts import BECOMES, MANIFEST, Snapshot, read_snapshot
from journey_analytics.sources.erased import ANONYMOUS, Gone

ERASED = "rows_erased"
"""In a manifest: the erasures that took rows out after it was published."""

_HEAL = "delete the folder of this snapshot, which cannot be mended; the next run publishes anew"
_CUSTOMERS, _JOURNEYS = "published_customers", "published_journeys"
_IS_THEIRS = f"customer_id in (from {_CUSTOMERS})"
_ID = f"case id_kind when 'anonymous' then {quoted(ANONYMOUS)} || id else id end"


@dataclass(frozen=True)
class _File:
    """A published file, and the snapshots that share it."""

    mart: str
    name: str
    columns: tuple[str, ...]
    snapshots: tuple[Snapshot, ...]

    @property
    def paths(self) -> list[Path]:
        """Where it is found, in each snapshot."""
        return [snapshot.folder / self.name for snapshot in self.snapshots]


class PublishedRows:
    """The rows of kept snapshots that are erased.

    Args:
        engine: an open one.
        folder: the project's marts folder.
        gone: what is erased.

    Raises:
        DamagedError: a manifest cannot be read, or a file is missing.
    """

    def __init__(self, engine: DuckDBEngine, folder: Path, gone: Gone) -> None:
        self._engine = engine
        self._gone = gone
        self.snapshots = [read_snapshot(folder, place.name) for place in newest_first(folder)]
        everyone = self._distinct("customer_id", ("mart_journeys", "mart_touchpoints"))
        theirs = f"from ({everyone}) where {gone.has_id('customer_id')}"
        engine.execute(f"create or replace table {_CUSTOMERS} as {theirs}")
        journeys = self._distinct("journey_id", ("mart_journeys",), _IS_THEIRS)
        engine.execute(f"create or replace table {_JOURNEYS} as {journeys}")
        self.journeys = frozenset(row["journey_id"] for row in engine.rows(f"from {_JOURNEYS}"))
        """Ids of journeys of theirs, in any snapshot."""
        self._rows = self._find()

    def days(self) -> set[str]:
        """The days on which journeys of theirs began, in any snapshot."""
        days = self._engine.rows(self._distinct("entry_date", ("mart_journeys",), _IS_THEIRS))
        return {str(row["entry_date"]) for row in days}

    def counts(self) -> Counter[str]:
        """How many rows are erased, by snapshot."""
        found: Counter[str] = Counter()
        for file, rows in self._rows:
            found.update({snapshot.name: rows for snapshot in file.snapshots})
        return found

    def take_out(self, erasure: str, changed: Collection[str]) -> None:
        """Take them all out, and write it into the manifests.

        Args:
            erasure: the name of the erasure.
            changed: names of further snapshots whose manifest, as it is in memory, is to be written.
        """
        self._announce()
        for file, _ in self._rows:
            for path in file.paths:
                put_in_place(_new(path), path)
                failpoints.reach("erase.published_file_replaced")
        for snapshot in self.snapshots:
            if snapshot.name in changed or any(BECOMES in entry for entry in _entries(snapshot)):
                _settle(snapshot, erasure)
                failpoints.reach("erase.manifest_settled")

    def _announce(self) -> None:
        """Write what takes the place of files beside them, and into the manifests what they become."""
        announced: dict[str, dict[str, dict[str, Any]]] = {}
        for file, _ in self._rows:
            becomes = self._write(file)
            for snapshot in file.snapshots:
                announced.setdefault(snapshot.name, {})[file.name] = becomes
        for snapshot in self.snapshots:
            if becomes_of := announced.get(snapshot.name):
                for entry in _entries(snapshot):
                    if entry["path"] in becomes_of:
                        entry[BECOMES] = becomes_of[entry["path"]]
                _write_manifest(snapshot)
                failpoints.reach("erase.manifest_announces")

    @cached_property
    def _files(self) -> list[_File]:
        """Every published file once."""
        shared: dict[tuple[str, int], list[Path]] = {}
        owners: dict[Path, Snapshot] = {}
        columns: dict[tuple[str, str], tuple[str, ...]] = {}
        for snapshot in self.snapshots:
            version = str(snapshot.manifest["models_sha256"])
            for mart, entry in snapshot.manifest["marts"].items():
                for file in entry["files"]:
                    path = snapshot.folder / file["path"]
                    if (mart, version) not in columns or not path.is_file():
                        columns[mart, version] = _columns(path)
                    shared.setdefault((mart, path.stat().st_ino), []).append(path)
                    owners[path] = snapshot
        return [
            _File(
                mart,
                str(paths[0].relative_to(owners[paths[0]].folder)),
                columns[mart, str(owners[paths[0]].manifest["models_sha256"])],
                tuple(owners[path] for path in paths),
            )
            for (mart, _), paths in shared.items()
        ]

    def _find(self) -> list[tuple[_File, int]]:
        """The files with rows that are erased, and how many."""
        found: list[tuple[_File, int]] = []
        alike: dict[tuple[str, ...], list[_File]] = {}
        for file in self._files:
            alike.setdefault(file.columns, []).append(file)
        for columns, files in alike.items():
            condition = self._condition(columns)
            if condition is None:
                continue
            by_path = {str(file.paths[0]): file for file in files}
            published = _read((file.paths[0] for file in files), ", filename = true")
            counts = self._engine.rows(
                f"select filename, count(*) as n from {published} where {condition} group by filename"
            )
            found += [(by_path[row["filename"]], int(row["n"])) for row in counts]
        return found

    def _distinct(self, column: str, marts: Collection[str], condition: str = "true") -> str:
        """A SELECT of the values of a column in every published file of these marts."""
        paths = [file.paths[0] for file in self._files if file.mart in marts]
        if not paths:
            return f"select cast(null as varchar) as {column} where false"
        return f"select distinct {column} from {_read(paths, ', union_by_name = true')} where {condition}"

    def _condition(self, columns: Collection[str]) -> str | None:
        """Which rows of a mart with these columns are erased; None when it has none of single customers."""
        conditions = []
        if "customer_id" in columns:
            conditions.append(_IS_THEIRS)
        elif "journey_id" in columns:
            conditions.append(f"journey_id in (from {_JOURNEYS})")
        if {"source", "event_id"} <= set(columns):
            conditions.append(self._gone.has_event("source", "event_id"))
        if {"id", "id_kind"} <= set(columns):
            conditions.append(self._gone.has_id(_ID))
        return f"coalesce({' or '.join(conditions)}, false)" if conditions else None

    def _write(self, file: _File) -> dict[str, Any]:
        """Write a file without these rows beside it, in all snapshots that share it; what it is, for them."""
        path, *others = file.paths
        new = _new(path)
        new.unlink(missing_ok=True)
        kept = self._engine.rows(f"select key, value from parquet_kv_metadata({quoted_path(path)})")
        about = ", ".join(f"{row['key'].decode()}: {quoted(row['value'].decode())}" for row in kept)
        copied = self._engine.rows(
            f"copy (from {_read([path])} where not {self._condition(file.columns)}) "
            f"to {quoted(str(new))} (format parquet, compression zstd, row_group_size {ROW_GROUP}, "
            f"kv_metadata {{{about}}})"
        )
        for other in others:
            _new(other).unlink(missing_ok=True)
            os.link(new, _new(other))
        failpoints.reach("erase.published_file_written")
        return {"rows": int(copied[0]["Count"]), "bytes": new.stat().st_size, "sha256": sha256_of(new)}


def _columns(path: Path) -> tuple[str, ...]:
    """The names of the columns of a published file."""
    try:
        return tuple(pq.read_schema(path).names)
    except (OSError, pa.ArrowException) as cause:
        what = f"a published file cannot be read: {str(cause).splitlines()[0]}"
        raise DamagedError(Problem(what, str(path), _HEAL)) from cause


def _new(path: Path) -> Path:
    """Where a file is written that takes the place of a published one."""
    return path.with_suffix(".erased")


def _entries(snapshot: Snapshot) -> list[dict[str, Any]]:
    """What the manifest says of every file of a mart."""
    return [file for mart in snapshot.manifest["marts"].values() for file in mart["files"]]


def _settle(snapshot: Snapshot, erasure: str) -> None:
    """Let the manifest say that what was announced is so."""
    manifest = snapshot.manifest
    replaced = [entry for entry in _entries(snapshot) if BECOMES in entry]
    for entry in replaced:
        entry.update(entry.pop(BECOMES))
    for mart in manifest["marts"].values():
        mart["rows"] = sum(file["rows"] for file in mart["files"])
    if replaced:
        manifest[ERASED] = sorted({*manifest.get(ERASED, ()), erasure})
    _write_manifest(snapshot)


def _write_manifest(snapshot: Snapshot) -> None:
    """Replace the manifest by what it says in memory; when it was published stays as it was."""
    path = snapshot.folder / MANIFEST
    text = json.dumps(snapshot.manifest, indent=1, sort_keys=True) + "\n"
    write_whole(path, text, modified_ns=path.stat().st_mtime_ns)


def _read(paths: Iterable[Path], more: str = "") -> str:
    listed = ", ".join(quoted_path(path) for path in paths)
    return f"read_parquet([{listed}], hive_partitioning = false{more})"
