"""Rows set aside tonight beside those of earlier loads of the same source.

Belongs here: that one learned check of the raw gate.
Does not belong here: which rows are set aside (sources).
"""

from __future__ import annotations

from collections.abc import Sequence

from journey_analytics.quality.results import CheckResult
from journey_analytics.sources.store import Load

_LEAST_LOADS = 10
_LOADS = 56
_LEAST_ROWS = 3
_POINTS = 0.01
_TIMES = 3.0


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
