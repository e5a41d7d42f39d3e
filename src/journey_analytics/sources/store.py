"""The event store: typed events of every load as immutable Parquet, and a ledger of what was loaded.

    store/events/received_date=2026-11-21/<batch_id>.parquet    the events of one load
    store/quarantine/<batch_id>.parquet                         its rows that could not be events
    store/ledger/<batch_id>.json                                its files, counts and state; written last

A load is known by the content of its files and of its mapping, so the same file is loaded once, whatever
its name. A load counts from the moment its ledger entry is there; what a run that was cut short left is
ignored and written over.

Belongs here: what is in the store and which loads are in force. Does not belong here: reading input files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from journey_analytics import failpoints
from journey_analytics.disk import sync
from journey_analytics.engine.sql_text import quoted, quoted_path
from journey_analytics.errors import Problem, SourceError
from journey_analytics.sources.mapping import Source
from journey_analytics.sources.values import EVENT_TYPES


@dataclass(frozen=True)
class LoadedFile:
    """An input file as it was when it was loaded."""

    input: str
    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Load:
    """One load of one source: rows = events + quarantined.

    Attributes:
        batch_id: made from the content of the files and of the mapping.
        sequence: place among the source's loads, from 1.
        rows_before: rows of the file that earlier loads of the growing file hold already.
        columns: the event columns its file of events holds; the others are empty, or the same in every row.
        days: the source's local days its events fell on, for `mode: replace_day`.
    """

    batch_id: str
    source: str
    sequence: int
    mapping_sha256: str
    received_us: int
    received_date: date
    files: tuple[LoadedFile, ...]
    columns: tuple[str, ...] = tuple(EVENT_TYPES)
    rows_before: int = 0
    rows: int = 0
    events: int = 0
    quarantined: int = 0
    times_ambiguous: int = 0
    times_shifted: int = 0
    days: tuple[date, ...] = ()


class Store:
    """The store of one project.

    Args:
        folder: the project's store folder; made when the first load is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loads: list[Load] = sorted(
            (_read_entry(path) for path in (folder / "ledger").glob("*.json")),
            key=lambda load: (load.source, load.sequence),
        )

    def events_path(self, load: Load) -> Path:
        """Where the load's events lie."""
        date_folder = self.folder / "events" / f"received_date={load.received_date}"
        return date_folder / f"{load.batch_id}.parquet"

    def quarantine_path(self, load: Load) -> Path:
        """Where the load's bad rows lie."""
        return self.folder / "quarantine" / f"{load.batch_id}.parquet"

    def of(self, source: str) -> list[Load]:
        """The source's loads in the order in which they came."""
        return [load for load in self.loads if load.source == source]

    def find(self, batch_id: str) -> Load | None:
        """The load with this id, None when there is none."""
        return next((load for load in self.loads if load.batch_id == batch_id), None)

    def add(self, load: Load) -> None:
        """Count a load in for this run; `commit` makes that last."""
        self.loads.append(load)

    def commit(self, loads: Iterable[Load]) -> None:
        """Write the ledger entries of loads whose files are complete, each at once and for good."""
        ledger = self.folder / "ledger"
        ledger.mkdir(parents=True, exist_ok=True)
        for load in loads:
            for path in (self.events_path(load), self.quarantine_path(load)):
                sync(path)
                sync(path.parent)
            scratch = ledger / f"{load.batch_id}.tmp"
            scratch.write_text(json.dumps(asdict(load), default=str, indent=1) + "\n", encoding="utf-8")
            sync(scratch)
            failpoints.reach("ledger.written")
            scratch.rename(ledger / f"{load.batch_id}.json")
            failpoints.reach("ledger.named")
        sync(ledger)

    def in_force(self, source: Source, mapping_sha256: str) -> list[Load]:
        """The source's loads that count, oldest first.

        A load under an older mapping gives way to one of the same file, or of a file of the same name, under
        the mapping of today. Sources loaded whole (a query over several files, `mode: snapshot`) count with
        their last load.
        """
        loads = self.of(source.name)
        today = [load for load in loads if load.mapping_sha256 == mapping_sha256]
        contents = {file.sha256 for load in today for file in load.files}
        names = {file.name for load in today for file in load.files}
        kept = [
            load
            for load in loads
            if load.mapping_sha256 == mapping_sha256
            or not any(file.sha256 in contents or file.name in names for file in load.files)
        ]
        return kept[-1:] if source.mapping.is_loaded_whole else kept

    def stored_events(self, load: Load) -> str:
        """SQL of the load's file of events as a table."""
        return f"read_parquet({quoted_path(self.events_path(load))}, hive_partitioning = false)"

    def events_sql(self, in_force: Sequence[tuple[Source, list[Load]]]) -> str:
        """A SELECT of every event in force; days that a later load holds are taken from that one."""
        parts = []
        for source, loads in in_force:
            for number, load in enumerate(loads):
                select = f"select {_event_columns(load)} from {self.stored_events(load)}"
                later = {day for other in loads[number + 1 :] for day in other.days}
                replaced = sorted(later.intersection(load.days))
                if source.mapping.mode == "replace_day" and replaced:
                    days = ", ".join(f"date '{day}'" for day in replaced)
                    select += f" where local_day not in ({days})"
                parts.append(select)
        return "\nunion all\n".join(parts)

    def quarantine_sql(self, in_force: Sequence[tuple[Source, list[Load]]]) -> str:
        """A SELECT of every bad row of the loads in force."""
        return "\nunion all\n".join(
            f"select * from read_parquet({quoted_path(self.quarantine_path(load))})"
            for _, loads in in_force
            for load in loads
        )


def _event_columns(load: Load) -> str:
    """Select items for every event column, those included that its file need not hold."""
    same = {
        "source": quoted(load.source),
        "received_us": str(load.received_us),
        "batch_id": quoted(load.batch_id),
    }
    values = {name: same.get(name, name if name in load.columns else "null") for name in EVENT_TYPES}
    return ", ".join(f"cast({values[name]} as {kind}) as {name}" for name, kind in EVENT_TYPES.items())


def _read_entry(path: Path) -> Load:
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        entry["files"] = tuple(LoadedFile(**file) for file in entry["files"])
        entry["columns"] = tuple(entry["columns"])
        entry["days"] = tuple(date.fromisoformat(day) for day in entry["days"])
        entry["received_date"] = date.fromisoformat(entry["received_date"])
        return Load(**entry)
    except (ValueError, KeyError, TypeError, OSError) as cause:
        raise SourceError(
            Problem(
                f"a ledger entry cannot be read: {cause}",
                str(path),
                "delete this one file: the load it names is made again from its input files",
            )
        ) from cause
