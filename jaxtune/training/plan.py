"""What a sweep is going to run: which trials share a program, in which shapes and groups."""

import dataclasses
import math
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

import jax
import numpy as np

from jaxtune.config.field_groups import freezes, head_first, mitigations_of
from jaxtune.config.settings import SweepConfig
from jaxtune.config.trials import Trial, averages, links_of, loss_fields, program_config, waves
from jaxtune.core.records import AtOnce
from jaxtune.core.schedules import stop_step
from jaxtune.data.packing import (
    Shape,
    best_ladder,
    extended,
    rows_needed,
    steps_per_epoch,
    trial_batches,
)
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.names import paths
from jaxtune.models.starting_point import drawn_parts
from jaxtune.models.vocabulary import restore_embedding
from jaxtune.training.check_settings import check_depth, check_steps
from jaxtune.training.kernel_rows import check_kernel_rows
from jaxtune.training.local_trials import StaticSettings
from jaxtune.training.outcome import TrialResult
from jaxtune.training.prepare import prepare
from jaxtune.training.prepared import Prepared
from jaxtune.training.program import GroupProgram, make_mesh, recent_program
from jaxtune.training.rates import learning_rates, left_of_unused_words
from jaxtune.training.sizes import Tried

MOST_STEPS_PER_DISPATCH = 64
# Rungs of stacked trials: each is compiled, which takes an accelerator's compiler half a minute
# for a large model. They are chosen as for groups of TYPICAL_GROUP, whose size is not known yet.
MOST_STACKED_RUNGS = 4
TYPICAL_GROUP = 4


