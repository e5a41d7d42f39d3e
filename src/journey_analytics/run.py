"""A run: the ordered steps from raw files to published marts. An attempt (journal.py) drives this one list.

Belongs here: what follows what, and what a run remembers between its steps.
Does not belong here: how a step does its work (the rooms), what is around every step (journal.py).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from typing import Any

import duckdb
import polars as pl

from journey_analytics import __version__
from journey_analytics.contracts import Contract, contracts
from journey_analytics.engine.duckdb import DuckDBEngine, Limits
from journey_analytics.engine.models import marts, models, models_sha256
from journey_analytics.errors import (
    DamagedError,
    JourneyError,
    MartError,
    ModelError,
    Problem,
    SourceError,
)
from journey_analytics.identity import identity_parameters
from journey_analytics.journeys import Parameters, model_parameters
from journey_analytics.local_days import local_day, to_moment, to_us, utc_offsets
from journey_analytics.marts import (
    Snapshot,
    current,
    damage,
    date_snapshot,
    is_current,
    live_name,
    publish,
    read_snapshot,
    write_snapshot,
)
from journey_analytics.nights import Night
from journey_analytics.project import Project, Settings
from journey_analytics.quality.late import late_events
from journey_analytics.quality.measures import Measures
from journey_analytics.quality.results import CheckResult, result_rows, stop_if_failed
from journey_analytics.record import append
from journey_analytics.restatements import TABLE as RESTATEMENTS
from journey_analytics.restatements import find_restatements
from journey_analytics.retention import named_by_reports, remove_old_snapshots
from journey_analytics.sources.batches import Batch, find_batches, must_be_unchanged
from journey_analytics.sources.load import (
    EVENTS,
    QUARANTINE,
    SourceTotals,
    load_new,
    show_events,
)
from journey_analytics.sources.store import Load, Store
from journey_analytics.stages.compile import OUTPUT_TABLE, compile_rules
from journey_analytics.stages.stage_map import StageMap
from journey_analytics.stages.tables import rule_table, stage_table
from journey_analytics.tables import make, needed_for
from journey_analytics.takeover import find_changes, keep, start_over, unseen_rules
from journey_analytics.work import CHANGED, RebuildError

_NEW_EVENTS = "new_events"
"""The view of the events that came with this run."""


@dataclass
class Run:
    """One run of one project: what it was asked, what it was given, and what it has found so far."""

    project: Project
    engine: DuckDBEngine
    run_id: str
    store: Store
    batches: list[Batch]
    received_us: int
    as_of: date | None
    moves_pointer: bool = True
    """Whether readers shall see the new snapshot; a day before the live one is only kept."""
    new_loads: list[Load] = field(default_factory=list)
    totals: list[SourceTotals] = field(default_factory=list)
    results: list[CheckResult] = field(default_factory=list)
    parameters: Parameters = field(default_factory=dict)
    stage_maps: tuple[StageMap, ...] = ()
    """Those of the project, with what the data shows of them."""
    measures: Measures | None = None
    """What every day is compared by, from the staged gate on."""
    made: dict[str, int] = field(default_factory=dict)
    """The tables made so far, with the rows made."""
    night: Night | None = None
    """What changed since the last run, when only that is made anew."""
    rebuild: str | None = None
    """Why everything is made anew."""
    customers: int = 0
    touchpoints: int = 0
    snapshot: Snapshot | None = None
    """What this run wrote, once it did."""

    @property
    def new_batches(self) -> list[Batch]:
        """Those that the store does not hold."""
        known = {load.batch_id for load in self.store.loads}
        return [batch for batch in self.batches if batch.batch_id not in known]

    @property
    def warnings(self) -> list[CheckResult]:
        """Checks that did not hold and do not stop a run."""
        return [result for result in self.results if result.status == "failed" and not result.stops]

    @property
    def as_of_day(self) -> date:
        """The day the run stands at the end of; known once the events are loaded."""
        if self.as_of is None:
            message = "the as-of day is not known before the events are loaded"
            raise RuntimeError(message)
        return self.as_of


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
        run.rebuild = "as asked for" if full else None
        yield run


def _load(run: Run) -> str:
    # loads of an earlier try of this run stay in the store's memory; only their commit is still to come
    to_load = run.new_batches
    # of copies the one received first stays, so no load counts as received before another, whatever the clock
    received_us = max((load.received_us + 1 for load in run.store.loads), default=run.received_us)
    run.new_loads += load_new(
        run.engine,
        run.store,
        run.batches,
        max(run.received_us, received_us),
        run.project.spill_folder / "unpacked",
    )
    must_be_unchanged(to_load)
    run.totals = show_events(run.engine, run.store, list(run.project.sources), run.new_loads)
    for total in run.totals:
        # a source that brought nothing new has nothing new to be judged by
        new_rows = total.new_rows if total.new_loads else None
        rate = total.new_quarantined / total.new_rows if total.new_rows else 0.0
        row = {"rows": total.rows, "new_rows": new_rows, "new_quarantined_rate": rate}
        schema = {"rows": pl.Int64, "new_rows": pl.Int64, "new_quarantined_rate": pl.Float64}
        run.engine.load(_load_table(total.source), pl.DataFrame([row], schema=schema))
    events = sum(total.events for total in run.totals)
    notes = [
        f"{count:,} {what}"
        for count, what in (
            (sum(total.quarantined for total in run.totals), "rows in quarantine"),
            (sum(total.times_ambiguous for total in run.totals), "local times that stand twice"),
            (sum(total.times_shifted for total in run.totals), "local times that no clock showed"),
        )
        if count
    ]
    notes += [f"no file of {total.source} yet" for total in run.totals if not total.loads]
    return ", ".join([f"{events:,} events, {len(run.new_loads)} new loads", *notes])


def _load_table(source: str) -> str:
    """The one-row table of what a source's loads hold, as the gate checks it."""
    return f"load_{source}"


