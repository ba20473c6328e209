"""Is it the recipe or the dev set: what of a spread or a difference between runs is the luck of the
dev examples.

All runs share one dev set, so that tests over seeds speak of these examples alone. Here the
examples are drawn anew as well.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy import stats

from jaxtune.core.metrics import evaluate, predict
from jaxtune.stats.intervals import CONFIDENCE, Estimate, Scores, cannot_have_interval, std_interval

# A std of so many resamples is itself known to 2 %.
NUM_RESAMPLES = 1000
# Metrics that are no counts of answers are computed resample by resample: fewer of them.
MOST_EVALUATIONS, FEWEST_RESAMPLES = 20_000, 200
# Of more examples so many are drawn; a standard error falls with the root of their number.
MOST_DRAWN = 5000
BATCH = 100  # resamples at once: keeps their counts of 40,430 examples within 32 MB

Draws = Float[np.ndarray, "resample _trial"]
Classes = Int[np.ndarray, "trial example"]


def resampled_scores(
    metric: str,
    logits: Sequence[Float[np.ndarray, "example label"]],
    labels: Shaped[np.ndarray, "example ..."],
    positive: int = 1,
    seed: int = 0,
) -> Draws:
    """Scores of trials on resamples of the dev examples; the same ones for every arm of one seed.

    Where fewer examples are drawn than there are, the scores are drawn towards those on all of
    them, so that they vary as those of whole dev sets do.

    Args:
        logits: of each trial.
        labels: where a text may have several, 0 or 1 for each `[example, label]`.
        positive: the class that F1 is of.
    """
    counted = metric in _BY_COUNTS and labels.ndim == 1  # else an answer is no class
    repeats = NUM_RESAMPLES
    if not counted:
        repeats = min(repeats, max(FEWEST_RESAMPLES, MOST_EVALUATIONS // len(logits)))
    rng, size = np.random.default_rng(seed), len(labels)
    drawn = min(size, MOST_DRAWN)
    rows = [rng.integers(0, size, drawn) for _ in range(repeats)]
    if counted:
        classes = np.stack([predict(trial) for trial in logits])
        found = _by_counts(metric, classes, labels, rows, positive)
    else:
        found = np.array(
            [[evaluate([metric], t[r], labels[r], positive)[metric] for t in logits] for r in rows]
        )
    if drawn < size:
        centre = found.mean(axis=0)
        found = centre + (found - centre) * math.sqrt(drawn / size)
    return found


def _by_counts(
    metric: str,
    classes: Classes,
    labels: Int[np.ndarray, " example"],
    rows: Sequence[Int[np.ndarray, " drawn"]],
    positive: int,
) -> Draws:
    """Products of how often each example was drawn with what was answered for it."""
    every = np.union1d(classes, labels)
    is_label = np.stack([labels == each for each in every])  # [class, example]
    is_answer = np.stack([classes == each for each in every])  # [class, trial, example]
    # Whole numbers far below 2^24, which float32 holds exactly.
    answers, right = (
        [np.ascontiguousarray(own.T, np.float32) for own in part]
        for part in (is_answer, is_answer & is_label[:, None])
    )
    found = []
    for start in range(0, len(rows), BATCH):
        times = np.stack(
            [np.bincount(own, minlength=len(labels)) for own in rows[start : start + BATCH]]
        ).astype(np.float32)
        present = (times @ is_label.T.astype(np.float32)).astype(np.float64)
        present = present[:, None]  # [resample, 1, class]
        # [resample, trial, class]
        answered, hits = (
            np.stack([times @ own for own in part], axis=2).astype(np.float64)
            for part in (answers, right)
        )
        at = np.flatnonzero(every == positive)
        found.append(_BY_COUNTS[metric](hits, answered, present, at))
    return np.concatenate(found)


def _accuracy(hits: np.ndarray, answered: np.ndarray, present: np.ndarray, at: np.ndarray) -> Draws:
    return hits.sum(axis=2) / present.sum(axis=2)


def _each_f1(hits: np.ndarray, answered: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Of every class; nan of one that is neither present nor answered."""
    both = answered + present
    return np.divide(2 * hits, both, out=np.full(hits.shape, np.nan), where=both > 0)


def _f1(hits: np.ndarray, answered: np.ndarray, present: np.ndarray, at: np.ndarray) -> Draws:
    if not at.size:
        return np.zeros(hits.shape[:2])
    return np.nan_to_num(_each_f1(hits, answered, present)[..., at[0]])


def _macro_f1(hits: np.ndarray, answered: np.ndarray, present: np.ndarray, at: np.ndarray) -> Draws:
    return np.nanmean(_each_f1(hits, answered, present), axis=2)


