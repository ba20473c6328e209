"""One scanned encoder for BERT, RoBERTa and ALBERT, on rows that may hold several sequences each.

A model is its parameters: modules are stateless pytrees, transformed with plain jax.vmap, jax.grad
and lax.scan. Randomness is passed in; `key=None` means evaluation.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.ad_checkpoint import checkpoint_name

from jaxtune.core.shapes import Array, Float, Hidden, Int, Key, RowBools, RowInts
from jaxtune.models.attention import Attention, attend
from jaxtune.models.dropout import dropout
from jaxtune.models.layers import affine, dense, gelu, linear, normal, normalise
from jaxtune.models.lookup import look_up

Family = Literal["bert", "roberta", "albert"]
Remat = Literal["none", "elementwise", "block"]
BlockKeys = tuple[Key, Key, Key]


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """The architecture, with the values of a Hugging Face config.json under the project's names."""

    family: Family
    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    intermediate_size: int
    max_positions: int  # rows of the position table, RoBERTa's unused first ones included
    type_vocab_size: int
    embedding_size: int  # equals hidden_size except for ALBERT
    activation: Literal["gelu", "gelu_new"]
    layer_norm_eps: float
    hidden_dropout: float
    attention_dropout: float
    classifier_dropout: float
    pad_token_id: int
    init_std: float = 0.02
    dtype: Literal["float32", "bfloat16"] = "float32"  # of matrix products, not of parameters
    remat: Remat = "none"  # what the backward pass computes again instead of keeping it
    attention: Attention = "products"

    @property
    def position_offset(self) -> int:
        """RoBERTa counts positions from the padding index + 1, the others from 0."""
        return self.pad_token_id + 1 if self.family == "roberta" else 0

    @property
    def max_length(self) -> int:
        """The longest sequence, in tokens, that has positions."""
        return self.max_positions - self.position_offset

    @property
    def shared_block(self) -> bool:
        """ALBERT applies one block `num_layers` times."""
        return self.family == "albert"


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


class Dense(NamedTuple):
    """A dense layer's weights, as a product takes them; layers may be stacked in front."""

    kernel: Float[Array, "*layer i o"]
    bias: Float[Array, "*layer o"]


class BlockWeights(NamedTuple):
    """What `apply_block` reads: query, key and value are one product."""

    attention_input: Dense
    attention_output: Dense
    attention_norm: nnx.LayerNorm
    intermediate: Dense
    output: Dense
    output_norm: nnx.LayerNorm


class Block(nnx.Module):
    """The parameters of a post-LayerNorm transformer block."""

    def __init__(self, config: EncoderConfig, *, rngs: nnx.Rngs):
        width, std = config.hidden_size, config.init_std
        self.query = linear(std, width, width, rngs)
        self.key = linear(std, width, width, rngs)
        self.value = linear(std, width, width, rngs)
        self.attention_output = linear(std, width, width, rngs)
        self.attention_norm = nnx.LayerNorm(width, epsilon=config.layer_norm_eps, rngs=rngs)
        self.intermediate = linear(std, width, config.intermediate_size, rngs)
        self.output = linear(std, config.intermediate_size, width, rngs)
        self.output_norm = nnx.LayerNorm(width, epsilon=config.layer_norm_eps, rngs=rngs)

    def weights(self, dtype: jnp.dtype) -> BlockWeights:
        """Kernels in the type of the products."""

        def of(*layers: nnx.Linear) -> Dense:
            kernels = [layer.kernel[...].astype(dtype) for layer in layers]
            biases = [layer.bias[...] for layer in layers if layer.bias is not None]
            return Dense(jnp.concatenate(kernels, axis=-1), jnp.concatenate(biases, axis=-1))

        return BlockWeights(
            of(self.query, self.key, self.value),
            of(self.attention_output),
            self.attention_norm,
            of(self.intermediate),
            of(self.output),
            self.output_norm,
        )


def apply_block(
    config: EncoderConfig,
    weights: BlockWeights,
    x: Hidden,
    segments: RowInts,
    keys: BlockKeys | None,
) -> Hidden:
    """Attention and feed-forward network of one block; without keys there is no dropout."""
    attention_key, output_key, feedforward_key = (None,) * 3 if keys is None else keys
    rate = config.hidden_dropout
    with jax.named_scope("attention"):
        projected = checkpoint_name(affine(x, *weights.attention_input), "attention_input")
        context = attend(
            projected,
            segments,
            config.num_heads,
            attention_key,
            config.attention_dropout,
            config.attention,
        )
        context = checkpoint_name(context, "context")
        attended = checkpoint_name(affine(context, *weights.attention_output), "attention_output")
        x = normalise(weights.attention_norm, x + dropout(output_key, attended, rate))
    with jax.named_scope("feedforward"):
        inner = checkpoint_name(affine(x, *weights.intermediate), "intermediate")
        fed = affine(gelu(config.activation == "gelu_new", inner), *weights.output)
        fed = checkpoint_name(fed, "output")
        return normalise(weights.output_norm, x + dropout(feedforward_key, fed, rate))


