"""A transformer block's arithmetic, on slots that lie in rows."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from jaxtune.core.shapes import Array, Float, Hidden, Key
from jaxtune.models.attention import Reach, attend, by_head
from jaxtune.models.block import BlockWeights, Dense, Kind, Relations
from jaxtune.models.distance import scores_of_distances, table_rows
from jaxtune.models.dropout import dropout
from jaxtune.models.encoder_config import EncoderConfig
from jaxtune.models.layers import activate, affine, normalise
from jaxtune.models.low_rank import Adapter, low_rank
from jaxtune.models.rotary import Rotation

BlockKeys = tuple[Key, Key, Key]
# Places in the stream of a block's first key, of which the distances' dropout takes 1.
_ADAPTER_STREAMS = 16


def apply_block(
    config: EncoderConfig,
    weights: BlockWeights,
    x: Hidden,
    relations: Relations,
    keys: BlockKeys | None,
    kind: Kind | None,
) -> Hidden:
    """Attention and feed-forward network of one block, each added to what it read and normalised;
    without keys there is no dropout.
    """
    if config.norms == "before":
        assert kind is not None
        return _normalised_before(config, weights, x, relations, keys, kind)
    attention_key, output_key, feedforward_key = (None,) * 3 if keys is None else keys
    rate = config.hidden_dropout
    attended_rate = rate if config.attention_output_dropout else 0.0
    with jax.named_scope("attention"):
        attended = _attention(config, weights, x, relations, attention_key)
        x = normalise(weights.attention_norm, x + dropout(output_key, attended, attended_rate))
    with jax.named_scope("feedforward"):
        fed = _feed_forward(config, weights, x, attention_key)
        return normalise(weights.output_norm, x + dropout(feedforward_key, fed, rate))


def _normalised_before(
    config: EncoderConfig,
    weights: BlockWeights,
    x: Hidden,
    relations: Relations,
    keys: BlockKeys | None,
    kind: Kind,
) -> Hidden:
    """The same where attention and feed-forward network read what is normalised, and the sum itself
    never is: it stays float32 from block to block, or every rounding on the way would stay in it.
    """
    attention_key, output_key, inner_key = (None,) * 3 if keys is None else keys
    dtype = jnp.dtype(config.dtype)
    with jax.named_scope("attention"):
        read = jnp.where(kind.first, x, normalise(weights.attention_norm, x)).astype(dtype)
        attended = _attention(config, weights, read, relations, attention_key, kind)
        attended = dropout(output_key, attended, config.attention_dropout)
        x = x + attended.astype(x.dtype)
    with jax.named_scope("feedforward"):
        read = normalise(weights.output_norm, x).astype(dtype)
        fed = _feed_forward(config, weights, read, attention_key, inner_key)
        return x + fed.astype(x.dtype)


def _attention(
    config: EncoderConfig,
    weights: BlockWeights,
    x: Hidden,
    relations: Relations,
    key: Key | None,
    kind: Kind | None = None,
) -> Hidden:
    projected = _dense(config, weights.attention_input, x, key, 0)
    projected = checkpoint_name(projected, "attention_input")
    rotation, reach = _seen(config, relations, kind)
    bias, terms = relations.bias, 1
    if config.relative is not None:
        bias, terms = _distances(config, weights, projected, relations, key), config.relative.terms
    context = attend(
        projected,
        relations.segments,
        config.num_heads,
        key,
        config.attention_dropout,
        config.attention,
        bias,
        rotation,
        reach,
        terms,
    )
    context = checkpoint_name(context, "context")
    out = _dense(config, weights.attention_output, context, key, 1)
    return checkpoint_name(out, "attention_output")


def _dense(
    config: EncoderConfig, layer: Dense, x: Float[Array, "token i"], key: Key | None, place: int
) -> Float[Array, "token o"]:
    """A dense layer of a block with its adapters, whose dropout has a stream for each `place`."""
    out = affine(x, layer.kernel, layer.bias, config.rounded_products)
    if layer.adapter is None:
        return out
    assert config.adapters is not None
    own_key, rate = None, config.adapters.dropout
    if key is not None and rate:
        own_key = jax.random.fold_in(key, _ADAPTER_STREAMS + place)
    return out + low_rank(layer.adapter, x, own_key, rate, config.adapters.rank)


def _seen(
    config: EncoderConfig, relations: Relations, kind: Kind | None
) -> tuple[Rotation | None, Reach | None]:
    """How a block of this kind turns queries and keys, and how far its tokens see."""
    if relations.rotations is None or kind is None:
        return None, None
    far, near = relations.rotations
    rotation = jax.tree.map(lambda f, n: jnp.where(kind.local, n, f), far, near)
    everywhere = jnp.iinfo(jnp.int32).max
    steps = jnp.where(kind.local, config.window // 2, everywhere)
    return rotation, Reach(relations.positions, steps)


def _distances(
    config: EncoderConfig,
    weights: BlockWeights,
    projected: Float[Array, "slots three_hidden"],
    relations: Relations,
    key: Key | None,
) -> Float[Array, "row head slot slot"]:
    """What disentangled attention adds to the scaled scores; `key` is that of the weights' dropout,
    and another is made of it for the distances'.
    """
    relative, width = config.relative, config.hidden_size
    assert relative is not None
    assert relations.distances is not None
    states = relations.distances
    if key is not None and config.hidden_dropout:
        # Of the table's rows, for all sequences alike: distances that share a row lose the same.
        ones = jnp.ones((2 * relative.span, width), jnp.float32)
        kept = dropout(jax.random.fold_in(key, 1), ones, config.hidden_dropout)
        kept = kept[table_rows(relative, relations.segments.shape[1])]
        states = (states.astype(jnp.float32) * kept).astype(states.dtype)
    layer = weights.distance_input
    if layer is None:  # tokens' query and key, which stand first in theirs
        kernel, bias, adapter = weights.attention_input
        layer = Dense(
            kernel[:, : 2 * width],
            None if bias is None else bias[: 2 * width],
            None if adapter is None else Adapter(adapter.down, adapter.up[:, : 2 * width]),
        )
    states = checkpoint_name(_dense(config, layer, states, key, 4), "distance_input")
    states = states.reshape(len(states), -1, config.num_heads, width // config.num_heads)
    heads = list(states.transpose(1, 2, 0, 3))
    queries, keys, _ = by_head(projected.reshape(*relations.segments.shape, -1), config.num_heads)
    scores = scores_of_distances(
        queries,
        keys,
        heads[0] if relative.position_to_content else None,
        heads[-1] if relative.content_to_position else None,
    )
    return scores / math.sqrt(relative.terms * queries.shape[-1])


def _feed_forward(
    config: EncoderConfig,
    weights: BlockWeights,
    x: Hidden,
    adapter_key: Key | None,
    inner_key: Key | None = None,
) -> Hidden:
    inner = _dense(config, weights.intermediate, x, adapter_key, 2)
    inner = checkpoint_name(inner, "intermediate")
    if config.gated:
        inner, gate = jnp.split(inner, 2, axis=-1)
        inner = activate(config.activation, inner) * gate
    else:
        inner = activate(config.activation, inner)
    inner = dropout(inner_key, inner, config.inner_dropout or 0.0)
    return checkpoint_name(_dense(config, weights.output, inner, adapter_key, 3), "output")


# The products of a block by the names that they have above.
PRODUCTS = (
    "low_rank",
    "attention_input",
    "distance_input",
    "context",
    "attention_output",
    "intermediate",
    "output",
)


def keeping(config: EncoderConfig, step: Callable[..., Any]) -> Callable[..., Any]:
    """The step over layers, whose backward pass computes some of it again.

    All that is no product costs next to nothing to compute and much to keep: dropout masks, gelu,
    LayerNorms and softmax weights are written once and read once, for every layer.
    """
    if config.remat == "none":
        return step
    # The last product of a block is kept anyhow: it is dear to repeat and small.
    names = PRODUCTS if config.remat == "elementwise" else PRODUCTS[-1:]
    keep = jax.checkpoint_policies.save_only_these_names(*names)
    # A loop keeps the two passes apart. Of blocks that are written out XLA sees what is computed
    # twice, and keeps it where nothing is between. Beside adapters, where a trial holds little, it
    # may do so with what is elementwise: that is faster (docs/performance.md, docs/lora.md).
    apart = config.remat == "block" or config.adapters is None
    return jax.checkpoint(step, prevent_cse=apart and not config.scan_layers, policy=keep)
