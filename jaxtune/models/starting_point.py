"""Where a trial starts from, and mixing a model with it: re-initialised blocks and Mixout.

The origin is the pre-trained model with what the trial itself draws: a fresh head, re-initialised
blocks. Mixout and decay towards the origin read it at every step, so it is a pure function of the
pre-trained model and the init key, of which a program keeps only the drawn tensors per trial.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxtune.core.shapes import Array, Key
from jaxtune.models.adapters import draw_adapters
from jaxtune.models.dropout import random_bits
from jaxtune.models.encoder_config import EncoderConfig
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.names import map_by_path, paths
from jaxtune.models.pissa import unscaled
from jaxtune.models.pretrained import draw_fresh

BLOCKS = "encoder/layers/"
# Norm of what the blocks have summed, where norms come before: as the last norm of a BERT's top
# block it belongs to whatever is done to that block.
FINAL_NORM = "encoder/final_norm"
# Places in the init key's stream; `draw_fresh` takes 0 and 1.
_BLOCK_STREAM = 2
# Place in the stream of a step's dropout key, which the model splits in two: 0 and 1 are its
# encoder and its head.
_MIXOUT_STREAM = 2


def reinitialise_top(
    model: SequenceClassifier, num_blocks: ArrayLike, key: Key
) -> SequenceClassifier:
    """The last `num_blocks` (may be traced) drawn anew: N(0, 0.02), biases 0, LayerNorms identity,
    the one that closes the sum of the blocks too.

    Zhang et al. (2021), who re-initialise the pooler with them: name it among the fresh modules of
    `draw_fresh`. The draw of a block does not depend on how many are drawn.
    """
    key = jax.random.fold_in(key, _BLOCK_STREAM)
    kernels = [path for path in paths(model) if path.startswith(BLOCKS) and path.endswith("kernel")]

    def redraw(path: str, leaf: Array) -> Array:
        if path.startswith(FINAL_NORM):
            identity = jnp.full_like(leaf, 1.0 if path.endswith("scale") else 0.0)
            return jnp.where(jnp.asarray(num_blocks) > 0, identity, leaf)
        if not path.startswith(BLOCKS):
            return leaf
        if path in kernels:
            own_key = jax.random.fold_in(key, kernels.index(path))
            drawn = 0.02 * jax.random.normal(own_key, leaf.shape, leaf.dtype)
        else:
            drawn = jnp.full_like(leaf, 1.0 if path.endswith("scale") else 0.0)
        below = len(leaf) - jnp.asarray(num_blocks, jnp.float32)
        block = jnp.arange(len(leaf), dtype=jnp.float32).reshape(-1, *(1,) * (leaf.ndim - 1))
        return jnp.where(block >= below, drawn, leaf)

    return map_by_path(redraw, model)


def starting_model(
    pretrained: SequenceClassifier,
    fresh: tuple[str, ...],
    key: Key,
    reinit_layers: ArrayLike | None = None,
    rank: ArrayLike | None = None,
    scale: ArrayLike = 1.0,
) -> SequenceClassifier:
    """The parameters before the first step: fresh modules drawn, and so many top blocks, or
    adapters of this rank and scale.
    """
    if rank is not None:
        model, adapters = draw_fresh(pretrained, fresh, key), pretrained.encoder.config.adapters
        assert adapters is not None
        drawn = adapters.init == "kaiming"
        return draw_adapters(model, rank, key) if drawn else unscaled(model, scale)
    if reinit_layers is None:
        return draw_fresh(pretrained, fresh, key)
    model = draw_fresh(pretrained, _with_pooler(fresh, pretrained.encoder.config), key)
    return reinitialise_top(model, reinit_layers, key)


def _with_pooler(fresh: tuple[str, ...], config: EncoderConfig) -> tuple[str, ...]:
    if not config.head.has_dense:
        return fresh
    pooler = ("head/pooler", "head/norm") if config.head.norm else ("head/pooler",)
    return tuple(dict.fromkeys((*pooler, *fresh)))


def drawn_parts(fresh: tuple[str, ...], config: EncoderConfig, reinit_layers: int = 0) -> list[str]:
    """What a trial draws anew, in words."""
    modules = _with_pooler(fresh, config) if reinit_layers else fresh
    parts = [module.replace("head/norm", "its norm").removeprefix("head/") for module in modules]
    parts += ["adapters"] if config.adapters and config.adapters.init == "kaiming" else []
    if not reinit_layers:
        return parts
    blocks = "last block" if reinit_layers == 1 else f"last {reinit_layers} blocks"
    return [*parts, blocks, *(["final norm"] if config.norms == "before" else [])]


def drawn_leaves(start: SequenceClassifier, pretrained: SequenceClassifier) -> dict[str, Array]:
    """What of a starting model is not the very array of the pre-trained one, by path."""
    shared = paths(pretrained)
    return {path: leaf for path, leaf in paths(start).items() if leaf is not shared[path]}


def mix(
    model: SequenceClassifier, origin: SequenceClassifier, probability: ArrayLike, key: Key
) -> SequenceClassifier:
    """Mixout (Lee et al., 2020): with probability p, all weights of an input are the origin's.

    One draw per input of a layer, for all its outputs, as dropout would take that input away;
    biases, LayerNorms and embeddings are left alone, the fresh classifier is not (its origin is its
    draw), and ALBERT's shared block is mixed once for all its uses. What is kept is (w - p origin)
    / (1 - p), so that the mean is w. The derivative is 1 / (1 - p) where kept and 0 elsewhere:
    Zhang et al.'s code leaves out the factor.
    """
    key = jax.random.fold_in(key, _MIXOUT_STREAM)
    p = jnp.asarray(probability, jnp.float32)
    # As in `dropout`; p may be traced, so it is converted on the device.
    threshold = (p * 2.0**32).astype(jnp.uint32)
    kernels = [path for path in paths(model) if path.endswith("kernel")]

    def mixed(path: str, leaf: Array, back: Array) -> Array:
        if path not in kernels:
            return leaf
        own_key = jax.random.fold_in(key, kernels.index(path))
        keep = random_bits(own_key, (*leaf.shape[:-1], 1)) >= threshold
        return jnp.where(keep, (leaf - p * back) / (1.0 - p), back)

    return map_by_path(mixed, model, origin)
