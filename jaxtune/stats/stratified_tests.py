"""Two recipes over several strata, such as tasks or the other settings of a grid: trials are dealt
to the two within their stratum alone.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool
from scipy import stats

from jaxtune.stats.arms import Arm
from jaxtune.stats.hypothesis_tests import (
    TOO_FEW,
    Outcome,
    dealt,
    log_std_ratio,
    mean_difference,
    two_sided,
)
from jaxtune.stats.intervals import FEWEST_TRIALS, NUM_RESAMPLES, Scores, all_alike

EXACT, ZELEN = "exact stratified test", "Zelen's test of one odds ratio"
Flags = Bool[np.ndarray, "_trial"]


def stratified_failures(strata: Sequence[tuple[Flags, Flags]]) -> Outcome:
    """Exact test of equal failure rates in every stratum: the conditional one of Cochran, Mantel
    and Haenszel, two-sided by likelihood as Fisher's is.
    """
    law, seen, least = np.ones(1), 0, 0
    for one, other in strata:
        total, failed = one.size + other.size, int(one.sum() + other.sum())
        low, high = max(0, failed - other.size), min(failed, one.size)
        # How many of a stratum's failures fall to the first value where both fail alike; the sum
        # over strata has the convolution of these laws.
        law = np.convolve(
            law, stats.hypergeom.pmf(np.arange(low, high + 1), total, failed, one.size)
        )
        seen, least = seen + int(one.sum()), least + low
    p = float(law[law <= law[seen - least] * (1 + 1e-7)].sum())
    return Outcome(EXACT, min(p, 1.0))


def excess(strata: Sequence[tuple[Flags, Flags]]) -> float:
    """Failures of the first beyond those that fall to it where both fail alike in every stratum.

    It is what `stratified_failures` tests, so that it says which of them fails less. Rates over all
    strata together may go the other way where strata differ in size (Simpson's paradox).
    """
    return float(
        sum(
            one.sum() - (one.sum() + other.sum()) * one.size / (one.size + other.size)
            for one, other in strata
        )
    )


def stratified_spread(
    strata: Sequence[tuple[Scores, Scores]], seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> Outcome:
    """Permutation test of the mean log ratio of stds, trials permuted within their stratum.

    Strata of few trials are left out: of 2 against 2 in each of four equal recipes would be called
    different in 28 of 100 cases (tests/support/few_trials.py).
    """
    name = "stratified permutation test of the log ratio of stds"
    large = [pair for pair in strata if min(map(len, pair)) >= FEWEST_TRIALS]
    used = [pair for pair in large if not all_alike(np.concatenate(pair))]
    if not used:
        return Outcome(name, reason="neither value varies" if large else TOO_FEW)
    rng = np.random.default_rng(seed)
    seen, drawn = 0.0, np.zeros(num_resamples)
    for one, other in used:
        # Centred on their own medians, for a difference in location is none in spread.
        samples = one - np.median(one), other - np.median(other)
        seen += float(log_std_ratio(*samples, axis=-1))
        drawn += dealt(*samples, log_std_ratio, num_resamples, rng)
    p, at_most = two_sided(seen, drawn)
    return Outcome(name, p, at_most=at_most)


def stratified_homogeneity(
    strata: Sequence[tuple[Flags, Flags]], seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> Outcome:
    """Test that failures of the two differ alike in every stratum, by the odds ratio.

    Given how many trials of each stratum failed, and how many of the first recipe's in all, the
    tables have a law that does not depend on the common odds ratio; p is the chance of tables no
    more likely than those seen, from draws out of that law.

    Source: Zelen 1971, Biometrika 58, 129-137; draws instead of going through all tables.
    """
    laws, seen = [], []
    for one, other in strata:
        total, failed = one.size + other.size, int(one.sum() + other.sum())
        low, high = max(0, failed - other.size), min(failed, one.size)
        if low < high:
            laws.append(stats.hypergeom.pmf(np.arange(low, high + 1), total, failed, one.size))
            seen.append(int(one.sum()) - low)
    if len(laws) < 2:
        return Outcome(ZELEN, reason="failures leave fewer than two strata to compare")
    # How likely each sum of the first k strata is.
    sums = [np.ones(1)]
    for law in laws:
        sums.append(np.convolve(sums[-1], law))
    rng = np.random.default_rng(seed)
    left = np.full(num_resamples, sum(seen))
    likely = np.zeros(num_resamples)
    for place in range(len(laws) - 1, -1, -1):
        law, before = laws[place], sums[place]
        counts = np.arange(law.size)
        rest = left[:, None] - counts
        possible = (rest >= 0) & (rest < before.size)
        weights = np.where(possible, law * before[np.where(possible, rest, 0)], 0.0)
        edges = np.cumsum(weights, axis=1)
        drawn = (rng.random((num_resamples, 1)) * edges[:, -1:] > edges).sum(axis=1)
        drawn = np.minimum(drawn, law.size - 1)
        likely += np.log(law[drawn])
        left = left - drawn
    observed = sum(float(np.log(law[x])) for law, x in zip(laws, seen, strict=True))
    extreme = int(np.sum(likely <= observed + 1e-7))
    return Outcome(ZELEN, min((extreme + 1) / (num_resamples + 1), 1.0))


def stratified_location(
    pairs: Sequence[tuple[Arm, Arm]], seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> Outcome:
    """Permutation test of the mean gap, trials dealt to the two recipes within their task.

    A task counts by stds of its own trials, so that none counts more for the scale of its metric.
    """
    name = "stratified permutation test of the mean"
    used = [(a.merit, b.merit) for a, b in pairs]
    used = [pair for pair in used if not all_alike(np.concatenate(pair))]
    if not used:
        return Outcome(name, reason="no score differs from another")
    rng, seen, drawn = np.random.default_rng(seed), 0.0, np.zeros(num_resamples)
    for a, b in used:
        scale = np.concatenate([a, b]).std()
        seen += float(a.mean() - b.mean()) / scale
        drawn += dealt(a, b, mean_difference, num_resamples, rng) / scale
    p, at_most = two_sided(seen, drawn)
    return Outcome(name, p, at_most=at_most)
