"""Embedding rows that no example uses get no gradient: taken out of training, given back after."""

import numpy as np

from jaxtune.core.shapes import Array, Float
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.names import with_leaves


def compact_embedding(model: SequenceClassifier, kept: np.ndarray) -> SequenceClassifier:
    """The model with only the embedding rows of the word ids `kept`."""
    return with_embedding(model, model.encoder.word.embedding[...][kept])


def restore_embedding(
    model: SequenceClassifier, full: np.ndarray, kept: np.ndarray, decay: float
) -> SequenceClassifier:
    """The model with all rows of `full`, those not in `kept` times `decay`.

    A word without gradient is moved by decoupled decay alone: `decay` is its `unused_word_factor`.
    """
    rows = np.asarray(full) * np.float32(decay)
    rows[kept] = np.asarray(model.encoder.word.embedding)
    return with_embedding(model, rows)


def unused_word_factor(
    rates: np.ndarray, latest: np.ndarray, weight_decay: float, pretrained_decay: float = 0.0
) -> float:
    """The share of an embedding row without gradient that steps of these learning rates leave.

    Weight decay shrinks it, and decay towards the pre-trained weights pulls it back.

    Args:
        latest: what each step's weights are of the average after it; 1 where nothing is averaged.
    """
    share = average = 1.0
    for rate, own in zip(rates, latest, strict=True):
        share -= rate * (weight_decay * share + pretrained_decay * (share - 1.0))
        average = (1.0 - own) * average + own * share
    return float(average)


def with_embedding(
    model: SequenceClassifier, embedding: Float[Array, "vocabulary embedding"] | np.ndarray
) -> SequenceClassifier:
    """The model with another word-embedding table."""
    return with_leaves(model, {"encoder/word/embedding": embedding})
