"""What the processes of a sweep leave of a group, brought together."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from jaxtune.config.trials import Trial
from jaxtune.core.processes import all_arrays, owner
from jaxtune.core.records import Recorder
from jaxtune.data.packing import steps_per_epoch
from jaxtune.training.group_records import GroupRecords
from jaxtune.training.group_run import GroupRun
from jaxtune.training.outcome import TrialResult, conclude
from jaxtune.training.plan import ProgramPlan
from jaxtune.training.rates import learning_rates
from jaxtune.training.step import gradient_norm_names


class Ended(NamedTuple):
    """A process's part of a group, over; None of a process without a trial."""

    run: GroupRun | None
    results: list[TrialResult]


def own_part(
    group: Sequence[Trial], group_size: int, process: int | None = None
) -> Sequence[Trial]:
    """The trials that this process, or another one, runs."""
    process = jax.process_index() if process is None else process
    return [t for place, t in enumerate(group) if owner(place, group_size) == process]


def of_all(
    ended: Ended, plan: ProgramPlan, group: Sequence[Trial], recorders: Sequence[Recorder]
) -> tuple[list[TrialResult], int]:
    """Every trial's result, in order, and the tokens of all; recorders are told of the trials that
    ran elsewhere. Parameters stay with the process that has them.
    """
    tokens = ended.run.num_tokens() if ended.run else 0
    if jax.process_count() == 1:
        return ended.results, tokens
    arrays = {"tokens": np.array(tokens)}
    if ended.run:
        arrays |= ended.run.records.as_arrays()
    results: list[TrialResult] = []
    parts = all_arrays(arrays)
    for process, part in enumerate(parts):
        trials = own_part(group, plan.group_size, process)
        if process == jax.process_index():
            results += ended.results
        elif trials:
            results += of_arrays(part, plan, trials, recorders)
    # The slowest process is the group's time, as all wait for it.
    seconds = max(float(part.get("seconds", 0.0)) for part in parts) / len(group)
    everyones = [dataclasses.replace(result, seconds=seconds) for result in results]
    return everyones, sum(int(part["tokens"]) for part in parts)


def of_arrays(
    arrays: dict[str, np.ndarray],
    plan: ProgramPlan,
    trials: Sequence[Trial],
    recorders: Sequence[Recorder],
) -> list[TrialResult]:
    """Results of trials that ran elsewhere, from `GroupRecords.as_arrays` of there; recorders are
    told of all.
    """
    task, config = plan.task, plan.config
    epoch = steps_per_epoch(len(task.train), config.batch_size)
    records = GroupRecords.from_arrays(config.log_every, arrays, config.eval_every or epoch)
    numbers = [trial.number for trial in trials]
    rates = learning_rates(trials, plan.num_steps)
    records.replay(recorders, numbers, rates, gradient_norm_names(task.model))
    return conclude(trials, records, task, epoch, {})
