"""How often the best of 5 seeds of an arm is said to be expected higher than that of a leader,
where it is not: why it takes Student's t and a level over all arms (docs/verdict.md).

    PYTHONPATH=. python tests/support/best_of_few.py
"""

import itertools

import numpy as np
from drawn_scores import FAILED
from made_up import made_up_arm

from jaxtune.stats.describe import higher_best

STD, REPEATS = 0.02, 400


def draw(rng, n, rate, mean):
    """Scores of which a share `rate` is at the floor."""
    return np.where(rng.random(n) < rate, FAILED, rng.normal(mean, STD, n))


def equal_best(rate):
    """The mean with which the best of 5 is as good as that of an arm about 0.7 without failures."""
    rng = np.random.default_rng(0)
    z, fails = rng.normal(0, STD, (200_000, 5)), rng.random((200_000, 5)) < rate
    aim, low, high = 0.7 + z.max(axis=1).mean(), 0.69, 0.74
    for _ in range(16):
        mean = (low + high) / 2
        reached = np.where(fails, FAILED, mean + z).max(axis=1).mean()
        low, high = (mean, high) if reached < aim else (low, mean)
    return mean


def wrong(n, others, rate, mean, repeats):
    """Share of leaders beside which one of so many arms is said to have a higher best."""
    rng, found = np.random.default_rng(1), 0
    for _ in range(repeats):
        leader = made_up_arm(draw(rng, n, 0.0, 0.7), trivial=0.55)
        found += any(
            higher_best(made_up_arm(draw(rng, n, rate, mean), trivial=0.55), leader, others)
            for _ in range(others)
        )
    return found / repeats


if __name__ == "__main__":
    for rate in (0.0, 0.3, 0.5):
        mean = equal_best(rate)
        for n, others in itertools.product((10, 16, 32), (1, 3, 7, 15)):
            found = wrong(n, others, rate, mean, REPEATS)
            print(f"{n} seeds, {rate:.0%} of {others} other arms fail: {found:.1%}", flush=True)
