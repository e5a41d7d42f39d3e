"""The steps that stop a run: what each gate looks at, the record of what it found, and the quality page.

Belongs here: which checks stand where. Does not belong here: the checks (quality), the page (reports).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import date

from journey_analytics.contracts import Contract, contracts
from journey_analytics.engine.models import marts
from journey_analytics.errors import JourneyError
from journey_analytics.local_days import to_moment
from journey_analytics.quality.late import late_events
from journey_analytics.quality.results import CheckResult, result_rows, stop_if_failed
from journey_analytics.record import append
from journey_analytics.run.loading import load_table
from journey_analytics.run.making import make_tables
from journey_analytics.run.state import Run
from journey_analytics.sources.load import EVENTS
from journey_analytics.work import CHANGED

_NEW_EVENTS = "new_events"
"""The view of the events that came with this run."""


def check_raw(run: Run) -> str:
    """Gate: what came in with this run."""
    # imported here, like in check_marts: it takes seconds, and `journey --help` must not
    from journey_analytics.quality.gates import contract_suite, load_suite, run_gate
    from journey_analytics.quality.row_rules import run_row_rules

    quarantined = _quarantine_checks(run)
    suites = {
        load_table(total.source): load_suite(is_known=total.source in quarantined)
        for total in run.totals
        if total.loads
    }
    fresh = _show_new_events(run)
    suites.update({contract.table: contract_suite(contract) for contract in fresh})
    return _passed(
        run,
        [
            *(_in_words(run, result) for result in run_gate(run.engine, "raw", suites)),
            *run_row_rules(run.engine, "raw", fresh),
            *quarantined.values(),
            *late_events(run.engine, run.store, run.project.sources, run.new_loads),
        ],
    )


def _in_words(run: Run, result: CheckResult) -> CheckResult:
    """A check of how many rows are set aside, with the reasons; any other as it is."""
    from journey_analytics.quality.gates import QUARANTINED_RATE
    from journey_analytics.quality.quarantine import with_reasons

    if result.status != "failed" or QUARANTINED_RATE not in result.check:
        return result
    source = next(total.source for total in run.totals if load_table(total.source) == result.table)
    return with_reasons(run.engine, result, [load for load in run.new_loads if load.source == source])


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

    What the store held before was judged by the run that brought it. A file with no events but those of
    customers who were erased brings none, and is no fault.
    """
    is_all_erased = any(load.erased for load in run.new_loads) and not any(
        load.events for load in run.new_loads
    )
    if not run.new_loads or is_all_erased:
        return []
    loads = [
        (source, [load for load in run.new_loads if load.source == source.name])
        for source in run.project.sources
    ]
    run.engine.create_view(_NEW_EVENTS, run.store.events_sql(loads))
    return [contracts()[EVENTS].model_copy(update={"table": _NEW_EVENTS})]


def check_staged(run: Run) -> str:
    """Gate: the touchpoints with their stages, and the days that came in against those before."""
    from journey_analytics.quality.corrections import corrections
    from journey_analytics.quality.sql_checks import run_key_checks, run_sql_checks
    from journey_analytics.quality.staged import days_of, learned_checks, measured

    make_tables(run, "int_touchpoints", "int_daily_counts", "int_daily_stages")
    run.measures = measured(run.engine, run.project, run.last_day_over)
    days = days_of(run.project, run.measures, _arrived(run))
    with run.engine.schema(CHANGED if run.night else "main"):
        corrected = corrections(run.engine, run.new_loads)
    return _passed(
        run,
        [
            *corrected,
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


def check_marts(run: Run) -> str:
    """Gate: the marts, row by row and against one another."""
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
        write_quality_page(run)
        raise
    warned = sum(result.status == "failed" for result in results)
    return f"{len(results) - warned} checks passed" + (f", {warned} warned" if warned else "")


def write_quality_page(run: Run) -> None:
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
