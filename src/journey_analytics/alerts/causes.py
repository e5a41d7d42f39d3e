"""Which alerts there are at a stage, and what carries each of them.

Belongs here: joining cells that say the same into one alert, as frames. Does not belong here: the ranking of
slices (slices.py), the engine (kernels.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from journey_analytics.alerts import slices
from journey_analytics.alerts.cells import day_number
from journey_analytics.alerts.changes import ALERT_Q, signed_root
from journey_analytics.alerts.period import BASELINE_DAYS, TREND_DAYS

MOST_CAUSES = 10
_ROLES = {"all": None, "stage_entry": "channel", "first_touch": slices.FIRST_TOUCH}
"""Which column of a stage's entries holds the channel of a role."""


def find_causes(changes: pl.DataFrame, entries: pl.DataFrame, as_of: date) -> Iterator[dict[str, Any]]:
    """The alerts of one stage, each with its ranked slices.

    Cells that the same slice explains are one alert; what is left without it may be another.

    Args:
        changes: the stage's rows of int_stage_changes, alerts and others.
        entries: the stage's entries, see `slices.rank_slices`, with entered_date instead of day.
        as_of: the last day of the period.

    Yields:
        By alert: the cell that stands for it (channel_role, channel), how many cells it explains
        (cells_alerting), its excess_drops, and causes, the ranked slices.
    """
    entries = entries.with_columns(day_number(as_of))
    alerts = changes.filter("is_alert").sort(
        ["score", "channel_role", "channel"], descending=[True, False, False]
    )
    left = alerts.rows(named=True)
    while left:
        ranked = slices.rank_slices(entries, _period(left[0], as_of)).head(MOST_CAUSES)
        if not ranked.height:
            return
        cause = ranked.row(0, named=True)
        cell = _cell_of(cause, left)
        entries = entries.filter(~_is_in(cause))
        still = [row for row in left[1:] if row is not cell and _is_left(row, entries, changes.height, as_of)]
        yield {
            "channel_role": cell["channel_role"],
            "channel": cell["channel"],
            "cells_alerting": len(left) - len(still),
            "excess_drops": cell["excess_drops"],
            "causes": ranked.rows(named=True),
        }
        left = still


def _cell_of(cause: dict[str, Any], alerts: list[dict[str, Any]]) -> dict[str, Any]:
    """The alerting cell that holds the cause most closely; the surest one where none does."""
    wanted = (
        "stage_entry",
        cause["value"] if cause["dimension"] == slices.CHANNEL else cause["cause_channel"],
    )
    if cause["dimension"] == slices.FIRST_TOUCH:
        wanted = ("first_touch", cause["value"])
    elif wanted[1] == slices.ALL:
        wanted = ("all", slices.ALL)
    return next((row for row in alerts if (row["channel_role"], row["channel"]) == wanted), alerts[0])


def _is_in(cause: dict[str, Any]) -> pl.Expr:
    """Whether an entry belongs to the slice."""
    is_in = pl.lit(value=True)
    if cause["dimension"] != slices.ALL:
        is_in &= pl.col(cause["dimension"]).fill_null(slices.NO_VALUE) == cause["value"]
    if cause["cause_channel"] != slices.ALL:
        is_in &= pl.col("channel") == cause["cause_channel"]
    return is_in


def _is_left(alert: dict[str, Any], entries: pl.DataFrame, cells: int, as_of: date) -> bool:
    """Whether the cell is an alert without the entries that are explained."""
    column = _ROLES[alert["channel_role"]]
    own = entries if column is None else entries.filter(pl.col(column) == alert["channel"])
    period = _period(alert, as_of)
    before = own.filter(pl.col("day") < BASELINE_DAYS)
    now = own.filter(pl.col("day").is_between(period.first, period.last))
    n, k = (float(before[name].sum()) for name in ("journeys_reached", "journeys_continued"))
    reached, continued = (float(now[name].sum()) for name in ("journeys_reached", "journeys_continued"))
    if not n or not reached:
        return False
    expected = min(reached * k / n * period.weekdays, reached)
    root = float(signed_root(*(np.array(number) for number in (reached, continued, expected))))
    score = root * (n / (n + reached) / period.dispersion) ** 0.5
    return float(stats.norm.sf(score)) * cells < ALERT_Q


def _period(alert: dict[str, Any], as_of: date) -> slices.Period:
    first, last = (TREND_DAYS - 1 - (as_of - alert[name]).days for name in ("first_date", "last_date"))
    return slices.Period(first, last, BASELINE_DAYS, alert["weekday_factor"], alert["dispersion"])
