"""Two samples of final scores: tests of failure rate, spread and location, and effect sizes.

A test is two-sided. What cannot be tested has p None, with the reason.
"""

import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from jaxtune.stats.intervals import BATCH_NUMBERS, NUM_RESAMPLES, Estimate, Reduced, bootstrap

Scores = Float[np.ndarray, "_trial"]
# Far below a step of any score, and keeps the ratio of two stds finite where one is 0.
_TINY = 1e-9
# With more tables scipy takes seconds for Boschloo's test, which is then close to Fisher's.
_MOST_TABLES = 250_000


class Outcome(NamedTuple):
    """One test; `least` is the smallest p that trials in these numbers can give."""

    test: str
    p: float | None = None
    least: float | None = None
    reason: str = ""


class Contrast(NamedTuple):
    """Scores of `one` against scores of `other`."""

    spread: Outcome  # permutation test
    std_ratio: Estimate  # one / other
    mann_whitney: Outcome
    paired: Outcome  # permutation test; p None where the seeds do not match
    mean_difference: Estimate  # one - other
    improvement: Estimate  # chance that a trial of one beats a trial of other, ties half

    @property
    def location(self) -> Outcome:
        """The test of location that decides: the paired one where there is one."""
        return self.mann_whitney if self.paired.p is None else self.paired


def failure_test(one: Bool[np.ndarray, "_trial"], other: Bool[np.ndarray, "_trial"]) -> Outcome:
    """Boschloo's exact test of equal failure rates; cautious Fisher's for many hundreds of trials.

    Seeds are taken as unpaired, as in `spread_test`.
    """
    counts = int(one.sum()), int(other.sum())
    tables = one.size * other.size
    name, test = "Boschloo's exact test", stats.boschloo_exact
    if tables > _MOST_TABLES:
        name, test = "Fisher's exact test", stats.fisher_exact
    # A column is an arm: scipy takes the column sums as fixed.
    p = test([counts, (one.size - counts[0], other.size - counts[1])]).pvalue
    least = None
    if tables <= _MOST_TABLES:
        least = float(stats.boschloo_exact([[one.size, 0], [0, other.size]]).pvalue)
    return Outcome(name, min(float(p), 1.0), least)


def contrast(
    one: Scores,
    other: Scores,
    *,
    paired: bool = False,
    seed: int = 0,
    num_resamples: int = NUM_RESAMPLES,
) -> Contrast:
    """Spread and location of two samples.

    Args:
        paired: the two are in one order of the same seeds.
    """
    return Contrast(
        spread=spread_test(one, other, seed, num_resamples),
        std_ratio=std_ratio(one, other, seed),
        mann_whitney=mann_whitney(one, other, seed),
        paired=paired_location(one, other, seed, num_resamples)
        if paired
        else Outcome("paired permutation test", reason="the seeds do not match"),
        mean_difference=bootstrap((one, other), _mean_difference, paired=paired, seed=seed),
        improvement=improvement(one, other, seed),
    )


