"""A backfill: a run for each of many days, in order, with the data and rules of today.

The record of runs says which days need none: a run is known by everything that decides its marts, so a day
whose run published already would publish the same again. A backfill that stopped goes on where it stopped.

Belongs here: which days, and why. Does not belong here: the runs (journal.py), flows (pipelines).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal, get_args

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.errors import ConfigError, MartError, Problem, advise
from journey_analytics.local_days import check_day, local_day, to_us
from journey_analytics.marts import current
from journey_analytics.project import Project
from journey_analytics.record import record_sql
from journey_analytics.run import run_id_of
from journey_analytics.sources.batches import Batch, find_batches, in_force
from journey_analytics.sources.store import Store

Reprocess = Literal["none", "failed", "all"]

# a day's run is known by its id; what became of its last attempt, and whether any published
_OUTCOMES = """
    select
        run_id,
        bool_or(step = 'publish' and status = 'done') as is_published,
        max_by(status, (begun_at, case when status in ('failed', 'killed') then 1 else 0 end)) as last_status
    from ({record})
    where run_id is not null
    group by run_id
"""


@dataclass(frozen=True)
class PlannedDay:
    """One day of a backfill, and what is to be done about it."""

    day: date
    run_id: str
    is_to_run: bool
    why: str
    moves_pointer: bool
    """Whether readers will see it: a day before the live one is only kept."""


def plan(
    project: Project, first: date, last: date, reprocess: str = "failed", *, now: datetime
) -> list[PlannedDay]:
    """What a backfill from `first` to `last`, both included, would do, a day each, in order.

    Args:
        project: whose files and rules of today count.
        first: local day.
        last: local day.
        reprocess: days whose run published are done again with `all` only, those whose run failed with
            `failed` and `all`; days that were not run with these inputs and rules are run in any case.
        now: the clock, aware.

    Raises:
        ConfigError: the last day is before the first, a day cannot be computed with or is still to come, or
            `reprocess` is no such word.
        SourceError: an input file is missing, empty or damaged.
    """
    if reprocess not in get_args(Reprocess):
        what = f"unknown word {reprocess!r}"
        raise ConfigError(Problem(what, "--reprocess", advise(reprocess, get_args(Reprocess), "word")))
    if last < first:
        raise ConfigError(Problem(f"{last} is before {first}", "--from, --to", "name the first day first"))
    check_day(first)
    check_day(last, local_day(to_us(now), project.zone))
    store = Store(project.store_folder)
    found = find_batches(project.folder, project.sources, store)
    first_event = _first_event(project, store, found)
    outcomes = _outcomes(project.marts_folder)
    live = _live_day(project.marts_folder)
    days = []
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        run_id = run_id_of(project, store, found, day)
        is_published, last_status = outcomes.get(run_id, (False, None))
        if first_event is not None and day < first_event:
            is_to_run, why = False, f"before the first event, of {first_event}"
        elif is_published:
            is_to_run, why = reprocess == "all", "published from the same inputs and rules"
        elif last_status is None:
            is_to_run, why = True, "not run with these inputs and rules"
        else:
            is_to_run, why = reprocess != "none", f"last time: {last_status}"
        days.append(PlannedDay(day, run_id, is_to_run, why, live is None or live <= day))
        if is_to_run and (live is None or live < day):
            live = day
    return days


def _first_event(project: Project, store: Store, found: list[Batch]) -> date | None:
    """The local day of the first event; None while files wait to be loaded that may hold earlier ones."""
    known = {load.batch_id for load in store.loads}
    counting = in_force(store, project.sources)
    if any(batch.batch_id not in known for batch in found) or not any(loads for _, loads in counting):
        return None
    with DuckDBEngine() as engine:
        first = engine.rows(f"select min(occurred_us) as us from ({store.events_sql(counting)})")[0]["us"]
    return None if first is None else local_day(first, project.zone)


def _outcomes(marts_folder: Path) -> dict[str, tuple[bool, str]]:
    with DuckDBEngine() as engine:
        rows = engine.rows(_OUTCOMES.format(record=record_sql(marts_folder, "mart_runs")))
    return {row["run_id"]: (row["is_published"], row["last_status"]) for row in rows}


def _live_day(marts_folder: Path) -> date | None:
    try:
        return current(marts_folder).as_of
    except MartError:
        return None
