"""Rows set aside tonight: whether they are as many as in earlier loads of the source, and why they are.

Belongs here: that one learned check of the raw gate, and the words of the other ones.
Does not belong here: which rows are set aside (sources).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.quality.results import CheckResult
from journey_analytics.sources.quarantine import reasons
from journey_analytics.sources.store import Load

_LEAST_LOADS = 10
_LOADS = 56
_LEAST_ROWS = 3
_POINTS = 0.01
_TIMES = 3.0
_MOST_REASONS = 3


def quarantine_check(source: str, before: Sequence[Load], new: Sequence[Load]) -> CheckResult | None:
    """Whether the share of tonight's rows that are set aside is that of earlier loads; it fails above.

    A source of which no row was ever set aside warns of the first.

    Args:
        source: its name.
        before: its earlier loads, oldest first.
        new: those of tonight.

    Returns:
        None when nothing came in, or too few loads came before.
    """
    rows = sum(load.rows for load in new)
    known = [load.quarantined / load.rows for load in before[-_LOADS:] if load.rows]
    if not rows or len(known) < _LEAST_LOADS:
        return None
    count = sum(load.quarantined for load in new)
    usual, highest = sorted(known)[len(known) // 2], sorted(known)[-2]
    limit = max(highest, _TIMES * usual, usual + _POINTS)
    share = count / rows
    is_usual = share <= limit or count < _LEAST_ROWS
    is_first = is_usual and count > 0 and max(known) == 0
    return CheckResult(
        "raw",
        "quarantine_touchpoints",
        f"quarantine of {source}",
        "warn" if is_first else "fail",
        "passed" if is_usual and not is_first else "failed",
        0 if is_usual and not is_first else count,
        f"{100 * share:.1f} % of {rows:,} rows are set aside; usual is {100 * usual:.1f} %, "
        f"and up to {100 * limit:.1f} % would pass",
        measured=share,
        high=limit,
    )


def with_reasons(engine: DuckDBEngine, result: CheckResult, new: Sequence[Load]) -> CheckResult:
    """The result of a check of how many rows are set aside, in words: how many, why, and the first of each.

    Args:
        engine: shows the quarantine.
        result: one that did not hold.
        new: the loads of tonight that it is about.
    """
    found = reasons(engine, new)
    count, rows = sum(load.quarantined for load in new), sum(load.rows for load in new)
    told = [_reason(row) for row in found[:_MOST_REASONS]]
    if more := len(found) - len(told):
        told.append(f"{more} more reason{'s' * (more > 1)}")
    sample = f"{count:,} of {rows:,} rows that came in are set aside: {'; '.join(told)}"
    return replace(result, rows_failed=count, sample=sample)


def _reason(row: dict[str, Any]) -> str:
    value = f" {row['value']!r}" if row["value"] is not None else ""
    what = f" ({row['column_name']}{value})" if row["column_name"] else ""
    return f"{row['rows']:,} {row['reason']}{what}, the first in {row['file']}, row {row['row_number']}"