def _balanced(hits: np.ndarray, answered: np.ndarray, present: np.ndarray, at: np.ndarray) -> Draws:
    there = np.broadcast_to(present > 0, hits.shape)
    recalls = np.divide(hits, present, out=np.full(hits.shape, np.nan), where=there)
    return np.nanmean(recalls, axis=2)


def _matthews(hits: np.ndarray, answered: np.ndarray, present: np.ndarray, at: np.ndarray) -> Draws:
    """As `core.metrics.matthews`, in floats: the counts are far below 2^26."""
    total = present.sum(axis=2)
    spread = (total**2 - (answered**2).sum(axis=2)) * (total**2 - (present**2).sum(axis=2))
    chance = (answered * present).sum(axis=2)
    top = hits.sum(axis=2) * total - chance
    return np.divide(top, np.sqrt(spread), out=np.zeros(top.shape), where=spread > 0)


_BY_COUNTS = {
    "accuracy": _accuracy,
    "f1": _f1,
    "macro_f1": _macro_f1,
    "balanced_accuracy": _balanced,
    "matthews": _matthews,
}


class Luck(NamedTuple):
    """What of an arm's std of the accuracy the finite dev set brings."""

    seen: float  # std over seeds on these examples
    from_examples: float  # what runs of one true accuracy show whose mistakes fall differently
    beyond: Estimate  # std of the accuracy on the distribution


def luck_of_examples(classes: Classes, labels: Int[np.ndarray, " example"], final: Scores) -> Luck:
    """Splits the std of the accuracies of an arm's trials by what n examples can tell apart.

    On average over dev sets the variance seen is (1 - 1/n) of that on the distribution plus 1/n of
    the mean variance of a single example's answer; both are estimated without bias, and so is what
    is left: the variance of the accuracy on the distribution, from which new dev sets are drawn. An
    estimate below 0 is shown as 0.

    Source: Jordan 2023, arXiv 2304.01910: much of the variance between runs is of this kind, and
    two runs that differ so on one dev set do not on another. The interval is Bonett's of the std
    seen, less the examples' part.

    In simulations with 16 and 32 seeds it holds the true std in 95 to 98 of 100 cases.
    """
    right = classes == labels
    n = len(labels)
    single = float(right.var(axis=0, ddof=1).mean())  # of one example's answer, over trials
    seen = std_interval(final)
    assert seen.value is not None

    def beyond(std: float) -> float:
        return math.sqrt(max(n * std**2 - single, 0.0) / (n - 1))

    value = beyond(seen.value)
    found = Estimate(value, reason=seen.reason)
    if seen.low is not None and seen.high is not None:
        found = Estimate(value, beyond(seen.low), beyond(seen.high), "Jordan, Bonett")
    return Luck(seen.value, math.sqrt(single / n), found)


class OnNewExamples(NamedTuple):
    """A difference of means over seeds and over dev examples."""

    difference: Estimate
    from_seeds: float  # standard errors of it
    from_examples: float


def difference_on_new_examples(
    one: tuple[Scores, Draws],
    other: tuple[Scores, Draws],
    paired: bool,
    confidence: float = CONFIDENCE,
) -> OnNewExamples | None:
    """Mean of one less mean of the other, with an interval that holds for new seeds and new dev
    examples; None where the scores have no interval.

    The variance over seeds is Welch's (of the seeds' differences where paired), that over examples
    is of the difference of both arms' means on the same resamples of examples; the answers that
    depend on both count in both, which is cautious.

    Source: Sellam et al. 2022 (The MultiBERTs, arXiv 2106.16163), who draw seeds and examples
    together; drawing 8 seeds with replacement leaves intervals too narrow, hence Student's t here.

    Args:
        one: scores, and scores on resamples of the examples, of the same trials.
        paired: the two are in one order of the same seeds.
    """
    (a, a_draws), (b, b_draws) = one, other
    if cannot_have_interval(a, b):
        return None
    value = float(a.mean() - b.mean())
    by_examples = float(np.var(a_draws.mean(axis=1) - b_draws.mean(axis=1), ddof=1))
    if paired:
        parts = [float(np.var(a - b, ddof=1)) / a.size]
        freedoms = [a.size - 1]
    else:
        parts = [float(np.var(x, ddof=1)) / x.size for x in (a, b)]
        freedoms = [a.size - 1, b.size - 1]
    total = sum(parts) + by_examples
    if total == 0:
        return None
    # Welch's degrees of freedom; those of the resamples are as good as infinite.
    spent = sum(part**2 / df for part, df in zip(parts, freedoms, strict=True))
    t = (
        stats.t.ppf(0.5 + confidence / 2, total**2 / spent)
        if spent
        else stats.norm.ppf(0.5 + confidence / 2)
    )
    reach = float(t) * math.sqrt(total)
    difference = Estimate(
        value, value - reach, value + reach, "seeds and examples", confidence=confidence
    )
    return OnNewExamples(difference, math.sqrt(sum(parts)), math.sqrt(by_examples))