class Encoder(nnx.Module):
    """Embeddings and scanned blocks, whose parameters lead with a `layer` axis (not ALBERT's)."""

    def __init__(self, config: EncoderConfig, *, key: Key):
        self.config = config
        key, layer_key = jax.random.split(key)
        rngs = nnx.Rngs(key)
        init = normal(config.init_std)
        size = config.embedding_size
        self.word = nnx.Embed(config.vocab_size, size, embedding_init=init, rngs=rngs)
        self.position = nnx.Embed(config.max_positions, size, embedding_init=init, rngs=rngs)
        self.token_type = nnx.Embed(config.type_vocab_size, size, embedding_init=init, rngs=rngs)
        self.norm = nnx.LayerNorm(size, epsilon=config.layer_norm_eps, rngs=rngs)
        if config.shared_block:
            self.projection = linear(config.init_std, size, config.hidden_size, rngs)
            self.layers = Block(config, rngs=nnx.Rngs(layer_key))
        else:
            keys = jax.random.split(layer_key, config.num_layers)
            self.layers = jax.vmap(lambda k: Block(config, rngs=nnx.Rngs(k)))(keys)

    def block_weights(self) -> BlockWeights:
        """The blocks' parameters as the products take them.

        Once for all blocks, outside the layer scan, which would keep a copy of every block's for
        the backward pass. ALBERT's block stays float32: its gradient is a sum over its uses.
        """
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
        if config.shared_block:
            x = dense(self.projection, x)
        weights = self.block_weights() if weights is None else weights
        segments = rows.segments.astype(jnp.int32)  # once, as the attention kernel reads them

        def step(x, layer_and_keys):
            layer, keys = layer_and_keys
            own = weights if layer is None else layer
            return apply_block(config, own, x, segments, keys), None

        layers = None if config.shared_block else weights
        step = _keeping(config.remat, step)
        return jax.lax.scan(step, x, (layers, keys), length=config.num_layers)[0]

    def _embed(self, rows: Rows) -> Hidden:
        with jax.named_scope("embed"):
            is_padding = rows.token_ids == self.config.pad_token_id
            x = _look_up_past_padding(self.word, rows.token_ids, is_padding)
            if self.config.family == "roberta":
                counted = self._counted(rows, is_padding)
                x += _look_up_past_padding(self.position, counted, is_padding)
            else:
                x += look_up(self.position.embedding[...], rows.positions.reshape(-1))
            x += look_up(self.token_type.embedding[...], rows.token_types.reshape(-1))
            return normalise(self.norm, x).astype(self.config.dtype)

    def _counted(self, rows: Rows, is_padding: RowBools) -> RowInts:
        """RoBERTa's rows of the position table: tokens are counted from the padding index + 1.

        Padding, also what a text spells, is not counted and takes the row of the padding index.
        """
        padding = is_padding.astype(jnp.int32)
        before = jnp.cumsum(padding, axis=1) - padding
        start = jnp.arange(is_padding.shape[1], dtype=jnp.int32) - rows.positions
        # Of the slot's own sequence alone, whatever lies to its left in the row.
        skipped = before - jnp.take_along_axis(before, start, axis=1, mode="clip")
        counted = rows.positions + self.config.position_offset - skipped
        return jnp.where(is_padding, self.config.pad_token_id, counted)


def _look_up_past_padding(table: nnx.Embed, index: RowInts, is_padding: RowBools) -> Hidden:
    """Rows of a table by flat slot; none is trained by padding (torch's `padding_idx`)."""
    found = look_up(table.embedding[...], index.reshape(-1))
    # Not only in slots that are empty, which no loss sees: a text may spell "<pad>" itself.
    return jnp.where(is_padding.reshape(-1, 1), jax.lax.stop_gradient(found), found)


# The products of a block by the names that `apply_block` gives them.
PRODUCTS = ("attention_input", "context", "attention_output", "intermediate", "output")


def _keeping(remat: Remat, step: Callable[..., Any]) -> Callable[..., Any]:
    """The step of the layer scan, whose backward pass computes some of it again.

    All that is no product costs next to nothing to compute and much to keep: dropout masks, gelu,
    LayerNorms and softmax weights are written once and read once, for every layer.
    """
    if remat == "none":
        return step
    # The last product of a block is kept anyhow: it is dear to repeat and small.
    names = PRODUCTS if remat == "elementwise" else PRODUCTS[-1:]
    keep = jax.checkpoint_policies.save_only_these_names(*names)
    # A scan needs no barrier against common subexpressions.
    return jax.checkpoint(step, prevent_cse=False, policy=keep)
