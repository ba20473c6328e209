"""Two-sample tests and effects against enumeration, scipy and hand-made answers."""

import itertools
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
import scipy.stats

from jaxtune.stats.effects import improvement, mean_difference, std_ratio
from jaxtune.stats.hypothesis_tests import (
    brown_forsythe,
    failure_test,
    location_test,
    log_std_ratio,
    mann_whitney,
    paired_location,
    spread_test,
    unpaired_location,
)


def flags(count, n):
    return np.arange(n) < count


def boschloo_by_enumeration(a, b, n, m):
    """Twice the smaller one-sided p: the largest chance, over common rates, of a Fisher p as small
    as the one seen.
    """
    tails = []
    for side in ("less", "greater"):
        fisher = np.array(
            [
                [
                    scipy.stats.fisher_exact([[i, j], [n - i, m - j]], side).pvalue
                    for j in range(m + 1)
                ]
                for i in range(n + 1)
            ]
        )
        rates = np.linspace(0, 1, 501)[:, None]
        chances = [scipy.stats.binom.pmf(np.arange(size + 1), size, rates) for size in (n, m)]
        extreme = (fisher <= fisher[a, b] * (1 + 1e-9)).astype(float)
        tails.append(np.max(np.sum((chances[0] @ extreme) * chances[1], axis=1)))
    return min(1, 2 * min(tails))


@pytest.mark.parametrize(("a", "b", "n", "m"), [(4, 0, 25, 25), (1, 5, 8, 10)])
def test_failure_rates_are_compared_with_the_arms_sizes_fixed(a, b, n, m):
    found = failure_test(flags(a, n), flags(b, m))
    assert found.p == pytest.approx(boschloo_by_enumeration(a, b, n, m), rel=2e-3)


def test_four_failures_in_25_against_none_are_not_significant():
    """Known answer: 0.065, while the table turned round, as if the failures were fixed, gives
    0.049.
    """
    assert failure_test(flags(4, 25), flags(0, 25)).p == pytest.approx(0.0649, abs=5e-5)


@pytest.mark.parametrize("count", [0, 6])
def test_equal_extreme_failure_counts_have_p_1(count):
    found = failure_test(flags(count, 6), flags(count, 6))
    assert found.p == 1
    assert found.least == pytest.approx(2 * 0.5**12)


def test_very_many_trials_are_compared_by_fishers_test():
    found = failure_test(flags(30, 600), flags(10, 600))
    assert found.test == "Fisher's exact test"
    peer = scipy.stats.fisher_exact([[30, 10], [570, 590]]).pvalue
    assert found.p == pytest.approx(peer)


def test_spread_of_small_samples_is_the_share_of_all_splits():
    rng = np.random.default_rng(2)
    one, other = rng.normal(0, 2, 8), rng.normal(5, 1, 8)
    pooled = np.concatenate([one - np.median(one), other - np.median(other)])
    ratios = []
    for chosen in itertools.combinations(range(16), 8):
        rest = [i for i in range(16) if i not in chosen]
        ratios.append(np.log(pooled[list(chosen)].std() / pooled[rest].std()))
    seen = np.log(one.std() / other.std())
    tails = np.mean(np.array(ratios) >= seen - 1e-9), np.mean(np.array(ratios) <= seen + 1e-9)
    found = spread_test(one, other, num_resamples=12_870)
    assert found.p == pytest.approx(2 * min(tails))
    assert found.least == pytest.approx(2 / 12_870, rel=1e-3)
    few = spread_test(one[:7], other)
    assert (few.p, few.reason) == (None, "the spread of fewer than 8 trials is not tested")


def test_spread_sees_no_shift():
    one = np.random.default_rng(0).normal(size=32)
    assert spread_test(one, one + 100).p > 0.95


def test_brown_forsythe_is_levene_about_the_medians():
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=20), 3 * rng.normal(size=25)
    assert brown_forsythe(one, other).p == scipy.stats.levene(one, other, center="median").pvalue


def test_two_scores_per_arm_do_not_make_the_brown_forsythe_test_certain():
    assert "three trials" in brown_forsythe(np.array([0.0, 1.0]), np.array([0.0, 9.0])).reason


def test_mann_whitney_of_separate_arms_reaches_its_least_p():
    found = mann_whitney(np.array([0.1, 0.2, 0.3]), np.array([0.4, 0.5, 0.6]))
    assert found.p == found.least == pytest.approx(0.1)


def test_mann_whitney_with_ties_in_a_small_arm_counts_all_splits():
    """Two of the ten splits of 1 1 1 2 2 into three and two are as extreme as 1 1 1 | 2 2; its
    mirror is not possible.
    """
    found = mann_whitney(np.array([1.0, 1.0, 1.0]), np.array([2.0, 2.0]))
    assert found.p == pytest.approx(0.2)


