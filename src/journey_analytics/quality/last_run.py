"""The results of the last run, out of the record: there whether it published or a gate stopped it.

Belongs here: reading them. Does not belong here: how they are shown (cli, reports).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.errors import MartError, Problem
from journey_analytics.project import Project
from journey_analytics.quality.results import CheckResult
from journey_analytics.record import record_sql

_TABLE = "mart_quality_results"


@dataclass(frozen=True)
class LastRun:
    """What the gates of a run found.

    Attributes:
        nights: of each learned check, how many runs in a row up to this one it did not hold.
    """

    run_id: str
    begun_at: datetime
    as_of: date | None
    results: tuple[CheckResult, ...]
    nights: dict[str, int]


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
        before = engine.rows(
            "select check_name, begun_at, bool_or(status in ('failed', 'error')) as is_unlike from recorded "
            "where judged_date is not null group by check_name, begun_at order by check_name, begun_at desc"
        )
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
    nights: dict[str, int] = {}
    ended: set[str] = set()
    for row in before:
        name = row["check_name"]
        if not row["is_unlike"]:
            ended.add(name)
        elif name not in ended:
            nights[name] = nights.get(name, 0) + 1
    first = rows[0]
    return LastRun(first["run_id"], first["begun_at"], first["as_of"], results, nights)


def nearness(result: CheckResult) -> float:
    """How far from the middle of what would pass a measure lies: 0 in the middle, 1 at a limit.

    >>> nearness(CheckResult("staged", "t", "c", "fail", "passed", measured=75, low=0, high=100))
    0.5
    """
    if result.measured is None or (result.low is None and result.high is None):
        return 0.0
    low, high = result.low or 0.0, result.high
    if high is None:
        return low / result.measured if result.measured else 1.0
    middle = (low + high) / 2
    return abs(result.measured - middle) / (high - middle) if high > middle else 0.0