def _check_raw(run: Run) -> str:
    # imported here, like in _check_marts: it takes seconds, and `journey --help` must not
    from journey_analytics.quality.gates import contract_suite, load_suite, run_gate
    from journey_analytics.quality.row_rules import run_row_rules

    quarantined = _quarantine_checks(run)
    suites = {
        _load_table(total.source): load_suite(is_known=total.source in quarantined)
        for total in run.totals
        if total.loads
    }
    fresh = _show_new_events(run)
    suites.update({contract.table: contract_suite(contract) for contract in fresh})
    return _passed(
        run,
        [
            *run_gate(run.engine, "raw", suites),
            *run_row_rules(run.engine, "raw", fresh),
            *quarantined.values(),
            *late_events(run.engine, run.store, run.project.sources, run.new_loads),
        ],
    )


def _quarantine_checks(run: Run) -> dict[str, CheckResult]:
    """By source, the check of how many of the rows that came in are set aside."""
    from journey_analytics.quality.quarantine import quarantine_check

    fresh = {load.batch_id for load in run.new_loads}
    found = {}
    for source in run.project.sources:
        loads = run.store.of(source.name)
        before = [load for load in loads if load.batch_id not in fresh]
        result = quarantine_check(source.name, before, [load for load in loads if load.batch_id in fresh])
        if result is not None:
            found[source.name] = result
    return found


def _show_new_events(run: Run) -> list[Contract]:
    """Make the view of the events that came with this run, and give its contract; none when none came.

    What the store held before was judged by the run that brought it.
    """
    if not run.new_loads:
        return []
    loads = [
        (source, [load for load in run.new_loads if load.source == source.name])
        for source in run.project.sources
    ]
    run.engine.create_view(_NEW_EVENTS, run.store.events_sql(loads))
    return [contracts()[EVENTS].model_copy(update={"table": _NEW_EVENTS})]


def _identity(run: Run) -> str:
    engine, project = run.engine, run.project
    if run.as_of is None:
        last = engine.rows(f"select max(occurred_us) as last from {EVENTS}")[0]["last"]
        run.as_of = local_day(last, project.zone)
    run.parameters = {**model_parameters(project, run.as_of), **identity_parameters(project)}
    if run.rebuild is None:
        find_changes(run)
    make_tables(run, "stg_touchpoints")
    with engine.schema(CHANGED if run.night else "main"):
        made = engine.rows(
            "select count(distinct customer_id) as customers, count(*) as touchpoints from stg_touchpoints"
        )[0]
    run.customers, run.touchpoints = made["customers"], made["touchpoints"]
    if run.night is not None:
        run.customers += run.night.state.customers - run.night.customers_before
        run.touchpoints += run.night.state.touchpoints - run.night.touchpoints_before
    events = engine.count(EVENTS)
    if run.touchpoints == 0:
        raise SourceError(
            Problem(
                f"no event happened up to {run.as_of}",
                f"{events:,} events loaded",
                "name a later day with --date",
            )
        )
    what = (
        f"{made['customers']:,} of {run.customers:,} customers made anew for {run.night.events:,} events"
        if run.night is not None
        else f"all {run.customers:,} customers made anew: {run.rebuild}"
    )
    return (
        f"{run.touchpoints:,} touchpoints up to {run.as_of}, {events - run.touchpoints:,} copies or later; "
        f"{what}"
    )


