"""Marts: write a whole new snapshot, move one pointer, and find what is published.

    marts/snapshots/<run_id>/mart_x.parquet                     one file per mart
    marts/snapshots/<run_id>/mart_x/day=2026-10-05/part-0.parquet    one per day, for event-level marts
    marts/snapshots/<run_id>/data_dictionary.md, marts.sql      what the columns mean, views of the files
    marts/snapshots/<run_id>/manifest.json                      files, rows, sha256, inputs, versions
    marts/CURRENT                                               the name of the live snapshot

A reader that follows the pointer once sees one whole set, the old or the new. Everything is on disk before
the pointer moves.

Belongs here: publishing and finding snapshots. Does not belong here: what the marts hold (sql/marts), or
reading their rows (query.py).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from journey_analytics.contracts import Contract, contracts
from journey_analytics.disk import sha256_of, sync
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.models import marts as mart_names
from journey_analytics.engine.sql_text import quoted
from journey_analytics.errors import MartError, Problem, advise
from journey_analytics.reference.dictionary import DOCUMENTS, document

_POINTER = "CURRENT"
_MANIFEST = "manifest.json"
_SNAPSHOTS = "snapshots"
_ROW_GROUP = 122_880


@dataclass(frozen=True)
class Snapshot:
    """One published set of marts, found once and read from then on."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def run_id(self) -> str:
        """The run that published it."""
        return str(self.manifest["run_id"])

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
        if contracts()[mart].day is not None:
            return str(self.folder / mart / "*" / "part-0.parquet")
        return str(self.folder / f"{mart}.parquet")


def current(folder: Path) -> Snapshot:
    """The live snapshot.

    Raises:
        MartError: nothing has been published yet, or the pointer leads nowhere.
    """
    run_id = _live_name(folder)
    if run_id is None:
        raise MartError(
            Problem(
                "no marts have been published yet",
                str(folder),
                "run `journey run -p` on the project",
            )
        )
    manifest = folder / _SNAPSHOTS / run_id / _MANIFEST
    if not manifest.is_file():
        raise MartError(
            Problem(
                f"the live snapshot {run_id!r} is not there",
                str(folder / _POINTER),
                "run `journey run --force` to publish it again",
            )
        )
    return Snapshot(manifest.parent, json.loads(manifest.read_text(encoding="utf-8")))


def is_current(folder: Path, run_id: str) -> bool:
    """Whether the live snapshot is the one this run would publish."""
    try:
        return current(folder).run_id == run_id
    except MartError:
        return False


def write_snapshot(engine: DuckDBEngine, folder: Path, run_id: str, about: Mapping[str, Any]) -> Path:
    """Write every mart and the manifest to a new snapshot folder, all of it on disk when this returns.

    Args:
        engine: holds the mart tables.
        folder: the project's marts folder.
        run_id: names the snapshot; a leftover of a run that was cut short is written over. A live snapshot
            of the same run stays when it is equal, and else the new one gets a number behind its name.
        about: what else the manifest says: inputs, versions, the as-of day.

    Returns:
        The snapshot's folder; no reader sees it before `move_pointer`.
    """
    scratch = folder / _SNAPSHOTS / f".{run_id}.tmp"
    if scratch.exists():
        shutil.rmtree(scratch)
    scratch.mkdir(parents=True)
    written = {name: _write_mart(engine, scratch, contracts()[name]) for name in mart_names()}
    documents = [_write_document(scratch, name) for name in DOCUMENTS]
    manifest = {"run_id": run_id, **about, "marts": written, "documents": documents}
    text = json.dumps(manifest, indent=1, sort_keys=True, default=str) + "\n"
    (scratch / _MANIFEST).write_text(text, encoding="utf-8")
    final = _place_for(folder, run_id, text)
    if final.exists():
        shutil.rmtree(scratch)
        return final
    for path in sorted(scratch.rglob("*"), reverse=True):
        sync(path)
    sync(scratch)
    scratch.rename(final)
    sync(final.parent)
    return final


