"""Gradients scaled down where their norm is above a bound: of all tensors together, or of each."""

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxtune.core.shapes import Array, Float
from jaxtune.models.names import is_stacked, path_of


def clip_by_global_norm(max_norm: ArrayLike) -> optax.GradientTransformation:
    """Scales the whole gradient down to `max_norm` where its L2 norm exceeds it; infinity leaves it
    as it is.

    As `optax.clip_by_global_norm`, with a bound that may be traced.
    """
    return optax.stateless(lambda g, _: _scale_tree(g, _shrink(global_norm(g), max_norm)))


def global_norm(gradients: optax.Updates) -> Float[Array, ""]:
    """The L2 norm of all tensors as one vector."""
    return jnp.sqrt(sum(jnp.sum(part) for part in jax.tree.leaves(square_sums(gradients))))


def square_sums(gradients: optax.Updates) -> optax.Updates:
    """Each tensor's sum of squares, by layer where layers are stacked, in place of the tensor.

    What is clipped by and what is recorded are sums of these: the gradients are read once for both.
    """

    def of(key_path, g):
        axes = tuple(range(1, g.ndim)) if is_stacked(path_of(key_path), g.ndim) else None
        return jnp.sum(g * g, axis=axes)

    return jax.tree_util.tree_map_with_path(of, gradients)


def clip_each_tensor(max_norm: ArrayLike) -> optax.GradientTransformation:
    """Clips every tensor, each layer of a stacked one, by its own L2 norm, as BertAdam did."""

    def clip(key_path, g):
        axes = tuple(range(1, g.ndim)) if is_stacked(path_of(key_path), g.ndim) else None
        return g * _shrink(jnp.sqrt(jnp.sum(g * g, axis=axes, keepdims=True)), max_norm)

    return optax.stateless(lambda g, _: jax.tree_util.tree_map_with_path(clip, g))


def _shrink(norm: Float[Array, "..."], max_norm: ArrayLike) -> Float[Array, "..."]:
    # 1e-6 as in torch's clip_grad_norm_, which the paper's code calls. No bound is no clipping also
    # where the sum of squares overflows, and inf / inf would be nan.
    return jnp.where(jnp.isinf(max_norm), 1.0, jnp.minimum(1.0, max_norm / (norm + 1e-6)))


def _scale_tree(tree: optax.Updates, factor: Float[Array, ""]) -> optax.Updates:
    return jax.tree.map(lambda leaf: leaf * factor, tree)
