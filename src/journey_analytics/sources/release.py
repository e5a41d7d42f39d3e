"""Release: rows in quarantine are judged again by the mapping of today, and those that are sound are loaded.

The quarantine keeps every row as it was delivered, so its file need not be there any more. Of each load whose
rows are judged again, those that are events now become a load of their own, together with what is left in
quarantine; it takes the place of the first one's quarantine, so that no row is released twice. A file that is
still there under a mapping that has changed is for the next run to load as a whole.

Belongs here: which loads' rows are judged again, and the load that comes of it.
Does not belong here: typing (values.py), what counts of the store (store.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.errors import ConfigError, SourceError
from journey_analytics.local_days import to_moment, to_us
from journey_analytics.lock import hold
from journey_analytics.project import Project
from journey_analytics.sources.batches import find_batches, mapping_sha256
from journey_analytics.sources.formats import (
    FAULT_COLUMN,
    FILE_COLUMN,
    ROW_COLUMN,
    TEXT_COLUMN,
    columns_again,
)
from journey_analytics.sources.keep import TYPED, RawRows, keep
from journey_analytics.sources.load import drop_typed, show_typed
from journey_analytics.sources.mapping import Source
from journey_analytics.sources.store import Load, LoadedFile, Store, holders_of_quarantine
from journey_analytics.sources.values import mapped_columns

Outcome = Literal["released", "would be released", "next run", "nothing to release", "needs its file"]


@dataclass(frozen=True)
class Judged:
    """The quarantine of one load as the mapping of today judges it.

    Attributes:
        rows: how many were in quarantine.
        sound: how many of them are events now.
        still_bad: reason to rows of the others.
        outcome: what became of the sound ones; `next run` loads the whole file anew.
        note: why they cannot be judged without their file.
    """

    source: str
    batch_id: str
    files: tuple[str, ...]
    rows: int
    sound: int
    still_bad: dict[str, int]
    outcome: Outcome
    note: str = ""


def release(
    project: Project, *, now: datetime, source: str | None = None, dry_run: bool = False
) -> list[Judged]:
    """Judge the rows in quarantine by the mapping of today, and load those that are sound.

    Args:
        project: as read from its folder.
        now: the clock, aware.
        source: the rows of this source alone.
        dry_run: only tell what would come of it.

    Raises:
        LockedError: a run holds the project.
    """
    now_us = to_us(now)
    found = []
    with hold(project.lock_file, now), DuckDBEngine() as engine:
        store = Store(project.store_folder)
        for one, load, is_to_come in _loads_to_judge(project, store, source):
            rows = rows_given(engine, one, store.quarantined_rows(load))
            judged = _judged(engine, one, load, rows, now_us)
            if judged.sound and is_to_come:
                judged = replace(judged, outcome="next run")
            elif judged.sound and dry_run:
                judged = replace(judged, outcome="would be released")
            elif judged.sound and rows:
                _load_sound(engine, store, one, load, RawRows(rows), now_us)
                judged = replace(judged, outcome="released")
            found.append(judged)
    return found


def _loads_to_judge(project: Project, store: Store, asked: str | None) -> Iterator[tuple[Source, Load, bool]]:
    """The loads with rows in quarantine, and whether the next run loads their file anew."""
    for source in project.sources:
        if asked in (None, source.name):
            in_force = store.in_force(source, mapping_sha256(source))
            loads = [load for load in holders_of_quarantine(in_force) if load.quarantined]
            there = _files_there(project, source, store) if loads else []
            for load in loads:
                yield source, load, _is_to_come(source, load, there)


def _files_there(project: Project, source: Source, store: Store) -> list[LoadedFile]:
    """The source's input files; none where they are gone or broken, which is for a run to complain of."""
    try:
        return [file for batch in find_batches(project.folder, [source], store) for file in batch.files]
    except SourceError:
        return []


def _is_to_come(source: Source, load: Load, there: Collection[LoadedFile]) -> bool:
    """Whether the next run loads the load's file anew: it is there, and the mapping has changed."""
    alike = {file.sha256 for file in there} | {file.name for file in there}
    is_there = any(file.sha256 in alike or file.name in alike for file in load.files)
    return is_there and load.mapping_sha256 != mapping_sha256(source)


def _judged(engine: DuckDBEngine, source: Source, load: Load, rows: str | None, now_us: int) -> Judged:
    """The rows in quarantine of a load by the mapping of today."""
    told = (source.name, load.batch_id, tuple(file.name for file in load.files), load.quarantined)
    if rows is None:
        return Judged(*told, 0, {}, "needs its file", "no row could be made of its text")
    try:
        show_typed(engine, source, rows, now_us)
    except ConfigError as fault:
        return Judged(*told, 0, {}, "needs its file", fault.problems[0].what)
    found = engine.rows(f"select reason, count(*) as n from {TYPED} group by reason order by n desc, reason")
    drop_typed(engine)
    counts = {row["reason"]: int(row["n"]) for row in found}
    return Judged(*told, counts.pop(None, 0), counts, "nothing to release")


def _load_sound(
    engine: DuckDBEngine, store: Store, source: Source, load: Load, rows: RawRows, now_us: int
) -> None:
    """Load the rows in quarantine of a load: those that are sound as events, the others as its quarantine."""
    mapping = mapping_sha256(source)
    batch_id = hashlib.sha256(f"release\n{mapping}\n{load.batch_id}\n{now_us}\n".encode()).hexdigest()[:32]
    made = Load(
        batch_id=batch_id,
        segment=batch_id,
        source=source.name,
        sequence=store.last_sequence(source.name) + 1,
        mapping_sha256=mapping,
        received_us=now_us,
        received_date=to_moment(now_us).date(),
        files=(),
        columns=mapped_columns(source),
        releases=load.batch_id,
    )
    show_typed(engine, source, rows.rows, now_us)
    kept = keep(engine, store, source, [made], rows)
    drop_typed(engine)
    for one in kept:
        store.add(one)
    store.commit(kept)


def rows_given(
    engine: DuckDBEngine, source: Source, rows: str, *, numbered_by: str = "row_number"
) -> str | None:
    """SQL of a load's rows in quarantine as they were delivered; None when no row was made of any.

    Args:
        engine: an open one.
        source: by whose mapping their columns are named.
        rows: SQL of the rows in quarantine.
        numbered_by: the column that becomes the rows' number.
    """
    types = engine.rows(f"select max(raw_types) as types from {rows}")[0]["types"]
    if types is None:
        return None
    columns = ", ".join(columns_again(source.mapping, "raw_row", json.loads(types)))
    unsplit = "case when raw_row is null then {} end as {}"
    return (
        f"(select {columns}, file as {FILE_COLUMN}, {numbered_by} as {ROW_COLUMN}, "
        f"{unsplit.format('reason', FAULT_COLUMN)}, {unsplit.format('value', TEXT_COLUMN)} from {rows})"
    )
