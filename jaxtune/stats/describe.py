"""Numbers over an arm's trials: a sweep's short summary, and the long description of a report."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import special, stats

from jaxtune.stats.arms import Arm, make_arms
from jaxtune.stats.dev_error import dev_standard_error
from jaxtune.stats.intervals import (
    Estimate,
    Share,
    mean_interval,
    quantile_interval,
    share,
    std_interval,
    trimmed_mean_interval,
)
from jaxtune.storage.trial_rows import vouches


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One arm's trials: scores, and failures with a 95% Wilson interval; the std has ddof 1.

    Every finished trial counts, failed and diverged ones too, as `Arm` counts it. The std of a
    single trial is null.
    """
    (arm,) = make_arms({"": rows})
    final, failed = arm.final, share(arm.failed)
    return {
        "n": len(arm),
        "metric": arm.metric,
        "higher_is_better": arm.higher_is_better,
        "mean": float(final.mean()),
        "std": float(final.std(ddof=1)) if len(arm) > 1 else None,
        "min": float(final.min()),
        "median": float(np.median(final)),
        "max": float(final.max()),
        "iqm": float(stats.trim_mean(final, 0.25)),
        "trivial": arm.trivial,
        "failed": failed.count,
        "failed_low": failed.wilson_low,
        "failed_high": failed.wilson_high,
        "diverged": int(arm.diverged.sum()),
        "unscored": arm.num_unscored,
        "stopped_early": int(arm.stopped.sum()),
        "constant_predictions": int(arm.constant.sum()),
        **({"further": further} if (further := further_scores(rows)) else {}),
    }


