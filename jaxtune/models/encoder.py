"""One scanned encoder for BERT, RoBERTa and ALBERT, on rows that may hold several sequences each.

A model is its parameters: modules are stateless pytrees, transformed with plain jax.vmap, jax.grad
and lax.scan. Randomness is passed in; `key=None` means evaluation.
"""

import dataclasses
import functools
import math
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import jaxtyping
from flax import nnx

from jaxtune.core.shapes import Array, Float, Hidden, Int, Key, RowBools, RowInts
from jaxtune.models.dropout import dropout

Family = Literal["bert", "roberta", "albert"]
BlockKeys = jaxtyping.Key[Array, "3"]


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
    remat: bool = False  # recompute each block in the backward pass

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


@functools.cache
def normal(std: float) -> jax.nn.initializers.Initializer:
    """N(0, std). Cached: two models are one pytree type only if their initialiser is one object."""
    return jax.nn.initializers.normal(std)


def linear(config: EncoderConfig, size_in: int, size_out: int, rngs: nnx.Rngs) -> nnx.Linear:
    """A dense layer, N(0, init_std) weights and zero bias, as BERT starts them."""
    return nnx.Linear(
        size_in,
        size_out,
        kernel_init=normal(config.init_std),
        dtype=jnp.dtype(config.dtype),
        rngs=rngs,
    )


def layer_norm(config: EncoderConfig, size: int, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """LayerNorm with float32 statistics and the two-pass variance that torch computes."""
    return nnx.LayerNorm(
        size,
        epsilon=config.layer_norm_eps,
        use_fast_variance=False,
        dtype=jnp.dtype(config.dtype),
        rngs=rngs,
    )


def activate(config: EncoderConfig, x: Float[Array, "..."]) -> Float[Array, "..."]:
    """erf gelu, or the tanh form that ALBERT was trained with."""
    return jax.nn.gelu(x, approximate=True) if config.activation == "gelu_new" else gelu(x)


@jax.custom_vjp
def gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """x Phi(x) by the error function.

    The derivative is written out so that the backward pass keeps nothing but x.
    """
    return x * _normal_cdf(x)


def _gelu_fwd(x: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    return gelu(x), x


def _gelu_bwd(x: Float[Array, "..."], g: Float[Array, "..."]) -> tuple[Float[Array, "..."]]:
    density = jnp.exp(-0.5 * x * x) * (1.0 / math.sqrt(2.0 * math.pi))
    return (g * (_normal_cdf(x) + x * density),)


gelu.defvjp(_gelu_fwd, _gelu_bwd)


def _normal_cdf(x: Float[Array, "..."]) -> Float[Array, "..."]:
    return 0.5 * (1.0 + jax.lax.erf(x * math.sqrt(0.5)))


class Block(nnx.Module):
    """One post-LayerNorm transformer block."""

    def __init__(self, config: EncoderConfig, *, rngs: nnx.Rngs):
        width = config.hidden_size
        self.config = config
        self.query = linear(config, width, width, rngs)
        self.key = linear(config, width, width, rngs)
        self.value = linear(config, width, width, rngs)
        self.attention_output = linear(config, width, width, rngs)
        self.attention_norm = layer_norm(config, width, rngs)
        self.intermediate = linear(config, width, config.intermediate_size, rngs)
        self.output = linear(config, config.intermediate_size, width, rngs)
        self.output_norm = layer_norm(config, width, rngs)

    def __call__(self, x: Hidden, segments: RowInts, keys: BlockKeys | None) -> Hidden:
        config = self.config
        attention_key, output_key, feedforward_key = (None,) * 3 if keys is None else keys
        with jax.named_scope("attention"):
            attended = self._attend(x, segments, attention_key)
            attended = dropout(output_key, self.attention_output(attended), config.hidden_dropout)
            x = self.attention_norm(x + attended)
        with jax.named_scope("feedforward"):
            fed = self.output(activate(config, self.intermediate(x)))
            return self.output_norm(x + dropout(feedforward_key, fed, config.hidden_dropout))

    def _attend(self, x: Hidden, segments: RowInts, key: Key | None) -> Hidden:
        config = self.config
        split = (*segments.shape, config.num_heads, config.hidden_size // config.num_heads)
        # Heads before slots, once: the products below then need no transposes of their own.
        query, keys, value = (
            project(x).reshape(split).swapaxes(1, 2)
            for project in (self.query, self.key, self.value)
        )
        # Sums and softmax in float32 whatever the products' type: bfloat16 has 8 bits for weights
        # that must add up to 1.
        scores = jnp.matmul(query, keys.swapaxes(2, 3), preferred_element_type=jnp.float32)
        scores = scores / math.sqrt(split[-1])
        # Padding attends to padding (segment 0): its values are never read, and no softmax row is
        # empty.
        together = segments[:, None, :, None] == segments[:, None, None, :]
        # Finite, so that no difference of scores is nan; a weight of exp(-1e9) is 0 all the same.
        scores = jnp.where(together, scores, -1e9)
        weights = jax.nn.softmax(scores, axis=-1).astype(value.dtype)
        weights = dropout(key, weights, config.attention_dropout)
        return (weights @ value).swapaxes(1, 2).reshape(x.shape)


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
        self.norm = layer_norm(config, size, rngs)
        if config.shared_block:
            self.projection = linear(config, size, config.hidden_size, rngs)
            self.layers = Block(config, rngs=nnx.Rngs(layer_key))
        else:
            keys = jax.random.split(layer_key, config.num_layers)
            self.layers = jax.vmap(lambda k: Block(config, rngs=nnx.Rngs(k)))(keys)

    def __call__(self, rows: Rows, key: Key | None = None) -> Hidden:
        """The last hidden states by flat slot (row * slots + slot); those of padding mean nothing.

        Only attention sees rows: matrix products over one long axis are faster on CPU than over
        two.
        """
        config = self.config
        embedding_key, keys = None, None
        if key is not None:
            embedding_key, key = jax.random.split(key)
            keys = jax.random.split(key, (config.num_layers, 3))
        x = dropout(embedding_key, self._embed(rows), config.hidden_dropout)
        if config.shared_block:
            x = self.projection(x)

        def apply_block(x, layer_and_keys):
            layer, keys = layer_and_keys
            block = self.layers if layer is None else layer
            return block(x, rows.segments, keys), None

        if config.remat:
            apply_block = jax.checkpoint(apply_block, prevent_cse=False)  # a scan needs no barrier
        layers = None if config.shared_block else self.layers
        return jax.lax.scan(apply_block, x, (layers, keys), length=config.num_layers)[0]

    def _embed(self, rows: Rows) -> Hidden:
        with jax.named_scope("embed"):
            is_padding = rows.token_ids == self.config.pad_token_id
            x = _look_up(self.word, rows.token_ids, is_padding)
            if self.config.family == "roberta":
                x += _look_up(self.position, self._counted(rows, is_padding), is_padding)
            else:
                x += self.position.embedding[rows.positions.reshape(-1)]
            x += self.token_type.embedding[rows.token_types.reshape(-1)]
            return self.norm(x)

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


def _look_up(table: nnx.Embed, index: RowInts, is_padding: RowBools) -> Hidden:
    """Rows of a table by flat slot; none is trained by padding (torch's `padding_idx`)."""
    found = table.embedding[index.reshape(-1)]
    # Not only in slots that are empty, which no loss sees: a text may spell "<pad>" itself.
    return jnp.where(is_padding.reshape(-1, 1), jax.lax.stop_gradient(found), found)
