"""Attention within segments: as plain products, or as one kernel per row and head.

Both take the same dropout mask, a hash of (key, element of [row, head, slot, slot]). The plain form
writes scores, weights and their gradients to memory, several arrays of slots x slots each; the
kernel keeps them on the chip, and draws the mask again in the backward pass.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from jaxtune.core.shapes import Array, Float, Hidden, Int, Key, RowInts
from jaxtune.models.dropout import dropout, hashed, threshold
from jaxtune.models.encoder_config import Attention
from jaxtune.models.layers import product
from jaxtune.models.rotary import Rotation, rotate

# Finite, so that no difference of scores is nan; a weight of exp(-1e9) is 0 all the same.
MASKED = -1e9


class Reach(NamedTuple):
    """How far tokens see on either side."""

    positions: RowInts  # from 0 in every sequence
    steps: Int[Array, ""]


def attend(
    projected: Float[Array, "slots three_hidden"],
    segments: RowInts,
    num_heads: int,
    dropout_key: Key | None,
    rate: float,
    how: Attention = "products",
    bias: Float[Array, "row head slot slot"] | None = None,
    rotation: Rotation | None = None,
    reach: Reach | None = None,
    terms: int = 1,
) -> Hidden:
    """softmax(Q K^T / sqrt(terms x size of a head) + bias) V within each segment, from queries,
    keys and values side by side; weights are dropped with probability `rate` where there is a key.
    Queries and keys are turned before, and a token sees no farther than its reach; `terms` is how
    many such products a score is the sum of. The kernel takes none of these, nor a bias.

    Padding attends to padding (segment 0): its values are never read, and no softmax row is empty.
    """
    rows = projected.reshape(*segments.shape, projected.shape[-1])
    if how == "kernel":
        assert bias is rotation is reach is None
        assert terms == 1
        return _by_kernel(rows, segments, num_heads, dropout_key, rate).reshape(len(projected), -1)
    query, keys, value = by_head(rows, num_heads)
    if rotation is not None:
        query, keys = rotate(query, rotation), rotate(keys, rotation)
    # Sums and softmax in float32 whatever the products' type: bfloat16 has 8 bits for weights
    # that must add up to 1.
    scores = product(query, keys.swapaxes(2, 3), preferred_element_type=jnp.float32)
    scores = scores / math.sqrt(terms * query.shape[-1])
    if bias is not None:
        scores = scores + bias
    together = segments[:, None, :, None] == segments[:, None, None, :]
    if reach is not None:  # every slot reaches itself, padding too
        places = reach.positions
        apart = jnp.abs(places[:, None, :, None] - places[:, None, None, :])
        together = together & (apart <= reach.steps)
    scores = jnp.where(together, scores, MASKED)
    weights = _drop(dropout_key, softmax(scores), rate)
    context = product(weights.astype(value.dtype), value)
    return context.swapaxes(1, 2).reshape(segments.size, -1)


@jax.custom_vjp
def softmax(scores: Float[Array, "... slot"]) -> Float[Array, "... slot"]:
    """exp(s) / sum exp(s) over the last axis; the backward pass needs the weights alone.

    The derivative that JAX finds divides once more, and on CPU XLA moves dropout's factor past that
    division for one device and not for several, which the last bit shows.
    """
    return plain_softmax(scores)


def _softmax_fwd(scores: Array) -> tuple[Array, Array]:
    weights = softmax(scores)
    return weights, weights


def _softmax_bwd(weights: Array, g: Array) -> tuple[Array]:
    return (softmax_gradient(weights, g),)


softmax.defvjp(_softmax_fwd, _softmax_bwd)


def plain_softmax(scores: Float[Array, "... slot"]) -> Float[Array, "... slot"]:
    """`softmax` without a derivative of its own, which the kernel's compiler for GPUs has not."""
    exponentials = jnp.exp(scores - jnp.max(scores, axis=-1, keepdims=True))
    return exponentials / jnp.sum(exponentials, axis=-1, keepdims=True)


