"""The dispersion of cells, moderated by others of their group: by hand, and against a planted truth."""

from __future__ import annotations

import numpy as np
import pytest

from journey_analytics.alerts.dispersion import moderated

FREEDOM = 49.0


def test_a_cell_alone_in_its_group_keeps_its_own() -> None:
    own, freedom = np.array([1.7, 0.8]), np.full(2, FREEDOM)
    dispersion, known = moderated(own, freedom, np.array([200.0, 50.0]), np.array([0, 1]))
    assert dispersion.tolist() == [1.7, 0.8]
    assert known.tolist() == [FREEDOM, FREEDOM]


def test_cells_as_alike_as_chance_lets_them_are_taken_together() -> None:
    """Three cells of one size, 0.9, 1 and 1.1: less apart than 49 degrees of freedom leave equal ones."""
    own, freedom = np.array([0.9, 1.0, 1.1]), np.full(3, FREEDOM)
    dispersion, known = moderated(own, freedom, np.full(3, 100.0), np.zeros(3, dtype=np.int64))
    # each knows what it knows itself, and what the two others do
    assert known.tolist() == [3 * FREEDOM] * 3
    assert dispersion == pytest.approx([(0.9 + 2) / 3, 1.0, (1.1 + 2) / 3])


def test_a_larger_cell_is_expected_to_differ_more() -> None:
    """A rate that moves from day to day by rho = 0.01: 100 journeys a day have 2, 300 have 4."""
    dispersion, _ = moderated(
        np.array([2.0, 4.0]), np.full(2, FREEDOM), np.array([100.0, 300.0]), np.zeros(2, dtype=np.int64)
    )
    assert dispersion == pytest.approx([2.0, 4.0])


def test_cells_that_differ_widely_keep_to_themselves() -> None:
    own = np.array([1.0, 1.0, 1.0, 9.0])
    dispersion, known = moderated(own, np.full(4, FREEDOM), np.full(4, 100.0), np.zeros(4, dtype=np.int64))
    # 3 expected of each; their spread is worth 4 + 2 / ((4/3 - 2/49) / (1 + 2/49)) degrees of freedom
    prior = 4 + 2 / ((4 / 3 - 2 / FREEDOM) / (1 + 2 / FREEDOM))
    assert known == pytest.approx([FREEDOM + prior] * 4)
    assert dispersion[3] == pytest.approx((FREEDOM * 9 + prior * 3) / (FREEDOM + prior))


def test_a_cell_that_is_not_tested_tells_nothing() -> None:
    own, freedom = np.array([1.0, 50.0]), np.array([FREEDOM, 0.0])
    dispersion, known = moderated(own, freedom, np.full(2, 100.0), np.zeros(2, dtype=np.int64))
    assert dispersion.tolist() == [1.0, 50.0]
    assert known.tolist() == [FREEDOM, 0.0]


def test_the_truth_is_met_more_closely_than_by_cells_alone() -> None:
    """Channels of a stage whose rate moves alike: the error of the logarithm falls below half."""
    random = np.random.default_rng(3)
    journeys = np.tile(np.linspace(20, 400, 18), 200)
    truth = 1.0 + 0.004 * journeys
    own = truth * random.chisquare(FREEDOM, truth.size) / FREEDOM
    dispersion, _ = moderated(own, np.full(truth.size, FREEDOM), journeys, np.repeat(np.arange(200), 18))
    alone, together = (np.std(np.log(found / truth)) for found in (own, dispersion))
    assert together < alone / 2
