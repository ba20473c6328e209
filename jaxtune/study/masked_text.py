"""Text with some of its words hidden, the same ones for every model that is asked for them."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxtune.core.errors import UserError
from jaxtune.core.shapes import Array, Bool, Int
from jaxtune.data.packing import batch_indices, choose_shape, make_plan, rows_needed
from jaxtune.data.tokens import TokenTable
from jaxtune.models.encoder import Rows

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
    batches = batch_indices(np.arange(len(table)), min(BATCH_SIZE, len(table)))
    shape = choose_shape(table.lengths, batches.shape[1], width)
    shape = shape._replace(ladder=(int(rows_needed(table, batches, shape).max()),))
    plan = make_plan(table, batches, shape)
    shown = np.where(hidden, np.int32(mask_token), table.ids)
    rows = Rows(
        token_ids=jnp.asarray(shown[plan.source]),
        segments=jnp.asarray(plan.segments),
        positions=jnp.asarray(table.positions[plan.source]),
        token_types=jnp.asarray(table.token_types[plan.source]),
        first=jnp.asarray(plan.first),
    )
    source = plan.source.reshape(len(batches), -1)
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
