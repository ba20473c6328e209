"""How many seeds it takes to see a difference, judged from the trials there are."""

import functools
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from jaxtune.stats.arms import Arm, matched_scores

SIZES = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
ENOUGH = 0.8
NUM_SIMULATIONS = 1000


class PowerTable(NamedTuple):
    """Chance that so many seeds per arm find a difference of the pilot's size at level `alpha`."""

    seeds: Int[np.ndarray, " size"]
    failures: Float[np.ndarray, " size"]
    spread: Float[np.ndarray, " size"]
    location: Float[np.ndarray, " size"]
    alpha: float


def power_table(
    one: Arm, other: Arm, alpha: float = 0.05, sizes: Sequence[int] = SIZES, seed: int = 0
) -> PowerTable:
    """Power of the three decisive tests if the pilot's trials were all there is to know.

    Failure rates: Boschloo's test, exactly. Spread and location: resampled trials, with the
    Brown-Forsythe test for the permutation test of spread and the paired t for the paired
    permutation test, which they come close to and which would take far longer. The difference of a
    small pilot is itself a rough guess, and more often too large than too small where the pilot was
    chosen for it; a pilot without any difference needs infinitely many seeds.

    Args:
        alpha: level of each test, such as 0.05 over the number of tests in Holm's family.
    """
    rng = np.random.default_rng(seed)
    matched = matched_scores(one, other)
    rates = float(one.failed.mean()), float(other.failed.mean())
    rows = []
    for n in sizes:
        failures = power_of_failures(*rates, n, alpha)
        if matched:
            rows_drawn = rng.integers(0, len(one), (NUM_SIMULATIONS, n))
            drawn = matched[0][rows_drawn], matched[1][rows_drawn]
        else:
            drawn = tuple(rng.choice(arm.final, (NUM_SIMULATIONS, n)) for arm in (one, other))
        rows.append((failures, *_simulated(*drawn, paired=matched is not None, alpha=alpha)))
    return PowerTable(np.array(sizes), *np.array(rows, np.float64).T, alpha=alpha)


def _simulated(
    one: np.ndarray, other: np.ndarray, *, paired: bool, alpha: float
) -> tuple[float, float]:
    """Shares of the simulations [simulation, trial] that find other spreads, other locations."""
    # About simulations in which nothing varies; they count as no finding.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        # Brown and Forsythe's test is the analysis of variance of these distances.
        distances = (np.abs(x - np.median(x, axis=1, keepdims=True)) for x in (one, other))
        spread = stats.f_oneway(*distances, axis=1).pvalue
        if paired:
            location = stats.ttest_rel(one, other, axis=1).pvalue
        else:
            location = stats.mannwhitneyu(one, other, axis=1, method="asymptotic").pvalue
    return float(np.mean(spread <= alpha)), float(np.mean(location <= alpha))


def power_of_failures(one: float, other: float, n: int, alpha: float = 0.05) -> float:
    """Chance that Boschloo's test tells two failure rates apart with `n` trials per arm."""
    counts = np.arange(n + 1)
    chances = np.outer(stats.binom.pmf(counts, n, one), stats.binom.pmf(counts, n, other))
    return float(chances[boschloo_rejects(n, alpha)].sum())


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
    low, high = 0, len(bounds)  # so many of the smallest bounds are within the level
    while low < high:
        middle = (low + high + 1) // 2
        tail = (fisher <= bounds[middle - 1] * (1 + 1e-12)).astype(np.float64)
        if np.max(np.sum((chances @ tail) * chances, axis=1)) <= alpha / 2:
            low = middle
        else:
            high = middle - 1
    # With no bound within the level, nothing is rejected: -1 lies under every p.
    tail = fisher <= (bounds[low - 1] * (1 + 1e-12) if low else -1.0)
    rejected = tail | tail.T
    rejected.setflags(write=False)  # the cache hands out this very array
    return rejected


def seeds_needed(seeds: Int[np.ndarray, " size"], power: Float[np.ndarray, " size"]) -> int | None:
    """The fewest seeds per arm from which on the power is at least 80 %; None where none are."""
    short = np.flatnonzero(power < ENOUGH)
    first = short[-1] + 1 if short.size else 0
    return int(seeds[first]) if first < seeds.size else None
