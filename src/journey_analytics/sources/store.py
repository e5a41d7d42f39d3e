"""The event store: typed events of every load as immutable Parquet, and a ledger of what was loaded.

    store/events/received_date=2026-11-21/<segment>.parquet    the events of loads that were read together
    store/quarantine/<segment>.parquet                         their rows that could not be events
    store/ledger/<segment>.json                                their files and counts; written last
    store/erasures/<name>.json                                 who was erased from it (erased.py)

A load is known by the content of its files and of its mapping, so the same file is loaded once, whatever
its name. It counts from the moment its ledger entry is there; what a run that was cut short left is ignored
and written over. Where several loads share a segment, its rows carry their batch_id. Rows of a load's
quarantine that were found to be events later (release.py) are a load of their own, which stands by the first
and takes the place of its quarantine.

Belongs here: what is in the store and which loads are in force. Does not belong here: reading input files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from journey_analytics import failpoints
from journey_analytics.disk import sync
from journey_analytics.engine.sql_text import quoted, quoted_path
from journey_analytics.errors import Problem, SourceError
from journey_analytics.sources.erased import read_erasures
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
    """One load of one source: rows = events + quarantined + erased.

    Attributes:
        batch_id: made from the content of the files and of the mapping.
        segment: names the files of the store that hold it.
        sequence: place among the source's loads, from 1.
        rows_before: rows of the file that earlier loads of the growing file hold already.
        columns: the event columns its file of events holds; the others are empty, or the same in every row.
        days: the source's local days its events fell on, for `mode: replace_day`.
        erased: rows that were taken out, or never came in, because their customer was erased.
        releases: of a load of rows that were in quarantine, the load they were in quarantine of.
    """

    batch_id: str
    segment: str
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
    erased: int = 0
    times_ambiguous: int = 0
    times_shifted: int = 0
    days: tuple[date, ...] = ()
    releases: str | None = None


class Store:
    """The store of one project.

    Args:
        folder: the project's store folder; made when the first load is kept.

    Raises:
        SourceError: an entry of the ledger, or an erasure, cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loads: list[Load] = sorted(
            (load for path in (folder / "ledger").glob("*.json") for load in _read_entry(path)),
            key=lambda load: (load.source, load.sequence),
        )
        self.erasures = read_erasures(folder)

    def events_path(self, load: Load) -> Path:
        """Where the load's events lie, with those of the other loads of its segment."""
        date_folder = self.folder / "events" / f"received_date={load.received_date}"
        return date_folder / f"{load.segment}.parquet"

    def quarantine_path(self, load: Load) -> Path:
        """Where the load's bad rows lie, with those of the other loads of its segment."""
        return self.folder / "quarantine" / f"{load.segment}.parquet"

    def uncounted_quarantine(self) -> list[Path]:
        """Files of bad rows of loads that were never counted in: refused by a gate, or cut short."""
        counted = {self.quarantine_path(load) for load in self.loads}
        return sorted(set((self.folder / "quarantine").glob("*.parquet")) - counted)

    def uncounted_events(self) -> list[Path]:
        """Files of events of loads that were never counted in."""
        counted = {self.events_path(load) for load in self.loads}
        return sorted(set((self.folder / "events").glob("*/*.parquet")) - counted)

    def segments(self) -> list[list[Load]]:
        """The loads by the files they share."""
        return list(_by_segment(self.loads).values())

    def of(self, source: str) -> list[Load]:
        """The source's loads in the order in which they came."""
        return [load for load in self.loads if load.source == source]

    def last_sequence(self, source: str) -> int:
        """The sequence of the load that came last; 0 before the first."""
        return max((load.sequence for load in self.of(source)), default=0)

    def add(self, load: Load) -> None:
        """Count a load in for this run; `commit` makes that last."""
        self.loads.append(load)

    def renew(self, load: Load) -> Load:
        """Count a load of a state that came back as the source's last one; `commit` makes that last."""
        renewed = replace(load, sequence=self.last_sequence(load.source) + 1)
        self.loads.remove(load)
        self.loads.append(renewed)
        return renewed

    def recount(self, load: Load, events: int, quarantined: int) -> Load:
        """Say what is left of a load after an erasure; `commit` makes that last."""
        left = replace(load, events=events, quarantined=quarantined, erased=load.rows - events - quarantined)
        self.loads[self.loads.index(load)] = left
        return left

    def commit(self, loads: Iterable[Load]) -> None:
        """Write the ledger entries of loads whose files are complete, with all that share their segments."""
        ledger = self.folder / "ledger"
        ledger.mkdir(parents=True, exist_ok=True)
        segments = {load.segment for load in loads}
        written = [load for load in self.loads if load.segment in segments]
        for segment, members in _by_segment(written).items():
            for path in (self.events_path(members[0]), self.quarantine_path(members[0])):
                sync(path)
                sync(path.parent)
            scratch = ledger / f"{segment}.tmp"
            entry = [asdict(load) for load in members]
            scratch.write_text(json.dumps(entry, default=str, indent=1) + "\n", encoding="utf-8")
            sync(scratch)
            failpoints.reach("ledger.written")
            scratch.rename(ledger / f"{segment}.json")
            failpoints.reach("ledger.named")
        sync(ledger)

    def in_force(self, source: Source, mapping_sha256: str) -> list[Load]:
        """The source's loads that count, oldest first.

        A load under an older mapping gives way to one of the same file, or of a file of the same name, under
        the mapping of today. Sources loaded whole (a query over several files, `mode: snapshot`) count with
        their last load. What was released of a load's quarantine counts as long as the load does, behind it.
        """
        loads = [load for load in self.of(source.name) if load.releases is None]
        today = [load for load in loads if load.mapping_sha256 == mapping_sha256]
        contents = {file.sha256 for load in today for file in load.files}
        names = {file.name for load in today for file in load.files}
        kept = [
            load
            for load in loads
            if load.mapping_sha256 == mapping_sha256
            or not any(file.sha256 in contents or file.name in names for file in load.files)
        ]
        if source.mapping.is_loaded_whole:
            kept = kept[-1:]
        return [load for first in kept for load in (first, *self._released_from(first))]

    def _released_from(self, load: Load) -> list[Load]:
        """What was released of the load's quarantine, and of what was left there, one after the other."""
        found = [other for other in self.loads if other.releases == load.batch_id]
        return [later for other in found for later in (other, *self._released_from(other))]

    def stored_keys(self, load: Load) -> str:
        """A SELECT of source, event_id and local_day of every event of a load, replaced days included."""
        condition = self._taken_from([load]) if self._is_shared(load) else ""
        day = "local_day" if load.days else "cast(null as date) as local_day"
        rows = f"select {quoted(load.source)} as source, event_id, {day} from {self.stored_events(load)}"
        return rows + _where([condition])

    def stored_events(self, load: Load) -> str:
        """SQL of the file of events of the load's segment as a table."""
        return f"read_parquet({quoted_path(self.events_path(load))}, hive_partitioning = false)"

    def ids_sql(self) -> str:
        """A SELECT of customer_ref and anonymous_ref of every event of the store, in force or not."""
        parts = []
        for first, *_ in self.segments():
            ids = [name if name in first.columns else "null" for name in ("customer_ref", "anonymous_ref")]
            known, anonymous = (f"cast({value} as varchar)" for value in ids)
            stored = self.stored_events(first)
            parts.append(f"select {known} as customer_ref, {anonymous} as anonymous_ref from {stored}")
        return "\nunion all\n".join(parts)

    def rows_of_segment(self, load: Load, *, is_shared: bool) -> str:
        """SQL of the file of events of the load's segment as a table in which every row has its batch_id."""
        stored = self.stored_events(load)
        return stored if is_shared else f"(select *, {quoted(load.batch_id)} as batch_id from {stored})"

    def quarantined_rows(self, load: Load) -> str:
        """SQL of the load's rows in quarantine as a table."""
        file = f"read_parquet({quoted_path(self.quarantine_path(load))})"
        return f"(select * from {file} where batch_id = {quoted(load.batch_id)})"

    def events_sql(self, in_force: Sequence[tuple[Source, list[Load]]]) -> str:
        """A SELECT of every event in force; days that a later load holds are taken from that one."""
        parts = []
        for source, loads in in_force:
            replaced = replaced_days(source, loads)
            for members in _by_segment(loads).values():
                is_shared = self._is_shared(members[0])
                columns = _event_columns(members[0], is_shared=is_shared)
                select = f"select {columns} from {self.stored_events(members[0])}"
                conditions = [self._taken_from(members)] if is_shared else []
                for load in members:
                    if days := replaced.get(load.batch_id):
                        listed = ", ".join(f"date '{day}'" for day in days)
                        of_load = f"batch_id = {quoted(load.batch_id)} and " if is_shared else ""
                        conditions.append(f"not ({of_load}local_day in ({listed}))")
                parts.append(select + _where(conditions))
        return "\nunion all\n".join(parts)

    def quarantine_sql(self, in_force: Sequence[tuple[Source, list[Load]]]) -> str:
        """A SELECT of every bad row of the loads in force."""
        parts = []
        for _, loads in in_force:
            for members in _by_segment(holders_of_quarantine(loads)).values():
                file = quoted_path(self.quarantine_path(members[0]))
                conditions = [self._taken_from(members)] if self._is_shared(members[0]) else []
                parts.append(f"select * from read_parquet({file})" + _where(conditions))
        return "\nunion all\n".join(parts)

    def _is_shared(self, load: Load) -> bool:
        """Whether other loads share the load's segment, so that its rows say whose they are."""
        return sum(other.segment == load.segment for other in self.loads) > 1

    def _taken_from(self, members: Sequence[Load]) -> str:
        """The condition of the rows of these loads of one segment; empty when they are all of it."""
        there = sum(load.segment == members[0].segment for load in self.loads)
        if there == len(members):
            return ""
        return f"batch_id in ({', '.join(quoted(load.batch_id) for load in members)})"


