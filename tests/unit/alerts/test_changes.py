"""Changes of daily rates: cells made by hand, and simulated ones for what only many of them show."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from journey_analytics.alerts.changes import (
    LOOKS,
    Baseline,
    Series,
    are_alerts,
    clearness,
    deviance,
    fall,
    fit_baseline,
    limits,
    q_values,
    recent,
)
from journey_analytics.alerts.period import BASELINE_DAYS, TREND_DAYS, WINDOW_DAYS
from journey_analytics.statistics import Floats


def _series(reached: Floats, continued: Floats) -> Series:
    return Series(reached, continued, _baseline(reached, continued))


def _baseline(reached: Floats, continued: Floats) -> Baseline:
    """Each cell alone in its group."""
    return fit_baseline(reached, continued, np.arange(len(reached)))


def _steady(journeys: float = 200.0, rate: float = 0.5) -> tuple[Floats, Floats]:
    reached = np.full((1, TREND_DAYS), journeys)
    return reached, reached * rate


def test_a_fall_is_found_on_its_days_with_what_it_cost() -> None:
    """Of 200 journeys a day 100 go on; in the last five days 70 do."""
    reached, continued = _steady()
    continued[0, -5:] = 70
    found, p_value = fall(_series(reached, continued))
    assert (found.first[0], found.last[0]) == (TREND_DAYS - 5, TREND_DAYS - 1)
    assert found.rate[0] == pytest.approx(0.65)
    assert found.baseline_rate[0] == pytest.approx(0.5)
    assert found.excess[0] == pytest.approx(150)
    assert p_value[0] < 1e-8
    change, low, high = found.change
    assert low[0] < change[0] < high[0]
    assert change[0] == pytest.approx(0.15)
    # two-proportion interval of 1,000 against 8 * 200 on each of five weekdays
    half = 1.96 * np.sqrt(0.65 * 0.35 / 1_000 + 5 * 200**2 * 0.25 / 1_601 / 1_000**2)
    assert high[0] - change[0] == pytest.approx(half, rel=1e-3)


def test_a_rise_is_no_fall() -> None:
    reached, continued = _steady()
    continued[0, -5:] = 130
    _, p_value = fall(_series(reached, continued))
    assert p_value[0] > 0.05


def test_weekdays_are_compared_with_their_own_kind() -> None:
    """On every seventh day fewer go on, in the baseline and lately: nothing changed."""
    reached, continued = _steady()
    continued[0, ::7] = 60
    _, p_value = fall(_series(reached, continued))
    assert p_value[0] > 0.5


def test_a_fall_that_has_passed_ends_and_one_that_lasts_goes_to_the_last_day() -> None:
    reached, continued = _steady()
    continued[0, -10:-5] = 70
    found, _ = fall(_series(reached, continued))
    assert (found.first[0], found.last[0]) == (TREND_DAYS - 10, TREND_DAYS - 6)
    # a last day somewhere between: not surely back
    continued[0, -6:-1] = 70
    continued[0, -1] = 87
    found, _ = fall(_series(reached, continued))
    assert found.last[0] == TREND_DAYS - 1


def test_a_fall_that_was_over_a_week_ago_is_no_longer_told() -> None:
    """Days without journeys yet do not count towards the week."""
    for since, is_told in ((6, True), (7, False)):
        reached, continued = _steady()
        reached[0, -2:] = continued[0, -2:] = 0
        last = TREND_DAYS - 3 - since
        continued[0, last - 4 : last + 1] = 70
        found, p_value = fall(_series(reached, continued))
        assert (p_value[0] < 1e-8) == is_told
        assert not is_told or (found.first[0], found.last[0]) == (last - 4, last)


def test_the_last_day_is_the_last_one_with_journeys() -> None:
    """Journeys of the last three days are not watched for long enough yet."""
    reached, continued = _steady()
    continued[0, -8:-3] = 70
    reached[0, -3:] = continued[0, -3:] = 0
    series = _series(reached, continued)
    found, _ = fall(series)
    assert found.last[0] == series.last_day[0] == TREND_DAYS - 4


def test_four_weeks_of_baseline_are_needed() -> None:
    for days, is_tested in ((28, True), (27, False)):
        reached, continued = _steady()
        reached[0, : BASELINE_DAYS - days] = continued[0, : BASELINE_DAYS - days] = 0
        assert (_baseline(reached, continued).freedom[0] > 0) == is_tested


def test_a_cell_in_which_fewer_than_twenty_a_week_go_on_is_not_tested() -> None:
    for a_week, is_tested in ((20, True), (19, False)):
        reached, continued = np.full((1, TREND_DAYS), 100.0), np.zeros((1, TREND_DAYS))
        continued[0, ::7] = a_week
        assert (_baseline(reached, continued).freedom[0] > 0) == is_tested


def test_a_stretch_of_fewer_than_a_hundred_journeys_is_no_change() -> None:
    for journeys, is_found in ((100, True), (99, False)):
        reached, continued = _steady()
        reached[0, BASELINE_DAYS:] = continued[0, BASELINE_DAYS:] = 0
        reached[0, -1] = journeys
        assert (fall(_series(reached, continued))[1][0] < 0.001) == is_found


def test_days_that_differ_more_than_chance_make_the_same_fall_less_sure() -> None:
    reached, continued = _steady()
    continued[0, -5:] = 85
    _, sure = fall(_series(reached, continued))
    # by turns 20 more and 20 fewer from week to week, which weekdays do not explain
    swings = np.where(np.arange(BASELINE_DAYS) // 7 % 2 == 0, 20.0, -20.0)
    continued[0, :BASELINE_DAYS] += swings
    baseline = _baseline(reached, continued)
    # 56 days of 20**2 over the binomial variance, 49 degrees of freedom
    assert baseline.dispersion[0] == pytest.approx(56 * 400 / 50 / 49, rel=1e-3)
    _, unsure = fall(Series(reached, continued, baseline))
    assert unsure[0] > 10 * sure[0]


def test_a_small_effect_is_no_alert_however_sure() -> None:
    reached, continued = _steady(100_000.0)
    for fewer, is_alert in ((0.049, False), (0.051, True)):
        continued[0, -7:] = 50_000 * (1 - fewer)
        found, p_value = fall(_series(reached, continued))
        assert are_alerts(found, q_values(p_value, np.ones(1)))[0] == is_alert


def test_the_last_week_is_the_last_seven_days_with_journeys() -> None:
    reached, continued = _steady()
    reached[0, -2:] = continued[0, -2:] = 0
    lately = recent(_series(reached, continued))
    assert (lately.first[0], lately.last[0], lately.reached[0]) == (TREND_DAYS - 9, TREND_DAYS - 3, 1_400)


def test_a_cell_without_journeys_lately_has_no_change() -> None:
    reached, continued = _steady()
    reached[0, BASELINE_DAYS:] = continued[0, BASELINE_DAYS:] = 0
    series = _series(reached, continued)
    assert recent(series).reached[0] == 0
    found, p_value = fall(series)
    assert p_value[0] == 1
    assert not are_alerts(found, q_values(p_value, np.ones(1)))[0]


def test_limits_are_three_standard_deviations_wide() -> None:
    reached, continued = _steady()
    low, high = limits(_baseline(reached, continued), reached)
    assert high[0, -1] - low[0, -1] == pytest.approx(6 * np.sqrt(0.25 / 200 + 0.25 / 1_601))


def test_how_clear_a_fall_would_be_is_that_of_thirty_percent_on_five_days() -> None:
    """Of 1,000 in five days 500 should go on; every weekday has eight days to tell what is usual."""
    reached, continued = _steady()
    root = np.sqrt(deviance(*(np.array(n) for n in (1_000.0, 350.0, 500.0))))
    assert clearness(_series(reached, continued)) == pytest.approx(root / np.sqrt(1 + 1 / 8))


def test_deviance_is_that_of_the_binomial() -> None:
    likelihood = stats.binom.logpmf(30, 100, 0.3) - stats.binom.logpmf(30, 100, 0.4)
    assert deviance(*(np.array(n) for n in (100.0, 30.0, 40.0))) == pytest.approx(2 * likelihood)


@pytest.mark.parametrize("group", [1, 20])
@pytest.mark.parametrize(("rate", "journeys"), [(0.5, 200), (0.16, 100), (0.93, 60)])
def test_p_values_of_cells_in_which_nothing_changed_are_not_too_small(
    rate: float, journeys: int, group: int
) -> None:
    """What `fall` pays for its looks is enough: of 4,000 cells at most 1 in 100 has a p-value below 0.01.

    The days differ by 4 % beyond chance; cells are alone in their group, or with others.
    """
    random = np.random.default_rng(4)
    shape = (4_000, TREND_DAYS)
    reached = random.poisson(journeys, shape).astype(np.float64)
    rates = np.clip(rate * (1.0 + 0.04 * random.standard_normal(shape)), 0.0, 1.0)
    continued = random.binomial(reached.astype(np.int64), rates).astype(np.float64)
    baseline = fit_baseline(reached, continued, np.arange(4_000) // group)
    _, p_value = fall(Series(reached, continued, baseline))
    assert (p_value < 0.01).mean() <= 0.01
    assert LOOKS < WINDOW_DAYS * (WINDOW_DAYS + 1) / 2