def further_scores(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Mean and std of what an arm scores on each further set, by NAME/METRIC, without the trials
    that have no score there.
    """
    found = {}
    for name in (column for column in rows[0] if "/" in column and not vouches(column)):
        scores = [row[name] for row in rows if row.get(name) is not None]
        std = float(np.std(scores, ddof=1)) if len(scores) > 1 else None
        found[name] = {"mean": float(np.mean(scores)) if scores else None, "std": std}
    return found


BUDGET = 5  # seeds whose best is announced
# One-sided level of a higher expected best, over all arms that it was looked for in: what is said
# of arms with equal ones is wrong in 0 to 2 of 100 cases (tests/support/best_of_few.py).
CLEARLY = 0.005
FEWEST_FOR_BEST = 3  # seeds: the std of two says next to nothing
EXTREME = "what other seeds reach is the expected best"


class Statistics(NamedTuple):
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
    trivial: float | None
    failed: Share  # says nothing where the arm is not judged
    diverged: Share
    constant: Share
    num_unscored: int  # trials without a finite score, which count with the trivial one
    all: Statistics
    not_failed: Statistics
    dev_error: Estimate


def describe(arm: Arm, num_dev: int | None = None) -> Description:
    """Everything about one arm.

    Args:
        num_dev: examples of the dev set, for its standard error.
    """
    return Description(
        name=arm.name,
        metric=arm.metric,
        trivial=arm.trivial,
        failed=share(arm.failed),
        diverged=share(arm.diverged),
        constant=share(arm.constant),
        num_unscored=arm.num_unscored,
        all=describe_scores(arm.final),
        not_failed=describe_scores(arm.final[~arm.failed]),
        dev_error=dev_standard_error(arm, num_dev),
    )


def describe_scores(final: Float[np.ndarray, " trial"]) -> Statistics:
    """Mean, spread and order statistics of any number of scores.

    The extremes have no interval: what they would be of other seeds is another question, that of
    the expected best.
    """
    if final.size == 0:
        return Statistics(0, *[Estimate(None, reason="there are no such trials")] * 8)
    return Statistics(
        n=final.size,
        mean=mean_interval(final),
        std=std_interval(final),
        min=Estimate(float(final.min()), reason=EXTREME),
        lower_quartile=quantile_interval(final, 0.25),
        median=quantile_interval(final, 0.5),
        upper_quartile=quantile_interval(final, 0.75),
        max=Estimate(float(final.max()), reason=EXTREME),
        iqm=trimmed_mean_interval(final),
    )


class ExpectedMax(NamedTuple):
    """Expected best score of 1, 2, ... trials."""

    num_trials: Int[np.ndarray, " budget"]
    mean: Float[np.ndarray, " budget"]
    std: Float[np.ndarray, " budget"]  # of that best score
    low: Float[np.ndarray, " budget"]  # one std of the best score below the mean
    high: Float[np.ndarray, " budget"]


def expected_max(final: Float[np.ndarray, " trial"]) -> ExpectedMax:
    """What the best of n trials is expected to score, for n up to the number of trials.

    The exact expectation over n different ones of the trials seen, which is right on average
    (Dodge et al. 2021; draws with replacement are too low, by 0.16 to 0.29 seed-stds for 3 to 8
    trials). Of all trials it is simply the best score seen, which knows nothing of others. The
    band is one std of that best score, cut at the scores seen.
    """
    scores, total = np.sort(final), final.size
    budget = np.arange(1, total + 1)
    n, rank = budget[:, None], budget[None, :]
    # The chance that the trial of this rank is the best of n: the n - 1 others lie below it. By
    # logs, for the binomials of many trials overflow.
    log_choose = special.gammaln(np.arange(total + 1) + 1)
    below = rank - 1
    possible = below >= n - 1
    logs = (
        log_choose[below]
        - log_choose[n - 1]
        - log_choose[np.where(possible, below - n + 1, 0)]
        - (log_choose[total] - log_choose[n] - log_choose[total - n])
    )
    weights = np.where(possible, np.exp(logs), 0.0)  # [budget, trial]
    mean = weights @ scores
    std = np.sqrt(np.sum(weights * (scores - mean[:, None]) ** 2, axis=1))
    low, high = np.clip([mean - std, mean + std], scores[0], scores[-1])
    return ExpectedMax(budget, mean, std, low, high)


def expected_best(arm: Arm) -> ExpectedMax:
    """`expected_max` of an arm's scores, or, where lower is better, the expected smallest one."""
    best = expected_max(arm.merit)
    if arm.higher_is_better:
        return best
    return best._replace(mean=-best.mean, low=-best.high, high=-best.low)


def best_of(arm: Arm, budget: int) -> float:
    """Expected best score of so many seeds of an arm."""
    return float(expected_best(arm).mean[budget - 1])


class HigherBest(NamedTuple):
    """What the best of so many seeds of two arms is expected to score."""

    budget: int
    one: float
    other: float


def higher_best(one: Arm, other: Arm, num_looked_at: int = 1) -> HigherBest | None:
    """Where the best of a few seeds of `one` is clearly expected to be better than of `other`.

    Clearly: by so many standard errors as Student's t has at `CLEARLY` over `num_looked_at`
    (Bonferroni). The error is that of a mean over as many disjoint sets of so many trials as there
    are, which is somewhat more than the estimate's own. Of few trials it is itself uncertain, which
    the normal law does not allow for: with 10 seeds and 15 unstable arms that law is wrong in 22 of
    100 cases. Degrees of freedom are the trials less the budget, of the smaller arm: less than n -
    1, for the best of several hangs on the upper trials alone, and n - 1 of a budget of one.

    Args:
        num_looked_at: arms that were looked at for a higher best than `other`'s.
    """
    if min(len(one), len(other)) < FEWEST_FOR_BEST:
        return None
    budget = min(BUDGET, len(one) // 2, len(other) // 2)
    best = [expected_max(arm.merit) for arm in (one, other)]
    means = [float(b.mean[budget - 1]) for b in best]
    errors = [
        float(b.std[budget - 1]) ** 2 * budget / len(arm)
        for b, arm in zip(best, (one, other), strict=True)
    ]
    freedom = min(len(one), len(other)) - budget
    reach = float(stats.t.ppf(1 - CLEARLY / num_looked_at, freedom))
    if means[0] - means[1] > reach * math.sqrt(sum(errors)):
        return HigherBest(budget, best_of(one, budget), best_of(other, budget))
    return None
