"""How often equal recipes are called different where a verdict is asked for what it cannot give, or
asked for much at once: simulated sweeps of recipes that fail in so many trials.

python tests/support/false_verdicts.py
prints the figures of docs/verdict.md, of the notes and of the sentence about crossed seeds.
"""

import itertools

import numpy as np
from drawn_scores import bimodal
from made_up import made_up_arm

from jaxtune.stats.compare import ALPHA, holm
from jaxtune.stats.hypothesis_tests import failure_test, spread_test
from jaxtune.stats.main_effects import main_effects
from jaxtune.stats.power import boschloo_rejects

LOOKS = range(8, 65, 4)


def shown(p_values):
    """Whether Holm leaves one of these differences standing."""
    return any(c.p is not None and c.p <= ALPHA for c in holm(p_values))


def crossed(rng, side, share):
    """Scores over a grid of initialisations and orders; `share` of the variance is the first's."""
    rows = rng.normal(size=(side, 1)) * np.sqrt(share)
    rest = rng.normal(size=(side, side)) * np.sqrt(1 - share)
    return (rows + rest).ravel()


def of_crossed_seeds(side, share, repeats):
    """Two equal recipes that fail in 3 of 10 trials, those taken as independent."""
    rng, found = np.random.default_rng(2), 0
    for seed in range(repeats):
        one, other = crossed(rng, side, share), crossed(rng, side, share)
        tests = failure_test(one < -0.52, other < -0.52), spread_test(one, other, seed, 399)
        found += shown([test.p for test in tests])
    return found / repeats


def of_repeated_looks(rate, repeats):
    """A verdict about the first 8, 12, ... 64 seeds of two equal recipes: at least one is wrong."""
    rng, found = np.random.default_rng(5), 0
    # The smaller of two p is held against half the level.
    tables = {n: boschloo_rejects(n, ALPHA / 2) for n in LOOKS}
    for seed in range(repeats):
        scores = np.stack([bimodal(rng, LOOKS[-1], rate) for _ in range(2)])
        failed = scores == 0.527
        found += any(_wrong(scores[:, :n], failed[:, :n], tables[n], seed) for n in LOOKS)
    return found / repeats


def _wrong(scores, failed, table, seed):
    """As `verdict.find_win` decides it."""
    counts = failed.sum(axis=1)
    if table[tuple(counts)]:
        return True
    low = int(scores.std(axis=1).argmin())
    if counts[low] > counts[1 - low] or 2 * counts[low] > failed.shape[1]:
        return False
    return spread_test(*scores, seed, 1999).p <= ALPHA / 2


def of_grids(values, n, repeats):
    """Shares of grids of equal cells in which a cell was called more stable than another, a value
    was said to fail less often over the grid, and either of these happened.
    """
    rng, found = np.random.default_rng(4), []
    for seed in range(repeats):
        arms = [
            made_up_arm(
                bimodal(rng, n),
                f"{a} {b}",
                trivial=0.55,
                seeds=range(i * n, i * n + n),
                learning_rate=a,
                bias_correction=bool(b),
            )
            for i, (a, b) in enumerate(itertools.product(*map(range, values)))
        ]
        pairs = list(itertools.combinations(arms, 2))
        tests = [t for a, b in pairs for t in _tests(a, b, seed, max(4999, 160 * len(pairs)))]
        cells, over_grid = shown(tests), any(e.fewer_failures for e in main_effects(arms, seed))
        found.append((cells, over_grid, cells or over_grid))
    return np.mean(found, axis=0)


def _tests(one, other, seed, num_resamples):
    spread = spread_test(one.final, other.final, seed, num_resamples)
    return failure_test(one.failed, other.failed).p, spread.p


if __name__ == "__main__":
    for side, share in itertools.product((5, 8), (0.6, 0.9)):
        found = of_crossed_seeds(side, share, 600)
        print(f"crossed seeds, {side} x {side}, {share:.0%} of the variance: {found:.1%}")
    for rate in (0.0, 0.1, 0.3, 0.5):
        print(f"looks, {rate:.0%} fail: {of_repeated_looks(rate, 2000):.1%}")
    for values, n, repeats in (((2, 2), 16, 1000), ((3, 2), 16, 600), ((3, 2), 32, 800)):
        cells, over_grid, any_of_both = of_grids(values, n, repeats)
        print(
            f"grid {values[0]} x {values[1]}, {n} seeds: cells {cells:.1%}, over the grid"
            f" {over_grid:.1%}, either {any_of_both:.1%}"
        )
