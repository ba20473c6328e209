"""Two samples of final scores: tests of failure rate, spread and location.

A test is two-sided. What cannot be tested has p None, with the reason.
"""

import functools
import itertools
import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from jaxtune.stats.intervals import (
    BATCH_NUMBERS,
    FEWEST_TRIALS,
    NUM_RESAMPLES,
    Reduced,
    Scores,
    all_alike,
)

# Of the larger number beside it: keeps the ratio of two stds finite where one is 0, at any scale.
_TINY = 1e-9
_LEAST = np.finfo(np.float64).tiny  # where both are 0
# With more tables scipy takes seconds for Boschloo's test, which is then close to Fisher's.
_MOST_TABLES = 250_000


TOO_FEW = f"the spread of fewer than {FEWEST_TRIALS} trials is not tested"
# Of two samples along an axis.
Statistic = Callable[..., Reduced]


class Outcome(NamedTuple):
    """One test; `least` is the smallest p that trials in these numbers can give."""

    test: str
    p: float | None = None
    least: float | None = None
    reason: str = ""
    at_most: bool = False  # no resample was as extreme: p is a bound


def failure_test(one: Bool[np.ndarray, "_trial"], other: Bool[np.ndarray, "_trial"]) -> Outcome:
    """Boschloo's exact test of equal failure rates; cautious Fisher's for many hundreds of trials.

    Seeds are taken as unpaired, as in `spread_test`.
    """
    return _failure_test(int(one.sum()), one.size, int(other.sum()), other.size)


@functools.cache  # arms of a report often fail alike, and scipy searches a tenth of a second
def _failure_test(failed: int, n: int, other_failed: int, other_n: int) -> Outcome:
    name, test = "Boschloo's exact test", stats.boschloo_exact
    if n * other_n > _MOST_TABLES:
        name, test = "Fisher's exact test", stats.fisher_exact
    # A column is an arm: scipy takes the column sums as fixed.
    p = test([(failed, other_failed), (n - failed, other_n - other_failed)]).pvalue
    least = None
    if n * other_n <= _MOST_TABLES:
        least = float(stats.boschloo_exact([[n, 0], [0, other_n]]).pvalue)
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
    missing = _without_spread(one, other)
    # Of few the medians take much of the spread: of 4 against 4 trials, of which 3 in 10 fail,
    # equal recipes would be called different in 16 of 100 cases (tests/support/few_trials.py).
    if not missing and min(one.size, other.size) < FEWEST_TRIALS:
        missing = TOO_FEW
    if missing:
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
        drawn = _all_ways(*samples, statistic)
    else:
        drawn = dealt(*samples, statistic, num_resamples, np.random.default_rng(seed))
    p, at_most = two_sided(float(statistic(*samples, axis=-1)), drawn, whole=whole)
    least = max(_least_unpaired(*sizes), 2 / (num_resamples + 1))
    return Outcome(name, p, least, at_most=at_most)


def _all_ways(one: Scores, other: Scores, statistic: Statistic) -> Float[np.ndarray, " way"]:
    """The statistic for every way of dealing the trials."""
    pooled = np.concatenate([one, other])
    ways = np.array([*itertools.combinations(range(pooled.size), one.size)])
    is_other = np.ones((len(ways), pooled.size), bool)
    np.put_along_axis(is_other, ways, False, axis=1)
    rest = np.broadcast_to(pooled, is_other.shape)[is_other].reshape(len(ways), -1)
    return np.asarray(statistic(pooled[ways], rest, axis=1))


