"""Intervals against published answers and scipy, and on the inputs that have none."""

import numpy as np
import pytest
import scipy.stats

from jaxtune.stats.effects import mean_difference, share_difference, std_ratio
from jaxtune.stats.intervals import (
    Estimate,
    all_alike,
    bootstrap,
    freedom_of,
    mean_interval,
    quantile_interval,
    share,
    std_interval,
    trimmed_mean_interval,
)


def flags(count, n):
    return np.arange(n) < count


def std(x, axis):
    return np.std(x, axis=axis, ddof=1)


def test_both_intervals_of_4_in_25():
    found = share(flags(4, 25))
    assert (found.wilson_low, found.wilson_high) == pytest.approx((0.064, 0.347), abs=5e-4)
    assert (found.exact_low, found.exact_high) == pytest.approx((0.045, 0.361), abs=5e-4)


def test_exact_interval_without_a_single_failure():
    """The rule of three, made exact: 1 - 0.025 ** (1 / n)."""
    assert share(flags(0, 32)).exact_high == pytest.approx(1 - 0.025 ** (1 / 32))


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_difference_of_shares_as_newcombe_published_it(one, other, low, high):
    """Newcombe 1998, table II, method 10."""
    found = share_difference(share(flags(*one)), share(flags(*other)))
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_bootstrap_is_scipys_bca_and_repeats_with_its_seed():
    sample = np.random.default_rng(0).normal(size=20)
    found = bootstrap((sample,), std, seed=3)
    peer = scipy.stats.bootstrap((sample,), std, rng=np.random.default_rng(3)).confidence_interval
    assert found == Estimate(std(sample, 0), peer.low, peer.high, "BCa")
    assert bootstrap((sample,), std, seed=3) == found
    assert bootstrap((sample,), std, seed=4) != found


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        ([0.7] * 9, "all scores are equal"),
        ([0.6, 0.7, 0.8], "an interval needs at least 8 trials"),
        ([0.7], "an interval needs at least 8 trials"),
    ],
)
def test_no_interval_has_a_reason(sample, reason):
    found = bootstrap((np.array(sample),), np.mean)
    assert found == Estimate(pytest.approx(np.mean(sample)), reason=reason)


def test_an_undefined_statistic_has_no_value():
    found = bootstrap((np.array([0.7, 0.8]),), lambda x, axis: np.full(x.shape[:-1], np.nan))
    assert found == Estimate(None, reason="it is not defined for these scores")


def test_percentiles_stand_in_where_bca_is_undefined():
    """No trial left out moves this quartile, so BCa divides 0 by 0; some resamples move it."""
    sample = np.array([0.6] * 27 + [0.65] * 5)
    found = bootstrap((sample,), lambda x, axis: np.quantile(x, 0.75, axis=axis))
    assert found == Estimate(0.6, 0.6, 0.65, "percentile")


def test_a_resampled_statistic_that_never_moves_has_no_interval():
    found = bootstrap((np.array([0.6] * 40 + [0.9]),), np.median)
    assert found == Estimate(0.6, reason="every resample gives the same value")


SAMPLE = np.array([0.71, 0.74, 0.69, 0.72, 0.75, 0.7, 0.73, 0.66, 0.78, 0.72])


def test_degrees_of_freedom_of_a_sum_of_variances():
    """Of equal parts they add up; what is certain beside them adds to them."""
    assert freedom_of([2.0, 2.0], [7, 7]) == pytest.approx(14)
    assert freedom_of([1.0, 3.0], [7, 15]) == pytest.approx(16 / (1 / 7 + 9 / 15))
    assert freedom_of([3.0, 0.0], [7, 15]) == pytest.approx(7)
    assert freedom_of([2.0, 2.0], [7, 7], certain=4.0) == pytest.approx(64 / (8 / 7))


def test_the_mean_has_students_interval():
    """Known answer: 0.72 and 2.262 standard errors of 0.01054."""
    found = mean_interval(SAMPLE)
    assert (found.value, found.low, found.high) == pytest.approx((0.72, 0.6962, 0.7438), abs=5e-5)


def test_the_std_has_bonetts_interval():
    """By the formulas of the paper, step by step: kurtosis 2.79 about a mean trimmed by 0.2041."""
    n, z = 10, 1.959964
    centre = np.mean(np.sort(SAMPLE)[2:-2])
    kurtosis = n * np.sum((SAMPLE - centre) ** 4) / np.sum((SAMPLE - 0.72) ** 2) ** 2
    factor = n / (n - z)
    error = factor * np.sqrt((kurtosis - (n - 3) / n) / (n - 1))
    variance = np.exp(np.log(factor * std(SAMPLE, 0) ** 2) + np.array([-z, z]) * error)
    found = std_interval(SAMPLE)
    assert (found.low, found.high) == pytest.approx(tuple(np.sqrt(variance)), rel=1e-5)
    assert found.low < found.value < found.high


def test_the_median_lies_between_two_of_the_scores():
    """Of ten, the second and the ninth: 97.9%, and the third and eighth would hold 89%."""
    found = quantile_interval(SAMPLE, 0.5)
    assert (found.low, found.high) == (0.69, 0.75)


def test_the_middle_half_has_an_expanded_percentile_interval():
    """Hesterberg 2015: of 10 the percentiles lie at 0.86 and 99.14, for Student's t of 9 degrees,
    2.2622, times the root of 10 / 9, is 2.3845.
    """
    found = trimmed_mean_interval(SAMPLE)
    assert found.value == pytest.approx(np.sort(SAMPLE)[2:-2].mean())
    rows = np.sort(np.random.default_rng(7).choice(SAMPLE, (20_000, 10)), axis=1)
    expected = np.percentile(rows[:, 2:-2].mean(axis=1), [0.855, 99.145])
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.002)
    assert trimmed_mean_interval(SAMPLE) == found
    assert trimmed_mean_interval(SAMPLE, seed=1) != found


def test_a_middle_half_of_equal_scores_is_not_certain():
    found = trimmed_mean_interval(np.array([0.5] * 39 + [0.7]))
    assert (found.value, found.low, found.reason) == (0.5, None, "too few different scores")


def test_scores_that_rounding_alone_tells_apart_do_not_vary():
    equal = np.array([0.6, 0.2 + 0.4] * 4)
    assert np.ptp(equal) > 0
    assert std_ratio(SAMPLE, equal).reason == "an arm does not vary"
    assert std_interval(equal).reason == "all scores are equal"
    assert not all_alike(1e-4 * SAMPLE)


def test_a_difference_of_means_paired_and_not():
    shifted = SAMPLE + np.linspace(0.01, 0.03, 10)
    apart = mean_difference(shifted, SAMPLE)
    together = mean_difference(shifted, SAMPLE, paired=True)
    assert apart.value == together.value == pytest.approx(0.02)
    assert apart.low < 0 < together.low < 0.02 < together.high < apart.high
