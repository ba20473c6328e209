"""Is it the recipe or the dev set: what of a spread or a difference between runs is the luck of the
dev examples.

All runs share one dev set, so that tests over seeds speak of these examples alone. Here the
examples are drawn anew as well.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy import stats

from jaxtune.core.entities import Sentences, count_entities
from jaxtune.core.metrics import evaluate, predict
from jaxtune.stats.intervals import (
    CONFIDENCE,
    Estimate,
    Scores,
    cannot_have_interval,
    freedom_of,
    mapped,
    std_interval,
)

# A std of so many resamples is itself known to 2%.
NUM_RESAMPLES = 1000
# Metrics that are no counts of answers are computed resample by resample: fewer of them.
MOST_EVALUATIONS, FEWEST_RESAMPLES = 20_000, 200
# Of more examples so many are drawn, which keeps QQP's 40,430 to seconds: a standard error falls
# with the root of the number of examples, and so is that of all of them known.
MOST_DRAWN = 5000
BATCH = 100  # resamples at once: keeps their counts of 40,430 examples within 32 MB

ENTITY_F1 = "entity_f1"
BY_COUNTS = {"accuracy", "f1", "macro_f1", "balanced_accuracy", "matthews"}

Draws = Float[np.ndarray, "resample _trial"]
Classes = Int[np.ndarray, "trial example"]


def resampled_scores(
    metric: str,
    logits: Sequence[Float[np.ndarray, "example label"]],
    labels: Shaped[np.ndarray, "example ..."],
    positive: int = 1,
    seed: int = 0,
    sentences: Sentences | None = None,
) -> Draws:
    """Scores of trials on resamples of the dev examples; the same ones for every arm of one seed.

    Where fewer examples are drawn than there are, the scores are drawn towards those on all of
    them, so that they vary as those of whole dev sets do.

    Args:
        logits: of each trial.
        labels: where a text may have several, 0 or 1 for each `[example, label]`.
        positive: the class that F1 is of.
        sentences: where the examples are words, which depend on those beside them: whole sentences
            are drawn.
    """
    # Else an answer is no class.
    counted = (metric in BY_COUNTS or metric == ENTITY_F1) and labels.ndim == 1
    repeats = NUM_RESAMPLES
    if not counted:
        repeats = min(repeats, max(FEWEST_RESAMPLES, MOST_EVALUATIONS // len(logits)))
    rng = np.random.default_rng(seed)
    size = len(labels) if sentences is None else len(sentences.lengths)
    drawn = min(size, MOST_DRAWN)
    rows = [rng.integers(0, size, drawn) for _ in range(repeats)]
    if counted:
        classes = np.stack([predict(trial) for trial in logits])
        if metric == ENTITY_F1:
            assert sentences is not None
            found = _entities(classes, labels, rows, sentences)
        else:
            found = _by_counts(metric, classes, labels, rows, positive, sentences)
    else:
        rows = rows if sentences is None else [_words_of(own, sentences) for own in rows]
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
    sentences: Sentences | None,
) -> Draws:
    """Products of how often each example was drawn with what was answered for it."""
    every = np.union1d(classes, labels)
    is_label = np.stack([_by_example(labels == each, sentences) for each in every], axis=1)
    # Of each class [example, trial].
    answers = [_by_example(classes == each, sentences) for each in every]
    right = [_by_example((classes == each) & (labels == each), sentences) for each in every]
    found = []
    for times in _times(rows, len(is_label)):
        present = (times @ is_label).astype(np.float64)[:, None]  # [resample, 1, class]
        # [resample, trial, class]
        answered, hits = (
            np.stack([times @ own for own in part], axis=2).astype(np.float64)
            for part in (answers, right)
        )
        found.append(_score(metric, hits, answered, present, every == positive))
    return np.concatenate(found)


def _times(
    rows: Sequence[Int[np.ndarray, " drawn"]], size: int
) -> Iterator[Float[np.ndarray, "resample example"]]:
    """How often each resample has each example, some resamples at once."""
    for start in range(0, len(rows), BATCH):
        some = [np.bincount(own, minlength=size) for own in rows[start : start + BATCH]]
        yield np.stack(some).astype(np.float32)


def _by_example(
    counted: Bool[np.ndarray, "*trial word"], sentences: Sentences | None
) -> Float[np.ndarray, "example *trial"]:
    """Of each example, or of all words of each sentence, how many.

    Whole numbers far below 2^24, which float32 holds exactly.
    """
    if sentences is not None:
        ends = np.cumsum(sentences.lengths)
        before = np.insert(np.cumsum(counted, axis=-1), 0, 0, axis=-1)
        counted = before[..., ends] - before[..., ends - sentences.lengths]
    return np.ascontiguousarray(counted.T, np.float32)


def _words_of(drawn: Int[np.ndarray, " drawn"], sentences: Sentences) -> np.ndarray:
    """The words of the sentences drawn, one sentence after the other."""
    lengths, ends = sentences.lengths[drawn], np.cumsum(sentences.lengths)[drawn]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(ends - lengths, lengths) + within


def _entities(
    classes: Classes,
    labels: Int[np.ndarray, " word"],
    rows: Sequence[Int[np.ndarray, " drawn"]],
    sentences: Sentences,
) -> Draws:
    """Entity F1 from the entities of each sentence drawn."""
    counts = [count_entities(own, labels, sentences) for own in classes]
    hits, given = (
        np.stack([getattr(own, name) for own in counts], axis=1).astype(np.float32)
        for name in ("hits", "given")
    )
    right, found = counts[0].right.astype(np.float32), []
    for times in _times(rows, len(right)):
        total = times @ given + (times @ right)[:, None]
        top = (2 * (times @ hits)).astype(np.float64)
        found.append(np.divide(top, total, out=np.zeros(top.shape), where=total > 0))
    return np.concatenate(found)


def _score(
    metric: str,
    hits: np.ndarray,
    answered: np.ndarray,
    present: np.ndarray,
    is_positive: np.ndarray,
) -> Draws:
    """From counts of each class, `[resample, trial, class]`, those present `[resample, 1, class]`;
    floats, in which they are exact far beyond the size of any dev set.
    """
    if metric == "accuracy":
        return hits.sum(axis=2) / present.sum(axis=2)
    if metric == "balanced_accuracy":
        there = np.broadcast_to(present > 0, hits.shape)
        recalls = np.divide(hits, present, out=np.full(hits.shape, np.nan), where=there)
        return np.nanmean(recalls, axis=2)
    if metric == "matthews":
        total = present.sum(axis=2)
        spread = (total**2 - (answered**2).sum(axis=2)) * (total**2 - (present**2).sum(axis=2))
        top = hits.sum(axis=2) * total - (answered * present).sum(axis=2)
        return np.divide(top, np.sqrt(spread), out=np.zeros(top.shape), where=spread > 0)
    both = answered + present  # of a class that is neither there is no F1
    each = np.divide(2 * hits, both, out=np.full(hits.shape, np.nan), where=both > 0)
    if metric == "macro_f1":
        return np.nanmean(each, axis=2)
    return np.nan_to_num(each[..., is_positive]).sum(axis=2)


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

    found = mapped(seen, beyond)
    if found.low is not None:
        found = found._replace(method="Jordan, Bonett")
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
    samples = [a - b] if paired else [a, b]
    parts = [float(np.var(sample, ddof=1)) / sample.size for sample in samples]
    freedoms = [sample.size - 1 for sample in samples]
    total = sum(parts) + by_examples
    if total == 0:
        return None
    # Seeds whose scores do not vary leave the resamples alone, and these a normal law.
    law = stats.t(freedom_of(parts, freedoms, by_examples)) if any(parts) else stats.norm
    reach = float(law.ppf(0.5 + confidence / 2)) * math.sqrt(total)
    difference = Estimate(
        value, value - reach, value + reach, "seeds and examples", confidence=confidence
    )
    return OnNewExamples(difference, math.sqrt(sum(parts)), math.sqrt(by_examples))
