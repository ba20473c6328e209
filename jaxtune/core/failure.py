"""What counts as a failed trial: a final score that the best constant prediction reaches, or none.

The floor is computed under the task's own metric on the dev labels at hand (DESIGN 4.10).
"""

import numpy as np

from jaxtune.core.metrics import METRICS, predict

# Above the rounding of a score kept as float32, below one example in a million.
ROUNDING = 1e-6


def has_failed(final: float, floor: float) -> bool:
    """Whether a final score is nan or, within rounding, no better than the trivial floor."""
    return not final > floor + ROUNDING


def trivial_floor(name: str, labels: np.ndarray, num_labels: int) -> float:
    """Best score that any constant prediction reaches on these labels (MRPC dev F1: 0.812).

    Args:
        num_labels: number of classes, 1 for regression (every constant correlates 0).
    """
    metric = METRICS[name]
    return max(metric(np.full(len(labels), constant), labels) for constant in range(num_labels))


def is_constant_prediction(logits: np.ndarray) -> bool:
    """Whether all examples get one class or, for regression, one value (nan is a value)."""
    return np.unique(predict(logits)).size == 1


def constant_loss(labels: np.ndarray) -> float:
    """The training loss of the best constant output: the entropy in nats of the labels' shares
    (ln(classes) where they are balanced), or the variance of numbers.
    """
    if np.issubdtype(labels.dtype, np.floating):
        return float(np.var(labels))
    _, counts = np.unique(labels, return_counts=True)
    shares = counts / counts.sum()
    return float(-np.sum(shares * np.log(shares)))
