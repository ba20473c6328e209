"""Two samples whose trials are dealt to them anew, or swapped seed by seed: all ways, or many drawn
at random; and the p that these give.
"""

import itertools
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from jaxtune.stats.intervals import BATCH_NUMBERS, Reduced, Scores

# Of two samples along an axis.
Statistic = Callable[..., Reduced]


def all_ways(one: Scores, other: Scores, statistic: Statistic) -> Float[np.ndarray, " way"]:
    """The statistic for every way of dealing the trials."""
    pooled = np.concatenate([one, other])
    ways = np.array([*itertools.combinations(range(pooled.size), one.size)])
    is_other = np.ones((len(ways), pooled.size), bool)
    np.put_along_axis(is_other, ways, False, axis=1)
    rest = np.broadcast_to(pooled, is_other.shape)[is_other].reshape(len(ways), -1)
    return np.asarray(statistic(pooled[ways], rest, axis=1))


def dealt(
    one: Scores, other: Scores, statistic: Statistic, num_resamples: int, rng: np.random.Generator
) -> Float[np.ndarray, "resample ..."]:
    """The statistic, of one number or several, where trials are dealt to the two arms at random.

    scipy's permutation test takes 27 us for each, for it deals them in Python.
    """
    pooled = np.concatenate([one, other])
    batch = max(1, BATCH_NUMBERS // pooled.size)
    found = []
    for start in range(0, num_resamples, batch):
        size = min(batch, num_resamples - start)
        rows = rng.permuted(np.tile(pooled, (size, 1)), axis=1)
        found.append(statistic(rows[:, : one.size], rows[:, one.size :], axis=1))
    return np.concatenate(found)


def two_sided(
    seen: float, drawn: Float[np.ndarray, " resample"], scale: float = 1.0, whole: bool = False
) -> tuple[float, bool]:
    """p of a permutation test, and whether no resample was as extreme: then it is a bound.

    Args:
        scale: of the statistic; scores are counts over a number of examples, and permutations whose
            statistics are equal up to rounding, many of them, count as as extreme. scipy's own
            permutation test has no such margin, and finds differences that are not there
            (tests/support/ties_and_ratios.py).
        whole: these are all permutations, what was seen among them.
    """
    if not math.isfinite(seen):
        return 1.0, False
    near = 1e-9 * max(abs(seen), scale)
    fewest = int(min(np.sum(drawn >= seen - near), np.sum(drawn <= seen + near)))
    if whole:
        return min(2 * fewest / drawn.size, 1.0), False
    return min(2 * (fewest + 1) / (drawn.size + 1), 1.0), fewest == 0


def all_swaps(gaps: Scores) -> Float[np.ndarray, " way"]:
    """The mean for every way of swapping the two arms' scores of some seeds."""
    signs = np.array([*itertools.product((1.0, -1.0), repeat=gaps.size)])
    return signs @ gaps / gaps.size


def swapped(
    gaps: Scores, num_resamples: int, rng: np.random.Generator
) -> Float[np.ndarray, " resample"]:
    """The mean where seeds are swapped at random."""
    batch = max(1, BATCH_NUMBERS // gaps.size)
    found = []
    for start in range(0, num_resamples, batch):
        signs = rng.integers(0, 2, (min(batch, num_resamples - start), gaps.size)) * 2.0 - 1.0
        found.append(signs @ gaps / gaps.size)
    return np.concatenate(found)