def dealt(
    one: Scores,
    other: Scores,
    statistic: Statistic,
    num_resamples: int,
    rng: np.random.Generator,
) -> Float[np.ndarray, " resample"]:
    """The statistic where trials are dealt to the two arms at random.

    scipy's permutation test takes 27 us for each, for it deals them in Python.
    """
    pooled = np.concatenate([one, other])
    batch = max(1, BATCH_NUMBERS // pooled.size)
    found = []
    for start in range(0, num_resamples, batch):
        size = min(batch, num_resamples - start)
        rows = rng.permuted(np.tile(pooled, (size, 1)), axis=1)
        found.append(statistic(rows[:, : one.size], rows[:, one.size :], axis=1))
    return np.concatenate(found)


def two_sided(
    seen: float, drawn: Float[np.ndarray, " resample"], scale: float = 1.0, whole: bool = False
) -> tuple[float, bool]:
    """p of a permutation test, and whether no resample was as extreme: then it is a bound.

    Args:
        scale: of the statistic; scores are counts over a number of examples, and permutations whose
            statistics are equal up to rounding, many of them, count as as extreme. scipy's own
            permutation test has no such margin, and finds differences that are not there
            (tests/support/ties_and_ratios.py).
        whole: these are all permutations, what was seen among them.
    """
    if not math.isfinite(seen):
        return 1.0, False
    near = 1e-9 * max(abs(seen), scale)
    fewest = int(min(np.sum(drawn >= seen - near), np.sum(drawn <= seen + near)))
    if whole:
        return min(2 * fewest / drawn.size, 1.0), False
    return min(2 * (fewest + 1) / (drawn.size + 1), 1.0), fewest == 0


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
    """Permutation test of Welch's t.

    It is about means, as what is said of it: ranks may go the other way where some trials fail.
    Divided by its standard error the difference keeps its level where the stds differ.

    Source: Janssen 1997, Statistics and Probability Letters 36, 9-21; Chung and Romano 2013,
    Annals of Statistics 41, 484-507.
    """
    name = "permutation test of Welch's t"
    if min(one.size, other.size) < 2:
        return Outcome(name, reason="one trial has no std")
    return _deal(name, (one, other), _welch_t, seed, num_resamples)


def _welch_t(one: np.ndarray, other: np.ndarray, axis: int) -> Reduced:
    errors = (np.var(x, axis=axis, ddof=1) / x.shape[axis] for x in (one, other))
    difference = np.mean(one, axis=axis) - np.mean(other, axis=axis)
    # Samples that do not vary: their difference counts as many errors, or none.
    least = np.maximum(_TINY * np.abs(difference), _LEAST)
    return difference / np.maximum(np.sqrt(np.add(*errors)), least)


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
    gaps, rng = one - other, np.random.default_rng(seed)
    whole = 2**gaps.size <= num_resamples
    drawn = _all_swaps(gaps) if whole else _swapped(gaps, num_resamples, rng)
    scale = float(np.abs(gaps).max())
    p, at_most = two_sided(float(gaps.mean()), drawn, scale, whole)
    least = max(2.0 ** (1 - gaps.size), 2 / (num_resamples + 1))
    return Outcome(name, p, least, at_most=at_most)


def _all_swaps(gaps: Scores) -> Float[np.ndarray, " way"]:
    """The mean for every way of swapping the two arms' scores of some seeds."""
    signs = np.array([*itertools.product((1.0, -1.0), repeat=gaps.size)])
    return signs @ gaps / gaps.size


def _swapped(
    gaps: Scores, num_resamples: int, rng: np.random.Generator
) -> Float[np.ndarray, " resample"]:
    """The mean where seeds are swapped at random."""
    batch = max(1, BATCH_NUMBERS // gaps.size)
    found = []
    for start in range(0, num_resamples, batch):
        signs = rng.integers(0, 2, (min(batch, num_resamples - start), gaps.size)) * 2.0 - 1.0
        found.append(signs @ gaps / gaps.size)
    return np.concatenate(found)


def mean_difference(one: np.ndarray, other: np.ndarray, axis: int) -> Reduced:
    """Over an axis."""
    return np.mean(one, axis=axis) - np.mean(other, axis=axis)


def _least_unpaired(one: int, other: int) -> float:
    """Both tails' one most extreme way of sorting the trials into two arms."""
    return 2 / math.comb(one + other, one)
