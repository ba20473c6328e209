"""How often equal recipes would be called different by the spread of few trials, and what the
interval of the interquartile mean would hold: why both take eight trials (docs/verdict.md).

    PYTHONPATH=. python tests/support/few_trials.py
"""

import numpy as np
from drawn_scores import bimodal
from made_up import made_up_arm

from jaxtune.stats import profiles
from jaxtune.stats.hypothesis_tests import _deal, log_std_ratio
from jaxtune.stats.permutations import two_sided
from jaxtune.stats.stratified_tests import _bounded_ratios

REPEATS, RESAMPLES = 400, 499


def centred(scores):
    return scores - np.median(scores)


def alone(rng, draw, n, other_n):
    """p of one test, as `spread_test` makes it of more trials."""
    samples = centred(draw(rng, n)), centred(draw(rng, other_n))
    return _deal("", samples, log_std_ratio, 0, RESAMPLES).p


def in_cells(rng, draw, n, cells):
    """p over the cells of a grid, as `stratified_spread` makes it of more trials."""
    seen, drawn = 0.0, np.zeros(RESAMPLES)
    for _ in range(cells):
        own, own_drawn = _bounded_ratios(draw(rng, n), draw(rng, n), RESAMPLES, rng)
        scale = own_drawn.std() or 1.0
        seen, drawn = seen + own / scale, drawn + own_drawn / scale
    return two_sided(seen, drawn)[0]


def held(rng, n):
    """Whether the interval over two tasks of n normal scores holds the true value."""
    profiles.FEWEST_TRIALS = 2
    arms = [made_up_arm(rng.normal(0.7, 0.02, n), trivial=0.5, task=t) for t in ("rte", "mrpc")]
    iqm = profiles.aggregate(arms).iqm
    return iqm.low <= 0.4 <= iqm.high


def main() -> None:
    def exponential(rng, n):
        return rng.exponential(1, n)

    def long_tail(rng, n):
        return np.exp(1.5 * rng.normal(size=n))

    def partly_failing(rng, n):
        drop = rng.uniform(0, 0.15, n)
        return 0.7 - 0.01 * np.abs(rng.normal(size=n)) - np.where(rng.random(n) < 0.15, drop, 0.0)

    for name, one, repeats in (
        ("8 against 8, log-normal", lambda rng: alone(rng, long_tail, 8, 8), 4000),
        ("8 against 8, 15 in 100 lose up to 0.15", lambda r: alone(r, partly_failing, 8, 8), 4000),
    ):
        rng = np.random.default_rng(0)
        found = np.mean([one(rng) <= 0.05 for _ in range(repeats)])
        print(f"called different, {name}: {100 * found:.1f} of 100", flush=True)
    for name, one in (
        ("4 against 4, 3 in 10 fail", lambda rng: alone(rng, bimodal, 4, 4)),
        ("6 against 12, exponential", lambda rng: alone(rng, exponential, 6, 12)),
        ("8 against 8, 3 in 10 fail", lambda rng: alone(rng, bimodal, 8, 8)),
        ("8 against 8, exponential", lambda rng: alone(rng, exponential, 8, 8)),
        ("2 against 2 in each of 4 cells", lambda rng: in_cells(rng, bimodal, 2, 4)),
        ("8 against 8 in each of 4 cells", lambda rng: in_cells(rng, bimodal, 8, 4)),
    ):
        rng = np.random.default_rng(0)
        found = np.mean([one(rng) <= 0.05 for _ in range(REPEATS)])
        print(f"called different, {name}: {100 * found:.0f} of 100", flush=True)
    for n in (3, 8):
        rng = np.random.default_rng(0)
        share = np.mean([held(rng, n) for _ in range(REPEATS)])
        print(f"interquartile mean held, {n} trials on two tasks: {100 * share:.0f} of 100")


if __name__ == "__main__":
    main()
