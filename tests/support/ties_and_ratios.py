"""How often scipy's permutation test tells equal recipes apart whose scores tie, and how often a
promised ratio of stds would be found where scores are no normal ones: why `paired_location` counts
ties itself, and why `findable` promises no such ratio then.

    PYTHONPATH=. python tests/support/ties_and_ratios.py
"""

import math

import numpy as np
from scipy import stats

from jaxtune.stats.hypothesis_tests import paired_location, spread_test
from jaxtune.stats.power import ENOUGH, PERMUTATION

SEEDS, EXAMPLES, ALPHA = 8, 277, 0.05


def mean_difference(one, other, axis):
    return np.mean(one, axis=axis) - np.mean(other, axis=axis)


def of_ties(rng, repeats=2000):
    """Shares of equal recipes that either test tells apart, of three neighbouring scores."""
    found = np.zeros(2)
    for _ in range(repeats):
        one, other = rng.integers(180, 183, (2, SEEDS)) / EXAMPLES
        test = stats.permutation_test(
            (one, other), mean_difference, permutation_type="samples", vectorized=True
        )
        found += [test.pvalue <= ALPHA, paired_location(one, other).p <= ALPHA]
    return found / repeats


def scores(rng, n, failing):
    """Some at the floor, the others about 0.8."""
    failed = rng.random(n) < failing
    return np.where(failed, 0.5 + 0.002 * rng.normal(size=n), 0.8 + 0.01 * rng.normal(size=n))


def of_ratio(rng, n, failing, level=0.025, repeats=100):
    """The ratio that the normal law of a log std promises, and the share that finds it."""
    kurtosis = float(stats.kurtosis(scores(rng, 3200, failing), fisher=False))
    error = math.sqrt(2 * (kurtosis - (n - 3) / n) / (n - 1)) / 2
    reach = stats.t.ppf(1 - level / 2, n - 1) + stats.t.ppf(ENOUGH, n - 1)
    ratio = math.exp(PERMUTATION * reach * error)
    pairs = (
        (scores(rng, n, failing), 0.8 + ratio * (scores(rng, n, failing) - 0.8))
        for _ in range(repeats)
    )
    found = [spread_test(*pair, num_resamples=999).p <= level for pair in pairs]
    return ratio, np.mean(found)


def main() -> None:
    scipys, ours = of_ties(np.random.default_rng(0))
    print(
        f"told apart, {SEEDS} shared seeds, three neighbouring scores: scipy's test"
        f" {100 * scipys:.1f} of 100, with ties counted {100 * ours:.1f}"
    )
    for failing in (0, 1 / 32, 0.1, 0.3):
        for n in (16, 64):
            ratio, share = of_ratio(np.random.default_rng(0), n, failing)
            print(
                f"{failing:.0%} fail, {n} trials: a ratio of {ratio:.2g} is found in"
                f" {100 * share:.0f} of 100"
            )


if __name__ == "__main__":
    main()
