"""What a sweep is going to run: which trials share a program, in which shapes and groups."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

import jax
import numpy as np

from jaxtune.config.settings import SweepConfig, mitigations_of
from jaxtune.config.trials import Trial, program_config, waves
from jaxtune.core.devices import bytes_held, is_out_of_memory, memory_limit
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
from jaxtune.models.pretrained import num_parameters
from jaxtune.models.starting_point import drawn_parts
from jaxtune.models.vocabulary import restore_embedding, unused_word_factor
from jaxtune.training.group_run import GroupRun, put_on_devices
from jaxtune.training.outcome import TrialResult
from jaxtune.training.prepare import Prepared, check_depth, prepare
from jaxtune.training.program import GroupProgram, StaticSettings, make_mesh
from jaxtune.training.trial_inputs import learning_rates

MOST_STEPS_PER_DISPATCH = 64
# Rungs of stacked trials: each is compiled, which takes an accelerator's compiler half a minute
# for a large model. They are chosen as for groups of TYPICAL_GROUP, whose size is not known yet.
MOST_STACKED_RUNGS = 4
TYPICAL_GROUP = 4
# The rest is for the data, evaluation and fragmentation.
MEMORY_SHARE = 0.9


@dataclasses.dataclass(frozen=True)
class ProgramPlan:
    """Trials that share one compiled program: the same model, data, shapes and number of steps."""

    config: SweepConfig
    task: Prepared
    shape: Shape
    trials: tuple[Trial, ...]
    finished: Mapping[int, int]  # number of a trial that OUT holds -> the group size it ran in

    @property
    def pending(self) -> tuple[Trial, ...]:
        """The trials that are left to run."""
        return tuple(trial for trial in self.trials if trial.number not in self.finished)

    @property
    def num_steps(self) -> int:
        """Optimiser steps of each trial."""
        return num_steps_of(self.config, len(self.task.train))

    @property
    def stop_step(self) -> int | None:
        """Steps after which trials may be stopped early; None where they are not."""
        return stop_step(self.config.early_stop, self.num_steps)

    @cached_property
    def devices(self) -> Sequence[jax.Device]:
        """No more devices than trials, but those of every process."""
        devices = jax.devices()
        return devices if jax.process_count() > 1 else devices[: len(self.trials)]

    @cached_property
    def group_size(self) -> int:
        """Trials that run at once: as before, or as many as asked for, else one per device on CPU,
        else what fits.

        A sweep that goes on keeps its size, for the rounding of stacked trials depends on it; that
        of one trial per device does not.
        """
        if not stacks_trials(self.config):
            return len(self.devices)
        before = [self.finished[t.number] for t in self.trials if t.number in self.finished]
        if before and before[-1] % len(self.devices) == 0:
            return before[-1]
        fill = math.ceil(len(self.trials) / len(self.devices))
        asked = self.config.trials_per_device
        limit = memory_limit()
        if asked is None and limit is not None and stacks_trials(self.config):
            most = trials_that_fit(self._bytes_needed, limit, fill)
            # Waves of equal size: 64 trials of which 20 fit run as 4 x 16, not as 3 x 20 + 4.
            per_device = math.ceil(fill / math.ceil(fill / most))
        else:
            per_device = min(asked or 1, fill)
        return per_device * len(self.devices)

    def _bytes_needed(self, per_device: int) -> int:
        """Memory per device of the compiled training program."""
        size = per_device * len(self.devices)
        program = self.compile(size)
        tables = put_on_devices(program, self.task)
        run = GroupRun(program, self.task, tables, self.trials[:size], self.shape, [])
        arguments = run.train_arguments(run.state_shapes(), 0, 1)
        return bytes_held(program.train.lower(*arguments).compile())

    @property
    def groups(self) -> list[tuple[Trial, ...]]:
        """The waves, in order."""
        return waves(self.pending, self.group_size)

    def compile(self, group_size: int) -> GroupProgram:
        """The program for groups of this size (XLA compiles at the first call)."""
        return GroupProgram(self.static, make_mesh(self.devices), group_size, self.task.model)

    @property
    def static(self) -> StaticSettings:
        """What the program is compiled for, whatever the device and the group size."""
        return StaticSettings(
            num_steps=self.num_steps,
            schedule=self.config.schedule,
            clip_per_tensor=self.config.clip_per_tensor,
            log_every=self.config.log_every,
            ladder=self.shape.ladder,
            eval_rows=self.task.eval_shape.ladder[-1],
            steps_per_dispatch=min(MOST_STEPS_PER_DISPATCH, self.num_steps),
            fresh=self.task.fresh,
            mitigations=mitigations_of(self.config),
        )

    def full_params(
        self, result: TrialResult, kind: str, model: SequenceClassifier
    ) -> dict[str, np.ndarray]:
        """A trial's parameters by path, as a run on the full vocabulary leaves them."""
        steps = result.best_step if kind == "best" else self.num_steps
        rates = learning_rates([result.trial], self.num_steps)[0, :steps]
        task, config = self.task, result.trial.config
        num_layers = task.model.encoder.config.num_layers
        rates = rates.astype(np.float64) * config.layerwise_lr_decay ** (num_layers + 1)
        decay = unused_word_factor(rates, config.weight_decay, config.pretrained_decay)
        full = restore_embedding(model, task.full_embedding, task.kept_words, decay)
        return {path: np.asarray(leaf) for path, leaf in paths(full).items()}

    @property
    def drawn_anew(self) -> list[str]:
        """The parts of the model that every trial draws from its own seed."""
        fewest = min(trial.config.reinit_layers for trial in self.trials)
        return drawn_parts(self.task.fresh, fewest)

    @property
    def about_the_start(self) -> list[str]:
        """What is to be said of where the trials start, a sentence each."""
        drawn = " and ".join(filter(None, [", ".join(self.drawn_anew[:-1]), self.drawn_anew[-1]]))
        return [f"Drawn anew by every trial: {drawn}.", *self.task.notes, *self._about_precision]

    @property
    def _about_precision(self) -> list[str]:
        device = self.devices[0]
        if device.platform == "cpu" or self.config.precision == "bfloat16":
            return []
        return [
            f"Products are in float32, which the {device.device_kind} computes several times as"
            " slowly as bfloat16; give --precision bfloat16 where that will do."
        ]

    def describe(self) -> dict[str, Any]:
        """The plan as the manifest keeps it."""
        return {
            "trials": len(self.trials),
            "group_size": self.group_size,
            "devices": len(self.devices),
            "groups": [[trial.number for trial in group] for group in self.groups],
            **self.describe_shapes(),
        }

    def describe_shapes(self) -> dict[str, Any]:
        """What of the plan does not depend on the devices."""
        train, width = self.task.train, self.shape.slots
        per_step = float(train.lengths.mean()) * self.config.batch_size
        return {
            "steps": self.num_steps,
            "parameters": num_parameters(self.task.model),
            "vocabulary": [len(self.task.kept_words), len(self.task.full_embedding)],
            "drawn_anew": self.drawn_anew,
            "checkpoint": list(self.task.notes),
            "row_slots": width,
            "rows": list(self.shape.ladder),
            "real_tokens_per_step": round(per_step, 1),
            "packed_slots_per_step": [rows * width for rows in self.shape.ladder],
        }


