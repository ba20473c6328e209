"""What a group's program is given: data and model, which all trials share, and what each trial
brings, stacked: settings, random streams, batches.
"""

import enum
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtune.config.trials import Hyper, Trial
from jaxtune.data.packing import Plan, Shape, make_plan, trial_batches
from jaxtune.data.token_table import Tokens, TokenTable
from jaxtune.models.heads import SequenceClassifier
from jaxtune.training.plan import ProgramPlan
from jaxtune.training.prepared import Prepared
from jaxtune.training.program import GroupProgram
from jaxtune.training.step import TrialState


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


class GroupInputs:
    """The arguments of one group's functions.

    `trials` may be fewer than the program's group size: the lanes left over are idle, they repeat
    the last trial and are dropped.
    """

    def __init__(
        self, program: GroupProgram, plan: ProgramPlan, tables: OnDevice, trials: Sequence[Trial]
    ):
        self.program, self.tables = program, tables
        self.task, self.shape = plan.task, plan.shape
        self.lanes = [*trials, *[trials[-1]] * (program.group_size - len(trials))]
        batch_size, num_steps = trials[0].config.batch_size, program.static.num_steps
        self.batches = [
            trial_batches(t.seeds.order_seed, len(self.task.train), batch_size, num_steps)
            for t in self.lanes
        ]
        self.hyper = program.place(
            stack_hypers(self.lanes, [self.task.class_weights(t.config) for t in self.lanes])
        )
        self.init_keys = program.place(
            stream_keys((t.seeds.init_seed for t in self.lanes), Stream.INIT)
        )
        self.dropout_keys = program.place(
            stream_keys((t.seeds.dropout_seed for t in self.lanes), Stream.DROPOUT)
        )

    def num_tokens(self, lane: int, steps: int) -> int:
        """Real tokens of a lane's first steps."""
        batches = self.batches[lane][:steps]
        return int(self.task.train.lengths[batches[batches >= 0]].sum())

    def start_state(self) -> TrialState:
        """The state before the first step."""
        return self.program.start(self.tables.model, self.init_keys, self.hyper)

    def state_shapes(self) -> TrialState:
        """The state's shapes and types, for which nothing is computed."""
        return jax.eval_shape(self.program.start, self.tables.model, self.init_keys, self.hyper)

    def train_arguments(self, state: TrialState, step: int, count: int) -> tuple[Any, ...]:
        """What the program's `train` takes for the next `count` steps."""
        static = self.program.static
        most = static.steps_per_dispatch
        plan = stack_plans(self.task.train, self.batches, step, count, most, self.shape)
        origin = (self.tables.model, self.init_keys) if static.needs_origin else (None, None)
        return (
            state,
            self.hyper,
            self.dropout_keys,
            self.program.place(plan),
            self.tables.train,
            np.int32(step),
            np.int32(count),
            self.tables.frozen,
            *origin,
        )

    def evaluate_arguments(self, models: SequenceClassifier) -> tuple[Any, ...]:
        """What the program's `evaluate` takes."""
        tables = self.tables
        return models, self.hyper, tables.evaluated, tables.eval_plan, tables.frozen


def stack_hypers(trials: Sequence[Trial], class_weights: Sequence[np.ndarray]) -> Hyper:
    """Settings by trial, numbers as float32; `class_weights` [label] are each trial's own."""
    hypers = [
        trial.hyper._replace(class_weights=weights)
        for trial, weights in zip(trials, class_weights, strict=True)
    ]
    stacked = (np.array(values) for values in zip(*hypers, strict=True))
    return Hyper(*(v if v.dtype == bool else v.astype(np.float32) for v in stacked))


class Stream(enum.IntEnum):
    """What a key is drawn for: equal seeds of two streams give unrelated keys."""

    INIT = 0
    DROPOUT = 1


def stream_keys(seeds: Iterable[int], stream: Stream) -> jax.Array:
    """One key per trial (Threefry: `jaxtune.core.devices.REPRODUCIBLE`)."""
    keys = (jax.random.key(seed, impl="threefry2x32") for seed in seeds)
    return jnp.stack([jax.random.fold_in(key, stream) for key in keys])


def stack_plans(
    train: TokenTable,
    batches: Sequence[np.ndarray],
    start: int,
    count: int,
    most: int,
    shape: Shape,
) -> Plan:
    """The row layouts [trial, step, ...] of `count` steps from `start` of each trial's batches.

    Steps up to `most`, which the program is compiled for, are filled up with empty ones.
    """
    plans = []
    for own in batches:
        part = np.full((most, own.shape[1]), -1, np.int32)
        part[:count] = own[start : start + count]
        plans.append(make_plan(train, part, shape))
    return Plan(*(np.stack(parts) for parts in zip(*plans, strict=True)))