def holders_of_quarantine(loads: Sequence[Load]) -> list[Load]:
    """Of these loads those whose quarantine counts: a release holds what is left of the one it releases."""
    released = {load.releases for load in loads}
    return [load for load in loads if load.batch_id not in released]


def segment_of(batch_ids: Sequence[str]) -> str:
    """The name of the segment of loads that are read together; of a single one its own."""
    if len(batch_ids) == 1:
        return batch_ids[0]
    return hashlib.sha256("\n".join(batch_ids).encode()).hexdigest()[:32]


def _by_segment(loads: Iterable[Load]) -> dict[str, list[Load]]:
    found: dict[str, list[Load]] = {}
    for load in loads:
        found.setdefault(load.segment, []).append(load)
    return found


def replaced_days(source: Source, loads: Sequence[Load]) -> dict[str, list[date]]:
    """For each load of a source in `mode: replace_day`, by its id, its days that a later load holds."""
    found: dict[str, list[date]] = {}
    if source.mapping.mode != "replace_day":
        return found
    later: set[date] = set()
    for load in reversed(loads):
        found[load.batch_id] = sorted(later.intersection(load.days))
        later.update(load.days)
    return found


def _where(conditions: Iterable[str]) -> str:
    given = [condition for condition in conditions if condition]
    return f" where {' and '.join(given)}" if given else ""


def _event_columns(load: Load, *, is_shared: bool) -> str:
    """Select items for every event column, those included that its file need not hold."""
    same = {
        "source": quoted(load.source),
        "received_us": str(load.received_us),
        "batch_id": "batch_id" if is_shared else quoted(load.batch_id),
    }
    values = {name: same.get(name, name if name in load.columns else "null") for name in EVENT_TYPES}
    return ", ".join(f"cast({values[name]} as {kind}) as {name}" for name, kind in EVENT_TYPES.items())


def _read_entry(path: Path) -> list[Load]:
    try:
        return [_load(entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, KeyError, TypeError, OSError) as cause:
        raise SourceError(
            Problem(
                f"a ledger entry cannot be read: {cause}",
                str(path),
                "delete this one file: the loads it names are made again from their input files",
            )
        ) from cause


def _load(entry: dict[str, Any]) -> Load:
    return Load(
        **{
            **entry,
            "files": tuple(LoadedFile(**file) for file in entry["files"]),
            "columns": tuple(entry["columns"]),
            "days": tuple(date.fromisoformat(day) for day in entry["days"]),
            "received_date": date.fromisoformat(entry["received_date"]),
        }
    )
