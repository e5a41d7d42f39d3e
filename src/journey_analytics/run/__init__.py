"""A run: the ordered steps from raw files to published marts. An attempt (journal.py) drives this one list.

    state        what a run remembers between its steps
    loading, making, gates, publishing    the steps, each a few calls into the rooms

Belongs here: what follows what. Does not belong here: how a step does its work (the rooms), what is around
every step (journal.py).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from journey_analytics import __version__
from journey_analytics.engine.duckdb import DuckDBEngine, Limits
from journey_analytics.engine.models import marts, models_sha256
from journey_analytics.errors import DamagedError, MartError, ModelError
from journey_analytics.local_days import to_us
from journey_analytics.marts import current, is_current
from journey_analytics.project import Project
from journey_analytics.run.gates import check_marts, check_raw, check_staged
from journey_analytics.run.loading import load
from journey_analytics.run.making import cut_journeys, find_customers, give_stages, make_marts, make_tables
from journey_analytics.run.publishing import publish_marts, report
from journey_analytics.run.state import Run
from journey_analytics.sources.batches import Batch, find_batches
from journey_analytics.sources.store import Store
from journey_analytics.takeover import keep, start_over
from journey_analytics.work import RebuildError

__all__ = ["STEPS", "Run", "Step", "make_tables", "run_id_of", "start", "steps_to_do"]


@dataclass(frozen=True)
class Step:
    """One step: its name, what it does in words, and the call that does it and says what came out."""

    name: str
    does: str
    work: Callable[[Run], str]
    rows: Callable[[Run], int] | None = None
    """How many rows it read or made, of a gate how many checks, for the record."""


@contextmanager
def start(
    project: Project,
    *,
    now: datetime,
    as_of: date | None = None,
    moves_pointer: bool = True,
    full: bool = False,
) -> Iterator[Run]:
    """Look at the project's input files and open a new working database. The caller holds the lock.

    Args:
        project: as read from its folder.
        now: the clock, aware; events later than this are taken for faults.
        as_of: the local day to report at the end of; the day of the last event when None.
        moves_pointer: whether readers shall see the new snapshot.
        full: make every table anew, whatever changed.

    Raises:
        SourceError: an input file is missing, empty or damaged.
    """
    store = Store(project.store_folder)
    found = find_batches(project.folder, project.sources, store)
    run_id = run_id_of(project, store, found, as_of)
    # what a run that was killed could not take away
    shutil.rmtree(project.spill_folder, ignore_errors=True)
    settings = project.settings
    limits = Limits(settings.memory_limit, settings.threads)
    with DuckDBEngine(project.spill_folder, limits) as engine:
        run = Run(project, engine, run_id, store, found, to_us(now), as_of, moves_pointer)
        run.rebuild = _why_anew(project, store, full=full)
        yield run


def _why_anew(project: Project, store: Store, *, full: bool) -> str | None:
    """Why everything is made anew, whatever the last run left; None when it need not be."""
    if full:
        return "as asked for"
    try:
        known = current(project.marts_folder).erasures
    except (MartError, DamagedError):
        return None
    return "customers were erased" if {erasure.name for erasure in store.erasures} - known else None


_MAKING = (find_customers, give_stages, check_staged, cut_journeys, make_marts)


def _or_anew(work: Callable[[Run], str]) -> Callable[[Run], str]:
    """The step; where what the last run kept cannot be built upon, all up to it anew."""

    def made(run: Run) -> str:
        try:
            return work(run)
        except duckdb.OutOfMemoryException:
            raise  # to make everything anew takes more still
        except (RebuildError, ModelError, duckdb.Error) as cause:
            if run.night is None:
                raise
            start_over(run, str(cause).splitlines()[0])
            return [step(run) for step in _MAKING[: _MAKING.index(work) + 1]][-1]

    return made


def _checks(gate: str) -> Callable[[Run], int]:
    """How many checks of a gate were made."""
    return lambda run: sum(result.gate == gate for result in run.results)


STEPS: tuple[Step, ...] = (
    Step("load", "read the sources into typed events", load, lambda run: sum(t.rows for t in run.totals)),
    Step("check_raw", "gate: is the batch fit to use", check_raw, _checks("raw")),
    Step(
        "identity",
        "remove copies, find the customer of each event",
        _or_anew(find_customers),
        lambda run: run.made["stg_touchpoints"],
    ),
    Step("stage", "give each touchpoint its stage", _or_anew(give_stages)),
    Step(
        "check_staged",
        "gate: are the days that came in like those before",
        _or_anew(check_staged),
        _checks("staged"),
    ),
    Step(
        "journeys",
        "cut sessions and journeys, find the stages reached",
        _or_anew(cut_journeys),
        lambda run: run.made["int_journeys"],
    ),
    Step(
        "marts",
        "compute the marts",
        _or_anew(make_marts),
        lambda run: sum(run.made[name] for name in marts()),
    ),
    Step("check_marts", "gate: do the numbers hold together", check_marts, _checks("marts")),
    Step(
        "publish",
        "write the snapshot, move the pointer",
        publish_marts,
        lambda run: sum(run.snapshot.marts.values()) if run.snapshot else 0,
    ),
    Step("keep", "keep what the next night builds on", keep),
    Step("report", "write the report from the published marts", report),
)


def steps_to_do(run: Run, *, force: bool) -> tuple[tuple[Step, ...], bool]:
    """The steps to do, and whether the marts are up to date: then it is only the report.

    They are when the live ones were made from the same inputs, rules, settings and code, and the store holds
    those inputs: an entry of its ledger that was damaged and deleted is made again.
    """
    if not force and not run.new_batches and is_current(run.project.marts_folder, run.run_id):
        run.snapshot = current(run.project.marts_folder)
        run.as_of = run.snapshot.as_of
        return STEPS[-1:], True
    return STEPS, False


def run_id_of(project: Project, store: Store, found: list[Batch], as_of: date | None) -> str:
    """A name made from everything that decides what a snapshot says, so that the same gives the same."""
    parts = {
        "loads": sorted(_loads_that_count(project, store, found)),
        "project": project.settings.project,
        "config": project.config_sha256,
        "as_of": as_of,
        "version": __version__,
        "models": models_sha256(),
    }
    if store.erasures:
        parts["erasures"] = [erasure.name for erasure in store.erasures]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _loads_that_count(project: Project, store: Store, found: list[Batch]) -> set[str]:
    """The ids of all loads, those of this run included, but for earlier states of sources loaded whole."""
    ids = {load.batch_id for load in store.loads} | {batch.batch_id for batch in found}
    for source in project.sources:
        if source.mapping.is_loaded_whole:
            loaded = [load.batch_id for load in store.of(source.name) if load.releases is None]
            states = loaded + [batch.batch_id for batch in found if batch.source.name == source.name]
            ids -= set(states) - set(states[-1:])
    return ids
