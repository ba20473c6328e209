"""Two recipes over several strata, such as tasks or the other settings of a grid: trials are dealt
to the two within their stratum alone.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from jaxtune.stats.arms import Arm
from jaxtune.stats.holm import PairTests
from jaxtune.stats.hypothesis_tests import (
    NO_STD,
    NOT_JUDGED,
    TOO_FEW,
    UNBOUNDED,
    WELCH,
    Outcome,
    gap_and_error,
    log_std_ratio,
    or_larger,
    over_error,
    students_p,
)
from jaxtune.stats.intervals import FEWEST_TRIALS, NUM_RESAMPLES, Scores, all_alike
from jaxtune.stats.permutations import dealt, two_sided

EXACT, ZELEN = "exact stratified test", "Zelen's test of one odds ratio"
Flags = Bool[np.ndarray, "_trial"]


def stratified(strata: Sequence[tuple[Arm, Arm]], seed: int, num_resamples: int) -> PairTests:
    """All three tests; of failures where every stratum knows which trials failed."""
    failures = Outcome(EXACT, reason=NOT_JUDGED)
    if all(arm.judged for pair in strata for arm in pair):
        failures = stratified_failures([(one.failed, other.failed) for one, other in strata])
    return PairTests(
        failures,
        stratified_spread([(one.final, other.final) for one, other in strata], seed, num_resamples),
        stratified_location(strata, seed, num_resamples),
    )


def stratified_failures(strata: Sequence[tuple[Flags, Flags]]) -> Outcome:
    """Exact test of equal failure rates in every stratum: the conditional one of Cochran, Mantel
    and Haenszel, two-sided by likelihood as Fisher's is.
    """
    law, seen, least = np.ones(1), 0, 0
    for one, other in strata:
        own, low = _law_of_failures(one, other)
        law = np.convolve(law, own)  # that of the sum over strata
        seen, least = seen + int(one.sum()), least + low
    p = float(law[law <= law[seen - least] * (1 + 1e-7)].sum())
    return Outcome(EXACT, min(p, 1.0))


def _law_of_failures(one: Flags, other: Flags) -> tuple[Float[np.ndarray, " number"], int]:
    """How likely each number of a stratum's failures falls to the first where both fail alike, from
    the smallest number that can be, which stands beside it.
    """
    failed = int(one.sum() + other.sum())
    low, high = max(0, failed - other.size), min(failed, one.size)
    law = stats.hypergeom.pmf(np.arange(low, high + 1), one.size + other.size, failed, one.size)
    return law, low


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


def fewer_in(strata: Sequence[tuple[Flags, Flags]]) -> tuple[int, int]:
    """In how many strata either of the two fails less often."""
    rates = [(one.mean(), other.mean()) for one, other in strata]
    return sum(bool(a < b) for a, b in rates), sum(bool(a > b) for a, b in rates)


def stratified_spread(
    strata: Sequence[tuple[Scores, Scores]], seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> Outcome:
    """Permutation test of the mean log ratio of stds, trials permuted within their stratum.

    A stratum counts by its log ratio over the std that this has where its trials are dealt: where a
    single trial makes one arm's spread the ratio says little, and by itself would drown the rest.
    `effect` is the mean of the log ratios with these weights; None where nothing is tested.

    Strata of few trials are left out: of 2 against 2 in each of four equal recipes would be called
    different in 23 of 100 cases (tests/support/few_trials.py).
    """
    name = "stratified permutation test of the log ratio of stds"
    large = [pair for pair in strata if min(map(len, pair)) >= FEWEST_TRIALS]
    used = [pair for pair in large if not all(map(all_alike, pair))]
    if not used:
        return Outcome(name, reason="neither value varies" if large else TOO_FEW)
    rng = np.random.default_rng(seed)
    seen, weights, drawn = 0.0, 0.0, np.zeros(num_resamples)
    for pair in used:
        own, own_drawn = _bounded_ratios(*pair, num_resamples, rng)
        if all_alike(own_drawn):
            continue  # however the trials are dealt the ratio is the same, and says nothing
        weight = 1 / float(own_drawn.std())
        seen, weights, drawn = seen + weight * own, weights + weight, drawn + weight * own_drawn
    p, at_most = two_sided(seen, drawn)
    return Outcome(name, p, at_most=at_most, effect=seen / weights if weights else 0.0)


def _bounded_ratios(
    one: Scores, other: Scores, num_resamples: int, rng: np.random.Generator
) -> tuple[float, Float[np.ndarray, " resample"]]:
    """The log ratio of stds that was seen, and those where trials are dealt.

    Beside an arm that does not vary the ratio has no size, only a sign. It counts as the largest
    one that the same trials give where both arms vary, that seen as those dealt: else one such
    stratum would decide for all others which of the two is the steadier.
    """
    # Centred on their own medians, for a difference in location is none in spread.
    samples = one - np.median(one), other - np.median(other)
    seen = float(log_std_ratio(*samples, axis=-1))
    drawn = dealt(*samples, log_std_ratio, num_resamples, rng)
    sizes = np.abs(drawn)
    largest = float(np.max(sizes, initial=0.0, where=sizes < UNBOUNDED))
    if abs(seen) >= UNBOUNDED:
        seen = math.copysign(largest, seen)
    return seen, np.clip(drawn, -largest, largest)


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
        law, low = _law_of_failures(one, other)
        if law.size > 1:
            laws.append(law)
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
    for law, before in zip(reversed(laws), reversed(sums[:-1]), strict=True):
        rest = left[:, None] - np.arange(law.size)
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
    """`unpaired_location` over strata: t is the sum of the gaps of the means over its standard
    error, and trials are dealt to the two recipes within their stratum.

    A stratum counts by stds of its own trials, so that none counts more for the scale of its
    metric; strata of single trials and those in which no score differs are left out. `effect` is
    the mean gap in these stds, positive where the first has the better scores; None where nothing
    is tested. Not divided by its error the sum would call equal means different in 23 of 100 cases
    of 8 against 32 trials with stds of 3 to 1 in each of three strata, and a sum of each stratum's
    own t in 9 (the mean of Welch's t is not 0 there).
    """
    name = f"stratified {WELCH}"
    several = [(a.merit, b.merit) for a, b in pairs if min(len(a), len(b)) > 1]
    used = [_in_stds(*pair) for pair in several if not all_alike(np.concatenate(pair))]
    if not used:
        return Outcome(name, reason="no score differs from another" if several else NO_STD)
    rng = np.random.default_rng(seed)
    sums, drawn = np.zeros(2), np.zeros((num_resamples, 2))
    for pair in used:
        sums += _gap_beside_error(*pair, axis=-1)
        drawn += dealt(*pair, _gap_beside_error, num_resamples, rng)
    p, at_most = two_sided(float(over_error(*sums)), np.asarray(over_error(*drawn.T)))
    samples = [sample for pair in used for sample in pair]
    sizes = np.array([sample.size for sample in samples])
    errors = np.array([np.var(sample, ddof=1) for sample in samples]) / sizes
    effect = float(sums[0]) / len(used)
    dealing = Outcome(name, p, at_most=at_most, effect=effect)
    return or_larger(dealing, students_p(float(sums[0]), errors, sizes))


def _in_stds(one: Scores, other: Scores) -> tuple[Scores, Scores]:
    """Scores in stds of both samples together, which dealing does not change."""
    scale = np.concatenate([one, other]).std()
    return one / scale, other / scale


def _gap_beside_error(one: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray:
    """`gap_and_error` as one array, [..., 2]."""
    return np.stack(gap_and_error(one, other, axis), axis=-1)
