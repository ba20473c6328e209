"""Masked-LM perplexity of a fine-tuned encoder whose top blocks are the pre-trained ones again
(Mosbach et al. 2021, 4.1), on a text with the same words hidden for every model.

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
from jaxtune.core.shapes import Array, Bool, Float, Int
from jaxtune.data.packing import plan_in_order
from jaxtune.data.token_table import TokenTable
from jaxtune.models.encoder import Encoder, Rows
from jaxtune.models.heads import MaskedLM
from jaxtune.models.names import map_by_path
from jaxtune.study.over_points import over_points

BLOCKS = "layers/"
BATCH_SIZE = 64


class MaskedText(NamedTuple):
    """Packed rows for `jax.lax.map`; places beyond a batch's hidden words are not `present`."""

    rows: Rows  # every leaf [batch, ...]
    slots: Int[Array, "batch masked"]  # flat slot (row * slots + slot) of each hidden word
    words: Int[Array, "batch masked"]  # what stood there
    sequences: Int[Array, "batch masked"]  # of the table
    present: Bool[Array, "batch masked"]


def hide_words(
    table: TokenTable, words: np.ndarray, mask_token: int, mask_rate: float, seed: int, width: int
) -> MaskedText:
    """Hides `mask_rate` of the text's words, drawn without replacement over the whole text.

    Every one is shown as the mask token: unlike in pre-training none is replaced or kept, so that
    each has to be guessed.

    Args:
        words: ids that may be hidden, special tokens not among them.
        width: of the model, from which the length of a row is chosen.
    """
    eligible = np.flatnonzero(np.isin(table.ids, words))
    eligible = eligible[eligible > 0]  # index 0 is padding
    count = round(mask_rate * len(eligible))
    if count == 0:
        raise UserError(
            f"The text has {len(eligible)} words, of which a mask rate of {mask_rate} hides none;"
            " give more text."
        )
    hidden = np.zeros(len(table.ids), bool)
    hidden[np.random.default_rng(seed).choice(eligible, count, replace=False)] = True
    return _packed(table, hidden, mask_token, width)


def _packed(table: TokenTable, hidden: np.ndarray, mask_token: int, width: int) -> MaskedText:
    plan = plan_in_order(table, len(table), BATCH_SIZE, width)
    shown = np.where(hidden, np.int32(mask_token), table.ids)
    rows = Rows(
        token_ids=jnp.asarray(shown[plan.source]),
        segments=jnp.asarray(plan.segments),
        positions=jnp.asarray(table.positions[plan.source]),
        token_types=jnp.asarray(table.token_types[plan.source]),
        first=jnp.asarray(plan.first),
    )
    source = plan.source.reshape(len(plan.source), -1)
    sequence_of = np.concatenate([[0], np.repeat(np.arange(len(table)), table.lengths)])
    # Hidden words first, in the order of their slots.
    chosen = hidden[source]
    most = int(chosen.sum(axis=1).max())
    slots = np.argsort(~chosen, axis=1, kind="stable")[:, :most].astype(np.int32)
    at_slots = np.take_along_axis(source, slots, axis=1)
    return MaskedText(
        rows=rows,
        slots=jnp.asarray(slots),
        words=jnp.asarray(table.ids[at_slots]),
        sequences=jnp.asarray(sequence_of[at_slots], jnp.int32),
        present=jnp.asarray(hidden[at_slots]),
    )


def check_blocks(model: str, shared_block: bool) -> None:
    """Raises UserError for ALBERT, which has no layers to replace one by one."""
    if shared_block:
        raise UserError(
            f"{model} is an ALBERT, whose layers are one block used again and again: none can be"
            " replaced alone; give a BERT or RoBERTa checkpoint."
        )


def with_top_replaced(
    fine_tuned: Encoder, pretrained: Encoder, top: ArrayLike, embeddings: ArrayLike
) -> Encoder:
    """The fine-tuned encoder with its `top` blocks pre-trained, and if asked all embeddings too.

    `top` and `embeddings` may be traced. What is taken is taken bit for bit.
    """

    def chosen(path, fine, pre):
        if not path.startswith(BLOCKS):
            return jnp.where(embeddings, pre, fine)
        block = jnp.arange(len(fine)).reshape(-1, *(1,) * (fine.ndim - 1))
        return jnp.where(block >= len(fine) - jnp.asarray(top), pre, fine)

    return map_by_path(chosen, fine_tuned, pretrained)


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
    # Apart from what follows, so that the losses are those of any other encoder to the last bit.
    return text_losses(jax.lax.optimization_barrier(encoder), pretrained, text)


class Curve(NamedTuple):
    """Losses of every hidden word by how many of the top blocks are pre-trained."""

    losses: Float[np.ndarray, "top word"]  # nats; top = 0 ... number of blocks
    blocks_only: Float[np.ndarray, " word"]  # all blocks pre-trained, the embeddings fine-tuned


def curve(compared: Compared, title: str) -> Curve:
    """From the fine-tuned encoder to the pre-trained: the embeddings go with the lowest block."""
    depth = compared.pretrained.encoder.config.num_layers
    tops = np.arange(depth + 1)
    points = np.stack([tops, tops == depth], axis=1)
    points = np.concatenate([points, [[depth, 0]]]).astype(np.int32)
    losses = over_points(losses_at, compared, points, title)[:, np.asarray(compared.text.present)]
    return Curve(losses[:-1], losses[-1])


def encoder_of(params: dict[str, np.ndarray], like: Encoder) -> Encoder:
    """The encoder among a classifier's parameters by path, with the static settings of `like`."""
    return map_by_path(lambda path, _: params[f"encoder/{path}"], like)


def distance(fine_tuned: Encoder, pretrained: Encoder) -> float:
    """L2 distance between all their parameters, over the norm of the pre-trained ones."""
    moved = jax.tree.map(jnp.subtract, fine_tuned, pretrained)
    return float(optax.tree.norm(moved) / optax.tree.norm(pretrained))


def perplexity(losses: Float[np.ndarray, "*curve word"]) -> Float[np.ndarray, "*curve"]:
    """exp of the mean loss over the hidden words, which may be infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(np.mean(losses, axis=-1, dtype=np.float64)))