def test_paired_test_of_six_wins_in_six():
    one = np.arange(6.0)
    found = paired_location(one + np.linspace(0.1, 0.6, 6), one)
    assert found.p == found.least == pytest.approx(2 / 2**6)


LATTICE = [  # counts of right answers to 277 questions, seeds in one order
    (
        [183, 181, 183, 180, 180, 183, 180, 180, 181, 182],
        [183, 181, 184, 182, 181, 183, 184, 184, 181, 184],
    ),
    ([181, 183, 183, 180, 184, 181, 182, 184], [180, 181, 183, 181, 183, 180, 180, 181]),
    ([180, 180, 183, 180], [182, 183, 178, 183]),
]


@pytest.mark.parametrize("counts", LATTICE)
def test_ties_count_as_as_extreme(counts):
    """Scores are counts over the examples, so that swaps often give the same mean up to rounding.
    The p of the counts themselves is exact; scipy's test of the scores gave p = 0 for the first.
    """
    one, other = (np.array(x) for x in counts)
    gaps = one - other
    sums = [np.dot(signs, gaps) for signs in product((1, -1), repeat=len(gaps))]
    exact = np.mean(np.abs(sums) >= abs(gaps.sum()))
    assert paired_location(one / 277, other / 277).p == pytest.approx(exact)
    # Drawn, and no more than a few standard errors away.
    drawn = paired_location(one / 277, other / 277, num_resamples=len(sums) - 1).p
    assert drawn == pytest.approx(exact, abs=4 * np.sqrt(exact / len(sums)) + 2 / len(sums))


def test_all_ways_of_dealing_ties_are_counted():
    one, other = np.array([180, 180, 183, 180, 180]), np.array([182, 183, 178, 183, 183])
    pooled = np.concatenate([one, other])

    def welch(chosen):
        rest = [i for i in range(10) if i not in chosen]
        a, b = ([Fraction(int(pooled[i])) for i in part] for part in (chosen, rest))
        gap = sum(a) - sum(b)
        errors = sum(5 * sum(x * x for x in part) - sum(part) ** 2 for part in (a, b))
        return gap * abs(gap) / errors  # t times its size, up to a factor: a fraction, so exact

    seen = welch(range(5))
    law = [welch(chosen) for chosen in combinations(range(10), 5)]
    exact = 2 * min(np.mean([t >= seen for t in law]), np.mean([t <= seen for t in law]))
    welch = scipy.stats.ttest_ind(one, other, equal_var=False).pvalue
    found = unpaired_location(one / 277, other / 277).p
    assert found == pytest.approx(max(exact, welch))


@pytest.mark.parametrize("scale", [1e-10, 1.0, 1e10])
def test_a_p_does_not_depend_on_the_scale_of_the_scores(scale):
    rng = np.random.default_rng(1)
    one, other = rng.normal(1, 0.05, 32) * scale, rng.normal(1, 0.4, 32) * scale
    assert spread_test(one, other).p < 0.01
    assert paired_location(one + 0.5 * scale, other).p < 0.01
    assert unpaired_location(one + 0.5 * scale, other).p < 0.01
    still = np.full(8, scale)
    assert unpaired_location(still, 2 * still).p == pytest.approx(2 / 10_000)
    assert np.isfinite(log_std_ratio(still, one, axis=-1))


def test_a_p_can_be_no_smaller_than_the_resamples_allow():
    one = np.random.default_rng(0).normal(size=32)
    assert paired_location(one + 9, one).least == pytest.approx(2 / 10_000)


def test_a_p_that_no_resample_reached_is_a_bound():
    one, other = np.linspace(0, 1, 20), np.linspace(0, 100, 20)
    found = spread_test(one, other, num_resamples=999)
    assert (found.p, found.at_most) == (pytest.approx(0.002), True)
    # Of two small arms all ways to deal the trials are gone through, and p is no bound.
    few = spread_test(one[:8], other[:8], num_resamples=12_870)
    assert few.p < 0.01
    assert not few.at_most
    assert paired_location(other + 1, one - 1).at_most


def test_thousands_of_shared_seeds_are_tested():
    """2 to the power of their number is no number any more."""
    one = np.random.default_rng(0).normal(0.8, 0.01, 1100)
    assert paired_location(one + 0.01, one).p < 0.001


def test_of_means_that_do_not_vary_the_difference_is_seen():
    assert unpaired_location(np.full(8, 0.5), np.full(8, 0.8)).p == pytest.approx(2 / 10_000)
    assert unpaired_location(np.full(8, 0.5), np.full(8, 0.5)).p == 1
    assert unpaired_location(np.ones(1), np.zeros(9)).reason == "one trial has no std"


