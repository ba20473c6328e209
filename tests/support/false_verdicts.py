"""How often equal recipes are called different where a verdict is asked for what it cannot give, or
asked for much at once: simulated sweeps of recipes that fail in so many trials.

python tests/support/false_verdicts.py
prints the figures of docs/verdict.md, of the notes and of the sentence about crossed seeds.
"""

import itertools

import numpy as np
from drawn_scores import bimodal
from made_up import made_up_arm

from jaxtune.config.looks import looks_at, times_at
from jaxtune.stats.holm import ALPHA, holm
from jaxtune.stats.hypothesis_tests import failure_test, spread_test
from jaxtune.stats.main_effects import main_effects
from jaxtune.stats.power import boschloo_rejects

LOOKS = range(8, 65, 4)
# Of a sweep with --until_decided, such as --num_seeds 16 --max_seeds 128.
FIXED = (looks_at(16, 128), looks_at(32, 128))


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


def of_repeated_looks(rate, repeats, looks=LOOKS, counted=False):
    """Verdicts about the first so many seeds of two equal recipes: at least one is wrong.

    Args:
        counted: whether every p counts for its look, as with --until_decided.
    """
    stops = stops_at((rate, rate), repeats, looks, counted)
    return sum(winner is not None for _, winner in stops) / repeats


def stops_at(rates, repeats, looks, counted):
    """Of sweeps of two recipes that fail so often: with how many seeds per arm each was decided,
    and which arm it named; or the last look's, and None.
    """
    rng, stops = np.random.default_rng(5), []
    # The smaller of two p is held against half the level.
    levels = {n: ALPHA / 2 / (times_at(looks, n) if counted else 1) for n in looks}
    tables = {n: boschloo_rejects(n, level) for n, level in levels.items()}
    for seed in range(repeats):
        scores = np.stack([bimodal(rng, looks[-1], rate) for rate in rates])
        winners = ((n, _winner(scores[:, :n], tables[n], levels[n], seed)) for n in looks)
        stops.append(next((each for each in winners if each[1] is not None), (looks[-1], None)))
    return stops


def _winner(scores, table, level, seed):
    """As `verdict.find_win` decides it."""
    counts = (scores == 0.527).sum(axis=1)
    if table[tuple(counts)]:
        return int(counts.argmin())
    low = int(scores.std(axis=1).argmin())
    if counts[low] > counts[1 - low] or 2 * counts[low] > scores.shape[1]:
        return None
    # Resamples enough for the level, as `compare_all` has them.
    return low if spread_test(*scores, seed, max(1999, int(40 / level))).p <= level else None


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
        wrong = of_repeated_looks(rate, 600, FIXED[0], counted=True)
        print(f"until decided at {FIXED[0]}, {rate:.0%} fail: {wrong:.1%}")
    for rates in ((0.88, 0.03), (0.4, 0.1), (0.2, 0.05), (0.1, 0.02)):
        for looks in (FIXED[0], (128,)):
            stops = stops_at(rates, 300, looks, counted=True)
            seeds, right = np.mean([n for n, _ in stops]), np.mean([w == 1 for _, w in stops])
            print(f"{rates} fail, looks at {looks}: {seeds:.0f} seeds an arm, right {right:.1%}")
    for values, n, repeats in (((2, 2), 16, 1000), ((3, 2), 16, 600), ((3, 2), 32, 800)):
        cells, over_grid, any_of_both = of_grids(values, n, repeats)
        print(
            f"grid {values[0]} x {values[1]}, {n} seeds: cells {cells:.1%}, over the grid"
            f" {over_grid:.1%}, either {any_of_both:.1%}"
        )
