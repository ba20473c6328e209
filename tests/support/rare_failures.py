"""How often a recipe is said to score higher that scores the same, for its rare failures were not
drawn: why that sentence asks how often it would have to fail (docs/verdict.md).

    PYTHONPATH=. python tests/support/rare_failures.py
"""

import itertools
from typing import NamedTuple

import numpy as np
from drawn_scores import FAILED
from made_up import made_up_arm

from jaxtune.stats.tasks_words import judge_tasks
from jaxtune.stats.verdict import judge

REPEATS, STD = 200, 0.01


class Said(NamedTuple):
    """Shares of verdicts."""

    higher: float  # the mean of the arm that fails now and then
    plainly: float  # without how often it would have to fail
    use: float  # it, if the score alone counts


def of_equal_means(rate, n, repeats):
    """B fails in a share `rate` and A never, and A scores as much less."""
    rng, found = np.random.default_rng(3), []
    for seed in range(repeats):
        verdict = judge(_pair(rng, rate, n), seed=seed)
        higher = "[B] scores higher than [A]" in verdict.text
        higher |= "scores lower than [B]" in verdict.text
        plainly = higher and "unless [B] fails in" not in verdict.text
        found.append((higher, plainly, "alone counts, use [B]" in verdict.next_step))
    return Said(*np.mean(found, axis=0))


def over_three_tasks(rate, n, repeats):
    """The same on each of three tasks, `n` seeds each: shares of `higher` and `plainly`."""
    rng, found = np.random.default_rng(4), []
    for seed in range(repeats):
        tasks = {t: {arm.name: arm for arm in _pair(rng, rate, n)} for t in ("x", "y", "z")}
        notes = judge_tasks(tasks, seed=seed).notes
        higher = [note for note in notes if note.startswith("[B] scores better than [A]")]
        found.append((bool(higher), any("unless [B] fails in" not in note for note in higher)))
    return np.mean(found, axis=0)


def _pair(rng, rate, n):
    other = np.where(rng.random(n) < rate, FAILED, rng.normal(0.7, STD, n))
    steady = rng.normal(0.7 - rate * (0.7 - FAILED), STD, n)
    return [made_up_arm(x, name, trivial=0.55) for x, name in ((steady, "A"), (other, "B"))]


if __name__ == "__main__":
    for rate, n in itertools.product((0.05, 0.1), (8, 16, 32)):
        said = of_equal_means(rate, n, REPEATS)
        print(
            f"B fails in {rate:.0%}, {n} seeds: called higher {said.higher:.1%}, plainly"
            f" {said.plainly:.1%}, to be used {said.use:.1%}",
            flush=True,
        )
        higher, plainly = over_three_tasks(rate, n, REPEATS)
        print(f"  over three tasks: called better {higher:.1%}, plainly {plainly:.1%}", flush=True)
