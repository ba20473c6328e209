"""Two samples of final scores: tests of failure rate, spread and location.

A test is two-sided. What cannot be tested has p None, with the reason.
"""

import functools
import math
import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from jaxtune.stats.intervals import (
    FEWEST_TRIALS,
    NUM_RESAMPLES,
    Reduced,
    Scores,
    all_alike,
    freedom_of,
)
from jaxtune.stats.permutations import Statistic, all_swaps, all_ways, dealt, swapped, two_sided

# Of the larger number beside it: keeps the ratio of two stds finite where one is 0, at any scale.
_TINY = 1e-9
_LEAST = np.finfo(np.float64).tiny  # where both are 0
# The size of a log ratio of stds that says no more than that one of the two is 0.
UNBOUNDED = -math.log(_TINY) * (1 - 1e-9)
# With more tables scipy takes seconds for Boschloo's test, which is then close to Fisher's.
_MOST_TABLES = 250_000

WELCH = "Welch's t test and its permutation test"
NO_STD = "one trial has no std"
NOT_JUDGED = "without a floor it is not known which trials failed"
TOO_FEW = f"the spread of fewer than {FEWEST_TRIALS} trials is not tested"


class Outcome(NamedTuple):
    """One test; `least` is the smallest p that trials in these numbers can give.

    `effect`, of a test over strata, is what the test is of, over the strata that it is over and
    weighted as it weights them: whoever names the better one goes by its sign.
    """

    test: str
    p: float | None = None
    least: float | None = None
    reason: str = ""
    at_most: bool = False  # no resample was as extreme: p is a bound
    effect: float | None = None


def failure_test(one: Bool[np.ndarray, "_trial"], other: Bool[np.ndarray, "_trial"]) -> Outcome:
    """Boschloo's exact test of equal failure rates; cautious Fisher's for many hundreds of trials.

    Seeds are taken as unpaired, as in `spread_test`.
    """
    return _failure_test(int(one.sum()), one.size, int(other.sum()), other.size)


@functools.cache  # arms of a report often fail alike, and scipy searches a tenth of a second
def _failure_test(failed: int, n: int, other_failed: int, other_n: int) -> Outcome:
    many = n * other_n > _MOST_TABLES
    name, test = "Boschloo's exact test", stats.boschloo_exact
    if many:
        name, test = "Fisher's exact test", stats.fisher_exact
    # A column is an arm: scipy takes the column sums as fixed.
    p = test([(failed, other_failed), (n - failed, other_n - other_failed)]).pvalue
    least = None if many else float(stats.boschloo_exact([[n, 0], [0, other_n]]).pvalue)
    return Outcome(name, min(float(p), 1.0), least)


