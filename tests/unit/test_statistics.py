"""Formulas against other people's code: scipy for Wilson, lifelines for Kaplan-Meier."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from scipy.stats import binomtest, norm

from journey_analytics.statistics import Z_95, kaplan_meier, wilson_interval

WATCHED = st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=40)


def test_the_constant_is_the_normal_point() -> None:
    assert float(norm.ppf(0.975)) == pytest.approx(Z_95, abs=1e-15)


@given(st.integers(1, 500), st.data())
def test_wilson_is_that_of_scipy(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = wilson_interval(successes, trials)
    expected = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert float(low) == pytest.approx(expected.low, abs=1e-12)
    assert float(high) == pytest.approx(expected.high, abs=1e-12)
    assert 0.0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1.0


def test_wilson_of_nothing_is_not_a_number_and_of_arrays_an_array() -> None:
    low, high = wilson_interval([0, 0, 8], [0, 5, 10])
    assert np.isnan([low[0], high[0]]).all()
    assert low[1] == 0.0
    assert [round(float(bound), 4) for bound in (low[2], high[2])] == [0.4902, 0.9433]


@given(WATCHED)
def test_kaplan_meier_and_its_interval_are_those_of_lifelines(watched: list[tuple[int, bool]]) -> None:
    durations, came = (np.array(part) for part in zip(*watched, strict=True))
    curve = kaplan_meier(durations, came)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of lifelines, about logarithms of 0
        fitted = KaplanMeierFitter().fit(durations, came)
    expected = fitted.survival_function_.join(fitted.confidence_interval_survival_function_)
    expected = expected[expected.index.isin(curve.times)]
    assert list(expected.index) == list(curve.times)
    estimates, lows, highs = expected.to_numpy().T
    assert curve.survival == pytest.approx(estimates, abs=1e-12)
    is_over = curve.survival == 0.0  # where lifelines has no number, or takes the one before
    assert curve.low[~is_over] == pytest.approx(lows[~is_over], abs=1e-12)
    assert curve.high[~is_over] == pytest.approx(highs[~is_over], abs=1e-12)


def test_who_is_watched_to_the_time_of_an_event_is_at_risk_in_it() -> None:
    curve = kaplan_meier([5.0, 5.0, 5.0, 9.0], [True, False, False, True])
    assert curve.at_risk.tolist() == [4, 1]
    assert curve.survival.tolist() == [0.75, 0.0]
    assert (curve.low[1], curve.high[1]) == (0.0, 0.0)


def test_the_share_between_events_is_that_of_the_last_one() -> None:
    curve = kaplan_meier([1.0, 2.0, 4.0, 4.0], [True, False, True, False])
    assert curve.at(0.5) == (1.0, 1.0, 1.0)
    assert curve.at(1.0)[0] == curve.at(3.9)[0] == 0.75
    assert curve.at(4.0)[0] == curve.at(100.0)[0] == 0.375
    assert curve.at(1.0)[1] < 0.75 < curve.at(1.0)[2]


def test_without_events_there_is_no_drop() -> None:
    curve = kaplan_meier([3.0, 4.0], [False, False])
    assert len(curve.times) == 0
    assert curve.at(10.0) == (1.0, 1.0, 1.0)
    assert kaplan_meier([], []).at(1.0) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("durations", "came", "words"),
    [([1.0], [True, False], "do not go together"), ([float("nan")], [True], "missing or endless")],
)
def test_what_makes_no_curve_is_refused(durations: list[float], came: list[bool], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kaplan_meier(durations, came)
