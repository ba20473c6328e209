"""The smallest differences that so many seeds would find, at the level of a report's tests.

Not the chance of finding the difference seen: that is no more than the p-value in other words, and
too hopeful where a pair was chosen for its difference.
"""

import bisect
import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from jaxtune.stats.arms import Arm, matched_scores
from jaxtune.stats.intervals import FEWEST_TRIALS, all_alike

SIZES = (16, 32, 64, 128)
ENOUGH = 0.8  # chance of finding it
HOW_OFTEN = f"{10 * ENOUGH:g} times in 10"
# The permutation test about the medians needs this much more of a log std ratio than the law of a
# log std says: in simulations it then finds 7 to 8 of 10 (tests/stats/test_power.py).
PERMUTATION = 1.1
NUM_RATES = 50  # that stand for a posterior
MOST_KURTOSIS = 6.0  # of a normal law 3, of an exponential one 9

Rates = Float[np.ndarray, " rate"]


class Findable(NamedTuple):
    """What so many seeds per arm find 8 times in 10; None where they find nothing."""

    seeds: int
    # How far a failure rate must lie above that of the arm that fails less; where both mostly fail
    # how far below that of the arm that fails more, as a negative number.
    failures: float | None
    std_ratio: float | None  # larger over smaller
    mean: float | None  # difference


def findable(
    one: Arm,
    other: Arm,
    alpha: float,
    alpha_of_mean: float,
    paired: bool,
    sizes: Sequence[int] = SIZES,
) -> tuple[Findable, ...]:
    """The smallest differences between two arms that tests at level `alpha` find.

    The trials there are only say how scores scatter: the failure rate of an arm, as far as they
    know it, the std of the scores (of the seeds' differences where paired), and their kurtosis.

    Args:
        alpha: level of each test of failures and spread, such as 0.05 over the number of tests in
            Holm's family.
        alpha_of_mean: that of the mean, which has a family of its own.
    """
    return tuple(
        Findable(
            n,
            _smallest_failures(one, other, n, alpha) if one.judged else None,
            _smallest_ratio((one, other), n, alpha),
            _smallest_mean(one, other, paired, n, alpha_of_mean),
        )
        for n in sizes
    )


def _smallest_failures(one: Arm, other: Arm, n: int, alpha: float) -> float | None:
    """Above the rate of the arm that fails less, or below that of the one that fails more where
    both mostly fail: there is no room above. Successes tell apart what failures do.
    """
    less, more = sorted((one, other), key=lambda arm: arm.failed.mean())
    if not less.mostly_failed:
        return smallest_failures(likely_rates(int(less.failed.sum()), len(less)), n, alpha)
    found = smallest_failures(likely_rates(int((~more.failed).sum()), len(more)), n, alpha)
    return None if found is None else -found


def likely_rates(count: int, n: int) -> Rates:
    """Rates of which one is as likely as another after `count` of `n` trials.

    They are quantiles of the Beta posterior of a uniform prior. With them power becomes assurance,
    the chance of finding a difference when the rate is as uncertain as it is (O'Hagan, Stevens and
    Campbell 2005, Pharmaceutical Statistics 4, 187-201). The rate seen would promise too much: no
    failure in 16 trials is no rate of 0, and what 128 seeds find 9 times in 10 above 0 they find 4
    times in 10 above 5%.
    """
    at = (np.arange(NUM_RATES) + 0.5) / NUM_RATES
    return np.asarray(stats.beta.ppf(at, count + 1, n - count + 1))


def smallest_failures(rates: Rates, n: int, alpha: float) -> float | None:
    """How far above a rate, one of these, another lies that Boschloo's test finds, to one point in
    100.
    """
    for points in range(1, 101):
        above = np.minimum(rates + points / 100, 1.0)
        if power_of_failures(rates, above, n, alpha) >= ENOUGH:
            return points / 100
    return None


def _smallest_ratio(arms: Sequence[Arm], n: int, alpha: float) -> float | None:
    """By the normal law of a log std, whose variance follows from the scores' kurtosis.

    None where some trials failed and others did not, or a few scores lie far from the rest: the law
    does not hold for such scores, and would promise what is found in as few as 14 of 100 cases
    (tests/support/ties_and_ratios.py).
    """
    if any(0 < arm.failed.sum() < len(arm) for arm in arms):
        return None
    # Of few the kurtosis is a number of their own: that of two scores is always 1.
    varied = [a.final for a in arms if len(a) >= FEWEST_TRIALS and not all_alike(a.final)]
    found = [float(stats.kurtosis(x, fisher=False)) for x in varied]
    if not found or max(found) > MOST_KURTOSIS:
        return None
    kurtosis = float(np.mean(found))
    error = math.sqrt(2 * max(kurtosis - (n - 3) / n, 0.0) / (n - 1)) / 2
    reach = stats.t.ppf(1 - alpha / 2, n - 1) + stats.t.ppf(ENOUGH, n - 1)
    return math.exp(PERMUTATION * float(reach) * error)


def _smallest_mean(one: Arm, other: Arm, paired: bool, n: int, alpha: float) -> float | None:
    if paired:
        first, second = matched_scores(one, other)
        variance = np.var(first - second, ddof=1)
    elif min(len(one), len(other)) > 1:
        variance = one.std**2 + other.std**2
    else:
        return None
    return _reach(alpha) * math.sqrt(float(variance) / n)


def _reach(alpha: float) -> float:
    """How many standard errors a difference must have to be found 8 times in 10."""
    return float(stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(ENOUGH))


def power_of_failures(one: Rates, other: Rates, n: int, alpha: float) -> float:
    """Chance that Boschloo's test tells two failure rates apart with `n` trials per arm, the mean
    over pairs of rates.
    """
    counts = np.arange(n + 1)
    first, second = (stats.binom.pmf(counts, n, rates[:, None]) for rates in (one, other))
    return float(np.mean(np.sum(first @ boschloo_rejects(n, alpha) * second, axis=1)))


@functools.cache
def boschloo_rejects(n: int, alpha: float) -> Bool[np.ndarray, "failures failures"]:
    """Which pairs of failure counts, of n trials each, Boschloo's two-sided test rejects.

    The same as asking scipy for every table, and much faster: one tail's tables are those whose
    one-sided Fisher p lies under the largest bound that is passed with a chance of at most alpha /
    2, whatever the common failure rate.
    """
    counts = np.arange(n + 1)
    fisher = stats.hypergeom.cdf(counts[:, None], 2 * n, counts[:, None] + counts, n)
    rates = np.linspace(0, 1, 201)[:, None]
    chances = stats.binom.pmf(counts, n, rates)  # [rate, count]
    bounds = np.unique(fisher)

    def chance(bound: float) -> float:
        tail = (fisher <= bound * (1 + 1e-12)).astype(np.float64)
        return float(np.max(np.sum((chances @ tail) * chances, axis=1)))

    within = bisect.bisect_right(bounds, alpha / 2, key=chance)  # so many of the smallest
    # With no bound within the level, nothing is rejected: -1 lies under every p.
    tail = fisher <= (bounds[within - 1] * (1 + 1e-12) if within else -1.0)
    rejected = tail | tail.T
    rejected.setflags(write=False)  # the cache hands out this very array
    return rejected