def make_plans(
    trials: Iterable[Trial],
    finished: Mapping[int, int] = MappingProxyType({}),
    platform: str | None = None,
) -> list[ProgramPlan]:
    """Groups trials by program and row shape, in order of their first trial.

    Args:
        finished: the trials that OUT holds (number -> group size); a program that has none left to
            run is left out.
        platform: cpu, gpu or tpu, where the trials are to run; None is where they would run here.
    """
    by_config: dict[SweepConfig, list[Trial]] = {}
    for trial in trials:
        by_config.setdefault(program_config(trial.config), []).append(trial)
    plans = []
    for config, members in by_config.items():
        if all(trial.number in finished for trial in members):
            continue
        task = prepare(config, platform)
        for trial in members:
            check_depth(trial.config, task.model.encoder.config)
        shape = _shape_of(members, task, platform)
        plans.append(ProgramPlan(config, task, shape, tuple(members), finished))
    return [plan for plan in plans if plan.pending]


def num_steps_of(config: SweepConfig, num_examples: int) -> int:
    """`max_steps`, or as many as the epochs take."""
    return config.max_steps or config.num_epochs * steps_per_epoch(num_examples, config.batch_size)


def stacks_trials(config: SweepConfig, platform: str | None = None) -> bool:
    """Whether a device runs several trials at once: on CPU it gains nothing (benchmarks/)."""
    if config.trials_per_device is None:
        return (platform or jax.default_backend()) != "cpu"
    return config.trials_per_device > 1


def trials_that_fit(bytes_needed: Callable[[int], int], limit: int, wanted: int) -> int:
    """Trials per device, 1 to `wanted`, with which a program keeps to 90 % of the memory."""
    size = wanted
    while size > 1:
        try:
            needed = bytes_needed(size)
        except jax.errors.JaxRuntimeError as error:
            if not is_out_of_memory(error):
                raise
            size //= 2
            continue
        if needed <= MEMORY_SHARE * limit:
            return size
        size = min(size - 1, int(size * MEMORY_SHARE * limit / needed))
    return 1


def _shape_of(trials: Sequence[Trial], task: Prepared, platform: str | None) -> Shape:
    """Row counts that hold every batch of every trial.

    One trial on a device takes the smallest rung for each batch, which is the same on a longer
    ladder: its numbers never depend on the trials beside it. Several trials on one device take the
    smallest rung that holds the batches of all: neighbours change its rounding, and nothing else.
    """
    orders = dict.fromkeys(trial.seeds.order_seed for trial in trials)
    rows = np.stack([_rows(trials[0].config, order, task) for order in orders])
    if not stacks_trials(trials[0].config, platform):
        return extended(task.shape, int(rows.max()))
    side_by_side = -(-len(rows) // min(len(rows), TYPICAL_GROUP))
    together = [part.max(axis=0) for part in np.array_split(rows, side_by_side)]
    ladder = best_ladder(np.append(together, rows.max()), MOST_STACKED_RUNGS)
    return task.shape._replace(ladder=ladder)


def _rows(config: SweepConfig, order_seed: int, task: Prepared) -> np.ndarray:
    """Rows that each batch of an order takes [step]."""
    steps = num_steps_of(config, len(task.train))
    batches = trial_batches(order_seed, len(task.train), config.batch_size, steps)
    return rows_needed(task.train, batches, task.shape)
