"""The results of the last run, out of the record: there whether it published or a gate stopped it.

Belongs here: reading them, and for how long a check has come out as it did. Does not belong here: how they
are shown (cli, reports).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.errors import MartError, Problem
from journey_analytics.project import Project
from journey_analytics.quality.results import CheckResult
from journey_analytics.record import record_sql

_TABLE = "mart_quality_results"
_STREAKS = """
    with judged as (
        select check_name, judged_date, max_by(status = 'passed', begun_at) as is_usual
        from recorded
        where measured is not null and judged_date <= coalesce($as_of, judged_date)
        group by check_name, judged_date
    ),
    beside_the_last as (
        select
            check_name,
            judged_date,
            is_usual = first_value(is_usual) over days
                and judged_date + cast(row_number() over days - 1 as integer)
                    = first_value(judged_date) over days as is_alike
        from judged
        window days as (partition by check_name order by judged_date desc)
    ),
    so_far as (
        select
            check_name,
            bool_and(is_alike) over (partition by check_name order by judged_date desc) as is_in_a_row
        from beside_the_last
    )
    select check_name, count(*) as days from so_far where is_in_a_row group by check_name
"""


@dataclass(frozen=True)
class LastRun:
    """What the gates of a run found.

    Attributes:
        streaks: see `streaks`.
    """

    run_id: str
    begun_at: datetime
    as_of: date | None
    results: tuple[CheckResult, ...]
    streaks: dict[str, int]

    def told(self, result: CheckResult) -> str:
        """What a check found, on the last day it judged also for how long it has been so."""
        return told(result, self.days_in_a_row(result))

    def days_in_a_row(self, result: CheckResult) -> int:
        """For how many days a learned check has come out so; 0 of any but the last day it judged."""
        return self.streaks.get(result.check, 0) if result in latest(self.results) else 0


def last_run(project: Project) -> LastRun:
    """The last run that came to a gate.

    Raises:
        MartError: there is none in the record.
    """
    recorded = record_sql(project.marts_folder, _TABLE)
    with DuckDBEngine() as engine:
        engine.create_view("recorded", recorded)
        rows = engine.rows(
            "with last as (from recorded select begun_at, run_id order by all desc limit 1) "
            "from recorded semi join last using (begun_at, run_id)"
        )
        if not rows:
            what = "no run has come to a gate yet"
            raise MartError(Problem(what, str(project.marts_folder), "run `journey run -p` on the project"))
    results = tuple(
        CheckResult(
            row["gate"],
            row["table_name"],
            row["check_name"],
            row["severity"],
            row["status"],
            row["rows_failed"],
            row["sample"] or "",
            row["judged_date"],
            row["measured"],
            row["limit_low"],
            row["limit_high"],
        )
        for row in rows
    )
    first = rows[0]
    as_of = first["as_of"]
    return LastRun(first["run_id"], first["begun_at"], as_of, results, streaks(project, as_of))


def streaks(project: Project, as_of: date | None) -> dict[str, int]:
    """Of each learned check, on how many days in a row up to the last one judged it came out as on that one.

    Args:
        project: its record of runs is read; of a day judged several times the last result counts.
        as_of: later days do not count.
    """
    with DuckDBEngine() as engine:
        engine.create_view("recorded", record_sql(project.marts_folder, _TABLE))
        rows = engine.rows(_STREAKS, {"as_of": as_of})
    return {row["check_name"]: row["days"] for row in rows}


def latest(results: Iterable[CheckResult]) -> list[CheckResult]:
    """The learned checks, each on the last day it judged."""
    judged = sorted((result for result in results if result.day), key=lambda r: (r.day or date.min, r.stops))
    return list({result.check: result for result in judged}.values())


def told(result: CheckResult, streak: int) -> str:
    """What a check found; of a learned one, for how long it has been so.

    >>> day = date(2026, 3, 1)
    >>> told(CheckResult("staged", "t", "events of web", "fail", "passed", sample="9 events", day=day), 30)
    '9 events; inside for 30 days'
    >>> told(CheckResult("staged", "t", "events of web", "warn", "failed", sample="2 events", day=day), 1)
    '2 events; outside for the first day'
    >>> told(CheckResult("marts", "t", "sums add up", "fail", "failed", 3, "a 1, b 2"), 0)
    't, 3 rows: a 1, b 2'
    """
    if result.day is None:
        rows = f", {result.rows_failed:,} row{'s' * (result.rows_failed != 1)}" if result.rows_failed else ""
        return f"{result.table}{rows}: {result.sample}"
    if not streak:
        return result.sample
    side = "inside" if result.status == "passed" else "outside"
    days = f"{streak:,} days" if streak > 1 else "the first day"
    return f"{result.sample}; {side} for {days}"


def nearness(result: CheckResult) -> float:
    """How near a measure is to a limit: 0 farthest, 1 there.

    >>> nearness(CheckResult("staged", "t", "c", "fail", "passed", measured=75, low=0, high=100))
    0.5
    >>> nearness(CheckResult("staged", "t", "c", "fail", "passed", measured=0, high=12))
    0.0
    """
    measured, low, high = result.measured, result.low, result.high
    if measured is None:
        return 0.0
    if low is not None and high is not None:
        middle = (low + high) / 2
        return abs(measured - middle) / (high - middle) if high > middle else 0.0
    if low is not None:
        return low / measured if measured else 1.0
    return measured / high if high else 0.0