def _stage(run: Run) -> str:
    engine, project = run.engine, run.project
    span = engine.rows(f"select min(occurred_us) as first, max(occurred_us) as last from {EVENTS}")[0]
    restart = project.settings.journey.restart
    engine.load("seed_stage_rules", rule_table(project.stage_maps))
    engine.load("seed_utc_offsets", utc_offsets(project.zone, span["first"], span["last"]))
    key = project.settings.journey.key
    rules = compile_rules(project.stage_maps, project.time, key)
    with engine.schema(CHANGED if run.night else "main"):
        engine.create_table(OUTPUT_TABLE, rules)
    if run.night is not None:
        run.night.show(engine, OUTPUT_TABLE)
    run.stage_maps = tuple(_with_unseen(engine, found) for found in project.stage_maps)
    if run.night is not None and run.night.state.unseen != unseen_rules(run.stage_maps):
        message = "a starter rule took its first event, or lost its last"
        raise RebuildError(message)
    engine.load("seed_stages", stage_table(run.stage_maps, restart.on if restart else ()))
    counts = engine.rows(
        "select stage_model, count(rule_number) as taken, count(*) - count(rule_number) as unmapped "
        f"from {OUTPUT_TABLE} group by stage_model order by stage_model"
    )
    several = len(counts) > 1
    return "; ".join(
        (f"{row['stage_model']}: " if several else "")
        + f"{row['taken']:,} touchpoints with a stage or ignored, {row['unmapped']:,} without a stage"
        for row in counts
    )


def _with_unseen(engine: DuckDBEngine, found: StageMap) -> StageMap:
    """The stage map, knowing which of its starter rules took nothing."""
    if not found.starter_rules:
        return found
    sql = f"select distinct rule_number from {OUTPUT_TABLE} where stage_model = $name"
    seen = {row["rule_number"] for row in engine.rows(sql, {"name": found.model.name})}
    starters = range(len(found.own_rules) + 1, len(found.rules) + 1)
    return replace(found, unseen=frozenset(starters) - seen)


def _check_staged(run: Run) -> str:
    from journey_analytics.quality.sql_checks import run_key_checks, run_sql_checks
    from journey_analytics.quality.staged import days_of, learned_checks, measured

    make_tables(run, "int_touchpoints", "int_daily_counts", "int_daily_stages")
    run.measures = measured(run.engine, run.project, run.as_of_day)
    today = local_day(run.received_us, run.project.zone)
    days = days_of(run.project, run.measures, today=today, arrived=_arrived(run))
    return _passed(
        run,
        [
            *run_key_checks(run.engine, "staged", [contracts()["stg_touchpoints"]]),
            *run_sql_checks(run.engine, "staged"),
            *learned_checks(run.project, run.measures, days),
        ],
    )


def _arrived(run: Run) -> dict[str, dict[date, int]]:
    """Events of this run's loads by source and local day."""
    found: dict[str, dict[date, int]] = {}
    for source in run.project.sources:
        loads = [load for load in run.new_loads if load.source == source.name]
        if loads:
            rows = run.engine.rows(
                "select cast(timestamp_micros(occurred_us + offset_us) as date) as day, count(*) as events "
                f"from ({run.store.events_sql([(source, loads)])}) "
                "join seed_utc_offsets on occurred_us >= from_us and occurred_us < to_us group by day"
            )
            found[source.name] = {row["day"]: row["events"] for row in rows}
    return found


def _journeys(run: Run) -> str:
    make_tables(run, *(name for name, model in models().items() if model.layer == "intermediate"))
    return (
        f"{run.made['int_journeys']:,} journeys of {run.made['int_journey_touchpoints']:,} touchpoints made"
    )


