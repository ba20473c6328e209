"""Scores of several tasks on one scale, their interquartile mean and performance profiles.

Source: Agarwal et al. 2021, arXiv 2108.13264.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

from jaxtune.core.metrics import METRICS
from jaxtune.stats.arms import Arm
from jaxtune.stats.intervals import CONFIDENCE, FEWEST_TRIALS, Estimate, Scores

NUM_RESAMPLES = 2000
LEVELS = np.linspace(-0.1, 1.0, 111)


class Profile(NamedTuple):
    """Share of a recipe's runs that score above each level, over all tasks alike."""

    levels: Float[np.ndarray, " level"]
    share: Float[np.ndarray, " level"]
    low: Float[np.ndarray, " level"]
    high: Float[np.ndarray, " level"]


class Aggregate(NamedTuple):
    """A recipe over all tasks, where 0 is the best constant prediction and 1 no error."""

    iqm: Estimate
    profile: Profile


def normalised(arm: Arm) -> Scores | None:
    """How far the scores have come from the floor to an answer without error; None where either
    end is not known.
    """
    if arm.trivial is None:
        return None
    known = arm.metric in METRICS
    if not known and not (np.abs(arm.final) <= 1).all():
        return None  # a metric of which the best value is not known
    if not known and arm.higher_is_better and arm.final.max() <= 0:
        return None  # no share and no correlation, but perhaps a log-likelihood
    best = 1.0 if arm.higher_is_better else 0.0
    if best == arm.trivial:
        return None
    return (arm.final - arm.trivial) / (best - arm.trivial)


def aggregate(arms: Sequence[Arm], seed: int = 0) -> Aggregate | None:
    """Of a recipe's arms on its tasks; None where a task has no common scale.

    Trials are drawn anew within each task; None also where one has fewer than FEWEST_TRIALS: of 3
    in each of two tasks the interval holds the true value in 87 of 100 cases where it says 95, of
    8 in 92 (tests/support/few_trials.py). The interval of the interquartile mean, 25 % cut at
    either end of all tasks' scores together, is that of the percentiles.
    """
    scaled = [normalised(arm) for arm in arms]
    scores = [each for each in scaled if each is not None]
    if len(scores) < len(arms) or min(map(len, scores)) < FEWEST_TRIALS:
        return None
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(own, (NUM_RESAMPLES, own.size)) for own in scores]
    together, resamples = np.concatenate(scores), np.concatenate(drawn, axis=1)
    ends = (0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2)
    low, high = np.quantile(stats.trim_mean(resamples, 0.25, axis=1), ends)
    iqm = Estimate(
        float(stats.trim_mean(together, 0.25)), float(low), float(high), "stratified bootstrap"
    )
    # Each task counts alike, however many trials it has.
    share = np.mean([_above(own) for own in scores], axis=0)
    shares = np.mean([_above(own) for own in drawn], axis=0)
    bands = np.quantile(shares, ends, axis=0)
    return Aggregate(iqm, Profile(LEVELS, share, bands[0], bands[1]))


def _above(scores: Float[np.ndarray, "*resample trial"]) -> Float[np.ndarray, "*resample level"]:
    """By sorting, for levels times trials times resamples are many."""
    ordered = np.sort(scores, axis=-1)
    if ordered.ndim == 1:
        return 1 - np.searchsorted(ordered, LEVELS, side="right") / ordered.size
    return np.stack([_above(own) for own in ordered])
