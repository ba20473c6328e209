"""Dev-set scores, computed in float64.

A diverged trial is a result, so nothing here raises or warns on non-finite logits.
"""

import math
from collections.abc import Callable, Iterable

import numpy as np


def accuracy(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Fraction of examples whose class is right."""
    return float(np.mean(predictions == labels))


def f1(predictions: np.ndarray, labels: np.ndarray) -> float:
    """F1 of class 1; 0 when class 1 is never predicted or never present."""
    hits = np.sum((predictions == 1) & (labels == 1))
    claimed_and_present = np.sum(predictions == 1) + np.sum(labels == 1)
    return float(2 * hits / claimed_and_present) if claimed_and_present else 0.0


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


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": accuracy,
    "f1": f1,
    "matthews": matthews,
    "pearson": pearson,
    "spearman": spearman,
}


def predict(logits: np.ndarray) -> np.ndarray:
    """Class of each example, or its value where there is one column (regression).

    Args:
        logits: `[example, label]`. A row holding a nan predicts class 0; a nan value stays nan.
    """
    if logits.shape[1] == 1:
        return logits[:, 0].astype(np.float64)
    return np.where(np.isnan(logits).any(axis=1), 0, logits.argmax(axis=1))


def evaluate(names: Iterable[str], logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Scores of dev logits `[example, label]` under the named metrics, in the order of `names`."""
    predictions = predict(logits)
    return {name: METRICS[name](predictions, labels) for name in names}