def _marts(run: Run) -> str:
    counts = make_tables(run, *marts())
    return f"{len(counts)} marts, {sum(counts.values()):,} rows made"


def make_tables(run: Run, *tables: str) -> dict[str, int]:
    """Make these tables, after those they need and no step has made yet; their rows."""
    for name in needed_for(tables):
        if name not in run.made:
            make_one = make if run.night is None else run.night.make
            run.made[name] = make_one(run.engine, name, run.parameters)
    return {table: run.made[table] for table in tables}


def _check_marts(run: Run) -> str:
    from journey_analytics.quality.gates import contract_suite, run_gate
    from journey_analytics.quality.row_rules import run_row_rules
    from journey_analytics.quality.sql_checks import run_key_checks, run_sql_checks

    published = [contracts()[name] for name in marts()]
    rows_to_check: AbstractContextManager[None] = nullcontext()
    if run.night is not None:
        # what others keep was checked when it was made; a quiet night makes nothing
        rows_to_check = run.night.rows_made(run.engine)
        published = [
            contract.model_copy(update={"may_be_empty": contract.may_be_empty or contract.per_customer})
            for contract in published
        ]
    suites = {contract.table: contract_suite(contract) for contract in published}
    with rows_to_check:
        results = [
            *run_gate(run.engine, "marts", suites),
            *run_key_checks(run.engine, "marts", published),
            *run_row_rules(run.engine, "marts", published),
            *run_sql_checks(run.engine, "marts", of_customers=True),
        ]
    return _passed(run, [*results, *run_sql_checks(run.engine, "marts", of_customers=False)])


def _passed(run: Run, results: list[CheckResult]) -> str:
    gate = results[0].gate
    run.results = [result for result in run.results if result.gate != gate] + results
    append(
        run.project.marts_folder,
        "mart_quality_results",
        result_rows(run.results, run_id=run.run_id, begun_us=run.received_us, as_of=run.as_of),
        run_id=run.run_id,
        begun_us=run.received_us,
    )
    try:
        stop_if_failed(results)
    except JourneyError:
        _write_quality(run)
        raise
    warned = sum(result.status == "failed" for result in results)
    return f"{len(results) - warned} checks passed" + (f", {warned} warned" if warned else "")


def _publish(run: Run) -> str:
    # only now, so that the files a gate refused can be replaced by better ones
    run.store.commit(run.new_loads)
    folder = run.project.marts_folder
    about = {
        "project": run.project.settings.project,
        "timezone": run.project.settings.timezone,
        "as_of": run.as_of_day.isoformat(),
        "version": __version__,
        "config_sha256": run.project.config_sha256,
        "models_sha256": models_sha256(),
        "quarantined": run.engine.count(QUARANTINE),
        "stages_not_observed": [
            stage for stage in run.project.stage_model.names if stage not in run.stage_maps[0].observed_stages
        ],
        "stage_model": run.project.stage_model.name,
        "conversion_stage": run.project.settings.conversion.stage,
        "stages": [{"stage": stage.stage, "owner": stage.owner} for stage in run.project.stage_model.stages],
        "definitions": _definitions(run.project.settings),
        "warnings": [f"{r.table}: {r.check}: {r.sample}" for r in run.warnings],
        "inputs": [
            {"source": batch.source.name, **asdict(file)} for batch in run.batches for file in batch.files
        ],
    }
    base = run.night.base if run.night is not None else None
    written = write_snapshot(run.engine, folder, run.run_id, about, base)
    run.snapshot = read_snapshot(folder, written.name)
    problems = damage(run.snapshot)
    if problems:
        raise DamagedError(problems)
    if run.moves_pointer:
        restated = _restatements(run)
        publish(folder, written.name, run.received_us)
        append(folder, RESTATEMENTS, restated, run_id=run.run_id, begun_us=run.received_us)
    else:
        date_snapshot(folder, written.name, run.received_us)
    needed = named_by_reports(run.project.reports_folder)
    remove_old_snapshots(folder, run.project.settings.marts.keep, needed)
    return str(written)


def _restatements(run: Run) -> list[dict[str, Any]]:
    """What the run's snapshot says of past days otherwise than the live one."""
    folder = run.project.marts_folder
    if run.snapshot is None or live_name(folder) is None:
        return []
    try:
        live = current(folder)
    except (MartError, DamagedError):
        return []
    return find_restatements(run.engine, live, run.snapshot, run.night, run.received_us)


