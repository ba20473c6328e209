"""Adapters of a whole model: put in, drawn, scaled, and merged into the kernels beside them."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxtune.config.settings import ADAPTED
from jaxtune.core.shapes import Array, Key
from jaxtune.models.encoder_config import AdapterConfig
from jaxtune.models.heads import SequenceClassifier, classifier_shapes
from jaxtune.models.names import map_by_path, paths

SUFFIX = "_lora"
# Places in the init key's stream; `draw_fresh` and `reinitialise_top` take 0, 1 and 2.
_ADAPTER_STREAM = 3


def is_adapter(path: str) -> bool:
    """Whether a parameter is an adapter's."""
    return path.endswith((f"{SUFFIX}/a/kernel", f"{SUFFIX}/b/kernel"))


def attach(model: SequenceClassifier, adapters: AdapterConfig) -> SequenceClassifier:
    """The model with adapters of zeros, which change no output; on the host."""
    config = dataclasses.replace(model.encoder.config, adapters=adapters)
    own = paths(model)
    labels = own["head/classifier/bias"].shape[0]

    def leaf_of(path: str, shape: Any) -> Any:
        return np.zeros(shape.shape, np.float32) if is_adapter(path) else own[path]

    return map_by_path(leaf_of, classifier_shapes(config, labels))


def draw_adapters(model: SequenceClassifier, rank: ArrayLike, key: Key) -> SequenceClassifier:
    """Each A drawn as `peft` draws it, U(-1/sqrt(in), 1/sqrt(in)), and each B zero; columns of A
    from `rank` (may be traced) on are zero.

    What is zero on both sides stays so: the gradient of a column of A is a product with its row of
    B, and the other way round. So a trial of a smaller rank needs a mask here and nowhere else. A
    column's draw depends neither on how many there are nor on the other targets.
    """
    key = jax.random.fold_in(key, _ADAPTER_STREAM)

    def drawn(path: str, leaf: Array) -> Array:
        if not is_adapter(path):
            return leaf
        if path.endswith("/b/kernel"):
            return jnp.zeros_like(leaf)
        target = path.split("/")[-3].removesuffix(SUFFIX)
        own_key = jax.random.fold_in(key, ADAPTED.index(target))
        bound = 1.0 / math.sqrt(leaf.shape[-2])

        def column(number: Array) -> Array:
            shape = leaf.shape[:-1]
            column_key = jax.random.fold_in(own_key, number)
            values = jax.random.uniform(column_key, shape, leaf.dtype, -bound, bound)
            in_use = number.astype(jnp.float32) < jnp.asarray(rank, jnp.float32)
            return jnp.where(in_use, values, jnp.zeros((), leaf.dtype))

        return jax.vmap(column, out_axes=-1)(jnp.arange(leaf.shape[-1]))

    return map_by_path(drawn, model)


def scaled(model: SequenceClassifier, scale: ArrayLike) -> SequenceClassifier:
    """The model whose layers read `scale` (may be traced) times B."""

    def of(path: str, leaf: Array) -> Array:
        return leaf * scale if path.endswith(f"{SUFFIX}/b/kernel") else leaf

    return map_by_path(of, model)


def merged(params: dict[str, np.ndarray], scale: float) -> dict[str, np.ndarray]:
    """Parameters by path with W + scale A B for W, and without adapters; sums in float64, rounded
    once.
    """
    whole = {path: array for path, array in params.items() if not is_adapter(path)}
    for path in params:
        if path.endswith(f"{SUFFIX}/a/kernel"):
            a = np.asarray(params[path], np.float64)
            b = np.asarray(params[path.replace("/a/kernel", "/b/kernel")], np.float64)
            kernel = path.replace(f"{SUFFIX}/a/kernel", "/kernel")
            total = np.asarray(whole[kernel], np.float64) + scale * (a @ b)
            whole[kernel] = total.astype(np.float32)
    return whole
