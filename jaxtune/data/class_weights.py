"""What each class counts in the training loss."""

from collections.abc import Sequence

import numpy as np

from jaxtune.config.field_groups import changed
from jaxtune.config.settings import SweepConfig
from jaxtune.config.text_values import BALANCED, class_weight_list
from jaxtune.core.errors import UserError
from jaxtune.core.words import plural, quoted


def class_weights_of(
    config: SweepConfig, labels: np.ndarray, classes: Sequence[str] | None
) -> np.ndarray:
    """Float32 `[label]`; 1 where none are asked for.

    Balanced is n / (classes * n of the class) over the training examples in use, as scikit-learn
    counts it: every class has the same sum of weights, and they are 1 on average.

    Args:
        labels: of the training examples in use.
        classes: in the order of the logits; None for regression.

    Raises:
        UserError: weights or smoothing that do not fit the task or its examples.
    """
    text = config.class_weights
    if classes is None:
        for name in changed(config, ("class_weights", "label_smoothing")):
            raise UserError(
                f"{name} is {getattr(config, name)!r}, but task {config.task} predicts a number;"
                " leave it out."
            )
        return np.ones(1, np.float32)
    if text is None:
        return np.ones(len(classes), np.float32)
    if text != BALANCED:
        weights = class_weight_list(text)
        if len(weights) != len(classes):
            raise UserError(
                f"class_weights is {text!r}, but there are {plural(len(classes), 'class')}"
                f" ({quoted(classes)}); give a number for each, in this order."
            )
        return np.array(weights, np.float32)
    counts = np.bincount(labels, minlength=len(classes))
    if absent := [name for name, count in zip(classes, counts, strict=True) if not count]:
        # Label smoothing trains on every class, so that it would not do to leave one out.
        raise UserError(
            f"class_weights is {text!r}, but no training example has the class {absent[0]!r}, whose"
            " weight would be infinite; give numbers, or examples of it (--stratify true draws of"
            " every class)."
        )
    return (len(labels) / (len(classes) * counts)).astype(np.float32)
