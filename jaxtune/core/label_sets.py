"""Scores of texts that may have any number of labels, and the constant answers that are best.

Labels and predictions are `[example, label]`, true or 1 where a text has a label.
"""

import numpy as np

BETWEEN_LABELS = "|"  # of a text that has several, where they stand in one cell


def given(logits: np.ndarray) -> np.ndarray:
    """The labels that a model gives, bool `[example, label]`: those of a probability above a half,
    so of a logit above 0. A nan gives none.
    """
    return logits > 0


def micro_f1(predictions: np.ndarray, labels: np.ndarray) -> float:
    """F1 of all pairs of a text and a label alike; 0 where none is given and none is right."""
    hits, claimed_and_present = _counts(predictions, labels)
    total = claimed_and_present.sum()
    return float(2 * hits.sum() / total) if total else 0.0


def macro_f1(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Mean of the labels' F1, each label alike; of those that are present or given.

    A label that is neither has no F1 (scikit-learn's zero_division=nan; its default counts a 0).
    """
    hits, claimed_and_present = _counts(predictions, labels)
    there = claimed_and_present > 0
    return float(np.mean(2 * hits[there] / claimed_and_present[there])) if there.any() else 0.0


def _counts(predictions: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By label the true positives, and how often it is given plus how often it is right."""
    right = labels.astype(bool)
    return (predictions & right).sum(axis=0), predictions.sum(axis=0) + right.sum(axis=0)


def exact_match(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Fraction of texts of which every label is right, and none is missing."""
    return float(np.mean((predictions == labels.astype(bool)).all(axis=1)))


def auroc(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean over the labels of the area under the ROC curve, without those that all examples have or
    none, which have no curve (`without_curve`).

    0.5, which any constant gives, where some logit is not a number or no label has a curve.
    """
    labels = labels.astype(bool)
    varied = np.flatnonzero(~without_curve(labels))
    if np.isnan(logits).any() or not varied.size:
        return 0.5
    return float(np.mean([area(logits[:, each], labels[:, each]) for each in varied]))


def without_curve(labels: np.ndarray) -> np.ndarray:
    """Which labels all examples have or none, bool `[label]`."""
    counts = labels.astype(bool).sum(axis=0)
    return (counts == 0) | (counts == len(labels))


def area(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve: how often the class outranks the rest, ties half (Mann-Whitney)."""
    from scipy.stats import rankdata

    inside = int(positive.sum())
    above = rankdata(scores)[positive].sum() - inside * (inside + 1) / 2
    return float(above / (inside * (len(positive) - inside)))


def best_constants(labels: np.ndarray) -> np.ndarray:
    """Sets of labels, bool `[set, label]`, of which one is the best constant answer under any
    metric of label sets.

    With n texts of which c_j have label j, the answer S for every text has

    - micro F1 2 sum_S c_j / (n |S| + sum_all c_j): of sets of one size the most frequent labels are
      best, so that only the best size is sought;
    - macro F1: the mean over labels present or in S of 2 c_j / (n + c_j) for j in S, else 0. Each
      label that occurs adds to it, one that does not adds a 0 to the mean: all that occur;
    - exact match: the share of texts that have S: the most frequent set;
    - AUROC 0.5, whatever S is.
    """
    labels = labels.astype(bool)
    counts = labels.sum(axis=0)
    order = np.argsort(-counts, kind="stable")
    sizes = np.arange(1, len(counts) + 1)
    by_size = np.cumsum(counts[order]) / (len(labels) * sizes + counts.sum())
    most_micro = np.zeros(len(counts), bool)
    most_micro[order[: sizes[by_size.argmax()]]] = True
    sets, times = np.unique(labels, axis=0, return_counts=True)
    return np.stack([most_micro, counts > 0, sets[times.argmax()]])