def softmax_gradient(
    weights: Float[Array, "... slot"], g: Float[Array, "... slot"]
) -> Float[Array, "... slot"]:
    """That of the scores: what moves all scores of a row alike moves no weight."""
    return weights * (g - jnp.sum(weights * g, axis=-1, keepdims=True))


def by_head(
    rows: Float[Array, "row slot three_hidden"], num_heads: int
) -> Float[Array, "three row head slot size"]:
    """Queries, keys and values, heads before slots: products of heads then need no transposes."""
    size = rows.shape[-1] // (3 * num_heads)
    return rows.reshape(*rows.shape[:2], 3, num_heads, size).transpose(2, 0, 3, 1, 4)


def _drop(key: Key | None, weights: Array, rate: float) -> Array:
    """`dropout`; on a TPU as a product with the mask, which for weights is the same.

    Where the choice between a weight and 0 is computed again in the backward pass, the compiler of
    libtpu 0.0.42 ends with a segmentation fault.
    """
    if key is None or rate == 0.0:
        return weights
    return jax.lax.platform_dependent(
        weights,
        tpu=lambda weights: weights * dropout(key, jnp.ones_like(weights), rate),
        default=lambda weights: dropout(key, weights, rate),
    )


def _by_kernel(
    rows: Float[Array, "row slot three_hidden"],
    segments: RowInts,
    num_heads: int,
    dropout_key: Key | None,
    rate: float,
) -> Float[Array, "row slot hidden"]:
    if dropout_key is None:
        words, rate = jnp.zeros(2, jnp.uint32), 0.0
    else:
        words = jax.random.key_data(dropout_key)
    return _kernel(rows, segments[:, None].astype(jnp.int32), words[None], num_heads, rate)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _kernel(rows, segments, words, num_heads, rate):
    return _call(_forward, num_heads, rate, segments, words, rows)


def _kernel_fwd(rows, segments, words, num_heads, rate):
    return _kernel(rows, segments, words, num_heads, rate), (rows, segments, words)


def _kernel_bwd(num_heads, rate, kept, gradient):
    rows, segments, words = kept
    return _call(_backward, num_heads, rate, segments, words, rows, gradient), None, None


_kernel.defvjp(_kernel_fwd, _kernel_bwd)


