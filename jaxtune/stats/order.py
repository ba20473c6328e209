"""Whose scores lie higher, trial against trial and quantile against quantile."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

from jaxtune.core.failure import ROUNDING
from jaxtune.stats.intervals import Estimate, Reduced, Scores, mapped

# Below it one arm lies above the other almost everywhere, as Ulmer et al. (2022) advise. Between
# equal arms of 8 to 32 trials eps-min lies below 0.5, as first proposed, in 26 to 39 of 100 cases
# (either way), and below 0.2 in 3 to 12 (tests/stats/test_order.py): no test by itself, so that
# sentences ask for a difference of the location too.
ALMOST = 0.2
NUM_RESAMPLES = 1000

Sorted = Float[np.ndarray, "*resample _trial"]


class Order(NamedTuple):
    """Of one arm over another, by merits: larger is better."""

    wins_clearly: float | None  # share of pairs of trials won by more than the margin
    losses_clearly: float | None  # both None without a margin
    # Share of the distance between the arms' quantiles where one lies below the other: 0 is
    # dominance, 1 that of the other. `high` is ASO's eps-min.
    violation: Estimate

    @property
    def better(self) -> int:
        """1 where one lies above the other almost everywhere, -1 the other way, 0 where neither."""
        low, high = self.violation.low, self.violation.high
        if low is None or high is None:
            return 0
        return 1 if high < ALMOST else -1 if low > 1 - ALMOST else 0

    def turned(self) -> "Order":
        """Seen from the other arm."""
        violation = mapped(self.violation, lambda share: 1 - share)
        return Order(self.losses_clearly, self.wins_clearly, violation)


def order(one: Scores, other: Scores, margin: float | None, alpha: float, seed: int) -> Order:
    """Order of two arms' merits.

    Args:
        margin: by how much a win must be higher to count as clear.
        alpha: one-sided level of each end of the violation's interval.
    """
    clear = (None, None)
    if margin is not None:
        gaps = one[:, None] - other[None]
        least = margin + ROUNDING  # 0.72 - 0.70 is above 0.02
        clear = float((gaps > least).mean()), float((gaps < -least).mean())
    return Order(*clear, almost_dominance(one, other, alpha, seed))


def almost_dominance(one: Scores, other: Scores, alpha: float, seed: int) -> Estimate:
    """How far one is from lying above the other at every quantile; the upper end is eps-min.

    Source: Dror, Shlomov and Reichart 2019 (ASO), Ulmer, Hardmeier and Frellsen 2022 (deepsig),
    after del Barrio et al. 2018: of the squared distance between the two quantile functions, the
    share where one is the lower; its error by bootstrap, its law taken as normal.
    """
    value = violation(np.sort(one), np.sort(other))
    if math.isnan(value):
        return Estimate(None, reason="the scores of both arms are the same")
    rng = np.random.default_rng(seed)
    drawn = [
        np.sort(rng.choice(scores, (NUM_RESAMPLES, scores.size)), axis=1) for scores in (one, other)
    ]
    shares = violation(*drawn)
    reach = float(stats.norm.ppf(1 - alpha)) * float(np.nanstd(shares, ddof=1))
    low, high = max(0.0, float(value) - reach), min(1.0, float(value) + reach)
    return Estimate(float(value), low, high, "ASO", confidence=1 - 2 * alpha)


def share_above(one: Scores, other: Scores) -> float:
    """The share of quantiles at which one lies above the other; ties are none."""
    gaps, width = _gaps(np.sort(one), np.sort(other))
    return float(np.sum(width * (gaps > 0)) / np.sum(width))


def violation(one: Sorted, other: Sorted) -> Reduced:
    """Of samples sorted along the last axis; nan where they are the same."""
    gaps, width = _gaps(one, other)
    squares = gaps**2 * width
    with np.errstate(invalid="ignore"):
        return np.sum(squares * (gaps < 0), axis=-1) / np.sum(squares, axis=-1)


def _gaps(one: Sorted, other: Sorted) -> tuple[np.ndarray, np.ndarray]:
    """Differences of two quantile functions, and how wide each step of either is: both are steps,
    so that integrals are sums.
    """
    n, m = one.shape[-1], other.shape[-1]
    edges = np.union1d(np.arange(n + 1) * m, np.arange(m + 1) * n)  # in parts of 1 / (n m)
    middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    gaps = one[..., (middle // m).astype(int)] - other[..., (middle // n).astype(int)]
    return gaps, width
