"""A run: the ordered steps from raw files to published marts. The CLI and the flow drive this one list.

Belongs here: what follows what, and what a run remembers between its steps.
Does not belong here: how a step does its work (the rooms), retries and schedules (pipelines), progress on a
terminal (cli).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from functools import cache, partial

import duckdb
import polars as pl

from journey_analytics import __version__
from journey_analytics.contracts import contracts
from journey_analytics.engine.duckdb import DuckDBEngine, Limits
from journey_analytics.engine.models import marts, models, sql_folder
from journey_analytics.errors import ModelError, Problem, SourceError
from journey_analytics.identity import identity_parameters
from journey_analytics.journeys import Parameters, model_parameters
from journey_analytics.local_days import local_day, to_us, utc_offsets
from journey_analytics.lock import hold
from journey_analytics.mart_files import write_marts
from journey_analytics.marts import (
    Snapshot,
    current,
    damaged_file,
    is_current,
    move_pointer,
    named,
    remove_old_snapshots,
    write_snapshot,
)
from journey_analytics.nights import Night, begin, forget, in_force, slices
from journey_analytics.project import Project
from journey_analytics.quality.results import CheckResult, stop_if_failed
from journey_analytics.sources.files import find_files
from journey_analytics.sources.load import (
    EVENTS,
    QUARANTINE,
    Batch,
    SourceTotals,
    batches,
    load_new,
    show_events,
)
from journey_analytics.sources.store import Load, Store
from journey_analytics.stages.compile import OUTPUT_TABLE, compile_rules
from journey_analytics.stages.stage_map import StageMap
from journey_analytics.stages.tables import rule_table, stage_table
from journey_analytics.tables import make, needed_for
from journey_analytics.work import CHANGED, RebuildError, State, attach, keep_all, keep_changed


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
    new_loads: list[Load] = field(default_factory=list)
    totals: list[SourceTotals] = field(default_factory=list)
    results: list[CheckResult] = field(default_factory=list)
    parameters: Parameters = field(default_factory=dict)
    stage_maps: tuple[StageMap, ...] = ()
    """Those of the project, with what the data shows of them."""
    made: dict[str, int] = field(default_factory=dict)
    """The tables made so far, with the rows made."""
    night: Night | None = None
    """What changed since the run before, when only that is made anew."""
    rebuild: str | None = None
    """Why everything is made anew."""
    customers: int = 0
    touchpoints: int = 0

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


@contextmanager
def start(
    project: Project, *, now: datetime, as_of: date | None = None, full: bool = False
) -> Iterator[Run]:
    """Lock the project, look at its input files and open a new working database.

    Args:
        project: as read from its folder.
        now: the clock, aware; events later than this are taken for faults.
        as_of: the local day to report at the end of; the day of the last event when None.
        full: make everything anew, whatever changed.

    Raises:
        LockedError: another run holds the project.
        SourceError: an input file is missing, empty or damaged.
    """
    with hold(project.lock_file, now):
        store = Store(project.store_folder)
        found = _find_batches(project, store)
        run_id = _run_id(project, store, found, as_of)
        # what a run that was killed could not take away
        shutil.rmtree(project.spill_folder, ignore_errors=True)
        settings = project.settings
        limits = Limits(settings.memory_limit, settings.threads)
        with DuckDBEngine(project.spill_folder, limits) as engine:
            rebuild = "as asked for" if full else None
            yield Run(project, engine, run_id, store, found, to_us(now), as_of, rebuild=rebuild)


def _find_batches(project: Project, store: Store) -> list[Batch]:
    """What lies in the files of the sources; a source may have none tonight, or none yet.

    Raises:
        SourceError: a file cannot be read, or there is none at all and nothing in the store.
    """
    is_first = not any(loads for _, loads in in_force(store, project.sources))
    files = [(s, find_files(project.folder, s, may_be_missing=True)) for s in project.sources]
    if is_first and not any(inputs for _, inputs in files):
        files = [(s, find_files(project.folder, s)) for s in project.sources]
    return [batch for source, inputs in files if inputs for batch in batches(source, inputs)]


def _load(run: Run) -> str:
    # loads of an earlier try of this run stay in the store's memory; only their commit is still to come
    for batch in run.batches:
        scratch = run.project.spill_folder / batch.batch_id
        load = load_new(run.engine, run.store, batch, run.received_us, scratch)
        if load is not None:
            run.new_loads.append(load)
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

    suites = {_load_table(total.source): load_suite() for total in run.totals if total.loads}
    suites[EVENTS] = contract_suite(contracts()[EVENTS])
    told = _passed(run, run_gate(run.engine, "raw", suites))
    run.store.commit(run.new_loads)
    return told


def _identity(run: Run) -> str:
    engine, project = run.engine, run.project
    if run.as_of is None:
        last = engine.rows(f"select max(occurred_us) as last from {EVENTS}")[0]["last"]
        run.as_of = local_day(last, project.zone)
    run.parameters = {**model_parameters(project, run.as_of), **identity_parameters(project)}
    if run.rebuild is None:
        _find_changes(run)
    make_tables(run, "stg_touchpoints")
    with engine.schema(CHANGED if run.night else "main"):
        made = engine.rows("select count(distinct customer_id) as customers, count(*) as n from stg_touchpoints")
    run.customers, run.touchpoints = made[0]["customers"], made[0]["n"]
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
        f"{made[0]['customers']:,} of {run.customers:,} customers changed by {run.night.events:,} events"
        if run.night is not None
        else f"{run.customers:,} customers, everything made anew ({run.rebuild})"
    )
    return (
        f"{what}; {run.touchpoints:,} touchpoints up to {run.as_of}, "
        f"{events - run.touchpoints:,} copies or later"
    )


def _find_changes(run: Run) -> None:
    """Find what changed since the run that left work.duckdb, or why everything has to be made anew."""
    project = run.project
    forget(run.engine)
    run.made = {}
    try:
        state = attach(run.engine, project.work_file)
        base = _base(run, state)
        key = project.settings.journey.key
        run.night = begin(run.engine, run.store, project.sources, state, base, run.parameters, key)
    except RebuildError as reason:
        _make_anew(run, str(reason))
    else:
        run.made = {"stg_copies": 0, "stg_events": 0}


def _base(run: Run, state: State) -> Snapshot:
    """The snapshot that was published from work.duckdb, its files as they were written.

    Raises:
        RebuildError: it is gone or damaged, or something else than the events decides otherwise now.
    """
    for what, made_by in _made_by(run.project).items():
        if state.made_by.get(what) != made_by:
            message = f"another {what} than that of the last run"
            raise RebuildError(message)
    snapshot = named(run.project.marts_folder, state.snapshot)
    if snapshot is None:
        message = f"the snapshot {state.snapshot} of the last run is gone"
        raise RebuildError(message)
    damaged = damaged_file(snapshot)
    if damaged is not None:
        message = f"{damaged} of the last run's snapshot is damaged"
        raise RebuildError(message)
    return snapshot


def _make_anew(run: Run, why: str) -> None:
    forget(run.engine)
    run.night, run.rebuild, run.made = None, why, {}


def _made_by(project: Project) -> dict[str, str]:
    """Everything but the events that decides the tables."""
    return {
        "product version": __version__,
        "engine version": duckdb.__version__,
        "text of settings, mappings or rules": project.config_sha256,
        "text of the models": _models_sha256(),
    }


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
    if run.night is not None and run.night.state.unseen != _unseen(run):
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


def _unseen(run: Run) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(sorted(found.unseen)) for found in run.stage_maps)


def _journeys(run: Run) -> str:
    make_tables(run, *(name for name, model in models().items() if model.layer == "intermediate"))
    anew = " made anew" if run.night is not None else ""
    return f"{run.made['int_journeys']:,} journeys of {run.made['int_journey_touchpoints']:,} touchpoints{anew}"


def _marts(run: Run) -> str:
    counts = make_tables(run, *marts())
    anew = " made anew" if run.night is not None else ""
    return f"{len(counts)} marts, {sum(counts.values()):,} rows{anew}"


def make_tables(run: Run, *tables: str) -> dict[str, int]:
    """Make these tables, after those they need and no step has made yet; their rows."""
    for name in needed_for(tables):
        if name not in run.made:
            make_one = run.night.make if run.night is not None else make
            run.made[name] = make_one(run.engine, name, run.parameters)
    return {table: run.made[table] for table in tables}


def _check_marts(run: Run) -> str:
    from journey_analytics.quality.gates import contract_suite, run_gate
    from journey_analytics.quality.sql_checks import run_key_checks, run_sql_checks

    published = [contracts()[name] for name in marts()]
    suites = {contract.table: contract_suite(contract) for contract in published}
    return _passed(
        run,
        [
            *run_gate(run.engine, "marts", suites),
            *run_key_checks(run.engine, "marts", published),
            *run_sql_checks(run.engine, "marts"),
        ],
    )


def _passed(run: Run, results: list[CheckResult]) -> str:
    gate = results[0].gate
    run.results = [result for result in run.results if result.gate != gate] + results
    stop_if_failed(results)
    warned = sum(result.status == "failed" for result in results)
    return f"{len(results) - warned} checks passed" + (f", {warned} warned" if warned else "")


def _publish(run: Run) -> str:
    folder = run.project.marts_folder
    about = {
        "project": run.project.settings.project,
        "timezone": run.project.settings.timezone,
        "as_of": run.as_of_day.isoformat(),
        "version": __version__,
        "config_sha256": run.project.config_sha256,
        "models_sha256": _models_sha256(),
        "quarantined": run.engine.count(QUARANTINE),
        "stages_not_observed": [
            stage for stage in run.project.stage_model.names if stage not in run.stage_maps[0].observed_stages
        ],
        "stage_model": run.project.stage_model.name,
        "conversion_stage": run.project.settings.conversion.stage,
        "warnings": [f"{r.table}: {r.check}: {r.sample}" for r in run.warnings],
        "inputs": [
            {"source": batch.source.name, **asdict(file)} for batch in run.batches for file in batch.files
        ],
    }
    base = run.night.base if run.night is not None else None
    snapshot = write_snapshot(folder, run.run_id, about, partial(write_marts, run.engine, base=base))
    move_pointer(folder, snapshot.name)
    remove_old_snapshots(folder, run.project.settings.marts.keep)
    return str(snapshot)


def _keep(run: Run) -> str:
    project = run.project
    state = State(
        made_by=_made_by(project),
        as_of_us=int(run.parameters["as_of_us"] or 0),
        slices=slices(in_force(run.store, project.sources)),
        unseen=_unseen(run),
        snapshot=current(project.marts_folder).folder.name,
        customers=run.customers,
        touchpoints=run.touchpoints,
    )
    if run.night is None:
        keep_all(run.engine, project.work_file, state)
    else:
        keep_changed(run.engine, state)
    return str(project.work_file)


def _report(run: Run) -> str:
    from journey_analytics.reports.dropoff import write_report

    return str(write_report(run.project))


_MAKING = (_identity, _stage, _journeys, _marts)


def _or_anew(work: Callable[[Run], str]) -> Callable[[Run], str]:
    """The step; where what the last run kept cannot be built upon, everything up to it anew."""

    def made(run: Run) -> str:
        try:
            return work(run)
        except (RebuildError, ModelError, duckdb.Error) as cause:
            if run.night is None and run.rebuild is not None:
                raise
            reason = str(cause).splitlines()[0] if isinstance(cause, RebuildError) else f"work.duckdb: {cause}"
            _make_anew(run, reason)
            said = [step(run) for step in _MAKING[: _MAKING.index(work) + 1]]
            return said[-1]

    return made


STEPS: tuple[Step, ...] = (
    Step("load", "read the sources into typed events", _load),
    Step("check_raw", "gate: is the batch fit to use", _check_raw),
    Step("identity", "remove copies, find the customer of each event", _or_anew(_identity)),
    Step("stage", "give each touchpoint its stage", _or_anew(_stage)),
    Step("journeys", "cut sessions and journeys, find the stages reached", _or_anew(_journeys)),
    Step("marts", "compute the marts", _or_anew(_marts)),
    Step("check_marts", "gate: do the numbers hold together", _check_marts),
    Step("publish", "write the snapshot, move the pointer", _publish),
    Step("keep", "keep what the next night builds on", _keep),
    Step("report", "write the report from the published marts", _report),
)


def steps_to_do(run: Run, *, force: bool) -> tuple[Step, ...]:
    """All steps; only the report when the marts were made from the same inputs, rules, settings and code."""
    if not force and is_current(run.project.marts_folder, run.run_id):
        return STEPS[-1:]
    return STEPS


def _run_id(project: Project, store: Store, found: list[Batch], as_of: date | None) -> str:
    """A name made from everything that decides the marts, so that the same gives the same."""
    parts = {
        "loads": sorted({load.batch_id for load in store.loads} | {batch.batch_id for batch in found}),
        "config": project.config_sha256,
        "as_of": as_of,
        "version": __version__,
        "models": _models_sha256(),
    }
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _models_sha256() -> str:
    digest = hashlib.sha256()
    for path in sorted(sql_folder().rglob("*")):
        if path.suffix in (".sql", ".yml"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
