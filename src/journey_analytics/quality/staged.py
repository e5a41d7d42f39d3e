"""The learned checks of the staged gate: which days they judge, and what they say of them.

Belongs here: from the working tables to check results, with what the project accepts.
Does not belong here: what is usual (learned.py, profiles.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.errors import ConfigError, MartError, Problem, advise
from journey_analytics.journeys import Parameters
from journey_analytics.local_days import end_of_day_us
from journey_analytics.marts import current
from journey_analytics.project import PROJECT_FILE, Project
from journey_analytics.quality.check_names import ALL_SOURCES, Measure, known_by_data
from journey_analytics.quality.learned import WEEKS, Unit, Verdict, judge
from journey_analytics.quality.measures import Measures, daily_measures
from journey_analytics.quality.profiles import judge_hours
from journey_analytics.quality.results import CheckResult
from journey_analytics.record import record_sql

COUNTS, STAGES = "int_daily_counts", "int_daily_stages"
GATE = "staged"
MOST_DAYS = 14
"""So many of the days that came in are judged, the last ones."""
_SHARE_THAT_COUNTS = 0.1
"""An earlier day is judged again when so much of it came in anew."""
_TABLE = "stg_touchpoints"
_FIRST = "the first run: its days are what later ones are judged by"
_NOTHING_NEW = "no day came in since the last run"


@dataclass(frozen=True)
class Days:
    """The days of one source that came in.

    Attributes:
        judged: to be judged, in order.
        complete_to: the last day of which all events are there.
        note: why none is judged.
    """

    judged: tuple[date, ...]
    complete_to: date
    note: str = ""


def counted_days(project: Project, last_day: date) -> Parameters:
    """The parameters of the models that count: so far back as the days of the latest source may need."""
    latest = max(source.mapping.late_window for source in project.sources)
    # two weeks that may be judged, and the eight weeks before the first of them
    first_day = last_day - timedelta(days=MOST_DAYS + WEEKS * 7) - latest
    return {
        "counted_from_us": end_of_day_us(first_day - timedelta(days=1), project.zone),
        "counted_to_us": end_of_day_us(last_day, project.zone),
    }


def measured(engine: DuckDBEngine, project: Project, last_day: date) -> Measures:
    """The measures of the project's sources, from the working tables."""
    sources = [source.name for source in project.sources]
    return daily_measures(engine.frame(f"from {COUNTS}"), engine.frame(f"from {STAGES}"), sources, last_day)


def days_of(
    project: Project, measures: Measures, arrived: Mapping[str, Mapping[date, int]]
) -> dict[str, Days]:
    """The days of each source that came in since the run that published the live snapshot.

    Args:
        project: its sources, and its record of runs.
        measures: up to the last day that is over.
        arrived: per source and day, events of tonight's loads.
    """
    judged_to = _judged_to(project)
    found = {}
    for source in project.sources:
        complete_to = measures.last_day - source.mapping.late_window
        before = judged_to.get(source.name)
        if before is None:
            found[source.name] = Days((), complete_to, _FIRST)
            continue
        last_days = [complete_to - timedelta(days=back) for back in reversed(range(MOST_DAYS))]
        events = measures.events(source.name)
        again = [
            day
            for day, count in arrived.get(source.name, {}).items()
            if day in last_days and count >= _SHARE_THAT_COUNTS * events[measures.place(day)]
        ]
        judged = tuple(day for day in last_days if day > before or day in again)
        found[source.name] = Days(judged, complete_to, "" if judged else _NOTHING_NEW)
    return found


def learned_checks(project: Project, measures: Measures, days: Mapping[str, Days]) -> list[CheckResult]:
    """What the learned checks say of the days that came in.

    Raises:
        ConfigError: journey.yaml accepts a check of such a day that there is not.
    """
    verdicts = list(_verdicts(project, measures, days))
    _check_accepted(project, measures, verdicts)
    return [*(_result(project, verdict) for verdict in verdicts), *_not_judged(days)]


def _verdicts(project: Project, measures: Measures, days: Mapping[str, Days]) -> Iterator[Verdict]:
    judged = sorted({day for found in days.values() for day in found.judged})
    unusual = project.settings.quality.unusual_days
    for source, found in days.items():
        for day in found.judged:
            incomplete = [other for other, its in days.items() if its.complete_to < day]
            told = judge(measures, source, day, judged, unusual, incomplete)
            told += judge_hours(measures, source, day, judged, unusual)
            yield from _without_gaps_that_hold(told)
    if len(days) > 1:
        complete_to = min(found.complete_to for found in days.values())
        for day in judged:
            if day <= complete_to:
                yield from judge(measures, ALL_SOURCES, day, judged, unusual)


