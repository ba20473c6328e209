"""The power table against scipy's own tests, table by table or in simulation."""

import numpy as np
import pytest
import scipy.stats
from made_up import made_up_arm

from jaxtune.stats.hypothesis_tests import mann_whitney, paired_location, spread_test
from jaxtune.stats.power import (
    NUM_SIMULATIONS,
    boschloo_rejects,
    power_of_failures,
    power_table,
    seeds_needed,
)

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 3])
@pytest.mark.parametrize("n", [3, 8, 11])
def test_rejected_tables_are_those_that_scipy_rejects(n, alpha):
    p = [
        [scipy.stats.boschloo_exact([[a, b], [n - a, n - b]]).pvalue for b in range(n + 1)]
        for a in range(n + 1)
    ]
    assert np.array_equal(boschloo_rejects(n, alpha), np.array(p) <= alpha)


def test_power_for_failure_rates_sums_over_tables():
    """Certain rates: 4 failures in 4 against none give p = 0.0078, and 3 in 3 give 0.031."""
    assert power_of_failures(1.0, 0.0, 4, 0.01) == pytest.approx(1)
    assert power_of_failures(1.0, 0.0, 3, 0.01) == 0
    assert power_of_failures(0.3, 0.3, 40) < 0.05


def failing(rate, n):
    return np.where(RNG.random(n) < rate, 0.6, RNG.normal(0.8, 0.05, n))


@pytest.mark.parametrize("paired", [False, True])
def test_simulated_power_is_that_of_the_tests_that_decide(paired):
    """The table's quick tests against the permutation tests on fresh resamples, within three
    standard errors.
    """
    pilot = RNG.normal(0.7, 0.02, 24), RNG.normal(0.73, 0.045, 24)
    names = range(24) if paired else range(24, 48)
    one, other = made_up_arm(pilot[0], "one"), made_up_arm(pilot[1], "other", seeds=names)
    n, count = 16, 200
    table = power_table(one, other, sizes=[n])
    found = []
    for _ in range(count):
        rows = RNG.integers(0, 24, (2, n))
        drawn = pilot[0][rows[0]], pilot[1][rows[0 if paired else 1]]
        location = paired_location(*drawn, 0, 499) if paired else mann_whitney(*drawn)
        found.append([spread_test(*drawn, 0, 499).p <= 0.05, location.p <= 0.05])
    error = np.sqrt(0.25 / count + 0.25 / NUM_SIMULATIONS)
    assert table.spread[0] == pytest.approx(np.mean(found, axis=0)[0], abs=3 * error)
    assert table.location[0] == pytest.approx(np.mean(found, axis=0)[1], abs=3 * error)


def test_power_grows_with_seeds_and_repeats_with_its_seed():
    one, other = made_up_arm(failing(0.3, 32), "one"), made_up_arm(failing(0.05, 32), "other")
    table = power_table(one, other)
    assert np.all(np.diff(table.failures) > 0)
    assert table.failures[-1] > 0.99
    again = power_table(one, other)
    assert all(np.array_equal(a, b) for a, b in zip(table, again, strict=True))


def test_seeds_needed_are_the_first_from_which_on_the_power_suffices():
    seeds = np.array([4, 8, 16, 32])
    assert seeds_needed(seeds, np.array([0.1, 0.82, 0.79, 0.9])) == 32
    assert seeds_needed(seeds, np.array([0.9, 0.9, 0.9, 0.9])) == 4
    assert seeds_needed(seeds, np.array([0.1, 0.2, 0.3, 0.4])) is None


@pytest.mark.parametrize("scores", [[0.7], [0.7, 0.7, 0.7], [0.5, 0.5], [None, 0.9]])
def test_a_pilot_without_any_difference_has_no_power(scores):
    one, other = made_up_arm(scores, "one"), made_up_arm(scores, "other")
    table = power_table(one, other, sizes=[4, 64])
    assert np.all(table.failures < 0.05)
    assert np.all(table.location == 0)
    assert np.all(table.spread < 0.1)
