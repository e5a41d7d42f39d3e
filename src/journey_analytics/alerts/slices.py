"""Which part of the journeys carries a change: a device, a page, a campaign, a channel, or all alike.

A slice is a set of stage entries: all of them, those of one channel, those with one value of a dimension,
or those with that value in one channel of stage entry. Each slice has its own baseline. The slice that
explains a change is the one whose journeys are least likely under their baseline: where all journeys changed
alike, the whole gains most, and where only a part changed, that part does, because the others add chance and
no change. A slice pays for how many there are of its kind, so that one of many has to be clearer than one of
a few.

Belongs here: the ranking of slices. Does not belong here: whether anything changed (changes.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from journey_analytics.alerts.changes import signed_root

ALL = "all"
CHANNEL = "channel"
FIRST_TOUCH = "first_touch_channel"
DIMENSIONS = ("device", "utm_campaign", "page_path", "event_name", "rule", "country", FIRST_TOUCH)
NO_VALUE = "(none)"
FEWEST_JOURNEYS = 30
"""A smaller slice is not looked at, unless it is all there is; a smaller baseline is none."""


@dataclass(frozen=True)
class Period:
    """The days of a change, and what is known of all journeys in them.

    Attributes:
        first: its first day, as a number; those of the baseline are smaller than `window`.
        last: its last day.
        window: the first day that is not of the baseline.
        weekdays: how much likelier journeys go on these days than on those of the baseline, of the weekdays.
        dispersion: how many times as much days differ as chance alone would make them.
    """

    first: int
    last: int
    window: int
    weekdays: float
    dispersion: float


def rank_slices(entries: pl.DataFrame, period: Period) -> pl.DataFrame:
    """The slices of a stage's entries, the one that best explains a fall first.

    Args:
        entries: one row per combination of day (Int), channel, the DIMENSIONS (String, null: none), with
            journeys_reached and journeys_continued.
        period: the change.

    Returns:
        Slices in which fewer went on than expected: dimension, value, cause_channel ('all' or one),
        journeys_reached in the period, early_drop_off_rate and baseline_rate, excess_drops (beyond
        expectation), excess_share and volume_share of all, gain (deviance, less what the slice pays).
    """
    in_period = pl.col("day").is_between(period.first, period.last)
    counted = entries.with_columns(
        pl.when(in_period).then("journeys_reached").otherwise(0).alias("reached"),
        pl.when(in_period).then("journeys_continued").otherwise(0).alias("continued"),
        pl.when(pl.col("day") < period.window).then("journeys_reached").otherwise(0).alias("before"),
        pl.when(pl.col("day") < period.window).then("journeys_continued").otherwise(0).alias("before_on"),
    )
    whole = _slices(counted, ALL, [])
    singles = [_slices(counted, name, [name]) for name in DIMENSIONS]
    pairs = [_slices(counted, name, [name, "channel"]) for name in DIMENSIONS if name != FIRST_TOUCH]
    kinds = [[whole], [_slices(counted, CHANNEL, ["channel"])], singles, pairs]
    return _scored([_priced(pl.concat(kind)) for kind in kinds], whole.row(0, named=True), period)


def _slices(counted: pl.DataFrame, dimension: str, by: Sequence[str]) -> pl.DataFrame:
    """One row per slice of a dimension, with its counts."""
    sums = (pl.sum("reached"), pl.sum("continued"), pl.sum("before"), pl.sum("before_on"))
    grouped = counted.select(sums)
    if by:
        grouped = counted.group_by(by).agg(sums).filter(pl.col("reached") >= FEWEST_JOURNEYS)
    value = pl.col(by[0]).fill_null(NO_VALUE) if by else pl.lit(ALL)
    channel = pl.col("channel") if "channel" in by else pl.lit(ALL)
    return grouped.select(
        pl.lit(dimension).alias("dimension"),
        value.cast(pl.String).alias("value"),
        channel.cast(pl.String).alias("channel"),
        "reached", "continued", "before", "before_on",
    )  # fmt: skip


def _priced(kind: pl.DataFrame) -> pl.DataFrame:
    """The slices of a kind with their price: what there are two of is found by luck less than one of many."""
    return kind.with_columns(price=pl.lit(2.0 * math.log(max(kind.height, 1))))


def _scored(kinds: list[pl.DataFrame], total: dict[str, float], period: Period) -> pl.DataFrame:
    slices = pl.concat(kinds)
    reached, continued, before, before_on = (
        slices[name].cast(pl.Float64).to_numpy() for name in ("reached", "continued", "before", "before_on")
    )
    # what was hardly there before is held against all that was
    is_new = before < FEWEST_JOURNEYS
    before, before_on = (
        np.where(is_new, total["before"], before),
        np.where(is_new, total["before_on"], before_on),
    )
    usual = before_on / np.maximum(before, 1.0) * period.weekdays
    expected = reached * np.minimum(usual, 1.0)
    # the rate of a small baseline is itself uncertain
    trust = before / np.maximum(before + reached, 1.0)
    root = signed_root(reached, continued, expected)
    excess = expected - continued
    whole_excess = float(excess[0])
    return (
        slices.with_columns(
            early_drop_off_rate=pl.Series(1.0 - continued / reached),
            baseline_rate=pl.Series(1.0 - expected / reached),
            excess_drops=pl.Series(excess),
            excess_share=pl.Series(excess / whole_excess if whole_excess else np.zeros(excess.size)),
            volume_share=pl.Series(reached / total["reached"]),
            gain=pl.Series(np.sign(root) * root**2 * trust / period.dispersion) - slices["price"],
        )
        .filter(pl.col("excess_drops") > 0)
        .sort(
            ["gain", "excess_drops", "dimension", "value", "channel"],
            descending=[True, True, False, False, False],
        )
        .select(
            "dimension", "value", pl.col("channel").alias("cause_channel"),
            pl.col("reached").alias("journeys_reached"), "early_drop_off_rate", "baseline_rate",
            "excess_drops", "excess_share", "volume_share", "gain",
        )
    )  # fmt: skip
