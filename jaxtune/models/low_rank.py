"""Low-rank adapters of dense layers (LoRA, Hu et al., 2022): W x + s B A x, with W left as it is.

Kernels here are transposed, x W, so that A is [in, rank] and B [rank, out]. The scale s is a
trial's own: it is multiplied into B (`jaxtune.models.adapters.scaled`) before a layer reads it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.ad_checkpoint import checkpoint_name

from jaxtune.core.shapes import Array, Float, Key
from jaxtune.models.dropout import dropout
from jaxtune.models.layers import linear, product


class LowRank(nnx.Module):
    """The parameters of one adapter: two dense layers without biases."""

    def __init__(self, size_in: int, size_out: int, rank: int, *, rngs: nnx.Rngs):
        # Never read as drawn here: `jaxtune.models.adapters` fills them.
        self.a = linear(0.0, size_in, rank, rngs, bias=False)
        self.b = linear(0.0, rank, size_out, rngs, bias=False)


class Adapter(NamedTuple):
    """What a product adds of the adapters of its layers; layers may be stacked in front."""

    down: Float[Array, "*layer i ranks"]
    up: Float[Array, "*layer ranks o"]


def side_by_side(adapters: Sequence[LowRank | None], widths: Sequence[int]) -> Adapter | None:
    """The adapters of layers that are one product: their A side by side, each B over the outputs of
    its own layer and zero over the others'.

    Args:
        widths: outputs of each layer, whether it has an adapter or not.
    """
    downs, ups = [], []
    for place, adapter in enumerate(adapters):
        if adapter is None:
            continue
        up = jnp.asarray(adapter.b.kernel[...])
        around = (sum(widths[:place]), sum(widths[place + 1 :]))
        ups.append(jnp.pad(up, (*[(0, 0)] * (up.ndim - 1), around)))
        downs.append(jnp.asarray(adapter.a.kernel[...]))
    if not downs:
        return None
    return Adapter(jnp.concatenate(downs, axis=-1), jnp.concatenate(ups, axis=-2))


def low_rank(
    adapter: Adapter, x: Float[Array, "... i"], key: Key | None, rate: float, rank: int
) -> Float[Array, "... o"]:
    """x A B in the type of x; with a key each adapter reads x through dropout of its own, as in
    peft.
    """
    if key is None or rate == 0.0:
        inner = product(x, adapter.down.astype(x.dtype))
    else:
        parts = jnp.split(adapter.down.astype(x.dtype), adapter.down.shape[-1] // rank, axis=-1)
        inner = jnp.concatenate(
            [
                product(dropout(jax.random.fold_in(key, place), x, rate), part)
                for place, part in enumerate(parts)
            ],
            axis=-1,
        )
    # Narrow: the backward pass keeps it, for A would have to be read again.
    return product(checkpoint_name(inner, "low_rank"), adapter.up.astype(x.dtype))
