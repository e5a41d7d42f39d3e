"""What a gate found: one result per check, and the error a failed gate raises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from journey_analytics.errors import GateError, JourneyError, NotEvaluatedError, Problem
from journey_analytics.local_days import to_moment

Severity = Literal["fail", "warn"]
Status = Literal["passed", "failed", "accepted", "error"]


@dataclass(frozen=True)
class CheckResult:
    """One check of one table: whether it held, and a sample of what broke it.

    Attributes:
        status: `accepted` when it did not hold and the project says why that is right.
        day: the local day that a learned check judges.
        measured: what it measured then; `low` and `high` are the least and the most that is usual.
    """

    gate: str
    table: str
    check: str
    severity: Severity
    status: Status
    rows_failed: int = 0
    sample: str = ""
    day: date | None = None
    measured: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def stops(self) -> bool:
        """Whether the run must stop before publishing."""
        return self.status == "error" or (self.status == "failed" and self.severity == "fail")


def stop_if_failed(results: Sequence[CheckResult]) -> None:
    """Raise when a check failed or could not be evaluated; warnings pass.

    Raises:
        NotEvaluatedError: a check broke; that goes before any failure, because nothing is known.
        GateError: a check of severity `fail` did not hold.
    """
    stopping = [result for result in results if result.stops]
    if not stopping:
        return
    broken = any(result.status == "error" for result in stopping)
    kind: type[JourneyError] = NotEvaluatedError if broken else GateError
    raise kind([_problem(result) for result in stopping])


def result_rows(
    results: Sequence[CheckResult], *, run_id: str, begun_us: int, as_of: date | None
) -> list[dict[str, Any]]:
    """The results as rows of `mart_quality_results`."""
    begun_at = to_moment(begun_us)
    return [
        {
            "begun_at": begun_at,
            "run_id": run_id,
            "as_of": as_of,
            "gate": result.gate,
            "table_name": result.table,
            "check_name": result.check,
            "severity": result.severity,
            "status": result.status,
            "rows_failed": result.rows_failed,
            "sample": result.sample or None,
            "judged_date": result.day,
            "measured": result.measured,
            "limit_low": result.low,
            "limit_high": result.high,
        }
        for result in results
    ]


def _problem(result: CheckResult) -> Problem:
    if result.status == "error":
        return Problem(
            f"gate {result.gate!r}: the check {result.check!r} could not be evaluated",
            f"table {result.table}: {result.sample}",
            "nothing was published; a check that breaks is never taken as passed",
        )
    rows = f"{result.rows_failed:,} rows; " if result.rows_failed else ""
    return Problem(
        f"gate {result.gate!r}: the check {result.check!r} failed",
        f"table {result.table}: {rows}{result.sample}",
        "nothing was published; look at the input that brought this",
    )
