"""Data and model where a program reads them."""

from typing import NamedTuple

import jax
import numpy as np

from jaxtune.data.packing import Plan
from jaxtune.data.token_table import Tokens
from jaxtune.models.heads import SequenceClassifier
from jaxtune.training.prepared import Prepared
from jaxtune.training.program import GroupProgram


class OnDevice(NamedTuple):
    """What all trials share, where the programs read it: the same on every device."""

    train: Tokens
    evaluated: Tokens  # the dev set, and held-out examples where there are any
    eval_plan: Plan
    model: SequenceClassifier  # what every trial starts from, of what it trains
    frozen: SequenceClassifier  # what no trial trains
    further: dict[str, tuple[Tokens, Plan]]  # what every trial answers after its last step
    further_words: jax.Array | np.ndarray  # rows of words that only those use [word, embedding]


def put_on_devices(program: GroupProgram, task: Prepared) -> OnDevice:
    """Copies the data once, for all groups of a program."""
    tables = OnDevice(
        task.train.as_tokens(),
        task.evaluated.as_tokens(),
        task.eval_plan,
        task.model,
        task.frozen,
        {name: (asked.tokens.as_tokens(), asked.plan) for name, asked in task.further.items()},
        task.full_embedding[task.further_words],
    )
    return program.place(tables, per_trial=False)
