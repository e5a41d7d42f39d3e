"""From daily counts to changes: which cells learn from each other, and which weigh more."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from journey_analytics.alerts.cells import CELL, Cells, baseline_of, find_changes
from journey_analytics.alerts.period import BASELINE_DAYS, TREND_DAYS
from journey_analytics.statistics import Floats

AS_OF = date(2026, 3, 29)


def _cells(rows: list[tuple[str, str, str, str]], reached: Floats, continued: Floats) -> Cells:
    names = pl.DataFrame(rows, schema=list(CELL), orient="row")
    return Cells(names, reached, continued, np.full(len(rows), np.nan))


def test_channels_of_a_stage_learn_from_each_other_and_its_total_from_none() -> None:
    """By turns 20 more and 20 fewer of one channel go on from week to week; those of the other are alike."""
    rows = [("shop", "all", "all", "interest")]
    rows += [("shop", "stage_entry", channel, "interest") for channel in ("ads", "email")]
    rows += [("shop", "stage_entry", "ads", "usage")]
    reached = np.full((4, TREND_DAYS), 200.0)
    continued = reached / 2
    continued[1] += np.where(np.arange(TREND_DAYS) // 7 % 2 == 0, 20.0, -20.0)
    reached[0], continued[0] = reached[1] + reached[2], continued[1] + continued[2]
    baseline = baseline_of(_cells(rows, reached, continued))
    days = BASELINE_DAYS - 7
    assert baseline.dispersion[0] == pytest.approx(BASELINE_DAYS * 20**2 / 100 / days, rel=1e-2)
    assert baseline.dispersion[1] < BASELINE_DAYS * 20**2 / 50 / days
    assert baseline.freedom[1] == baseline.freedom[2] > days
    assert baseline.freedom[[0, 3]].tolist() == [days, days]


def test_a_fall_in_a_cell_that_could_just_show_it_is_surer_than_among_equals() -> None:
    """Of 300 a day 50 go on; of others 3 of 50, or 930 of 1,000: 30 % fewer are chance there, or plain."""
    rows = [("shop", "stage_entry", f"channel{number}", "interest") for number in range(9)]
    reached = np.repeat([[300.0], [50.0], [1_000.0]], [1, 4, 4], axis=0) * np.ones(TREND_DAYS)
    continued = np.repeat([[50.0], [3.0], [930.0]], [1, 4, 4], axis=0) * np.ones(TREND_DAYS)
    continued[0, -5:] = 39
    changed = find_changes(_cells(rows, reached, continued), AS_OF).row(0, named=True)
    among_equals = 9 * changed["p_value"]
    assert changed["q_value"] < among_equals / 2
    assert changed["is_alert"]
    assert among_equals > 0.15
