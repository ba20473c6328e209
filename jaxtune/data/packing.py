"""Batches to packed rows: whole sequences side by side in few fixed rows, first-fit decreasing.

A plan says for every step which token of the table lies in which slot. Everything here is a pure
function of the data, the batch size and the order seed, and is vectorised over batches, so the
shapes are known before compiling.
"""

import math
from typing import NamedTuple

import numpy as np

from jaxtune.data.token_table import TokenTable

# Placing a batch takes about batch_size^2 comparisons: large batches, which vary less, are sampled
# less.
SAMPLED_COMPARISONS = 4_000_000
MOST_RUNGS = 8
RUNG_WORTH = 0.01


class Plan(NamedTuple):
    """Steps of one trial, ready for the device."""

    source: np.ndarray  # int32 [step, row, slot], index into the token table; 0 is padding
    # int16 (int32 for a batch that it is too small for) [step, row, slot], 1 + place in the batch;
    # 0 is padding
    segments: np.ndarray
    first: np.ndarray  # int32 [step, sequence], flat slot of the first token
    example: np.ndarray  # int32 [step, sequence]
    weight: np.ndarray  # float32 [step, sequence], 0 where the last batch is short
    rows: np.ndarray  # int32 [step], rows in use


class Placement(NamedTuple):
    """Where each sequence of each batch lies, and how many rows that takes."""

    row: np.ndarray  # [batch, sequence]
    offset: np.ndarray  # [batch, sequence]
    rows: np.ndarray  # [batch]


class Shape(NamedTuple):
    """The compiled row shapes of a task: `ladder[-1]` rows hold every batch, smaller rungs most."""

    slots: int
    ladder: tuple[int, ...]
    packed: bool


def batch_indices(order: np.ndarray, batch_size: int) -> np.ndarray:
    """An epoch's order cut into batches [batch, sequence]; -1 fills the last one up."""
    num_batches = steps_per_epoch(len(order), batch_size)
    padded = np.full(num_batches * batch_size, -1, np.int32)
    padded[: len(order)] = order
    return padded.reshape(num_batches, batch_size)


def epoch_order(order_seed: int, epoch: int, num_examples: int) -> np.ndarray:
    """The order of one epoch: a pure function of (order_seed, epoch)."""
    return np.random.default_rng([order_seed, epoch]).permutation(num_examples).astype(np.int32)


