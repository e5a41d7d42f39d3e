"""The steps that make tables: identity, stages, journeys, marts.

Belongs here: which tables a step makes, with what, and what it says of them.
Does not belong here: how a table is made (tables.py, sql), which customers are made anew (nights.py).
"""

from __future__ import annotations

from dataclasses import replace

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.engine.models import marts, models
from journey_analytics.errors import Problem, SourceError
from journey_analytics.identity import identity_parameters
from journey_analytics.journeys import model_parameters
from journey_analytics.local_days import local_day, utc_offsets
from journey_analytics.quality.staged import counted_days
from journey_analytics.run.state import Run
from journey_analytics.sources.load import EVENTS
from journey_analytics.stages.compile import OUTPUT_TABLE, compile_rules
from journey_analytics.stages.stage_map import StageMap
from journey_analytics.stages.tables import rule_table, stage_table
from journey_analytics.tables import make, needed_for
from journey_analytics.takeover import find_changes, unseen_rules
from journey_analytics.work import CHANGED, RebuildError


def find_customers(run: Run) -> str:
    """Remove copies and find the customer of each event, of all or of those that a night changed."""
    engine, project = run.engine, run.project
    if run.as_of is None:
        last = engine.rows(f"select max(occurred_us) as last from {EVENTS}")[0]["last"]
        if last is None:
            what = "no event is left: those of every customer were erased"
            raise SourceError(Problem(what, str(run.project.store_folder), "deliver events of others"))
        run.as_of = local_day(last, project.zone)
    run.parameters = {
        **model_parameters(project, run.as_of),
        **identity_parameters(project),
        **counted_days(project, run.last_day_over),
    }
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
    later = engine.rows(
        f"select count(*) as n from {EVENTS} where occurred_us >= $as_of_us",
        {"as_of_us": run.parameters["as_of_us"]},
    )[0]["n"]
    return (
        f"{run.touchpoints:,} touchpoints up to {run.as_of}, {events - later - run.touchpoints:,} copies, "
        f"{later:,} later events; {what}"
    )


def give_stages(run: Run) -> str:
    """Give each touchpoint its stage."""
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


def cut_journeys(run: Run) -> str:
    """Cut sessions and journeys, and find the stages they reached."""
    make_tables(run, *(name for name, model in models().items() if model.layer == "intermediate"))
    return (
        f"{run.made['int_journeys']:,} journeys of {run.made['int_journey_touchpoints']:,} touchpoints made"
    )


def make_marts(run: Run) -> str:
    """Compute the marts."""
    counts = make_tables(run, *marts())
    return f"{len(counts)} marts, {sum(counts.values()):,} rows made"


def make_tables(run: Run, *tables: str) -> dict[str, int]:
    """Make these tables, after those they need and no step has made yet; their rows."""
    for name in needed_for(tables):
        if name not in run.made:
            make_one = make if run.night is None else run.night.make
            run.made[name] = make_one(run.engine, name, run.parameters)
    return {table: run.made[table] for table in tables}
