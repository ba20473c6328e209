"""How much a score owes to the luck of the dev examples: its standard error over dev sets.

All trials share one dev set, so it is no part of the seed std; a seed std below it is small beside
that luck.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Shaped

from jaxtune.core.entities import Sentences
from jaxtune.core.metrics import METRICS, evaluate
from jaxtune.stats.arms import Arm
from jaxtune.stats.intervals import Estimate
from jaxtune.stats.new_examples import MOST_DRAWN, NUM_RESAMPLES, resampled_scores

# A score computed again from the predictions may differ by the rounding of another machine.
SAME = 1e-6

Logits = Float[np.ndarray, "example label"]


def dev_standard_error(arm: Arm, num_dev: int | None) -> Estimate:
    """Std of a trial's score over other dev sets of this size.

    Of an accuracy, a share of right answers, from the binomial distribution at the arm's mean; of
    any other metric, and of the accuracy over words, what `bootstrapped` has found.
    """
    if arm.metric != "accuracy" or arm.settings.get("token_classification"):
        return arm.dev_error
    if num_dev is None:
        return Estimate(None, reason="the size of the dev set is not known")
    mean = float(arm.final.mean())
    return Estimate(math.sqrt(mean * (1 - mean) / num_dev), method="binomial")


def bootstrapped(
    arm: Arm,
    logits: Sequence[Logits | None],
    labels: Shaped[np.ndarray, "labelled ..."] | None,
    positive: int = 1,
    seed: int = 0,
    sentences: Sentences | None = None,
) -> Estimate:
    """Std of the score of the arm's middle trial over resamples of the dev examples.

    The middle one (the lower median) of those that did not fail stands for the arm: a failed one's
    answers are constant, and their luck is another.

    Args:
        logits: of each trial, in the order of the arm's scores; None where they are not there.
        labels: of the dev examples, in the order of the logits.
        positive: the class that F1 is of.
        sentences: where the examples are words; whole sentences are drawn.
    """
    if reason := _why_not(arm, logits, labels):
        return Estimate(None, reason=reason)
    assert labels is not None
    order = np.argsort(arm.final, kind="stable")
    fit = [i for i in order if not arm.failed[i] and logits[i] is not None]
    middle = fit[(len(fit) - 1) // 2]
    chosen = logits[middle]
    assert chosen is not None

    def score(rows: np.ndarray | slice, sentences: Sentences | None = None) -> float:
        found = evaluate([arm.metric], chosen[rows], labels[rows], positive, sentences)
        return found[arm.metric]

    whole = slice(None)
    if len(chosen) != len(labels) or abs(score(whole, sentences) - arm.final[middle]) > SAME:
        return Estimate(None, reason="the dev labels do not give the trials' scores")
    if sentences is not None:
        draws = resampled_scores(arm.metric, [chosen], labels, positive, seed, sentences)
        return _spread(draws[:, 0], 1.0, "sentences")
    rng, drawn = np.random.default_rng(seed), min(len(labels), MOST_DRAWN)
    scores = [score(rng.choice(len(labels), drawn)) for _ in range(NUM_RESAMPLES)]
    return _spread(scores, math.sqrt(drawn / len(labels)), "examples")


def _why_not(
    arm: Arm, logits: Sequence[Logits | None], labels: Shaped[np.ndarray, "labelled ..."] | None
) -> str:
    """Why no trial's score can be drawn anew; empty where one can."""
    if labels is None and not any(each is not None for each in logits):
        return "there are no predictions on the dev examples"
    if labels is None:
        return "the dev labels (predictions/labels.npy) are not there"
    if arm.metric not in METRICS:  # another trainer's own
        return f"jaxtune does not know the metric {arm.metric}"
    if all(failed or own is None for failed, own in zip(arm.failed, logits, strict=True)):
        return "no trial that did not fail has predictions"
    return ""


def _spread(scores: Sequence[float] | np.ndarray, factor: float, of: str) -> Estimate:
    if min(scores) == max(scores):  # such as of no mistake, which is not to say that none can be
        return Estimate(None, reason=f"every resample of the dev {of} gives the same score")
    error = float(np.std(scores, ddof=1)) * factor
    return Estimate(error, method=f"bootstrap over the dev {of}")
