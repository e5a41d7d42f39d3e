"""quality.html: what the gates of the last run found, one self-contained page with no network and no script.

Written for runs that published and for runs that a gate stopped: in the morning it says why nothing is new.
Belongs here: what stands on the page. Does not belong here: the checks (quality), the other pages (page.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from journey_analytics.disk import write_whole
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.project import Project
from journey_analytics.quality.check_names import Measure
from journey_analytics.quality.last_run import latest, streaks, told
from journey_analytics.quality.measures import Measures, Series
from journey_analytics.quality.results import CheckResult
from journey_analytics.reports.page import quality_page
from journey_analytics.sources.load import QUARANTINE

PAGE = "quality.html"
_DAYS_SHOWN = 57
_WIDTH, _HEIGHT, _MARGIN = 320.0, 90.0, 8.0
_MOST_TRENDS = 40
_MOST_REASONS = 50
_QUARANTINE = f"""
    select source, reason, column_name, count(*) as rows, count(distinct file) as files,
        min(file) as file, min(row_number) as row_number, min_by(value, row_number) as value
    from {QUARANTINE}
    group by source, reason, column_name order by rows desc, source, reason, column_name limit {_MOST_REASONS}
"""
_COVERAGE = """
    select stage_model, coverage, count(*) as names, cast(sum(events) as bigint) as events
    from mart_rule_coverage group by stage_model, coverage order by stage_model, events desc
"""


@dataclass(frozen=True)
class Unlike:
    """A check that did not hold.

    Attributes:
        outcome: `failed`, `warned`, `accepted` or `not evaluated`.
        told: what was found, and for how long it has been so.
    """

    name: str
    outcome: str
    told: str


@dataclass(frozen=True)
class GateSummary:
    """How many checks of a gate ended in which way."""

    gate: str
    passed: int
    accepted: int
    warned: int
    failed: int
    errors: int


@dataclass(frozen=True)
class Trend:
    """A measure of 57 days as a small drawing: a line, what would pass tonight, and tonight."""

    name: str
    told: str
    line: str
    limits: tuple[float, ...]
    last: tuple[float, float]
    is_usual: bool


def write_quality(
    project: Project,
    engine: DuckDBEngine,
    *,
    run_id: str,
    begun_at: datetime,
    as_of: date | None,
    results: Sequence[CheckResult],
    measures: Measures | None,
) -> Path:
    """Write the page of a run, from its working tables as far as they are made, and return its path."""
    since = streaks(project, as_of)
    path = project.reports_folder / PAGE
    page = quality_page(
        project=project.settings.project,
        run_id=run_id,
        begun_at=begun_at,
        as_of=as_of,
        headline=headline(results),
        stopped=any(result.stops for result in results),
        gates=summarise(results),
        unlike=unlike(results, since),
        trends=trends(results, measures, since),
        quarantine=_rows(engine, QUARANTINE, _QUARANTINE),
        coverage=_rows(engine, "mart_rule_coverage", _COVERAGE),
    )
    write_whole(path, page)
    return path


def summarise(results: Sequence[CheckResult]) -> list[GateSummary]:
    """One row per gate, in the order in which they ran."""
    found = []
    for gate in dict.fromkeys(result.gate for result in results):
        own = [result for result in results if result.gate == gate]
        ended = [result.status for result in own]
        warned = sum(result.status == "failed" and not result.stops for result in own)
        found.append(
            GateSummary(
                gate=gate,
                passed=ended.count("passed"),
                accepted=ended.count("accepted"),
                warned=warned,
                failed=ended.count("failed") - warned,
                errors=ended.count("error"),
            )
        )
    return found


def headline(results: Sequence[CheckResult]) -> str:
    """What came of the gates, in a sentence.

    >>> headline([CheckResult("raw", "events", "there are rows", "fail", "failed")])
    'Nothing was published: at the gate raw 1 check failed.'
    >>> headline([CheckResult("raw", "events", "there are rows", "fail", "passed")])
    'All 1 checks passed.'
    """
    stopping = [result for result in results if result.stops]
    if stopping:
        broken = sum(result.status == "error" for result in stopping)
        failed = len(stopping) - broken
        parts = [f"{failed} check{'s' * (failed != 1)} failed"] if failed else []
        parts += [f"{broken} could not be evaluated"] if broken else []
        return f"Nothing was published: at the gate {stopping[0].gate} {' and '.join(parts)}."
    unlike = {status: sum(r.status == status for r in results) for status in ("failed", "accepted")}
    if not any(unlike.values()):
        return f"All {len(results):,} checks passed."
    parts = [
        f"{count} {words}"
        for count, words in (
            (unlike["failed"], "warned"),
            (unlike["accepted"], "did not hold and were accepted"),
        )
        if count
    ]
    return f"Published: of {len(results):,} checks {', '.join(parts)}."


def outcome(result: CheckResult) -> str:
    """How a check that did not hold ended, in a word or two."""
    named = {"accepted": "accepted", "error": "not evaluated"}
    return named.get(result.status, "failed" if result.stops else "warned")


def unlike(results: Sequence[CheckResult], since: Mapping[str, int]) -> list[Unlike]:
    """The checks that did not hold, those that stopped the run first."""
    last = latest(results)
    return [
        Unlike(
            result.check, outcome(result), told(result, since.get(result.check, 0) if result in last else 0)
        )
        for result in sorted(results, key=lambda r: not r.stops)
        if result.status != "passed"
    ]


def trends(
    results: Sequence[CheckResult], measures: Measures | None, since: Mapping[str, int]
) -> list[Trend]:
    """The measures unlike the days before, then the events of every source; none before they are made."""
    if measures is None:
        return []
    series = {one.name: one for one in measures.series}
    prefix = f"{Measure.EVENTS} of "
    shown = [
        result
        for result in latest(results)
        if result.check in series and (result.status != "passed" or result.check.startswith(prefix))
    ]
    ordered = sorted(shown, key=lambda r: (r.status == "passed", not r.stops, r.check))
    return [
        _trend(result, series[result.check], measures, since.get(result.check, 0))
        for result in ordered[:_MOST_TRENDS]
    ]


def _trend(result: CheckResult, series: Series, measures: Measures, streak: int) -> Trend:
    end = measures.place(result.day or measures.last_day) + 1
    value, of = series.value[end - _DAYS_SHOWN : end], series.of[end - _DAYS_SHOWN : end]
    values = [
        float(v / n) if n > 0 and abs(v) < float("inf") else 0.0 for v, n in zip(value, of, strict=True)
    ]
    limits = [limit for limit in (result.low, result.high) if limit is not None]
    floor = min(0.0, *values)
    span = (max([*values, *limits, floor + 1e-9]) - floor) or 1.0

    def height(amount: float) -> float:
        return round(_HEIGHT - _MARGIN - (amount - floor) / span * (_HEIGHT - 2 * _MARGIN), 1)

    step = (_WIDTH - 2 * _MARGIN) / (_DAYS_SHOWN - 1)
    points = [(round(_MARGIN + number * step, 1), height(amount)) for number, amount in enumerate(values)]
    return Trend(
        name=result.check,
        told=told(result, streak),
        line=" ".join(f"{x},{y}" for x, y in points),
        limits=tuple(height(limit) for limit in limits),
        last=points[-1],
        is_usual=result.status == "passed",
    )


def _rows(engine: DuckDBEngine, table: str, sql: str) -> list[dict[str, Any]] | None:
    """The rows of a query; None where the run did not come so far as to make its table."""
    made = engine.rows("select 1 from information_schema.tables where table_name = $table", {"table": table})
    return engine.rows(sql) if made else None
