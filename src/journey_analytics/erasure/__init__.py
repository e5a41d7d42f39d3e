"""Erasure: a customer is taken out of everything the product keeps, and a proof is written that names nobody.

    customers    who is meant, with all ids and events
    stored       the event store: events, and rows that were none
    published    rows of the marts in every kept snapshot
    texts        sentences that name them, and pages that show them

First the hashes of what goes are written (sources/erased.py), then it is taken out place by place. Every step
finds by these hashes what is still there, so that an erasure that was cut short is done to its end by the
next run. The working database is removed: the next run makes everything anew, and with it the sums, which the
restatements give `erasure` as their reason.

Input files are not touched: they belong to whoever delivers them, and are named. What happened up to the
erasure never comes in from them again.

Belongs here: the order of things. Does not belong here: the places, each of which has a module.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb

from journey_analytics import failpoints
from journey_analytics.engine.duckdb import DuckDBEngine, Limits, first_line, too_little_memory
from journey_analytics.erasure.customers import Theirs, find
from journey_analytics.erasure.published import PublishedRows
from journey_analytics.erasure.stored import StoredRows
from journey_analytics.erasure.texts import (
    Mentions,
    pages_naming,
    replace_sentences,
    replace_warnings,
    write_pages_again,
)
from journey_analytics.errors import ConfigError, DamagedError, Problem
from journey_analytics.local_days import local_day, to_us
from journey_analytics.lock import hold
from journey_analytics.project import Project
from journey_analytics.record import RECORD_FOLDER
from journey_analytics.retention import remove_leftovers
from journey_analytics.sources.erased import (
    Erasure,
    Gone,
    Removed,
    new_erasure,
    write_erasure,
)
from journey_analytics.sources.store import Store


@dataclass(frozen=True)
class Erased:
    """What an erasure took out, or would.

    Attributes:
        erasure: the proof; `is_done` says whether it was written and done.
        ids: how many ids the customers had.
        input_files: files as delivered that hold rows of theirs; they are not touched.
        earlier: names of erasures before that have one of the ids.
    """

    erasure: Erasure
    ids: int
    input_files: tuple[str, ...]
    earlier: tuple[str, ...]


def erase(
    project: Project, asked: Sequence[str], *, now: datetime, reference: str = "", dry_run: bool = False
) -> Erased:
    """Take customers out of the event store, the quarantine, every kept snapshot, and reports.

    Args:
        project: as read from its folder.
        asked: an id of each, as delivered or as in customer_id.
        now: the clock, aware; what happens later is new.
        reference: what the request is called elsewhere, for the proof.
        dry_run: only find what would go.

    Raises:
        LockedError: a run holds the project.
        ConfigError: an id is of several customers, or nothing is held of it; the reference has one in it.
        DamagedError: a kept snapshot, or a file of the store, cannot be read.
    """
    if any(name in reference for name in asked):
        do = "name the request as it is called elsewhere"
        raise ConfigError(Problem("the proof would name who was erased", "--reference", do))
    with hold(project.lock_file, now), _opened(project, clear=not dry_run) as engine:
        if not dry_run:
            _finish(project, engine)
        store = Store(project.store_folder)
        theirs = find(engine, project, store, asked)
        erasure = new_erasure(
            store.erasures,
            day=str(local_day(to_us(now), project.zone)),
            until_us=max(to_us(now), theirs.last_us),
            reference=reference,
            customers=len(theirs.customers),
            ids=theirs.ids,
            events=theirs.events,
        )
        held = _Held(project, engine, store, erasure)
        found = _found(held, store, theirs, erasure)
        if not any(vars(found.erasure.removed).values()):
            raise ConfigError(_nothing(asked, found.earlier))
        if dry_run:
            return found
        write_erasure(store.folder, found.erasure)
        failpoints.reach("erase.begun")
        return replace(found, erasure=_take_out(project, engine, store, found.erasure, held))


def finish_erasures(project: Project) -> list[str]:
    """Do to its end what an erasure that was cut short left; the caller holds the project's lock.

    Returns:
        The names of the erasures.
    """
    with _opened(project, clear=True) as engine:
        return _finish(project, engine)


def _finish(project: Project, engine: DuckDBEngine) -> list[str]:
    store = Store(project.store_folder)
    pending = [erasure for erasure in store.erasures if not erasure.is_done]
    return [
        _take_out(project, engine, store, erasure, _Held(project, engine, store, erasure)).name
        for erasure in pending
    ]


def _clear_leftovers(project: Project) -> None:
    """Remove what runs that were cut short could not."""
    shutil.rmtree(project.spill_folder, ignore_errors=True)
    remove_leftovers(project.marts_folder)
    for folder in (project.marts_folder / RECORD_FOLDER, project.reports_folder):
        for scratch in folder.rglob("*.tmp"):
            if scratch.is_file():
                scratch.unlink()


class _Held:
    """What the project holds of an erasure, looked for once."""

    def __init__(self, project: Project, engine: DuckDBEngine, store: Store, erasure: Erasure) -> None:
        gone = Gone(engine, [erasure])
        self.rows = StoredRows(engine, project, store, gone)
        self.published = PublishedRows(engine, project.marts_folder, gone)


def _found(held: _Held, store: Store, theirs: Theirs, erasure: Erasure) -> Erased:
    """What there is to take out."""
    events, quarantined = held.rows.events, held.rows.quarantined
    rows_published = held.published.counts()
    loads = {batch_id for counts in (*events.values(), *quarantined.values()) for batch_id in counts}
    files = {file.name for load in store.loads if load.batch_id in loads for file in load.files}
    removed = Removed(
        events=sum(sum(counts.values()) for counts in events.values()),
        quarantined=sum(sum(counts.values()) for counts in quarantined.values()),
        mart_rows=sum(rows_published.values()),
        snapshots=len(rows_published),
    )
    return Erased(
        erasure=replace(erasure, days=tuple(sorted(held.published.days())), removed=removed),
        ids=len(theirs.ids),
        input_files=tuple(sorted(files)),
        earlier=tuple(
            before.name for before in store.erasures if any(before.has_id(known) for known in theirs.ids)
        ),
    )


def _take_out(project: Project, engine: DuckDBEngine, store: Store, erasure: Erasure, held: _Held) -> Erasure:
    """Take out what is still there of an erasure."""
    published = held.published
    mentions = Mentions(erasure, published.journeys, [source.name for source in project.sources])
    pages = {*erasure.reports, *pages_naming(project.reports_folder, mentions)}
    # once the snapshots are without them, nothing says any more which pages were made from those rows
    erasure = replace(erasure, reports=tuple(sorted(pages)))
    write_erasure(store.folder, erasure)
    texts = replace_sentences(engine, project, mentions)
    warnings = replace_warnings(published.snapshots, mentions)
    failpoints.reach("erase.texts_replaced")
    published.take_out(erasure.name, warnings)
    write_pages_again(project, erasure.reports)
    failpoints.reach("erase.pages_written")
    for leftover in (".duckdb", ".duckdb.wal", ".new", ".new.wal"):
        project.work_file.with_suffix(leftover).unlink(missing_ok=True)
    held.rows.take_out()
    failpoints.reach("erase.store_rewritten")
    texts += erasure.removed.texts + sum(warnings.values())
    removed = replace(erasure.removed, reports=len(erasure.reports), texts=texts)
    done = replace(erasure, is_done=True, reports=(), removed=removed)
    write_erasure(store.folder, done)
    failpoints.reach("erase.done")
    return done


@contextmanager
def _opened(project: Project, *, clear: bool) -> Iterator[DuckDBEngine]:
    """An engine; what it says of a damaged file becomes an error for people.

    Args:
        project: whose limits it keeps to.
        clear: remove what runs left that were cut short, before the engine may spill beside it.
    """
    if clear:
        _clear_leftovers(project)
    settings = project.settings
    try:
        with DuckDBEngine(project.spill_folder, Limits(settings.memory_limit, settings.threads)) as engine:
            yield engine
    except duckdb.OutOfMemoryException as cause:
        raise too_little_memory("erase", cause) from cause
    except duckdb.Error as cause:
        what = f"a file of the store or the marts cannot be read: {first_line(cause)}"
        do = "delete the folders of damaged snapshots (`journey marts verify`); get the store from a backup"
        raise DamagedError(Problem(what, str(project.folder), do)) from cause


def _nothing(asked: Sequence[str], earlier: Sequence[str]) -> Problem:
    names = ", ".join(repr(name) for name in asked)
    if earlier:
        return Problem(
            f"nothing is held of {names}: erased before", ", ".join(earlier), "there is nothing to do"
        )
    return Problem(
        f"nothing is held of {names}",
        "the event store, the quarantine and the marts",
        "name an id as it was delivered, or as it is in customer_id of mart_journeys",
    )
