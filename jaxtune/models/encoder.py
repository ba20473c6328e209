"""One scanned encoder for all families, on rows that may hold several sequences each.

What a family has of it, `EncoderConfig` says. A model is its parameters: modules are stateless
pytrees, transformed with plain jax.vmap, jax.grad and lax.scan. Randomness is passed in; `key=None`
means evaluation.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtune.core.shapes import Array, Hidden, Int, Key, RowBools, RowInts
from jaxtune.models.apply_block import apply_block, keeping
from jaxtune.models.block import Block, BlockWeights, Relations, kinds_of
from jaxtune.models.distance import bias_of_distance, choose_rows, table_rows
from jaxtune.models.dropout import dropout
from jaxtune.models.encoder_config import EncoderConfig
from jaxtune.models.layers import dense, layer_norm, linear, normal, normalise
from jaxtune.models.lookup import look_up
from jaxtune.models.rotary import rotation_of


class Rows(NamedTuple):
    """A batch as the encoder sees it: fixed rows, each holding one or several whole sequences.

    `segments` says which sequence of its row a slot belongs to, from 1; 0 is padding. Attention
    stays within a segment.
    """

    token_ids: RowInts
    segments: RowInts
    positions: RowInts  # from 0 in every sequence
    token_types: RowInts
    first: Int[Array, " sequence"]  # flat slot (row * slots + slot) of each sequence's first token


class Encoder(nnx.Module):
    """Tables and scanned blocks, whose parameters lead with a `layer` axis unless they are shared.

    Modules that a family does not have are absent.
    """

    def __init__(self, config: EncoderConfig, *, key: Key):
        self.config = config
        key, layer_key = jax.random.split(key)
        rngs = nnx.Rngs(key)
        init = normal(config.init_std)
        size = config.embedding_size
        self.word = nnx.Embed(config.vocab_size, size, embedding_init=init, rngs=rngs)
        if config.positions in ("table", "counted"):
            self.position = nnx.Embed(config.max_positions, size, embedding_init=init, rngs=rngs)
        if config.type_vocab_size:
            types = config.type_vocab_size
            self.token_type = nnx.Embed(types, size, embedding_init=init, rngs=rngs)
        eps, bias = config.layer_norm_eps, config.norm_bias
        width = config.hidden_size if config.projection_first else size
        self.norm = layer_norm(width, eps, bias, rngs)
        if config.projected:
            biased = not config.projection_first
            self.projection = linear(config.init_std, size, config.hidden_size, rngs, biased)
        if config.distance == "bias":
            shape = (config.distance_buckets, config.num_heads)
            self.distance = nnx.Embed(*shape, embedding_init=init, rngs=rngs)
        if relative := config.relative:
            shape = (2 * relative.span, config.hidden_size)
            self.distance = nnx.Embed(*shape, embedding_init=init, rngs=rngs)
            if relative.normalised:
                epsilon = config.layer_norm_eps
                self.distance_norm = nnx.LayerNorm(shape[1], epsilon=epsilon, rngs=rngs)
        if config.shared_block:
            self.layers = Block(config, rngs=nnx.Rngs(layer_key))
        else:
            keys = jax.random.split(layer_key, config.num_layers)
            self.layers = jax.vmap(lambda k: Block(config, rngs=nnx.Rngs(k)))(keys)
        if config.norms == "before":
            self.final_norm = layer_norm(config.hidden_size, eps, bias, rngs)

    def block_weights(self) -> BlockWeights:
        """The blocks' parameters as the products take them.

        Once for all blocks, outside the layer scan, which would keep a copy of every block's for
        the backward pass. A shared block stays float32: its gradient is a sum over its uses. What
        is rounded for each product stays as it lies.
        """
        if self.config.rounded_products:
            return self.layers.weights(None)
        dtype = "float32" if self.config.shared_block else self.config.dtype
        return self.layers.weights(jnp.dtype(dtype))

    def __call__(
        self, rows: Rows, key: Key | None = None, weights: BlockWeights | None = None
    ) -> Hidden:
        """The last hidden states by flat slot (row * slots + slot); those of padding mean nothing.

        `weights` are those of `block_weights`, where they are there already. Only attention sees
        rows: matrix products over one long axis are faster on CPU than over two.
        """
        config = self.config
        embedding_key, keys = None, None
        if key is not None:
            embedding_key, key = jax.random.split(key)
            # One array per place of dropout, each scanned over: a block slices none.
            keys = tuple(jax.random.split(key, (config.num_layers, 3)).T)
        x = dropout(embedding_key, self._embed(rows), config.hidden_dropout)
        if config.projected and not config.projection_first:
            x = dense(self.projection, x)
        weights = self.block_weights() if weights is None else weights
        relations = self._relations(rows)

        def step(x, each):
            layer, keys, kind = each
            own = weights if layer is None else layer
            return apply_block(config, own, x, relations, keys, kind), None

        each = (None if config.shared_block else weights, keys, kinds_of(config))
        step = keeping(config, step)
        # Written out, no block's weights and kept values are copied out of a stack of all blocks'.
        unroll = 1 if config.scan_layers else config.num_layers
        over_layers = partial(jax.lax.scan, step, xs=each, length=config.num_layers, unroll=unroll)
        if config.norms == "after":
            return over_layers(x)[0]
        x = over_layers(x.astype(jnp.float32))[0]
        return normalise(self.final_norm, x).astype(config.dtype)

    def _relations(self, rows: Rows) -> Relations:
        """Once for all blocks."""
        config, bias, rotations, distances = self.config, None, None, None
        if config.distance == "bias":
            table = jnp.asarray(self.distance.embedding[...])
            bias = bias_of_distance(table, rows.positions)
        if config.positions == "rotary":
            size = config.hidden_size // config.num_heads
            far = rotation_of(rows.positions, size, config.rotary_base)
            rotations = far, rotation_of(rows.positions, size, config.local_rotary_base)
        if relative := config.relative:
            table = jnp.asarray(self.distance.embedding[...])
            if relative.normalised:
                table = normalise(self.distance_norm, table)
            distances = choose_rows(table, table_rows(relative, rows.segments.shape[1]))
            distances = distances.astype(config.dtype)
        # int32, as the attention kernel reads them.
        segments = rows.segments.astype(jnp.int32)
        return Relations(segments, rows.positions, bias, rotations, distances)

    def _embed(self, rows: Rows) -> Hidden:
        with jax.named_scope("embed"):
            is_padding = rows.token_ids == self.config.pad_token_id
            x = _look_up_past_padding(self.word, rows.token_ids, is_padding)
            if self.config.positions == "counted":
                counted = self._counted(rows, is_padding)
                x += _look_up_past_padding(self.position, counted, is_padding)
            elif self.config.positions == "table":
                x += _rows_of(self.position, rows.positions)
            if self.config.type_vocab_size:
                x += _rows_of(self.token_type, rows.token_types)
            if self.config.projected and self.config.projection_first:
                x = dense(self.projection, x.astype(self.config.dtype))
            return normalise(self.norm, x).astype(self.config.dtype)

    def _counted(self, rows: Rows, is_padding: RowBools) -> RowInts:
        """RoBERTa's rows of the position table: tokens are counted from the padding id + 1.

        Padding, also what a text spells, is not counted and takes the row of that id.
        """
        padding = is_padding.astype(jnp.int32)
        before = jnp.cumsum(padding, axis=1) - padding
        start = jnp.arange(is_padding.shape[1], dtype=jnp.int32) - rows.positions
        # Of the slot's own sequence alone, whatever lies to its left in the row.
        skipped = before - jnp.take_along_axis(before, start, axis=1, mode="clip")
        counted = rows.positions + self.config.position_offset - skipped
        return jnp.where(is_padding, self.config.pad_token_id, counted)


def _rows_of(table: nnx.Embed, index: RowInts) -> Hidden:
    """By flat slot; a table on the host is welcome, too."""
    return look_up(jnp.asarray(table.embedding[...]), index.reshape(-1))


def _look_up_past_padding(table: nnx.Embed, index: RowInts, is_padding: RowBools) -> Hidden:
    """Rows of a table by flat slot; none is trained by padding (torch's `padding_idx`)."""
    found = _rows_of(table, index)
    # Not only in slots that are empty, which no loss sees: a text may spell "<pad>" itself.
    return jnp.where(is_padding.reshape(-1, 1), jax.lax.stop_gradient(found), found)
