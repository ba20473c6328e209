"""A transformer block's parameters, and what its attention knows of slots."""

from typing import NamedTuple

import jax.numpy as jnp
from flax import nnx

from jaxtune.core.shapes import Array, Bool, Float, RowInts
from jaxtune.models.encoder_config import EncoderConfig
from jaxtune.models.layers import layer_norm, linear
from jaxtune.models.low_rank import Adapter, LowRank, side_by_side
from jaxtune.models.rotary import Rotation


class Relations(NamedTuple):
    """What attention knows of slots and pairs of slots, the same in every block."""

    segments: RowInts
    positions: RowInts  # from 0 in every sequence
    bias: Float[Array, "row head slot slot"] | None  # added to the scores
    rotations: tuple[Rotation, Rotation] | None  # of global blocks, and of local ones
    distances: Float[Array, "distance hidden"] | None  # states of `distance.table_rows`


class Kind(NamedTuple):
    """In what a block differs from others beside its weights; blocks may be stacked in front."""

    first: Bool[Array, "*layer"]
    local: Bool[Array, "*layer"]  # whether it sees a window only


def kinds_of(config: EncoderConfig) -> Kind | None:
    """Those of all blocks; None where they do not differ."""
    if config.norms == "after" and config.global_every == 1:
        return None
    number = jnp.arange(config.num_layers)
    return Kind(number == 0, number % config.global_every != 0)


class Dense(NamedTuple):
    """A dense layer's weights, as a product takes them; layers may be stacked in front."""

    kernel: Float[Array, "*layer i o"]
    bias: Float[Array, "*layer o"] | None
    adapter: Adapter | None = None


class BlockWeights(NamedTuple):
    """What `apply_block` reads: query, key and value are one product."""

    attention_input: Dense
    attention_output: Dense
    attention_norm: nnx.LayerNorm
    intermediate: Dense  # with the gate's product behind it, where there is one
    output: Dense
    output_norm: nnx.LayerNorm
    distance_input: Dense | None = None  # query and key of distances, where they have their own


class Block(nnx.Module):
    """The parameters of a block."""

    def __init__(self, config: EncoderConfig, *, rngs: nnx.Rngs):
        width, inner, std = config.hidden_size, config.intermediate_size, config.init_std
        bias, norm = config.attention_bias, (width, config.layer_norm_eps, config.norm_bias, rngs)
        self.query = linear(std, width, width, rngs, bias)
        self.key = linear(std, width, width, rngs, bias)
        self.value = linear(std, width, width, rngs, bias)
        if (relative := config.relative) and not relative.shared_projections:
            if relative.position_to_content:
                self.distance_query = linear(std, width, width, rngs)
            if relative.content_to_position:
                self.distance_key = linear(std, width, width, rngs)
        self.attention_output = linear(std, width, width, rngs, bias)
        # Before the first block's attention there is none: its row of the stack is never read.
        self.attention_norm = layer_norm(*norm)
        self.intermediate = linear(std, width, inner, rngs, config.feed_forward_bias)
        if config.gated:
            self.gate = linear(std, width, inner, rngs, config.feed_forward_bias)
        self.output = linear(std, inner, width, rngs, config.feed_forward_bias)
        self.output_norm = layer_norm(*norm)
        if adapters := config.adapters:
            for target in adapters.targets:
                layer = getattr(self, target)
                sizes = (layer.in_features, layer.out_features)
                setattr(self, f"{target}_lora", LowRank(*sizes, adapters.rank, rngs=rngs))

    def weights(self, dtype: jnp.dtype | None) -> BlockWeights:
        """Kernels in the type of the products; None leaves them as they lie."""

        def of(*names: str) -> Dense:
            layers: list[nnx.Linear] = [getattr(self, name) for name in names]
            held = [layer.kernel[...] for layer in layers]
            kernels = held if dtype is None else [kernel.astype(dtype) for kernel in held]
            kernel = jnp.concatenate(kernels, axis=-1)
            biases = [layer.bias[...] for layer in layers if layer.bias is not None]
            adapters = [getattr(self, f"{name}_lora", None) for name in names]
            return Dense(
                kernel,
                jnp.concatenate(biases, axis=-1) if biases else None,
                side_by_side(adapters, [each.shape[-1] for each in kernels]),
            )

        distances = [n for n in ("distance_query", "distance_key") if hasattr(self, n)]
        return BlockWeights(
            of("query", "key", "value"),
            of("attention_output"),
            self.attention_norm,
            of("intermediate", *(["gate"] if hasattr(self, "gate") else [])),
            of("output"),
            self.output_norm,
            of(*distances) if distances else None,
        )