def _place_for(folder: Path, run_id: str, manifest: str) -> Path:
    """The folder of the new snapshot; the live one's own when that says the same."""
    live = _live_name(folder)
    place = folder / _SNAPSHOTS / run_id
    number = 1
    while place.exists():
        if place.name != live:
            shutil.rmtree(place)
        elif (place / _MANIFEST).is_file() and (place / _MANIFEST).read_text(encoding="utf-8") == manifest:
            return place
        else:
            number += 1
            place = place.with_name(f"{run_id}-{number}")
    return place


def _live_name(folder: Path) -> str | None:
    pointer = folder / _POINTER
    return pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else None


def move_pointer(folder: Path, name: str) -> None:
    """Make a written snapshot the live one, in one rename.

    Args:
        folder: the project's marts folder.
        name: of the snapshot's folder.
    """
    scratch = folder / f"{_POINTER}.tmp"
    scratch.write_text(name + "\n", encoding="utf-8")
    sync(scratch)
    scratch.rename(folder / _POINTER)
    sync(folder)


def remove_old_snapshots(folder: Path, keep: int) -> list[str]:
    """Delete all but the `keep` newest snapshots, never the live one, and name what went.

    What runs that were cut short left half written goes too: the caller holds the project's lock.
    """
    live = _live_name(folder)
    for scratch in (folder / _SNAPSHOTS).glob(".*.tmp"):
        shutil.rmtree(scratch)
    manifests = (folder / _SNAPSHOTS).glob(f"[!.]*/{_MANIFEST}")
    newest = sorted(manifests, key=lambda path: path.stat().st_mtime_ns, reverse=True)
    old = [path.parent for path in newest[keep:] if path.parent.name != live]
    for snapshot in old:
        shutil.rmtree(snapshot)
    return [snapshot.name for snapshot in old]


def _write_mart(engine: DuckDBEngine, folder: Path, contract: Contract) -> dict[str, Any]:
    """Write one mart in the order of its key, so that equal rows give equal bytes."""
    files = []
    for path, condition in _parts(engine, folder, contract):
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = ", ".join(f'cast("{c.name}" as {c.type}) as "{c.name}"' for c in contract.columns)
        order = ", ".join(f'"{name}"' for name in contract.key)
        about = ", ".join(f"{key}: {quoted(value)}" for key, value in _metadata(contract).items())
        engine.execute(
            f"copy (select {columns} from {contract.table} {condition} order by {order}) "
            f"to {quoted(str(path))} (format parquet, compression zstd, "
            f"row_group_size {_ROW_GROUP}, kv_metadata {{{about}}})"
        )
        files.append(_entry(path, folder))
    return {"rows": engine.count(contract.table), "files": files}


def _write_document(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    path.write_text(document(name), encoding="utf-8")
    return _entry(path, folder)


def _entry(path: Path, folder: Path) -> dict[str, Any]:
    """A file of the snapshot as its manifest lists it."""
    return {
        "path": str(path.relative_to(folder)),
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
    }


def _parts(engine: DuckDBEngine, folder: Path, contract: Contract) -> Iterator[tuple[Path, str]]:
    """The files of a mart, each with the condition of its rows."""
    if contract.day is None:
        yield folder / f"{contract.table}.parquet", ""
        return
    days = engine.rows(f"select distinct {contract.day} as day from {contract.table} order by day")
    for row in days:
        path = folder / contract.table / f"day={row['day']}" / "part-0.parquet"
        yield path, f"where {contract.day} = date '{row['day']}'"


def _metadata(contract: Contract) -> dict[str, str]:
    """What a mart's files say of themselves; of each column as JSON what its type does not."""
    columns = {
        column.name: column.model_dump(
            include={"description", "unit", "nullable", "values", "min", "max"}, exclude_none=True
        )
        for column in contract.columns
    }
    return {
        "journey_table": contract.table,
        "journey_description": contract.description,
        "journey_grain": contract.grain,
        "journey_key": ", ".join(contract.key),
        "journey_columns": json.dumps(columns, ensure_ascii=False),
    }