@pytest.mark.parametrize(("sizes", "stds"), [((5, 6), (1, 3)), ((3, 3), (1, 1)), ((3, 9), (3, 1))])
def test_of_two_samples_the_mean_test_is_the_larger_p_of_scipys_welch_and_its_permutation(
    sizes, stds
):
    rng = np.random.default_rng(3)
    one, other = rng.normal(0, stds[0], sizes[0]), rng.normal(2, stds[1], sizes[1])
    dealing = scipy.stats.permutation_test(
        (one, other),
        lambda x, y, axis: scipy.stats.ttest_ind(x, y, axis=axis, equal_var=False).statistic,
        n_resamples=np.inf,
    )
    welch = scipy.stats.ttest_ind(one, other, equal_var=False)
    assert unpaired_location(one, other).p == pytest.approx(max(dealing.pvalue, welch.pvalue))


def test_a_p_of_students_law_is_no_bound():
    """Of 8 trials that vary much against 64 that do not: no deal is as extreme, Welch's p is larger
    (known answer 0.0126 of scipy), and it is what it is.
    """
    one, other = 0.75 + 0.04 * np.linspace(-1, 1, 8), 0.7 + 0.001 * np.linspace(-1, 1, 64)
    welch = scipy.stats.ttest_ind(one, other, equal_var=False).pvalue
    found = unpaired_location(one, other)
    assert found.p == pytest.approx(welch)
    assert found.p > 2 / 10_000
    assert not found.at_most


def test_many_seeds_of_the_generator_agree_on_a_p():
    """The shuffled test is scipy's permutation test: the same p within three standard errors."""
    rng = np.random.default_rng(5)
    one, other = rng.normal(size=12), 1.8 * rng.normal(size=12)
    samples = one - np.median(one), other - np.median(other)

    def statistic(x, y, axis):
        return np.log(np.std(x, axis=axis, ddof=1) / np.std(y, axis=axis, ddof=1))

    peer = scipy.stats.permutation_test(samples, statistic, n_resamples=4999, rng=rng).pvalue
    found = spread_test(one, other, num_resamples=4999).p
    assert found == pytest.approx(peer, abs=3 * np.sqrt(2 * peer / 4999) * np.sqrt(2))


def test_permutations_repeat_with_their_seed():
    rng = np.random.default_rng(2)
    one, other = rng.normal(size=20), 1.3 * rng.normal(size=20)
    assert spread_test(one, other, seed=1) == spread_test(one, other, seed=1)
    assert spread_test(one, other, seed=1) != spread_test(one, other, seed=2)


def test_improvement_is_the_share_of_pairs_won():
    rng = np.random.default_rng(3)
    one, other = rng.integers(0, 9, 15).astype(float), rng.integers(0, 9, 12).astype(float)
    won = np.mean((one[:, None] > other) + 0.5 * (one[:, None] == other))
    found = improvement(one, other)
    assert found.value == pytest.approx(won)
    assert 0 < found.low < won < found.high < 1


def test_complete_separation_claims_no_interval():
    found = improvement(np.arange(10.0), np.arange(10.0) + 20)
    assert (found.value, found.low) == (0.0, None)
    assert "every trial of one arm beats" in found.reason


def test_ratio_of_stds():
    rng = np.random.default_rng(4)
    other = rng.normal(size=40)
    found = std_ratio(3 * other + 1, other)
    assert found.value == pytest.approx(3)
    assert found.low < 3 < found.high


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([0.6], [0.7]),
        ([0.6, 0.6], [0.7]),
        ([0.6, 0.6], [0.7, 0.7]),
        ([0.6, 0.7], [0.8, 0.9]),
        ([0.6, 0.7, 0.8], [0.6, 0.6, 0.6]),
        ([0.6] * 9, [0.6] * 9),
        ([0.6] * 9, [0.7] * 9),
        ([0.6] * 8 + [0.7], [0.6] * 9),
    ],
)
@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.filterwarnings("error")
def test_degenerate_scores_give_values_or_reasons(one, other, paired):
    """Neither a warning (they are errors here), nor nan, nor a missing number without its
    reason.
    """
    samples = np.array(one), np.array(other)
    paired = paired and len(one) == len(other)
    for outcome in (
        spread_test(*samples),
        brown_forsythe(*samples),
        location_test(*samples, paired),
    ):
        assert (outcome.p is None) == bool(outcome.reason)
        assert outcome.p is None or 0 < outcome.p <= 1
    effects = std_ratio(*samples), improvement(*samples)
    for effect in (*effects, mean_difference(*samples, paired=paired)):
        assert (effect.low is None) == bool(effect.reason)
        assert effect.value is None or np.isfinite(effect.value)
