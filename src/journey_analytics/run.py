"""A run: the ordered steps from raw files to published marts. An attempt (journal.py) drives this one list.

Belongs here: what follows what, and what a run remembers between its steps.
Does not belong here: how a step does its work (the rooms), what is around every step (journal.py).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from functools import cache
from typing import Any

import polars as pl

from journey_analytics import __version__
from journey_analytics.contracts import contracts
from journey_analytics.engine.duckdb import DuckDBEngine, Limits
from journey_analytics.engine.models import marts, models, sql_folder
from journey_analytics.errors import DamagedError, Problem, SourceError
from journey_analytics.identity import identity_parameters
from journey_analytics.journeys import Parameters, model_parameters
from journey_analytics.local_days import local_day, to_us, utc_offsets
from journey_analytics.marts import (
    Snapshot,
    current,
    damage,
    date_snapshot,
    is_current,
    publish,
    read_snapshot,
    write_snapshot,
)
from journey_analytics.project import Project, Settings
from journey_analytics.quality.results import CheckResult, stop_if_failed
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
    made: dict[str, int] = field(default_factory=dict)
    """The tables made so far, with their rows."""
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
    project: Project, *, now: datetime, as_of: date | None = None, moves_pointer: bool = True
) -> Iterator[Run]:
    """Look at the project's input files and open a new working database. The caller holds the lock.

    Args:
        project: as read from its folder.
        now: the clock, aware; events later than this are taken for faults.
        as_of: the local day to report at the end of; the day of the last event when None.
        moves_pointer: whether readers shall see the new snapshot.

    Raises:
        SourceError: an input file is missing, empty or damaged.
    """
    store = Store(project.store_folder)
    found = find_batches(project.folder, project.sources)
    run_id = run_id_of(project, store, found, as_of)
    # what a run that was killed could not take away
    shutil.rmtree(project.spill_folder, ignore_errors=True)
    settings = project.settings
    limits = Limits(settings.memory_limit, settings.threads)
    with DuckDBEngine(project.spill_folder, limits) as engine:
        yield Run(project, engine, run_id, store, found, to_us(now), as_of, moves_pointer)


def _load(run: Run) -> str:
    # loads of an earlier try of this run stay in the store's memory; only their commit is still to come
    to_load = run.new_batches
    run.new_loads += load_new(
        run.engine, run.store, run.batches, run.received_us, run.project.spill_folder / "unpacked"
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
    return ", ".join([f"{events:,} events, {len(run.new_loads)} new loads", *notes])


def _load_table(source: str) -> str:
    """The one-row table of what a source's loads hold, as the gate checks it."""
    return f"load_{source}"


def _check_raw(run: Run) -> str:
    # imported here, like in _check_marts: it takes seconds, and `journey --help` must not
    from journey_analytics.quality.gates import contract_suite, load_suite, run_gate

    suites = {_load_table(total.source): load_suite() for total in run.totals}
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
    touchpoints = make_tables(run, "stg_touchpoints")["stg_touchpoints"]
    events = engine.count(EVENTS)
    if touchpoints == 0:
        raise SourceError(
            Problem(
                f"no event happened up to {run.as_of}",
                f"{events:,} events loaded",
                "name a later day with --date",
            )
        )
    customers = engine.rows("select count(distinct customer_id) as n from stg_touchpoints")[0]["n"]
    return (
        f"{touchpoints:,} touchpoints of {customers:,} customers up to {run.as_of}, "
        f"{events - touchpoints:,} copies or later"
    )


def _stage(run: Run) -> str:
    engine, project = run.engine, run.project
    span = engine.rows(f"select min(occurred_us) as first, max(occurred_us) as last from {EVENTS}")[0]
    restart = project.settings.journey.restart
    engine.load("seed_stage_rules", rule_table(project.stage_maps))
    engine.load("seed_utc_offsets", utc_offsets(project.zone, span["first"], span["last"]))
    key = project.settings.journey.key
    engine.create_table(OUTPUT_TABLE, compile_rules(project.stage_maps, project.time, key))
    run.stage_maps = tuple(_with_unseen(engine, found) for found in project.stage_maps)
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


def _journeys(run: Run) -> str:
    make_tables(run, *(name for name, model in models().items() if model.layer == "intermediate"))
    return f"{run.made['int_journeys']:,} journeys of {run.made['int_journey_touchpoints']:,} touchpoints"


def _marts(run: Run) -> str:
    counts = make_tables(run, *marts())
    return f"{len(counts)} marts, {sum(counts.values()):,} rows"


def make_tables(run: Run, *tables: str) -> dict[str, int]:
    """Make these tables, after those they need and no step has made yet; their rows."""
    for name in needed_for(tables):
        if name not in run.made:
            run.made[name] = make(run.engine, name, run.parameters)
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
        "stages": [{"stage": stage.stage, "owner": stage.owner} for stage in run.project.stage_model.stages],
        "definitions": _definitions(run.project.settings),
        "warnings": [f"{r.table}: {r.check}: {r.sample}" for r in run.warnings],
        "inputs": [
            {"source": batch.source.name, **asdict(file)} for batch in run.batches for file in batch.files
        ],
    }
    written = write_snapshot(run.engine, folder, run.run_id, about)
    run.snapshot = read_snapshot(folder, written.name)
    problems = damage(run.snapshot)
    if problems:
        raise DamagedError(problems)
    if run.moves_pointer:
        publish(folder, written.name, run.received_us)
    else:
        date_snapshot(folder, written.name, run.received_us)
    needed = named_by_reports(run.project.reports_folder)
    remove_old_snapshots(folder, run.project.settings.marts.keep, needed)
    return str(written)


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


def _report(run: Run) -> str:
    from journey_analytics.reports.delivery import tell
    from journey_analytics.reports.dropoff import write_report

    written = write_report(run.project, run.snapshot or current(run.project.marts_folder))
    return "; ".join([str(written.path), *tell(run.project, written)])


def _checks(gate: str) -> Callable[[Run], int]:
    """How many checks of a gate were made."""
    return lambda run: sum(result.gate == gate for result in run.results)


STEPS: tuple[Step, ...] = (
    Step("load", "read the sources into typed events", _load, lambda run: sum(t.rows for t in run.totals)),
    Step("check_raw", "gate: is the batch fit to use", _check_raw, _checks("raw")),
    Step(
        "identity",
        "remove copies, find the customer of each event",
        _identity,
        lambda run: run.made["stg_touchpoints"],
    ),
    Step("stage", "give each touchpoint its stage", _stage),
    Step(
        "journeys",
        "cut sessions and journeys, find the stages reached",
        _journeys,
        lambda run: run.made["int_journeys"],
    ),
    Step("marts", "compute the marts", _marts, lambda run: sum(run.made[name] for name in marts())),
    Step("check_marts", "gate: do the numbers hold together", _check_marts, _checks("marts")),
    Step(
        "publish",
        "write the snapshot, move the pointer",
        _publish,
        lambda run: sum(run.snapshot.marts.values()) if run.snapshot else 0,
    ),
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
