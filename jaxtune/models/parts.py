"""A model in two parts: what a trial trains, and what all trials share as it is.

Each part is the model's tree with nothing (None) where the other one has a leaf. Gradients,
moments, norms, checkpoints are trees of the trained part and never meet the frozen one. Of full
tuning the frozen part has no leaves.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtune.models.encoder_config import EncoderConfig
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.names import map_by_path


class Parts(NamedTuple):
    """A model, split."""

    trained: SequenceClassifier
    frozen: SequenceClassifier


def split(model: SequenceClassifier, trains: Callable[[str], bool]) -> Parts:
    """By whether a leaf's path is trained."""

    def part(wanted: bool) -> Any:
        return map_by_path(lambda path, leaf: leaf if trains(path) == wanted else None, model)

    return Parts(part(True), part(False))


def join(trained: Any, frozen: Any) -> Any:
    """The whole model again."""

    return jax.tree.map(
        lambda own, other: other if own is None else own,
        trained,
        frozen,
        is_leaf=lambda leaf: leaf is None,
    )


def as_products_read(frozen: SequenceClassifier, config: EncoderConfig) -> SequenceClassifier:
    """The frozen kernels of the blocks in the type of the products, on the host.

    They would be rounded to it before every product: to hold them so changes no bit, and in
    bfloat16 halves what lies on an accelerator. Tables, biases and LayerNorms are computed with in
    float32 and stay so.
    """
    dtype = jnp.dtype("bfloat16" if config.rounded_products else config.dtype)

    def held(path: str, leaf: Any) -> Any:
        blocks = path.startswith("encoder/layers/") and path.endswith("kernel")
        return np.asarray(leaf).astype(dtype, copy=False) if blocks else leaf

    return map_by_path(held, frozen)
