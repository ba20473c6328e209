"""What counts as a failed trial, for everything that says so: one that ends no better than the
best constant prediction, one that diverged, and one without a score. And which trials take part
where several answer as one.

The floor is computed under the sweep's own metric on the dev labels at hand.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxtune.core.entities import Sentences
from jaxtune.core.label_sets import best_constants
from jaxtune.core.metrics import METRICS, evaluate, merit, predict

# For readers, after "failed" and a colon.
MEANING = "no better than the best constant prediction, diverged, or without a score"
# What a row's `stopped_by` holds of a trial that took fewer steps than were planned: its loss and
# gradients said that it learns nothing, its patience ran out, or better ones took its arm's places.
LEARNT_NOTHING, OUT_OF_PATIENCE, OUTRANKED = "learnt_nothing", "patience", "keep_trials"
# Above the rounding of a score kept as float32, below one example in a million.
ROUNDING = 1e-6


def at_floor(score: float | None, floor: float, higher_is_better: bool = True) -> bool:
    """Whether a score is none or, within rounding, no better than the trivial floor."""
    # Scores lie within 1 of each other. An error has a unit, so that of it the margin is a share.
    margin = ROUNDING if higher_is_better else ROUNDING * abs(floor)
    if score is None or not np.isfinite(score):
        return True
    return not merit(score, higher_is_better) > merit(floor, higher_is_better) + margin


def has_failed(row: Mapping[str, Any]) -> bool:
    """Whether a trial has failed, from `final`, `trivial` and `diverged` of its row.

    Rows are asked and not their column `failed`: in those of version 0.1 a trial that diverged
    above the floor is no failed one. A run of another trainer may lack the floor (`trivial` is
    null), and may be marked by its user (`marked_failed`).
    """
    known = row["trivial"] is not None
    floor = known and at_floor(row["final"], row["trivial"], row.get("higher_is_better", True))
    return floor or bool(row["diverged"]) or bool(row.get("marked_failed"))


def ran_whole(row: Mapping[str, Any]) -> bool:
    """Whether a trial ran to its end, or its patience's, and was not stopped early."""
    return row.get("stopped_by") in (None, OUT_OF_PATIENCE)


def is_usable(row: Mapping[str, Any]) -> bool:
    """Whether a trial takes part in what trials give together: it ran whole and has not failed."""
    return ran_whole(row) and not row["failed"]


def failure_is_known(row: Mapping[str, Any]) -> bool:
    """Whether a row can say that its trial did not fail: by the floor, or by its user's mark."""
    return row["trivial"] is not None or row.get("marked_failed") is not None


def trivial_floor(
    name: str,
    labels: np.ndarray,
    num_labels: int,
    positive: int = 1,
    sentences: Sentences | None = None,
) -> float:
    """Best score that any constant prediction reaches on these labels (MRPC dev F1: 0.812).

    Of label sets a constant prediction is the same set for every text (`best_constants`); of words
    it is one tag for all: O finds no entity and scores 0, another tag may find some.

    Args:
        labels: `[example]`, or `[example, label]` where a text may have any number of them.
        num_labels: number of classes; 1 for regression, where every constant correlates 0 and their
            mean has the smallest squared error, the labels' variance (ddof 0).
        positive: the class that F1 is of.
        sentences: where the examples are words.
    """
    if labels.ndim == 2:
        constants = np.where(best_constants(labels), 1.0, -1.0)
    else:
        constants = np.eye(num_labels) if num_labels > 1 else [[labels.mean(dtype=np.float64)]]
    scores = [
        evaluate([name], np.tile(logits, (len(labels), 1)), labels, positive, sentences)[name]
        for logits in constants
    ]
    return max(scores, key=lambda score: merit(score, METRICS[name].higher_is_better))


def is_constant_prediction(logits: np.ndarray, several_labels: bool = False) -> bool:
    """Whether all examples get one class, one set of labels or one value (nan is a value)."""
    if several_labels:
        given = predict(logits, several_labels)
        return bool((given == given[0]).all())
    return np.unique(predict(logits)).size == 1


def constant_loss(
    labels: np.ndarray, class_weights: np.ndarray | None = None, label_smoothing: float = 0.0
) -> float:
    """The training loss of the best constant output: the entropy in nats of the labels' shares
    (ln(classes) where they are balanced), or the variance of numbers.

    Of label sets it is the mean over the labels of the entropy of having each.

    Args:
        labels: `[example]`, or `[example, label]` where a text may have any number of them.
        class_weights: what each class counts in the loss, `[label]`; None is all alike. Smoothing
            needs them, for it is over classes without an example too.
    """
    if np.issubdtype(labels.dtype, np.floating):
        return float(np.var(labels))
    if labels.ndim == 2:
        shares = labels.mean(axis=0, dtype=np.float64)
        return float(np.mean([_entropy(np.array([share, 1 - share])) for share in shares]))
    if class_weights is None:
        _, counts = np.unique(labels, return_counts=True)
        return _entropy(counts / counts.sum())
    weights = class_weights.astype(np.float64)
    own = weights * np.bincount(labels, minlength=len(weights))
    # The sum of all losses is sum of a_c * -log p_c, least where p has the shares of a.
    smoothed = label_smoothing * len(labels) / len(weights) * weights
    of_class = (1 - label_smoothing) * own + smoothed
    return float(of_class.sum() / own.sum() * _entropy(of_class / of_class.sum()))


def _entropy(shares: np.ndarray) -> float:
    """In nats; a share of 0 adds nothing."""
    shares = shares[shares > 0]
    return float(-np.sum(shares * np.log(shares)))