@dataclasses.dataclass(frozen=True)
class ProgramPlan:
    """Trials that share one compiled program: the same model, data, shapes and number of steps."""

    config: SweepConfig
    task: Prepared
    rows: np.ndarray  # that each batch of each order takes [order, step]
    trials: tuple[Trial, ...]
    finished: Mapping[int, AtOnce]  # number of a trial that OUT holds -> beside how many it ran
    elsewhere: Container[int] = ()  # numbers of trials that are not to run here
    chosen: int | None = None  # trials that a device runs at once; None while that is to be sought
    tried: tuple[Tried, ...] = ()  # where it was sought, what was found

    @property
    def pending(self) -> tuple[Trial, ...]:
        """The trials that are left to run."""
        return tuple(
            trial
            for trial in self.trials
            if trial.number not in self.finished and trial.number not in self.elsewhere
        )

    @property
    def num_steps(self) -> int:
        """Optimiser steps of each trial."""
        return num_steps_of(self.config, len(self.task.train))

    @property
    def tokens_per_step(self) -> float:
        """Real tokens of a batch, on average over an epoch, whose last batch may be short."""
        train = self.task.train
        return float(train.lengths.sum()) / steps_per_epoch(len(train), self.config.batch_size)

    @property
    def stop_step(self) -> int | None:
        """Steps after which trials may be stopped early; None where they are not."""
        return stop_step(self.config.early_stop, self.num_steps)

    @cached_property
    def devices(self) -> Sequence[jax.Device]:
        """No more devices than trials, but those of every process."""
        devices = jax.devices()
        return devices if jax.process_count() > 1 else devices[: len(self.trials)]

    @property
    def own_devices(self) -> Sequence[jax.Device]:
        """Those of this process, which run its part of every group."""
        return [d for d in self.devices if d.process_index == jax.process_index()]

    @property
    def per_device(self) -> int:
        """Trials that a device runs at once."""
        assert self.chosen is not None, "jaxtune.training.group_size chooses it"
        return self.chosen

    @property
    def group_size(self) -> int:
        """Trials that run at once."""
        return self.per_device * len(self.devices)

    def stacking(self, per_device: int, tried: tuple[Tried, ...] = ()) -> "ProgramPlan":
        """This plan with so many trials at once on a device, by what was tried."""
        return dataclasses.replace(self, chosen=per_device, tried=tried)

    @cached_property
    def shape(self) -> Shape:
        """Row counts that hold every batch of every trial.

        One trial on a device takes the smallest rung for each batch, which is the same on a longer
        ladder: its numbers never depend on the trials beside it. Several trials on one device take
        the smallest rung that holds the batches of all: neighbours change its rounding, and nothing
        else.
        """
        task, rows = self.task, self.rows
        if self.per_device == 1:
            return extended(task.shape, int(rows.max()))
        side_by_side = -(-len(rows) // min(len(rows), TYPICAL_GROUP))
        together = [part.max(axis=0) for part in np.array_split(rows, side_by_side)]
        ladder = best_ladder(np.append(together, rows.max()), MOST_STACKED_RUNGS)
        return task.shape._replace(ladder=ladder)

    @property
    def groups(self) -> list[tuple[Trial, ...]]:
        """The waves, in order."""
        return waves(self.pending, self.group_size)

    def hours(self, group_size: int, step_seconds: float, evaluation_seconds: float) -> float:
        """For every trial that is left to run, where a step and an evaluation of all trials of a
        group take so long; a last wave may have idle lanes.
        """
        num_waves = math.ceil(len(self.pending) / group_size)
        evaluating = self.evaluations * evaluation_seconds
        return num_waves * (self.num_steps * step_seconds + evaluating) / 3600

    @property
    def eval_every(self) -> int:
        """Steps between evaluations."""
        steps = steps_per_epoch(len(self.task.train), self.config.batch_size)
        return self.config.eval_every or steps

    @property
    def evaluations(self) -> float:
        """Of a trial that runs to its end: of the dev set, at the stop step too, and of the further
        sets, which it answers once, by their slots.
        """
        task, every = self.task, self.eval_every
        of_dev = math.ceil(self.num_steps / every)
        if self.stop_step is not None and self.stop_step % every:
            of_dev += 1
        slots = sum(asked.plan.source.size for asked in task.further.values())
        return of_dev + slots / task.eval_plan.source.size

    def compile(self, group_size: int) -> GroupProgram:
        """The program for so many trials on this process's devices (XLA compiles at the first
        call).
        """
        return recent_program(self.static, make_mesh(self.own_devices), group_size, self.task.model)

    @property
    def static(self) -> StaticSettings:
        """What the program is compiled for, whatever the device and the group size."""
        return StaticSettings(
            num_steps=self.num_steps,
            schedule=self.config.schedule,
            clip_per_tensor=self.config.clip_per_tensor,
            log_every=self.config.log_every,
            ladder=self.shape.ladder,
            steps_per_dispatch=min(MOST_STEPS_PER_DISPATCH, self.num_steps),
            fresh=self.task.fresh,
            mitigations=mitigations_of(self.config),
            loss=loss_fields(self.trials),
            links=links_of(self.trials),
            averages=averages(self.trials),
            head_first=head_first(self.config),
        )

    def full_params(
        self, result: TrialResult, kind: str, model: SequenceClassifier
    ) -> dict[str, np.ndarray]:
        """A trial's trained parameters by path, as a run on the full vocabulary leaves them."""
        if freezes(self.config):  # no row of the word embeddings has moved
            return {path: np.asarray(leaf) for path, leaf in paths(model).items()}
        steps = result.best_step if kind == "best" else self.num_steps
        task, rates = self.task, learning_rates([result.trial], self.num_steps)
        (decay,) = left_of_unused_words([result.trial], rates, steps, task.num_layers)
        full = restore_embedding(model, task.full_embedding, task.kept_words, float(decay))
        return {path: np.asarray(leaf) for path, leaf in paths(full).items()}

    @property
    def drawn_anew(self) -> list[str]:
        """The parts of the model that every trial draws from its own seed."""
        fewest = min(trial.config.reinit_layers for trial in self.trials)
        return drawn_parts(self.task.fresh, self.task.model.encoder.config, fewest)


def make_plans(
    trials: Iterable[Trial],
    finished: Mapping[int, AtOnce] = MappingProxyType({}),
    platform: str | None = None,
    elsewhere: Container[int] = (),
) -> list[ProgramPlan]:
    """Groups trials by program and row shape, in order of their first trial.

    Args:
        finished: the trials that OUT holds, by number; a program that has none left to run is left
            out.
        platform: cpu, cuda (or gpu) or tpu, where the trials are to run; None is where they would
            run here.
        elsewhere: numbers of trials that other shards run. They shape a program all the same, so
            that every shard runs the program of the whole sweep.
    """
    by_config: dict[SweepConfig, list[Trial]] = {}
    for trial in trials:
        by_config.setdefault(program_config(trial.config), []).append(trial)
    plans = []
    for config, members in by_config.items():
        if all(t.number in finished or t.number in elsewhere for t in members):
            continue
        task = prepare(config, platform, (trial.config for trial in members))
        if platform is None:  # else whoever has the device looks at it
            check_kernel_rows(task, jax.devices()[0])
        for trial in members:
            check_depth(trial.config, task.model.encoder.config)
            check_steps(trial.config, num_steps_of(config, len(task.train)))
        orders = dict.fromkeys(trial.seeds.order_seed for trial in members)
        rows = np.stack([rows_of_order(config, order, task, task.shape) for order in orders])
        plan = ProgramPlan(config, task, rows, tuple(members), finished, elsewhere)
        plans.append(plan.stacking(settled) if (settled := _settled(plan, platform)) else plan)
    return [plan for plan in plans if plan.pending]


def num_steps_of(config: SweepConfig, num_examples: int) -> int:
    """`max_steps`, or as many as the epochs take."""
    return config.max_steps or config.num_epochs * steps_per_epoch(num_examples, config.batch_size)


def stacks_trials(config: SweepConfig, platform: str | None = None) -> bool:
    """Whether a device runs several trials at once: on CPU it gains nothing (benchmarks/)."""
    if config.trials_per_device is None:
        return (platform or jax.default_backend()) != "cpu"
    return config.trials_per_device > 1


def _settled(plan: ProgramPlan, platform: str | None) -> int | None:
    """Trials at once on a device, where that need not be sought: one on CPU, else as before or as
    many as asked for.

    A sweep that goes on keeps its size, for the rounding of stacked trials depends on it; that of
    one trial per device does not.
    """
    if not stacks_trials(plan.config, platform):
        return 1
    num_devices, asked = len(plan.devices), plan.config.trials_per_device
    before = [plan.finished[t.number] for t in plan.trials if t.number in plan.finished]
    if before and before[-1].per_device is not None:
        return before[-1].per_device
    if before and before[-1].group % num_devices == 0:  # as if it had been on these devices
        share = before[-1].group // num_devices
        return min(share, asked or share)
    return asked and min(asked, math.ceil(len(plan.trials) / num_devices))


def rows_of_order(config: SweepConfig, order_seed: int, task: Prepared, shape: Shape) -> np.ndarray:
    """Rows that each batch of an order takes [step]."""
    steps = num_steps_of(config, len(task.train))
    batches = trial_batches(order_seed, len(task.train), config.batch_size, steps)
    return rows_needed(task.train, batches, shape)
