"""Numbers over an arm's trials: a sweep's short summary, and the long description of a report."""

import itertools
import math
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from jaxtune.stats.arms import Arm
from jaxtune.stats.intervals import Estimate, Share, bootstrap, share

LIMITS = (
    "this is one model, one task and one setting of everything that was not swept, so it says"
    " nothing about other learning rates, durations or data"
)


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One arm's trials: scores, and failures with a 95 % Wilson interval; the std has ddof 1.

    Every finished trial counts, failed and diverged ones too. The std of a single trial is null.
    """
    final = np.array([row["final"] for row in rows], np.float64)
    failed = share(np.array([bool(row["failed"]) for row in rows]))
    return {
        "n": len(rows),
        "metric": rows[0]["metric"],
        "mean": float(final.mean()),
        "std": float(final.std(ddof=1)) if len(rows) > 1 else None,
        "min": float(final.min()),
        "median": float(np.median(final)),
        "max": float(final.max()),
        "iqm": float(stats.trim_mean(final, 0.25)),
        "trivial": rows[0]["trivial"],
        "failed": failed.count,
        "failed_low": failed.wilson_low,
        "failed_high": failed.wilson_high,
        "diverged": sum(row["diverged"] for row in rows),
        "stopped_early": sum(row.get("stopped_at") is not None for row in rows),
        "constant_predictions": sum(row["constant_prediction"] for row in rows),
    }


def conclusion(summaries: dict[str, dict[str, Any]]) -> str:
    """What the failure counts show and do not show, in one sentence."""
    if len(summaries) == 1:
        (arm,) = summaries.values()
        return (
            f"{_failures(arm)} trials failed (no better than the best constant prediction);"
            f" {LIMITS}."
        )

    def rate(name: str) -> float:
        return summaries[name]["failed"] / summaries[name]["n"]

    pairs = itertools.combinations(summaries, 2)
    low, high = max(pairs, key=lambda pair: abs(rate(pair[0]) - rate(pair[1])))
    if rate(low) > rate(high):
        low, high = high, low
    relation = "was not shown to fail more or less often than (the intervals overlap)"
    if summaries[low]["failed_high"] < summaries[high]["failed_low"]:
        relation = "fails more often than"
    return (
        f"[{high}] ({_failures(summaries[high])} failed) {relation}"
        f" [{low}] ({_failures(summaries[low])}); {LIMITS}."
    )


def _failures(arm: dict[str, Any]) -> str:
    interval = f"{arm['failed_low']:.0%} to {arm['failed_high']:.0%}"
    return f"{arm['failed']}/{arm['n']}, 95 % interval {interval}"


class Scores(NamedTuple):
    """What there is to say about a set of final scores."""

    n: int
    mean: Estimate
    std: Estimate  # ddof 1
    min: Estimate
    lower_quartile: Estimate
    median: Estimate
    upper_quartile: Estimate
    max: Estimate
    iqm: Estimate  # mean of the middle half


class Description(NamedTuple):
    """One arm. The trials that did not fail stand beside all trials, never instead of them."""

    name: str
    metric: str
    trivial: float
    failed: Share  # diverged ones too
    diverged: Share
    constant: Share
    num_unscored: int  # trials without a finite score, which count with the trivial one
    all: Scores
    not_failed: Scores
    dev_error: Estimate


def describe(arm: Arm, num_dev: int | None = None, seed: int = 0) -> Description:
    """Everything about one arm.

    Args:
        num_dev: examples of the dev set, for its standard error.
        seed: of the bootstrap.
    """
    return Description(
        name=arm.name,
        metric=arm.metric,
        trivial=arm.trivial,
        failed=share(arm.failed),
        diverged=share(arm.diverged),
        constant=share(arm.constant),
        num_unscored=arm.num_unscored,
        all=describe_scores(arm.final, seed),
        not_failed=describe_scores(arm.final[~arm.failed], seed),
        dev_error=dev_standard_error(arm.metric, float(arm.final.mean()), num_dev),
    )


def describe_scores(final: Float[np.ndarray, " trial"], seed: int = 0) -> Scores:
    """Mean, spread and order statistics of any number of scores, with bootstrap intervals.

    The interval of the extremes is open outwards: no resample holds a better trial than the best
    one seen.
    """
    if final.size == 0:
        return Scores(0, *[Estimate(None, reason="there are no such trials")] * 8)

    def quantile(share: float) -> Estimate:
        return bootstrap((final,), lambda x, axis: np.quantile(x, share, axis=axis), seed=seed)

    return Scores(
        n=final.size,
        mean=bootstrap((final,), np.mean, seed=seed),
        std=_std(final, seed),
        min=_open(bootstrap((final,), np.min, seed=seed), "low"),
        lower_quartile=quantile(0.25),
        median=quantile(0.5),
        upper_quartile=quantile(0.75),
        max=_open(bootstrap((final,), np.max, seed=seed), "high"),
        iqm=bootstrap((final,), lambda x, axis: stats.trim_mean(x, 0.25, axis=axis), seed=seed),
    )


def _open(extreme: Estimate, end: Literal["low", "high"]) -> Estimate:
    """An interval with one end taken away, where it has ends."""
    if extreme.low is None:
        return extreme
    kept = {"low": extreme.low, "high": extreme.high} | {end: None}
    return extreme._replace(low=kept["low"], high=kept["high"], reason="open outwards")


def _std(final: np.ndarray, seed: int) -> Estimate:
    if final.size == 1:
        return Estimate(None, reason="one trial has no std")
    return bootstrap((final,), lambda x, axis: np.std(x, axis=axis, ddof=1), seed=seed)


def dev_standard_error(metric: str, mean: float, num_dev: int | None) -> Estimate:
    """Std of an accuracy over other dev sets of this size, from the binomial distribution.

    A seed std below it is small beside the luck of the examples. All trials share one dev set, so
    it is no part of the seed std.
    """
    if metric != "accuracy":
        return Estimate(None, reason=f"{metric} is not a share of right answers")
    if num_dev is None:
        return Estimate(None, reason="the size of the dev set is not known")
    return Estimate(math.sqrt(mean * (1 - mean) / num_dev), method="binomial")


class ExpectedMax(NamedTuple):
    """Expected best score of 1, 2, ... trials."""

    num_trials: Int[np.ndarray, " budget"]
    mean: Float[np.ndarray, " budget"]
    low: Float[np.ndarray, " budget"]  # one std of the best score below the mean
    high: Float[np.ndarray, " budget"]


def expected_max(final: Float[np.ndarray, " trial"]) -> ExpectedMax:
    """What the best of n trials is expected to score, for n up to the number of trials.

    `mean` is the exact expectation for n draws with replacement from the scores seen, with a band
    of one std of that best score, cut at the scores seen (Dodge et al. 2019). It is too low on
    average, most of all for n near the number of trials: a draw may repeat, and no score beyond the
    best is in it.
    """
    scores, total = np.sort(final), final.size
    budget = np.arange(1, total + 1)
    n, rank = budget[:, None], budget[None, :]
    weights = (rank / total) ** n - ((rank - 1) / total) ** n  # [budget, trial]
    mean = weights @ scores
    std = np.sqrt(np.sum(weights * (scores - mean[:, None]) ** 2, axis=1))
    low, high = np.clip([mean - std, mean + std], scores[0], scores[-1])
    return ExpectedMax(budget, mean, low, high)
