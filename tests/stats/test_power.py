"""The smallest findable differences against scipy's own tests, exactly or in simulation."""

import numpy as np
import pytest
import scipy.stats
from made_up import made_up_arm

from jaxtune.stats.hypothesis_tests import spread_test
from jaxtune.stats.power import (
    boschloo_rejects,
    findable,
    likely_rates,
    power_of_failures,
    smallest_failures,
)
from jaxtune.stats.verdict import judge

RNG = np.random.default_rng(0)


def at(*rates):
    return np.array(rates)


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
    assert power_of_failures(at(1.0), at(0.0), 4, 0.01) == pytest.approx(1)
    assert power_of_failures(at(1.0), at(0.0), 3, 0.01) == 0
    assert power_of_failures(at(0.3), at(0.3), 40, 0.05) < 0.05
    assert power_of_failures(at(1.0, 0.3), at(0.0, 0.3), 4, 0.01) == pytest.approx(0.5, abs=0.01)


def test_the_smallest_findable_failure_rate_is_found_8_times_in_10():
    alpha = 0.025
    for n in (16, 32, 64):
        found = smallest_failures(at(0.1), n, alpha)
        assert power_of_failures(at(0.1), at(0.1 + found), n, alpha) >= 0.8
        assert power_of_failures(at(0.1), at(0.1 + found - 0.01), n, alpha) < 0.8
    assert smallest_failures(at(0.5), 4, alpha) is None


def test_no_failure_seen_is_no_rate_of_0():
    """What 128 seeds find above a rate of 0 they find in 36 of 100 cases above 5%."""
    assert np.mean(likely_rates(0, 16)) == pytest.approx(1 / 18, abs=0.001)  # Laplace 1774
    naive, found = (smallest_failures(r, 128, 0.025) for r in (at(0.0), likely_rates(0, 16)))
    assert power_of_failures(at(0.05), at(0.05 + naive), 128, 0.025) == pytest.approx(
        0.36, abs=0.01
    )
    assert power_of_failures(at(0.05), at(0.05 + found), 128, 0.025) == pytest.approx(0.8, abs=0.01)


def test_where_both_mostly_fail_fewer_failures_are_found():
    """13 and 14 of 16: there is no room above, and 32 seeds tell 81% from 40%."""
    good = list(RNG.normal(0.8, 0.02, 16))
    arms = [made_up_arm([0.5] * k + good[k:], f"{k}") for k in (13, 14)]
    found = {way.seeds: way.failures for way in findable(*arms, 0.025, 0.025, paired=False)}
    mirrored = likely_rates(2, 16)
    assert found[32] == -smallest_failures(mirrored, 32, 0.025)
    assert -0.5 < found[32] < found[128] < 0
    said = judge(arms).next_step
    assert f"32 seeds per arm find a failure rate {-100 * found[32]:.0f} points lower and" in said
    assert "no difference" not in said


def test_the_smallest_findable_std_ratio_is_found_7_to_9_times_in_10():
    one = made_up_arm(RNG.normal(0.8, 0.02, 4000), "one")
    ways = findable(one, one, 0.025, 0.025, paired=False)
    for way in ways[:2]:
        found = [
            spread_test(
                RNG.normal(0, 1, way.seeds), RNG.normal(0, way.std_ratio, way.seeds), i, 499
            ).p
            <= 0.025
            for i in range(200)
        ]
        assert 0.65 < np.mean(found) < 0.95


def test_no_ratio_is_promised_where_scores_are_no_normal_ones():
    """Some failed, or one lies far off: as few as 14 of 100 would find it (ties_and_ratios.py)."""
    normal = list(RNG.normal(0.8, 0.01, 31))
    whole = made_up_arm([*normal, 0.81], "whole")
    for far in (made_up_arm([*normal, 0.5], "failed"), made_up_arm([*normal, 0.65], "far")):
        assert {way.std_ratio for way in findable(whole, far, 0.025, 0.025, paired=False)} == {None}
    assert None not in {way.std_ratio for way in findable(whole, whole, 0.025, 0.025, paired=False)}


def test_more_seeds_find_smaller_differences():
    one, other = made_up_arm(RNG.normal(0.8, 0.02, 24), "a"), made_up_arm([0.6] * 24, "b")
    ways = findable(one, other, 0.025, 0.025, paired=True)
    assert [way.seeds for way in ways] == [16, 32, 64, 128]
    for name in ("failures", "std_ratio", "mean"):
        column = [getattr(way, name) for way in ways]
        assert column == sorted(column, reverse=True)


@pytest.mark.parametrize(
    ("scores", "mean"), [([0.7], None), ([0.7, 0.7, 0.7], 0.0), ([None, 0.9], 0.0)]
)
@pytest.mark.filterwarnings("error")
def test_trials_that_say_nothing_of_the_scatter_leave_gaps(scores, mean):
    """One has no std; seeds that do not differ between the arms leave nothing to add to a mean."""
    one, other = made_up_arm(scores, "one"), made_up_arm(scores, "other")
    ways = findable(one, other, 0.025, 0.025, paired=len(scores) > 1)
    assert {(way.std_ratio, way.mean) for way in ways} == {(None, mean)}


def test_of_few_trials_no_ratio_of_stds_is_promised():
    """The kurtosis of two scores is 1, whatever they are, and the ratio would come out near 1."""
    for n in (2, 3, 7):
        arms = [made_up_arm(RNG.normal(0.8, 0.02, n), name) for name in "ab"]
        ways = findable(*arms, 0.025, 0.025, paired=False)
        assert {way.std_ratio for way in ways} == {None}
    arms = [made_up_arm(RNG.normal(0.8, 0.02, 8), name) for name in "ab"]
    assert all(way.std_ratio > 1.1 for way in findable(*arms, 0.025, 0.025, paired=False))
