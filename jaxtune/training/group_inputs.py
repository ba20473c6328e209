"""What a group's program is given: its trials' lanes, settings, random streams and batches."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxtune.config.trials import Trial
from jaxtune.data.packing import trial_batches
from jaxtune.models.heads import SequenceClassifier
from jaxtune.training.on_device import OnDevice
from jaxtune.training.plan import ProgramPlan
from jaxtune.training.program import GroupProgram
from jaxtune.training.step import TrialState
from jaxtune.training.trial_inputs import Stream, stack_hypers, stack_plans, stream_keys


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
        most = self.program.static.steps_per_dispatch
        plan = stack_plans(self.task.train, self.batches, step, count, most, self.shape)
        origin = (self.tables.model, self.init_keys) if self.program.needs_origin else (None, None)
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