def _call(
    body: Callable[..., None],
    num_heads: int,
    rate: float,
    segments: Array,
    words: Array,
    rows: Array,
    *gradient: Array,
) -> Array:
    """A program for each row and head: query, key and value are read where they lie side by side.

    The backward pass takes the output's gradient and gives that of `rows`.
    """
    count, slots, width = rows.shape
    hidden = width // 3
    size = hidden // num_heads

    def call(at_once: int, **options: Any) -> Callable[..., Array]:
        lanes = at_once * size
        three = pl.BlockSpec((None, slots, 3, lanes), lambda row, i: (row, 0, 0, i))
        single = pl.BlockSpec((None, slots, lanes), lambda row, i: (row, 0, i))
        return pl.pallas_call(
            functools.partial(body, num_heads, at_once, rate),
            grid=(count, num_heads // at_once),
            in_specs=[
                pl.BlockSpec((None, 1, slots), lambda row, i: (row, 0, 0)),
                pl.BlockSpec((1, 2), lambda row, i: (0, 0)),
                three,
                *(single for _ in gradient),
            ],
            out_specs=three if gradient else single,
            out_shape=jax.ShapeDtypeStruct(
                (count, slots, 3, hidden) if gradient else (count, slots, hidden), rows.dtype
            ),
            **options,
        )

    out = jax.lax.platform_dependent(
        segments,
        words,
        rows.reshape(count, slots, 3, hidden),
        *gradient,
        cpu=call(1, interpret=True),
        cuda=call(1, compiler_params=triton.CompilerParams(num_warps=8, num_stages=1)),
        tpu=call(_heads_at_once(num_heads, size)),
    )
    return out.reshape(count, slots, -1)


def shared_memory(slots: int, size: int, dtype: str) -> int:
    """Bytes on the chip of an NVIDIA card that the backward pass takes for a row of a head `size`
    wide, as jax 0.10.2 compiles it; of short rows at most that (tests/training/test_ahead.py).
    """
    width, kept = (4, 3) if dtype == "float32" else (2, 2)
    block = slots * size * width  # queries, keys, values or a gradient of them
    # Weights of a row beside the blocks that its products read, or four blocks before them.
    return max(slots * slots * width + kept * block, 4 * block) + 1024


def _heads_at_once(num_heads: int, size: int) -> int:
    """Heads of one program on a TPU, which reads blocks whose last axis is a multiple of 128, or
    whole. They divide the heads: a program less, and the last heads were never written.
    """
    fitting = (n for n in range(1, num_heads) if num_heads % n == 0 and n * size % 128 == 0)
    return next(fitting, num_heads)


def _forward(num_heads, at_once, rate, segments, words, rows, out):
    size = rows.shape[-1] // at_once
    for place in range(at_once):
        columns = pl.ds(place * size, size)
        query, keys, value = (rows[:, part, columns] for part in range(3))
        weights = _weights(query, keys, segments[...])
        head = pl.program_id(1) * at_once + place
        dropped = _dropped(weights, words, num_heads, head, rate).astype(value.dtype)
        out[:, columns] = _dot(dropped, value, (1, 0)).astype(out.dtype)


def _backward(num_heads, at_once, rate, segments, words, rows, gradient, out):
    size = rows.shape[-1] // at_once
    for place in range(at_once):
        columns = pl.ds(place * size, size)
        query, keys, value = (rows[:, part, columns] for part in range(3))
        g = gradient[:, columns]
        weights = _weights(query, keys, segments[...])
        head = pl.program_id(1) * at_once + place
        drop = functools.partial(_dropped, words=words, num_heads=num_heads, head=head, rate=rate)
        d_weights = drop(_dot(g, value, (1, 1)))
        d_scores = (softmax_gradient(weights, d_weights) / math.sqrt(size)).astype(query.dtype)
        out[:, 0, columns] = _dot(d_scores, keys, (1, 0)).astype(out.dtype)
        out[:, 1, columns] = _dot(d_scores, query, (0, 0)).astype(out.dtype)
        out[:, 2, columns] = _dot(drop(weights).astype(g.dtype), g, (0, 0)).astype(out.dtype)


def _weights(query: Array, keys: Array, segments: Array) -> Array:
    """softmax(Q K^T / sqrt(size)) of one head of one row, [slot, slot] in float32."""
    scores = _dot(query, keys, (1, 1)) / math.sqrt(query.shape[-1])
    return plain_softmax(jnp.where(segments.reshape(-1, 1) == segments, scores, MASKED))


def _dropped(weights: Array, words: Any, num_heads: int, head: Array, rate: float) -> Array:
    """`dropout` of what is [slot, slot] of [row, head, slot, slot]."""
    if not rate:
        return weights
    slots = len(weights)
    first = (pl.program_id(0) * num_heads + head) * slots * slots
    across, down = (jax.lax.broadcasted_iota(jnp.int32, weights.shape, axis) for axis in (1, 0))
    index = (first + down * slots + across).astype(jnp.uint32)
    keep = hashed(index, words[:, 0:1], words[:, 1:2]) >= threshold(rate)
    return jnp.where(keep, weights * (1.0 / (1.0 - rate)), 0.0)


def _dot(left: Array, right: Array, contracted: tuple[int, int]) -> Array:
    """The product over an axis of each, summed in float32."""
    return jax.lax.dot_general(
        left,
        right,
        (((contracted[0],), (contracted[1],)), ((), ())),
        precision=jax.lax.Precision.HIGHEST if left.dtype == jnp.float32 else None,
        preferred_element_type=jnp.float32,
    )
