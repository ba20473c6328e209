"""Embedding rows taken out of the training state and given back: words that no example uses get zero gradient."""

import jax
import numpy as np

from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.names import path_of
from jaxtune.shapes import Array, Float


def compact_embedding(model: SequenceClassifier, kept: np.ndarray) -> SequenceClassifier:
    """The model with only the embedding rows of the word ids `kept`."""
    return with_embedding(model, model.encoder.word.embedding[...][kept])


def restore_embedding(
    model: SequenceClassifier, full: np.ndarray, kept: np.ndarray, decay: float
) -> SequenceClassifier:
    """The model with all rows of `full`, those not in `kept` times `decay`.

    A word without gradient is moved by decoupled weight decay alone: `decay` is the product over steps of
    1 - learning_rate * weight_decay.
    """
    rows = np.asarray(full) * np.float32(decay)
    rows[kept] = np.asarray(model.encoder.word.embedding)
    return with_embedding(model, rows)


def with_embedding(
    model: SequenceClassifier, embedding: Float[Array, "vocabulary embedding"] | np.ndarray
) -> SequenceClassifier:
    """The model with another word-embedding table."""

    def replaced(key_path, leaf):
        return embedding if path_of(key_path) == "encoder/word/embedding" else leaf

    return jax.tree_util.tree_map_with_path(replaced, model)
