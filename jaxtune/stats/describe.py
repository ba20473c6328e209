"""Numbers over the trials of one arm: the short summary a sweep writes, and the long description of
a report.
"""

import itertools
import math
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import special, stats

from jaxtune.stats.arms import Arm
from jaxtune.stats.intervals import CONFIDENCE, Estimate, Share, bootstrap, share


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One arm's trials: n, mean, std (ddof 1), min, median, max, IQM, and failures with a 95 %
    Wilson interval.

    Every finished trial counts, failed and diverged ones too. The std of a single trial is null.
    """
    final = np.array([row["final"] for row in rows], np.float64)
    failed = sum(row["failed"] for row in rows)
    interval = stats.binomtest(failed, len(rows)).proportion_ci(method="wilson")
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
        "failed": failed,
        "failed_low": float(interval.low),
        "failed_high": float(interval.high),
        "diverged": sum(row["diverged"] for row in rows),
        "stopped_early": sum(row.get("stopped_at") is not None for row in rows),
        "constant_predictions": sum(row["constant_prediction"] for row in rows),
    }


def by_arm(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows of trials.jsonl by arm, arms in order of their first trial."""
    arms: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["trial"]):
        arms.setdefault(row["arm"], []).append(row)
    return arms


def conclusion(summaries: dict[str, dict[str, Any]]) -> str:
    """What the failure counts show and do not show, in one sentence."""
    limits = (
        "this is one model, one task and one setting of everything that was not swept, so it says"
        " nothing about other learning rates, durations or data"
    )
    if len(summaries) == 1:
        (arm,) = summaries.values()
        return (
            f"{_failures(arm)} trials failed (no better than the best constant prediction);"
            f" {limits}."
        )
    pairs = itertools.combinations(summaries.items(), 2)
    (low_name, low), (high_name, high) = max(pairs, key=lambda pair: _gap(pair[0][1], pair[1][1]))
    if low["failed"] / low["n"] > high["failed"] / high["n"]:
        (low_name, low), (high_name, high) = (high_name, high), (low_name, low)
    apart = low["failed_high"] < high["failed_low"]
    relation = (
        "fails more often than"
        if apart
        else "was not shown to fail more or less often than (the intervals overlap)"
    )
    return (
        f"[{high_name}] ({_failures(high)} failed) {relation} [{low_name}] ({_failures(low)});"
        f" {limits}."
    )


def _gap(one: dict[str, Any], other: dict[str, Any]) -> float:
    return abs(one["failed"] / one["n"] - other["failed"] / other["n"])


def _failures(arm: dict[str, Any]) -> str:
    return (
        f"{arm['failed']}/{arm['n']}, 95 % interval {arm['failed_low']:.0%} to"
        f" {arm['failed_high']:.0%}"
    )


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
    """One arm. Scores of the trials that did not fail stand beside those of all trials, never
    instead of them.
    """

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
    unbiased: Float[np.ndarray, " budget"]


def expected_max(final: Float[np.ndarray, " trial"]) -> ExpectedMax:
    """What the best of n trials is expected to score, for n up to the number of trials.

    `mean` is the exact expectation for n draws with replacement from the scores seen, with a band
    of one std of that best score, cut at the scores seen (Dodge et al. 2019). It is too low on
    average, most of all for n near the number of trials: a draw may repeat, and no score beyond the
    best is in it. `unbiased` draws without replacement; its average is right and it moves more
    (Dodge et al. 2021).
    """
    scores, total = np.sort(final), final.size
    budget = np.arange(1, total + 1)
    n, rank = budget[:, None], budget[None, :]
    weights = (rank / total) ** n - ((rank - 1) / total) ** n  # [budget, trial]
    mean = weights @ scores
    std = np.sqrt(np.sum(weights * (scores - mean[:, None]) ** 2, axis=1))
    # Share of the subsets of n trials whose best has this rank; none below rank n.
    subsets = np.exp(_log_binomial(rank - 1, n - 1) - _log_binomial(np.array(total), n))
    low, high = np.clip([mean - std, mean + std], scores[0], scores[-1])
    return ExpectedMax(budget, mean, low, high, subsets @ scores)


def _log_binomial(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    return special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)


class Profile(NamedTuple):
    """Share of trials that score at least a threshold, with a band that holds at all thresholds at
    once.
    """

    threshold: Float[np.ndarray, " threshold"]
    share: Float[np.ndarray, " threshold"]
    low: Float[np.ndarray, " threshold"]
    high: Float[np.ndarray, " threshold"]


def performance_profile(
    final: Float[np.ndarray, " trial"], thresholds: Float[np.ndarray, " threshold"] | None = None
) -> Profile:
    """Performance profile of the scores, by default at each score seen.

    The 95 % band is Kolmogorov's exact one: wider than needed where scores repeat, never too
    narrow.
    """
    scores = np.sort(final)
    if thresholds is None:
        thresholds = np.unique(scores)
    at_least = 1 - np.searchsorted(scores, thresholds, side="left") / scores.size
    width = stats.kstwo.ppf(CONFIDENCE, scores.size)
    low, high = np.clip([at_least - width, at_least + width], 0, 1)
    return Profile(thresholds, at_least, low, high)
