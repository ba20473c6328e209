"""How far two arms lie apart, with intervals at the level that their tests are held to."""

import functools
import math
import warnings
from typing import NamedTuple

import numpy as np
from scipy import stats

from jaxtune.stats.intervals import (
    CONFIDENCE,
    Estimate,
    Scores,
    Share,
    all_alike,
    cannot_have_interval,
    freedom_of,
    log_std,
    log_variance_error,
    mapped,
    normal_quantile,
)


def share_difference(one: Share, other: Share, confidence: float = CONFIDENCE) -> Estimate:
    """Share of one minus share of the other.

    Source: Newcombe 1998, method 10, which joins the two Wilson intervals; scipy has none.
    """
    difference = one.value - other.value
    (one_low, one_high), (other_low, other_high) = (
        _wilson(part.count, part.n, confidence) for part in (one, other)
    )
    low = math.hypot(one.value - one_low, other_high - other.value)
    high = math.hypot(one_high - one.value, other.value - other_low)
    ends = float(difference - low), float(difference + high)
    return Estimate(difference, *ends, "Newcombe", confidence=confidence)


@functools.cache
def _wilson(count: int, n: int, confidence: float) -> tuple[float, float]:
    return stats.binomtest(count, n).proportion_ci(confidence, method="wilson")


def mean_difference(
    one: Scores, other: Scores, *, paired: bool = False, confidence: float = CONFIDENCE
) -> Estimate:
    """Mean of one minus mean of the other, with Welch's interval, or that of the paired t.

    Args:
        paired: the two are in one order of the same seeds.
    """
    difference = float(one.mean() - other.mean())
    reason = cannot_have_interval(one, other)
    if reason:
        return Estimate(difference, reason=reason)
    if paired and all_alike(one - other):
        return Estimate(difference, reason="every seed differs by the same")
    if not paired and all_alike(one) and all_alike(other):
        return Estimate(difference, reason="neither arm varies")
    with warnings.catch_warnings():
        # About an arm whose scores are all equal, which is no rounding here.
        warnings.simplefilter("ignore", RuntimeWarning)
        test = (
            stats.ttest_rel(one, other) if paired else stats.ttest_ind(one, other, equal_var=False)
        )
    ends, method = test.confidence_interval(confidence), "paired t" if paired else "Welch's t"
    return Estimate(difference, float(ends.low), float(ends.high), method, confidence=confidence)


def std_ratio(one: Scores, other: Scores, confidence: float = CONFIDENCE) -> Estimate:
    """Std of one over std of other, with the interval that Bonett's two standard errors give."""
    if min(one.size, other.size) < 2:
        return Estimate(None, reason="one trial has no std")
    if all_alike(one) or all_alike(other):
        return Estimate(None, reason="an arm does not vary")
    value = float(one.std(ddof=1) / other.std(ddof=1))
    reason = cannot_have_interval(one, other)
    z = normal_quantile(confidence)
    if reason or min(one.size, other.size) <= z:
        return Estimate(value, reason=reason or "too few trials at this level")
    centre = log_std(one, z) - log_std(other, z)
    reach = 0.5 * z * math.hypot(log_variance_error(one, z), log_variance_error(other, z))
    low, high = math.exp(centre - reach), math.exp(centre + reach)
    return Estimate(value, low, high, "Bonett", confidence=confidence)


def improvement(one: Scores, other: Scores, confidence: float = CONFIDENCE) -> Estimate:
    """Chance that a trial of one scores higher than one of the other, ties half.

    Of errors, which are better when lower, give the merits.
    The interval is Brunner and Munzel's (2000), made on the logit scale so that it stays between 0
    and 1.
    """
    ranks = stats.rankdata(np.concatenate([one, other]))
    # How many of the other arm each score beats, ties half.
    one_beats = ranks[: one.size] - stats.rankdata(one)
    other_beats = ranks[one.size :] - stats.rankdata(other)
    value = float(one_beats.mean() / other.size)
    reason = cannot_have_interval(one, other)
    if value in (0.0, 1.0):
        reason = "every trial of one arm beats every trial of the other"
    if reason:
        return Estimate(value, reason=reason)
    # Each variance is of a mean share: of trials beaten over the size of the arm they are in.
    parts = [
        float(np.var(one_beats, ddof=1)) / other.size**2 / one.size,
        float(np.var(other_beats, ddof=1)) / one.size**2 / other.size,
    ]
    if sum(parts) == 0:
        return Estimate(value, reason="too few different scores")
    freedom = freedom_of(parts, [one.size - 1, other.size - 1])
    centre = math.log(value / (1 - value))
    reach = float(stats.t.ppf(0.5 + confidence / 2, freedom)) * math.sqrt(sum(parts))
    reach /= value * (1 - value)  # the slope of the logit
    low, high = (1 / (1 + math.exp(-end)) for end in (centre - reach, centre + reach))
    return Estimate(value, low, high, "Brunner-Munzel", confidence=confidence)


class Effects(NamedTuple):
    """One arm less (or over) another."""

    failures: Estimate  # difference of rates
    std_ratio: Estimate
    mean: Estimate  # difference
    improvement: Estimate

    def turned(self) -> "Effects":
        """Seen from the other arm."""
        return Effects(
            mapped(self.failures, lambda value: -value),
            mapped(self.std_ratio, lambda value: 1 / value),
            mapped(self.mean, lambda value: -value),
            mapped(self.improvement, lambda value: 1 - value),
        )