def steps_per_epoch(num_examples: int, batch_size: int) -> int:
    """Steps of a pass over the data, the short last batch included."""
    return -(-num_examples // batch_size)


def trial_batches(
    order_seed: int, num_examples: int, batch_size: int, num_steps: int
) -> np.ndarray:
    """The batches of a run [step, sequence], epoch after epoch; short last batches are kept."""
    epochs = -(-num_steps // steps_per_epoch(num_examples, batch_size))
    batches = [
        batch_indices(epoch_order(order_seed, epoch, num_examples), batch_size)
        for epoch in range(epochs)
    ]
    return np.concatenate(batches)[:num_steps]


def place(lengths: np.ndarray, slots: int) -> Placement:
    """First-fit decreasing into rows of `slots`, for many batches: `lengths` [batch, sequence]."""
    num_batches, size = lengths.shape
    by_length = np.argsort(-lengths, axis=1, kind="stable")
    space = np.full((num_batches, size), slots, np.int32)
    row, offset = np.zeros_like(lengths), np.zeros_like(lengths)
    batch = np.arange(num_batches)
    for rank in range(size):
        sequence = by_length[:, rank]
        length = lengths[batch, sequence]
        target = (space >= length[:, None]).argmax(axis=1)
        row[batch, sequence] = target
        offset[batch, sequence] = slots - space[batch, target]
        space[batch, target] -= length
    return Placement(row, offset, (space < slots).sum(axis=1).astype(np.int32))


def one_per_row(lengths: np.ndarray) -> Placement:
    """The padded layout that packing is compared with."""
    row = np.broadcast_to(np.arange(lengths.shape[1], dtype=lengths.dtype), lengths.shape)
    rows = np.full(len(lengths), lengths.shape[1], np.int32)
    return Placement(row, np.zeros_like(lengths), rows)


def choose_shape(
    lengths: np.ndarray,
    batch_size: int,
    hidden_size: int,
    packed: bool = True,
    any_width: bool = True,
    narrow: bool = False,
) -> Shape:
    """The row width that costs least on sampled batches, and the row counts to compile.

    The cost of a slot grows with its row through attention, by about width / (2 hidden) of the rest
    (a rule of thumb for CPUs). Runs that meet larger batches than the sampled ones get more rungs
    (`extended`). Without `any_width` it is a power of two: an accelerator's matrix units work in
    tiles of 64 or 128, and its attention kernel holds whole rows of such a size on the chip, where
    a row twice as wide takes four times the room: with `narrow` none is wider than the longest
    sequence needs.
    """
    longest = -(-int(lengths.max()) // 8) * 8
    widths = range(longest, 4 * longest + 1, max(8, longest // 32 * 8))
    if not any_width:
        # A product sums over at least 16.
        longest = max(16, 2 ** math.ceil(math.log2(longest)))
        widths = [longest] if narrow else [longest, 2 * longest]
    if not packed:
        return Shape(longest, (batch_size,), packed=False)
    rng = np.random.default_rng(0)
    num_sampled = max(64, SAMPLED_COMPARISONS // batch_size**2)
    sample = rng.choice(lengths, size=(num_sampled, batch_size))

    def cost(width: int) -> float:
        rows = place(sample[:256], width).rows
        return float(rows.mean()) * width * (1 + width / (2 * hidden_size))

    slots = min(widths, key=cost)
    return Shape(slots, best_ladder(place(sample, slots).rows), packed=True)


def best_ladder(rows: np.ndarray, most_rungs: int | None = None) -> tuple[int, ...]:
    """The row counts to compile, the largest seen included: those that leave the fewest rows empty.

    A rung more must save RUNG_WORTH of all rows, for it costs as much again to compile. There are
    no more than MOST_RUNGS, nor than `most_rungs`.
    """
    most = MOST_RUNGS if most_rungs is None else min(most_rungs, MOST_RUNGS)
    counts, times = np.unique(rows, return_counts=True)
    batches = np.concatenate([[0], np.cumsum(times)])  # with at most as many rows
    # totals[j]: rows spent on the batches of up to counts[j] rows, by the best ladder that ends
    # there.
    totals = counts * batches[1:]
    ladders: list[tuple[int, ...]] = [(int(count),) for count in counts]
    for size in range(1, min(most, len(counts))):
        shorter, before = totals.copy(), list(ladders)
        for j in range(size, len(counts)):
            ends = shorter[:j] + counts[j] * (batches[j + 1] - batches[1 : j + 1])
            i = int(np.argmin(ends))
            totals[j], ladders[j] = ends[i], (*before[i], int(counts[j]))
        if totals[-1] > (1 - RUNG_WORTH) * shorter[-1]:
            return before[-1]
    return ladders[-1]


def extended(shape: Shape, rows_needed: int) -> Shape:
    """The shape with a rung for every even row count from the top of its ladder to `rows_needed`.

    A batch takes the same rung of the ladder however far it was extended: trials that need more and
    trials that need less share a program without a change in their numbers.
    """
    top = shape.ladder[-1]
    if rows_needed <= top:
        return shape
    more = range(top + 2 - top % 2, rows_needed + rows_needed % 2 + 1, 2)
    return shape._replace(ladder=(*shape.ladder, *more))


def rows_needed(table: TokenTable, batches: np.ndarray, shape: Shape) -> np.ndarray:
    """Rows each batch takes [batch]."""
    return _placed(_lengths(table, batches), shape).rows


def make_plan(table: TokenTable, batches: np.ndarray, shape: Shape) -> Plan:
    """Lays batches [step, sequence] (-1 for none) into rows of `shape`."""
    lengths = _lengths(table, batches)
    placement = _placed(lengths, shape)
    row_count = shape.ladder[-1]
    cells = np.arange(len(batches))[:, None] * row_count + placement.row
    first_slot = cells * shape.slots + placement.offset  # in the flattened [step, row, slot]
    present = batches >= 0
    starts, counts = table.starts[batches[present]], lengths[present]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    where = np.repeat(first_slot[present], counts) + within
    source = np.zeros(len(batches) * row_count * shape.slots, np.int32)
    fits = batches.shape[1] <= np.iinfo(np.int16).max
    segments = np.zeros(source.shape, np.int16 if fits else np.int32)
    source[where] = np.repeat(starts, counts) + within
    segments[where] = np.repeat(1 + np.nonzero(present)[1], counts)
    return Plan(
        source=source.reshape(-1, row_count, shape.slots),
        segments=segments.reshape(-1, row_count, shape.slots),
        first=np.where(present, placement.row * shape.slots + placement.offset, 0).astype(np.int32),
        example=np.maximum(batches, 0).astype(np.int32),
        weight=present.astype(np.float32),
        rows=placement.rows,
    )


def plan_in_order(table: TokenTable, count: int, batch_size: int, hidden_size: int) -> Plan:
    """The first `count` sequences of a table in its own order, in batches of equally many rows."""
    batches = batch_indices(np.arange(count), min(batch_size, count))
    shape = choose_shape(table.lengths, batches.shape[1], hidden_size)
    shape = shape._replace(ladder=(int(rows_needed(table, batches, shape).max()),))
    return make_plan(table, batches, shape)


def _lengths(table: TokenTable, batches: np.ndarray) -> np.ndarray:
    return np.where(batches >= 0, table.lengths[batches], 0).astype(np.int32)


def _placed(lengths: np.ndarray, shape: Shape) -> Placement:
    longest = lengths.max(initial=0)
    if longest > shape.slots:
        raise ValueError(f"A sequence of {longest} tokens does not fit a row of {shape.slots}.")
    return place(lengths, shape.slots) if shape.packed else one_per_row(lengths)
