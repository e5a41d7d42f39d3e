"""Weights of p-values: what they sum to, which cells they favour, and that they find more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from journey_analytics.alerts.weights import SHARED_EVENLY, weights

LEVEL = 0.002


@given(st.lists(st.floats(0, 60), min_size=1, max_size=60))
def test_weights_average_one_and_leave_no_cell_out(clearness: list[float]) -> None:
    found = weights(np.array(clearness), LEVEL)
    assert found.mean() == pytest.approx(1.0)
    assert found.min() >= SHARED_EVENLY * (1 - 1e-9)


def test_equal_cells_weigh_the_same() -> None:
    assert weights(np.full(7, 4.0), LEVEL) == pytest.approx(np.ones(7))


def test_a_fall_that_could_just_be_told_weighs_most() -> None:
    """One standard deviation is beyond any test, and twelve are seen by each."""
    faint, borderline, clear = weights(np.array([1.0, 4.0, 12.0]), LEVEL)
    assert borderline > 2
    assert faint == pytest.approx(SHARED_EVENLY, abs=0.05)
    assert clear < 0.6


def test_weights_find_more_falls_than_equal_ones_at_the_same_level() -> None:
    """Of cells between 0.5 and 14 standard deviations, one in which a fall happens."""
    clearness = np.linspace(0.5, 14.0, 80)

    def power(weight: float | np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        asked = stats.norm.isf(LEVEL * weight / clearness.size)
        return float(stats.norm.sf(asked - clearness).mean())

    assert power(weights(clearness, LEVEL)) > power(1.0) + 0.015


def test_no_cells_have_no_weights() -> None:
    assert weights(np.zeros(0), LEVEL).size == 0
