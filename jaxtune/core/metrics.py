"""Dev-set scores, computed in float64: what each is made of, whom it fits, which way is better.

A diverged trial is a result, so nothing here raises or warns on non-finite logits.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from jaxtune.core import label_sets
from jaxtune.core.entities import Sentences, count_entities, entity_f1
from jaxtune.core.words import percent

# From this share of one class, or of one set of labels, on an accuracy says little about the rest.
SKEWED = 0.8


def accuracy(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Fraction of examples whose class is right."""
    return float(np.mean(predictions == labels))


def f1(predictions: np.ndarray, labels: np.ndarray, positive: int = 1) -> float:
    """F1 of the class `positive`; 0 when it is never predicted or never present."""
    return label_sets.micro_f1((predictions == positive)[:, None], (labels == positive)[:, None])


def macro_f1(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Mean of the classes' F1, each class alike; of those that are present or predicted.

    A class that is neither has no F1, as scikit-learn counts it.
    """
    classes = np.union1d(predictions, labels)
    return label_sets.macro_f1(predictions[:, None] == classes, labels[:, None] == classes)


def balanced_accuracy(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Mean over the classes present of the fraction of their examples that are right."""
    right = predictions == labels
    return float(np.mean([right[labels == each].mean() for each in np.unique(labels)]))


def matthews(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Matthews correlation, for any number of classes; 0 when either side is constant.

    Source: Gorodkin 2004, R_K from the counts of hits and of each class on each side.
    """
    # Python integers: the fourth power of MNLI's example count does not fit 64 bits.
    total, hits = len(labels), int(np.sum(predictions == labels))
    classes = np.union1d(predictions, labels)
    predicted = [int(np.sum(predictions == c)) for c in classes]
    present = [int(np.sum(labels == c)) for c in classes]
    spread = (total**2 - sum(n**2 for n in predicted)) * (total**2 - sum(n**2 for n in present))
    chance = sum(p * t for p, t in zip(predicted, present, strict=True))
    return (hits * total - chance) / math.sqrt(spread) if spread else 0.0


def auroc(logits: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC curve; of several classes the mean over those present of each against the
    rest (macro, one-vs-rest), whose examples are ranked by the class's log-odds.

    0.5, which any constant gives, where the log-odds of some example are not a number: what cannot
    be ranked says no more than a constant. Also where a single class is present.

    Args:
        logits: `[example, label]`.
    """
    assert 0 <= labels.min(initial=0) <= labels.max(initial=0) < logits.shape[1]
    return label_sets.auroc(_log_odds(logits), labels[:, None] == np.arange(logits.shape[1]))


def _log_odds(logits: np.ndarray) -> np.ndarray:
    """Of each class against all others, `[example, label]`.

    They rank as the probabilities do, and go on ranking where those round to 0 or 1.
    """
    logits = logits.astype(np.float64)
    with np.errstate(invalid="ignore"):  # an infinity less another
        rest = [np.delete(logits, label, axis=1) for label in range(logits.shape[1])]
        return logits - np.stack([np.logaddexp.reduce(part, axis=1) for part in rest], axis=1)


def pearson(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Pearson correlation; 0 when a side is constant or any prediction is not finite."""
    x, y = np.asarray(predictions, np.float64), np.asarray(labels, np.float64)
    if not np.isfinite(x).all() or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    x, y = _standardise(x), _standardise(y)
    return float(np.clip(x @ y, -1, 1))


def _standardise(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean()
    # Scaling first keeps the squares of tiny spreads from underflowing.
    centred /= np.abs(centred).max()
    return centred / np.linalg.norm(centred)


def spearman(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Pearson correlation of ranks, ties averaged; 0 in the same cases as `pearson`."""
    from scipy.stats import rankdata

    if not np.isfinite(predictions).all():
        return 0.0
    return pearson(rankdata(predictions), rankdata(labels))


def mse(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Mean squared error, in the square of the labels' unit; nan, which is no score, where any
    prediction is not finite.
    """
    if not np.isfinite(predictions).all():
        return math.nan
    errors = np.asarray(predictions, np.float64) - np.asarray(labels, np.float64)
    return float(np.mean(errors**2))


class Answers(NamedTuple):
    """What a model says about the dev examples, and what is right."""

    logits: np.ndarray  # [example, label]
    predictions: np.ndarray  # [example], of `predict`; [example, label] of label sets
    labels: np.ndarray  # the same
    positive: int  # the class that F1 is of
    sentences: Sentences | None = None  # where the examples are words


Score = Callable[[Answers], float]


class Metric(NamedTuple):
    """A score of answers, the tasks that it fits, and which way is better."""

    score: Score | None  # of one label a text
    fewest: int  # columns of the logits: 1 is regression
    most: float
    higher_is_better: bool = True
    of_sets: Score | None = None  # of any number of labels a text
    of_entities: Score | None = None  # of tags that spell entities


def _entity_f1(answers: Answers) -> float:
    assert answers.sentences is not None
    return entity_f1(count_entities(answers.predictions, answers.labels, answers.sentences))


METRICS: dict[str, Metric] = {
    "accuracy": Metric(
        lambda a: accuracy(a.predictions, a.labels),
        *(2, math.inf),
        of_sets=lambda a: label_sets.exact_match(a.predictions, a.labels),
    ),
    "entity_f1": Metric(None, 2, math.inf, of_entities=_entity_f1),
    "f1": Metric(lambda a: f1(a.predictions, a.labels, a.positive), 2, 2),
    "micro_f1": Metric(
        None,  # it would be the accuracy
        *(2, math.inf),
        of_sets=lambda a: label_sets.micro_f1(a.predictions, a.labels),
    ),
    "macro_f1": Metric(
        lambda a: macro_f1(a.predictions, a.labels),
        *(2, math.inf),
        of_sets=lambda a: label_sets.macro_f1(a.predictions, a.labels),
    ),
    "balanced_accuracy": Metric(lambda a: balanced_accuracy(a.predictions, a.labels), 2, math.inf),
    "matthews": Metric(lambda a: matthews(a.predictions, a.labels), 2, math.inf),
    "auroc": Metric(
        lambda a: auroc(a.logits, a.labels),
        *(2, math.inf),
        of_sets=lambda a: label_sets.auroc(a.logits, a.labels),
    ),
    "pearson": Metric(lambda a: pearson(a.predictions, a.labels), 1, 1),
    "spearman": Metric(lambda a: spearman(a.predictions, a.labels), 1, 1),
    "mse": Metric(lambda a: mse(a.predictions, a.labels), 1, 1, higher_is_better=False),
}


# Those that tell models apart where all labels, or all sets of labels, are the same one.
ON_ONE_LABEL = ("accuracy", "balanced_accuracy", "mse")
ON_ONE_SET = ("accuracy", "micro_f1", "macro_f1")
# Before the name of a score that is not of the dev set but of the examples held out of training.
HELD_OUT = "held_out/"


def metric_of(score: str) -> Metric:
    """By what a score was measured, such as `f1` for `f1` and for `held_out/f1`."""
    return METRICS[score.removeprefix(HELD_OUT)]


def curve_of(score: str) -> str:
    """A score's name among a trial's curves: `dev/f1`, `held_out/f1`."""
    return score if score.startswith(HELD_OUT) else f"dev/{score}"


def fitting(num_labels: int, several_labels: bool = False, entities: bool = False) -> list[str]:
    """Names of the metrics of a task with so many columns of logits.

    Args:
        several_labels: whether a text may have any number of them.
        entities: whether they are tags that spell entities.
    """
    return [
        name
        for name, one in METRICS.items()
        if _score(one, several_labels, entities) and one.fewest <= num_labels <= one.most
    ]


def _score(metric: Metric, several_labels: bool, entities: bool) -> Score | None:
    if several_labels:
        return metric.of_sets
    return metric.score or (metric.of_entities if entities else None)


def scorable(names: Sequence[str], labels: np.ndarray) -> list[str]:
    """Of these metrics, those that say something of a model on examples with these labels."""
    some = ON_ONE_SET if labels.ndim == 2 else ON_ONE_LABEL
    varied = len(np.unique(labels, axis=0)) > 1
    return [name for name in names if varied or name in some]


def merit(scores: np.ndarray | float | None, higher_is_better: bool) -> np.ndarray:
    """Scores turned so that larger is better, none (nan, None) below all others.

    Whatever compares or chooses scores goes by this, and no other place knows of errors, of which
    the smaller is the better one.
    """
    values = np.asarray(scores, np.float64)
    values = values if higher_is_better else -values
    return np.where(np.isnan(values), -np.inf, values)


def direction(higher_is_better: bool) -> str:
    """What a reader of a score must be told: nothing where it is as one expects."""
    return "" if higher_is_better else " (lower is better)"


def predict(logits: np.ndarray, several_labels: bool = False) -> np.ndarray:
    """Class of each example, or its value where there is one column (regression).

    Args:
        logits: `[example, label]`. A row holding a nan predicts class 0; a nan value stays nan.
        several_labels: whether a text may have any number of labels; then the answer is of `given`.
    """
    if several_labels:
        return label_sets.given(logits)
    if logits.shape[1] == 1:
        return logits[:, 0].astype(np.float64)
    return np.where(np.isnan(logits).any(axis=1), 0, logits.argmax(axis=1))


def evaluate(
    names: Iterable[str],
    logits: np.ndarray,
    labels: np.ndarray,
    positive: int = 1,
    sentences: Sentences | None = None,
) -> dict[str, float]:
    """Scores of dev logits `[example, label]` under the named metrics, in the order of `names`.

    Args:
        labels: `[example]`, or `[example, label]` where a text may have any number of them.
        positive: the class that F1 is of.
        sentences: where the examples are words.
    """
    several_labels = labels.ndim == 2
    answers = Answers(logits, predict(logits, several_labels), labels, positive, sentences)
    found = {}
    for name in names:
        score = _score(METRICS[name], several_labels, sentences is not None)
        assert score is not None, f"{name} does not fit"
        found[name] = score(answers)
    return found


def same_labels_words(share: float) -> str:
    """What accuracy hides where this share, at least SKEWED, has the same set of labels."""
    return (
        f"Of the dev examples {percent(share)} have the same labels, so accuracy says little about"
        " the rest: think of --metric micro_f1, macro_f1 or auroc."
    )