def spread_test(
    one: Scores, other: Scores, seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> Outcome:
    """Permutation test of the log ratio of stds, each arm centred on its own median.

    Without the centring a difference in location passes for one in spread
    (tests/stats/test_coverage.py). Seeds are taken as unpaired, which is cautious where a good seed
    is good in both arms.
    """
    name = "permutation test of the log ratio of stds"
    missing = _without_spread(one, other)
    if missing:
        return Outcome(name, reason=missing)
    samples = one - np.median(one), other - np.median(other)
    return _permute(name, samples, _log_std_ratio, "independent", seed, num_resamples)


def brown_forsythe(one: Scores, other: Scores) -> Outcome:
    """Levene's test about the medians: the published one, for comparison."""
    name = "Brown-Forsythe test"
    missing = _without_spread(one, other)
    # Two scores lie equally far from their median, which leaves nothing to set the difference
    # against.
    if not missing and min(one.size, other.size) < 3:
        missing = "it needs three trials in each arm"
    if missing:
        return Outcome(name, reason=missing)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        p = float(stats.levene(one, other, center="median").pvalue)
    if not math.isfinite(p):
        return Outcome(name, reason="all scores lie equally far from their medians")
    return Outcome(name, p)


def _without_spread(one: np.ndarray, other: np.ndarray) -> str:
    if min(one.size, other.size) < 2:
        return "one trial has no std"
    if np.ptp(one) == 0 and np.ptp(other) == 0:
        return "neither arm varies"
    return ""


def std_ratio(one: Scores, other: Scores, seed: int = 0) -> Estimate:
    """Std of one over std of other, its interval made on the log scale."""
    if min(one.size, other.size) < 2:
        return Estimate(None, reason="one trial has no std")
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return Estimate(None, reason="an arm does not vary")
    log = bootstrap((one, other), _log_std_ratio, seed=seed)
    assert log.value is not None
    value = math.exp(log.value)
    if log.low is None or log.high is None:
        return Estimate(value, reason=log.reason)
    # A resample of equal scores leaves a std of 0, and an interval that reaches there says nothing.
    if max(-log.low, log.high) > math.log(1e4):
        return Estimate(value, reason="too few different scores")
    return Estimate(value, math.exp(log.low), math.exp(log.high), log.method)


def _log_std_ratio(one: np.ndarray, other: np.ndarray, axis: int) -> Reduced:
    stds = (np.maximum(np.std(x, axis=axis, ddof=1), _TINY) for x in (one, other))
    return np.subtract(*map(np.log, stds))


def mann_whitney(one: Scores, other: Scores, seed: int = 0) -> Outcome:
    """Mann-Whitney U test, its null distribution drawn where a small arm has ties."""
    ties = np.unique(np.concatenate([one, other])).size < one.size + other.size
    method: str | stats.PermutationMethod = "auto"
    if ties and 2 <= min(one.size, other.size) <= 8:
        method = stats.PermutationMethod(n_resamples=NUM_RESAMPLES, rng=np.random.default_rng(seed))
    with np.errstate(all="ignore"):
        p = float(stats.mannwhitneyu(one, other, method=method).pvalue)
    if not math.isfinite(p):
        p = 1.0  # all scores of both arms are equal
    return Outcome("Mann-Whitney U test", p, _least_unpaired(one.size, other.size))


def paired_location(
    one: Scores, other: Scores, seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> Outcome:
    """Permutation test of the mean difference, the two arms swapped seed by seed."""
    name = "paired permutation test"
    if one.size < 2:
        return Outcome(name, reason="one pair cannot be permuted")
    return _permute(name, (one, other), _mean_difference, "samples", seed, num_resamples)


def _mean_difference(one: np.ndarray, other: np.ndarray, axis: int) -> Reduced:
    return np.mean(one, axis=axis) - np.mean(other, axis=axis)


def _permute(
    name: str,
    samples: tuple[np.ndarray, np.ndarray],
    statistic: Callable[..., Reduced],
    kind: str,
    seed: int,
    num_resamples: int,
) -> Outcome:
    p = stats.permutation_test(
        samples,
        statistic,
        permutation_type=kind,
        n_resamples=num_resamples,
        batch=max(1, BATCH_NUMBERS // (2 * max(map(len, samples)))),
        rng=np.random.default_rng(seed),
    ).pvalue
    sizes = [sample.size for sample in samples]
    least = 2.0 ** (1 - sizes[0]) if kind == "samples" else _least_unpaired(*sizes)
    return Outcome(name, float(p), max(least, 2 / (num_resamples + 1)))


def _least_unpaired(one: int, other: int) -> float:
    """Both tails' one most extreme way of sorting the trials into two arms."""
    return 2 / math.comb(one + other, one)


def improvement(one: Scores, other: Scores, seed: int = 0) -> Estimate:
    """Probability of improvement: U over the number of pairs of trials."""

    def statistic(x: np.ndarray, y: np.ndarray, axis: int) -> Reduced:
        with np.errstate(all="ignore"):
            u = stats.mannwhitneyu(x, y, axis=axis, method="asymptotic").statistic
        return u / (x.shape[axis] * y.shape[axis])

    if one.min() > other.max() or other.min() > one.max():
        won = float(one.min() > other.max())
        return Estimate(won, reason="every trial of one arm beats every trial of the other")
    return bootstrap((one, other), statistic, seed=seed)