def _without_gaps_that_hold(told: list[Verdict]) -> Iterator[Verdict]:
    """One verdict for all the missing values that are as usual: there are many."""
    prefix = f"{Measure.MISSING} "
    usual = [verdict for verdict in told if verdict.name.startswith(prefix) and verdict.level is None]
    yield from (verdict for verdict in told if verdict not in usual)
    if usual:
        first = usual[0]
        note = f"as usual in {len(usual)} columns of event names"
        yield Verdict(first.source, f"{prefix}values of {first.source}", "share", first.day, 0, note=note)


def _not_judged(days: Mapping[str, Days]) -> Iterator[CheckResult]:
    for source, found in days.items():
        if not found.judged:
            check = f"{Measure.EVENTS} of {source}"
            yield CheckResult(GATE, _TABLE, check, "fail", "passed", sample=found.note, day=found.complete_to)


def _result(project: Project, verdict: Verdict) -> CheckResult:
    has_limits = verdict.usual is not None
    result = CheckResult(
        GATE,
        _TABLE,
        verdict.name,
        verdict.level or "fail",
        "failed" if verdict.level else "passed",
        sample=words(verdict),
        day=verdict.day,
        measured=verdict.value if has_limits else None,
        low=verdict.limits.low,
        high=verdict.limits.high,
    )
    for accepted in project.settings.quality.accept:
        if verdict.level and accepted.covers(verdict.name, verdict.day):
            return replace(result, status="accepted", sample=f"{result.sample}; accepted: {accepted.why}")
    return result


def words(verdict: Verdict) -> str:
    """What was measured, and what would be usual."""
    if verdict.usual is None:
        return verdict.note
    day = f"{verdict.day:%A} {verdict.day}"
    if verdict.unit == "evidence":
        return f"{verdict.note or 'by the same clock as before'} on {day}"
    value, usual = amount(verdict.unit, verdict.value), amount(verdict.unit, verdict.usual)
    when = f"of silence at the end of {day}" if verdict.unit == "hours" else f"on {day}"
    return f"{value} {when}; usual is {usual}, {_passing(verdict)}"


def _passing(verdict: Verdict) -> str:
    low, high = verdict.limits.low, verdict.limits.high
    if low is not None and high is not None:
        return f"{amount(verdict.unit, low).partition(' ')[0]} to {amount(verdict.unit, high)} would pass"
    if low is not None:
        return f"{amount(verdict.unit, low)} or more would pass"
    if high is not None:
        return f"up to {amount(verdict.unit, high)} would pass"
    return "too few to miss any"


def amount(unit: Unit, value: float) -> str:
    """A measured value with its unit.

    >>> amount("events", 1234), amount("events", 1), amount("share", 0.0314)
    ('1,234 events', '1 event', '3.1 %')
    >>> amount("hours", 7.25), amount("money", 9.5)
    ('7.2 h', '9.50')
    """
    if unit == "events":
        return f"{value:,.0f} event{'s' * (round(value) != 1)}"
    if unit == "share":
        return f"{100 * value:.1f} %"
    return f"{value:.1f} h" if unit == "hours" else f"{value:,.2f}"


def _check_accepted(project: Project, measures: Measures, verdicts: Sequence[Verdict]) -> None:
    """Refuse accepted checks of channels and events that the data of a day that is judged never had."""
    names = sorted({series.name for series in measures.series})
    judged = {verdict.day for verdict in verdicts}
    problems = [
        Problem(
            f"quality.accept names a check that there is not: {accepted.check!r}",
            str(project.folder / PROJECT_FILE),
            advise(accepted.check, names, "check"),
        )
        for accepted in project.settings.quality.accept
        if accepted.day in judged
        and (needed := known_by_data(accepted.check)) is not None
        and needed not in names
    ]
    if problems:
        raise ConfigError(problems)


def _judged_to(project: Project) -> dict[str, date]:
    """The last day of each source that the run behind the live snapshot had before it."""
    try:
        run_id = current(project.marts_folder).run_id
    except MartError:
        return {}
    prefix = f"{Measure.EVENTS} of "
    with DuckDBEngine() as engine:
        rows = engine.rows(
            "select check_name, max(judged_date) as day from "
            f"({record_sql(project.marts_folder, 'mart_quality_results')}) "
            "where run_id = $run_id and judged_date is not null and starts_with(check_name, $prefix) "
            "group by check_name",
            {"run_id": run_id, "prefix": prefix},
        )
    return {row["check_name"].removeprefix(prefix): row["day"] for row in rows}
