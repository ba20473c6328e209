"""Gradients scaled down where their norm is above a bound: of all tensors together, or of each."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxtune.core.shapes import Array, Float
from jaxtune.models.names import is_stacked, map_by_path


def clip_by_global_norm(max_norm: ArrayLike) -> optax.GradientTransformation:
    """Scales the whole gradient down to `max_norm` where its L2 norm exceeds it; infinity leaves it
    as it is.

    As `optax.clip_by_global_norm`, with a bound that may be traced.
    """

    def clip(gradients):
        norm = jnp.sqrt(sum(jnp.sum(part) for part in jax.tree.leaves(square_sums(gradients))))
        factor = _shrink(norm, max_norm)
        return jax.tree.map(lambda g: g * factor, gradients)

    return optax.stateless(lambda g, _: clip(g))


def square_sums(gradients: optax.Updates) -> optax.Updates:
    """Each tensor's sum of squares, by layer where layers are stacked, in place of the tensor.

    What is clipped by and what is recorded are sums of these: the gradients are read once for both.
    """
    return map_by_path(lambda path, g: jnp.sum(g * g, axis=own_axes(path, g)), gradients)


def clip_each_tensor(max_norm: ArrayLike) -> optax.GradientTransformation:
    """Clips every tensor, each layer of a stacked one, by its own L2 norm, as BertAdam did."""

    def clip(path, g):
        squares = jnp.sum(g * g, axis=own_axes(path, g), keepdims=True)
        return g * _shrink(jnp.sqrt(squares), max_norm)

    return optax.stateless(lambda g, _: map_by_path(clip, g))


def own_axes(path: str, tensor: Any) -> tuple[int, ...] | None:
    """The axes of each layer of a stacked tensor; None, which is all, of another."""
    return tuple(range(1, tensor.ndim)) if is_stacked(path, tensor.ndim) else None


def _shrink(norm: Float[Array, "..."], max_norm: ArrayLike) -> Float[Array, "..."]:
    # 1e-6 as in torch's clip_grad_norm_, which the paper's code calls. No bound is no clipping also
    # where the sum of squares overflows, and inf / inf would be nan.
    return jnp.where(jnp.isinf(max_norm), 1.0, jnp.minimum(1.0, max_norm / (norm + 1e-6)))
