"""Masked-LM perplexity of a fine-tuned encoder whose top blocks are the pre-trained ones again
(Mosbach et al. 2021, 4.1).

The head is the pre-trained one throughout, with the pre-trained word embeddings as its decoder:
fine-tuning never saw it, and what is measured is whether the encoder's states still mean what they
did.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike

from jaxtune.core.errors import UserError
from jaxtune.core.shapes import Array, Float, Int
from jaxtune.models.encoder import Encoder
from jaxtune.models.heads import MaskedLM
from jaxtune.models.names import path_of
from jaxtune.study.masked_text import MaskedText
from jaxtune.study.over_points import over_points

BLOCKS = "layers/"


def check_blocks(model: str, shared_block: bool) -> None:
    """Raises UserError for ALBERT, which has no layers to replace one by one."""
    if shared_block:
        raise UserError(
            f"{model} is an ALBERT, whose layers are one block used again and again, and none can"
            " be replaced alone; give a BERT or RoBERTa checkpoint."
        )


def with_top_replaced(
    fine_tuned: Encoder, pretrained: Encoder, top: ArrayLike, embeddings: ArrayLike
) -> Encoder:
    """The fine-tuned encoder with its `top` blocks, and where `embeddings` says so all embeddings,
    pre-trained.

    Both may be traced. What is taken is taken bit for bit.
    """

    def chosen(key_path, fine, pre):
        if not path_of(key_path).startswith(BLOCKS):
            return jnp.where(embeddings, pre, fine)
        block = jnp.arange(len(fine)).reshape(-1, *(1,) * (fine.ndim - 1))
        return jnp.where(block >= len(fine) - jnp.asarray(top), pre, fine)

    return jax.tree_util.tree_map_with_path(chosen, fine_tuned, pretrained)


class Compared(NamedTuple):
    """What every point of a curve shares."""

    fine_tuned: Encoder
    pretrained: MaskedLM
    text: MaskedText


def text_losses(
    encoder: Encoder, pretrained: MaskedLM, text: MaskedText
) -> Float[Array, "batch masked"]:
    """Cross-entropy in nats of every hidden word, dropout off; 0 where a place holds none."""
    decoder = pretrained.encoder.word.embedding[...]

    def of_batch(text: MaskedText) -> Float[Array, " masked"]:
        logits = pretrained.head(encoder(text.rows)[text.slots], decoder)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, text.words)
        return jnp.where(text.present, losses, 0.0)

    return jax.lax.map(of_batch, text)


def losses_at(
    compared: Compared, replaced: Int[Array | np.ndarray, "2"]
) -> Float[Array, "batch masked"]:
    """`text_losses`, for `over_points`.

    Args:
        replaced: how many of the top blocks are pre-trained, and whether the embeddings are.
    """
    fine_tuned, pretrained, text = compared
    encoder = with_top_replaced(fine_tuned, pretrained.encoder, replaced[0], replaced[1] > 0)
    # Apart from what follows: the losses are then computed as for any other encoder, to the last
    # bit.
    return text_losses(jax.lax.optimization_barrier(encoder), pretrained, text)


class Curve(NamedTuple):
    """Losses of every hidden word by how many of the top blocks are pre-trained."""

    losses: Float[np.ndarray, "top word"]  # nats; top = 0 ... number of blocks
    blocks_only: Float[np.ndarray, " word"]  # all blocks pre-trained, the embeddings fine-tuned


def curve(compared: Compared, title: str) -> Curve:
    """`top` = 0 is the fine-tuned encoder. The embeddings go with the lowest block, so the last is
    the pre-trained model.
    """
    depth = compared.pretrained.encoder.config.num_layers
    tops = np.arange(depth + 1)
    points = np.stack([tops, tops == depth], axis=1)
    points = np.concatenate([points, [[depth, 0]]]).astype(np.int32)
    losses = over_points(losses_at, compared, points, title)[:, np.asarray(compared.text.present)]
    return Curve(losses[:-1], losses[-1])


def encoder_of(params: dict[str, np.ndarray], like: Encoder) -> Encoder:
    """The encoder among a classifier's parameters by path, with the static settings of `like`."""
    return jax.tree_util.tree_map_with_path(
        lambda key_path, _: params[f"encoder/{path_of(key_path)}"], like
    )


def distance(fine_tuned: Encoder, pretrained: Encoder) -> float:
    """L2 distance between all their parameters, over the norm of the pre-trained ones."""
    moved = jax.tree.map(jnp.subtract, fine_tuned, pretrained)
    return float(optax.tree.norm(moved) / optax.tree.norm(pretrained))


def perplexity(losses: Float[np.ndarray, "*curve word"]) -> Float[np.ndarray, "*curve"]:
    """exp of the mean loss over the hidden words, which may be infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(np.mean(losses, axis=-1, dtype=np.float64)))
