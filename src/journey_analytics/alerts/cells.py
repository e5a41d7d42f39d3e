"""The stages and channels of a project as arrays of daily counts, and what the statistics say of them.

Belongs here: from rows of int_stage_days to int_stage_changes and int_stage_limits, as frames.
Does not belong here: formulas (changes.py), the engine (kernels.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from journey_analytics.alerts.changes import (
    LEVEL,
    Baseline,
    Series,
    are_alerts,
    clearness,
    fall,
    fit_baseline,
    limits,
    q_values,
    recent,
)
from journey_analytics.alerts.period import BASELINE_DAYS, TREND_DAYS
from journey_analytics.alerts.weights import weights
from journey_analytics.statistics import Floats

CELL = ("stage_model", "channel_role", "channel", "stage")


@dataclass(frozen=True)
class Cells:
    """The stages and channels, and their daily counts.

    Attributes:
        names: one row per cell with the columns of CELL, in their order.
        reached: journeys by cell and day of the period.
        continued: those of them that went on.
        revenue: what those brought, in the baseline; NaN where no revenue is known.
    """

    names: pl.DataFrame
    reached: Floats
    continued: Floats
    revenue: Floats

    @property
    def value(self) -> Floats:
        """What a journey that went on brought on average."""
        continued = self.continued[:, :BASELINE_DAYS].sum(axis=1)
        return np.where(continued > 0, self.revenue / np.maximum(continued, 1.0), np.nan)


def read_cells(days: pl.DataFrame, as_of: date) -> Cells:
    """The cells of rows of int_stage_days of one funnel kind."""
    names = days.select(CELL).unique().sort(CELL).with_row_index("cell")
    placed = days.join(names, on=CELL).with_columns(day_number(as_of))
    at = placed["cell"].to_numpy(), placed["day"].to_numpy()
    reached, continued = np.zeros((2, names.height, TREND_DAYS))
    reached[at] = placed["journeys_reached"].to_numpy()
    continued[at] = placed["journeys_continued"].to_numpy()
    revenue = np.full(names.height, np.nan)
    known = (
        placed.filter(pl.col("day") < BASELINE_DAYS, pl.col("revenue_continued").is_not_null())
        .group_by("cell")
        .agg(pl.sum("revenue_continued").cast(pl.Float64))
    )
    revenue[known["cell"].to_numpy()] = known["revenue_continued"].to_numpy()
    return Cells(names.drop("cell"), reached, continued, revenue)


def find_changes(cells: Cells, as_of: date) -> pl.DataFrame:
    """int_stage_changes: the change of every cell; the q-values are those of one stage model's cells."""
    series = Series(cells.reached, cells.continued, baseline_of(cells))
    lately = recent(series)
    found, p_value = fall(series)
    is_tested = series.baseline.freedom > 0
    q_value = np.full(len(p_value), np.nan)
    model = cells.names["stage_model"].to_numpy()
    for name in np.unique(model):
        family = is_tested & (model == name)
        q_value[family] = q_values(p_value[family], weights(clearness(series)[family], LEVEL))
    is_alert = are_alerts(found, q_value)
    change, low, high = lately.change
    alert_change, alert_low, alert_high = found.change
    begin = as_of - timedelta(days=TREND_DAYS - 1)
    frame = cells.names.with_columns(
        early_drop_off_rate=pl.Series(lately.rate),
        baseline_rate=pl.Series(lately.baseline_rate),
        change=pl.Series(change),
        change_low=pl.Series(low),
        change_high=pl.Series(high),
    )
    has_lately = pl.Series(is_tested & (lately.reached > 0))
    rates = ("early_drop_off_rate", "baseline_rate", "change", "change_low", "change_high")
    return frame.with_columns(pl.when(has_lately).then(pl.col(rates)).name.keep()).with_columns(
        p_value=pl.Series(np.where(is_tested, p_value, np.nan)).fill_nan(None),
        q_value=pl.Series(q_value).fill_nan(None),
        is_alert=pl.Series(is_alert),
        first_date=pl.Series([begin + timedelta(days=int(day)) for day in found.first]),
        last_date=pl.Series([begin + timedelta(days=int(day)) for day in found.last]),
        is_over=pl.Series(found.last < series.last_day),
        journeys_reached=pl.Series(found.reached).cast(pl.Int64),
        alert_rate=pl.Series(found.rate),
        alert_baseline_rate=pl.Series(found.baseline_rate),
        alert_change=pl.Series(alert_change),
        alert_change_low=pl.Series(alert_low),
        alert_change_high=pl.Series(alert_high),
        excess_drops=pl.Series(found.excess),
        value_at_risk=pl.Series(np.maximum(found.excess, 0.0) * cells.value).fill_nan(None),
        score=pl.Series(found.score),
        dispersion=pl.Series(found.dispersion),
        weekday_factor=pl.Series(_weekday_factors(cells, found.expected, found.reached)),
    )


def baseline_of(cells: Cells) -> Baseline:
    """What to expect; the channels of a stage are alike in how much their days differ, its total is not."""
    is_total = pl.col("channel_role") == "all"
    groups = cells.names.select(pl.struct("stage_model", "stage", is_total).rank("dense").cast(pl.Int64))
    return fit_baseline(cells.reached, cells.continued, groups.to_series().to_numpy())


def _weekday_factors(cells: Cells, expected: Floats, reached: Floats) -> Floats:
    """How much likelier the days of each stretch are to be gone on from than the baseline's, by weekday."""
    n = cells.reached[:, :BASELINE_DAYS].sum(axis=1)
    k = cells.continued[:, :BASELINE_DAYS].sum(axis=1)
    usual = reached * (k + 0.5) / (n + 1.0)
    return np.asarray(np.divide(expected, usual, out=np.ones(len(usual)), where=usual > 0))


def find_limits(cells: Cells, changes: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """int_stage_limits: what each day of each cell lets expect, and whether it is a day of an alert."""
    baseline = baseline_of(cells)
    low, high = limits(baseline, cells.reached)
    cell, day = np.nonzero((cells.reached > 0) & (baseline.freedom > 0)[:, None])
    begin = as_of - timedelta(days=TREND_DAYS - 1)
    alerts = changes.filter("is_alert").select(
        *CELL, pl.col("first_date").alias("from_date"), pl.col("last_date").alias("to_date")
    )
    return (
        cells.names[cell]
        .with_columns(
            entered_date=pl.Series([begin + timedelta(days=int(number)) for number in day], dtype=pl.Date),
            expected_rate=pl.Series(1.0 - baseline.rates[cell, day]),
            limit_low=pl.Series(low[cell, day]),
            limit_high=pl.Series(high[cell, day]),
        )
        .join(alerts, on=CELL, how="left", maintain_order="left")
        .with_columns(
            is_alert_day=pl.col("entered_date").is_between("from_date", "to_date").fill_null(value=False)
        )
        .drop("from_date", "to_date")
    )


def day_number(as_of: date) -> pl.Expr:
    """The number of a day in the period."""
    days = (pl.lit(as_of) - pl.col("entered_date")).dt.total_days()
    return (TREND_DAYS - 1 - days).cast(pl.Int64).alias("day")