def _definitions(settings: Settings) -> dict[str, Any]:
    """The settings that say what the marts' numbers mean."""
    restart = settings.journey.restart
    return {
        "conversion_window_seconds": settings.conversion.window.total_seconds(),
        "inactivity_seconds": settings.journey.inactivity.total_seconds(),
        "session_timeout_seconds": settings.session_timeout.total_seconds(),
        "journey_key": settings.journey.key,
        "restart": restart
        and {
            "after": restart.after,
            "on": restart.on,
            "cool_down_seconds": restart.cool_down.total_seconds(),
        },
    }


_MAKING = (_identity, _stage, _check_staged, _journeys, _marts)


def _or_anew(work: Callable[[Run], str]) -> Callable[[Run], str]:
    """The step; where what the last run kept cannot be built upon, all up to it anew."""

    def made(run: Run) -> str:
        try:
            return work(run)
        except (RebuildError, ModelError, duckdb.Error) as cause:
            if run.night is None:
                raise
            start_over(run, str(cause).splitlines()[0])
            return [step(run) for step in _MAKING[: _MAKING.index(work) + 1]][-1]

    return made


def _report(run: Run) -> str:
    from journey_analytics.reports.delivery import tell
    from journey_analytics.reports.dropoff import write_report

    _write_quality(run)
    written = write_report(run.project, run.snapshot or current(run.project.marts_folder))
    return "; ".join([str(written.path), *tell(run.project, written)])


def _write_quality(run: Run) -> None:
    """The page of what the gates found; a run that had nothing to do leaves that of the last one."""
    from journey_analytics.reports.quality import write_quality

    if run.results:
        write_quality(
            run.project,
            run.engine,
            run_id=run.run_id,
            begun_at=to_moment(run.received_us),
            as_of=run.as_of,
            results=run.results,
            measures=run.measures,
        )


def _checks(gate: str) -> Callable[[Run], int]:
    """How many checks of a gate were made."""
    return lambda run: sum(result.gate == gate for result in run.results)


STEPS: tuple[Step, ...] = (
    Step("load", "read the sources into typed events", _load, lambda run: sum(t.rows for t in run.totals)),
    Step("check_raw", "gate: is the batch fit to use", _check_raw, _checks("raw")),
    Step(
        "identity",
        "remove copies, find the customer of each event",
        _or_anew(_identity),
        lambda run: run.made["stg_touchpoints"],
    ),
    Step("stage", "give each touchpoint its stage", _or_anew(_stage)),
    Step(
        "check_staged",
        "gate: are the days that came in like those before",
        _or_anew(_check_staged),
        _checks("staged"),
    ),
    Step(
        "journeys",
        "cut sessions and journeys, find the stages reached",
        _or_anew(_journeys),
        lambda run: run.made["int_journeys"],
    ),
    Step("marts", "compute the marts", _or_anew(_marts), lambda run: sum(run.made[name] for name in marts())),
    Step("check_marts", "gate: do the numbers hold together", _check_marts, _checks("marts")),
    Step(
        "publish",
        "write the snapshot, move the pointer",
        _publish,
        lambda run: sum(run.snapshot.marts.values()) if run.snapshot else 0,
    ),
    Step("keep", "keep what the next night builds on", keep),
    Step("report", "write the report from the published marts", _report),
)


def steps_to_do(run: Run, *, force: bool) -> tuple[tuple[Step, ...], bool]:
    """The steps to do, and whether the marts are up to date: then it is only the report.

    They are when the live ones were made from the same inputs, rules, settings and code.
    """
    if not force and is_current(run.project.marts_folder, run.run_id):
        run.snapshot = current(run.project.marts_folder)
        run.as_of = run.snapshot.as_of
        return STEPS[-1:], True
    return STEPS, False


def run_id_of(project: Project, store: Store, found: list[Batch], as_of: date | None) -> str:
    """A name made from everything that decides the marts, so that the same gives the same."""
    parts = {
        "loads": sorted({load.batch_id for load in store.loads} | {batch.batch_id for batch in found}),
        "config": project.config_sha256,
        "as_of": as_of,
        "version": __version__,
        "models": models_sha256(),
    }
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