def spread_test(
    one: Scores, other: Scores, seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> Outcome:
    """Permutation test of the log ratio of stds, each arm centred on its own median.

    Without the centring a difference in location passes for one in spread
    (tests/stats/test_coverage.py). Seeds are taken as unpaired, which is cautious where a good seed
    is good in both arms.
    """
    name = "permutation test of the log ratio of stds"
    # Of few the medians take much of the spread: of 4 against 4 trials, of which 3 in 10 fail,
    # equal recipes would be called different in 16 of 100 cases (tests/support/few_trials.py).
    few = TOO_FEW if min(one.size, other.size) < FEWEST_TRIALS else ""
    if missing := _without_spread(one, other) or few:
        return Outcome(name, reason=missing)
    samples = one - np.median(one), other - np.median(other)
    return _deal(name, samples, log_std_ratio, seed, num_resamples)


def _deal(
    name: str, samples: tuple[Scores, Scores], statistic: Statistic, seed: int, num_resamples: int
) -> Outcome:
    """Permutation test of two samples, over all ways of dealing trials to them if these are few."""
    sizes = [sample.size for sample in samples]
    whole = math.comb(sum(sizes), sizes[0]) <= num_resamples
    if whole:
        drawn = all_ways(*samples, statistic)
    else:
        drawn = dealt(*samples, statistic, num_resamples, np.random.default_rng(seed))
    p, at_most = two_sided(float(statistic(*samples, axis=-1)), drawn, whole=whole)
    least = max(_least_unpaired(*sizes), 2 / (num_resamples + 1))
    return Outcome(name, p, least, at_most=at_most)


def brown_forsythe(one: Scores, other: Scores) -> Outcome:
    """Levene's test about the medians: the published one, for comparison."""
    name = "Brown-Forsythe test"
    # Two scores lie equally far from their median, which leaves nothing to set the difference
    # against.
    few = "it needs three trials in each arm" if min(one.size, other.size) < 3 else ""
    if missing := _without_spread(one, other) or few:
        return Outcome(name, reason=missing)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        p = float(stats.levene(one, other, center="median").pvalue)
    if not math.isfinite(p):
        return Outcome(name, reason="all scores lie equally far from their medians")
    return Outcome(name, p)


def _without_spread(one: np.ndarray, other: np.ndarray) -> str:
    if min(one.size, other.size) < 2:
        return NO_STD
    if all_alike(one) and all_alike(other):
        return "neither arm varies"
    return ""


def log_std_ratio(one: np.ndarray, other: np.ndarray, axis: int) -> Reduced:
    """Over an axis; a sample of equal scores counts with a tiny std."""
    first, second = (np.std(x, axis=axis, ddof=1) for x in (one, other))
    least = np.maximum(_TINY * np.maximum(first, second), _LEAST)
    return np.log(np.maximum(first, least)) - np.log(np.maximum(second, least))


def location_test(
    one: Scores, other: Scores, paired: bool, seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> Outcome:
    """Of the means, seed by seed where the two are in one order of the same seeds."""
    if paired and one.size > 1:
        return paired_location(one, other, seed, num_resamples)
    return unpaired_location(one, other, seed, num_resamples)


def unpaired_location(
    one: Scores, other: Scores, seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> Outcome:
    """Welch's t test, and the permutation test of his t: the larger p.

    It is about means, as what is said of it: ranks may go the other way where some trials fail.
    Dealt trials keep the level for two equal recipes, however few their trials and whatever their
    scores. Where stds differ and numbers of trials too they keep it for many trials alone: of 8
    against 32, with stds of 6 to 1 and equal means, 15 in 100 would be called different. There
    Student's law with Welch's degrees of freedom keeps it (tests/stats/test_coverage.py).

    Source: Welch 1947, Biometrika 34, 28-35; Janssen 1997, Statistics and Probability Letters 36,
    9-21; Chung and Romano 2013, Annals of Statistics 41, 484-507.
    """
    if min(one.size, other.size) < 2:
        return Outcome(WELCH, reason=NO_STD)
    found = _deal(WELCH, (one, other), _welch_t, seed, num_resamples)
    errors = np.array([np.var(x, ddof=1) / x.size for x in (one, other)])
    gap = float(one.mean() - other.mean())
    return or_larger(found, students_p(gap, errors, np.array([one.size, other.size])))


def or_larger(found: Outcome, p: float) -> Outcome:
    """The test with this p where it is the larger one, and then no bound."""
    if found.p is None or p <= found.p:
        return found
    return found._replace(p=p, at_most=False)


def students_p(
    gap: float, errors: Float[np.ndarray, " sample"], sizes: Int[np.ndarray, " sample"]
) -> float:
    """Two-sided p of a difference of means, or of a sum of differences, by Student's law.

    The degrees of freedom are those of a sum of variances (`freedom_of`): of two samples this is
    Welch's t test.

    Args:
        errors: squared standard errors of the means that the difference is made of.
        sizes: trials of each of them, 2 or more.

    Returns:
        0 where no sample varies: there only dealing the trials says anything.
    """
    total = float(errors.sum())
    if total == 0:
        return 0.0
    return 2 * float(stats.t.sf(abs(gap) / math.sqrt(total), freedom_of(errors, sizes - 1)))


def _welch_t(one: np.ndarray, other: np.ndarray, axis: int) -> Reduced:
    return over_error(*gap_and_error(one, other, axis))


def gap_and_error(one: np.ndarray, other: np.ndarray, axis: int) -> tuple[Reduced, Reduced]:
    """The difference of means over an axis, and its squared standard error."""
    errors = (np.var(x, axis=axis, ddof=1) / x.shape[axis] for x in (one, other))
    return np.mean(one, axis=axis) - np.mean(other, axis=axis), np.add(*errors)


def over_error(gap: Reduced, error: Reduced) -> Reduced:
    """A difference over the root of its squared error, elementwise."""
    # Samples that do not vary: their difference counts as many errors, or none.
    least = np.maximum(_TINY * np.abs(gap), _LEAST)
    return gap / np.maximum(np.sqrt(error), least)


def mann_whitney(one: Scores, other: Scores) -> Outcome:
    """Mann-Whitney U test, its null distribution drawn where a small arm has ties."""
    ties = np.unique(np.concatenate([one, other])).size < one.size + other.size
    method: str | stats.PermutationMethod = "auto"
    if ties and 2 <= min(one.size, other.size) <= 8:
        method = stats.PermutationMethod(n_resamples=NUM_RESAMPLES, rng=np.random.default_rng(0))
    with np.errstate(all="ignore"):
        p = float(stats.mannwhitneyu(one, other, method=method).pvalue)
    if not math.isfinite(p):
        p = 1.0  # all scores of both arms are equal
    return Outcome("Mann-Whitney U test", p, _least_unpaired(one.size, other.size))


def paired_location(
    one: Scores, other: Scores, seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> Outcome:
    """Permutation test of the mean difference of two seeds or more, the two arms swapped seed by
    seed.
    """
    name = "paired permutation test"
    gaps, rng = one - other, np.random.default_rng(seed)
    whole = 2**gaps.size <= num_resamples
    drawn = all_swaps(gaps) if whole else swapped(gaps, num_resamples, rng)
    scale = float(np.abs(gaps).max())
    p, at_most = two_sided(float(gaps.mean()), drawn, scale, whole)
    least = max(2.0 ** (1 - gaps.size), 2 / (num_resamples + 1))
    return Outcome(name, p, least, at_most=at_most)


def _least_unpaired(one: int, other: int) -> float:
    """Both tails' one most extreme way of sorting the trials into two arms."""
    return 2 / math.comb(one + other, one)
