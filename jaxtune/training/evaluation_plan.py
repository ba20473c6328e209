"""Rows and batches of what trials answer: every example once, in its file's own order."""

import numpy as np

from jaxtune.data.packing import Plan, Shape, batch_indices, choose_shape, make_plan, rows_needed
from jaxtune.data.token_table import TokenTable

EVAL_BATCH_SIZE = 64


def plan_evaluation(
    split: TokenTable, hidden_size: int, packed: bool, any_width: bool, narrow: bool
) -> tuple[Shape, Plan]:
    """A split in its own order, every example once, in equal batches of rows."""
    shape, batches = in_order(split, hidden_size, packed, any_width, narrow)
    return shape, make_plan(split, batches, shape)


def in_order(
    table: TokenTable,
    hidden_size: int,
    packed: bool = True,
    any_width: bool = True,
    narrow: bool = False,
) -> tuple[Shape, np.ndarray]:
    """Equal batches of rows that hold a table in its own order, and the batches."""
    size = min(EVAL_BATCH_SIZE, len(table))
    batches = batch_indices(np.arange(len(table)), size)
    shape = choose_shape(table.lengths, size, hidden_size, packed, any_width, narrow)
    most = int(rows_needed(table, batches, shape).max())
    return shape._replace(ladder=(most,)), batches
