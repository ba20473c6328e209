"""A trial of a finished sweep trained once more, and looked at every few steps."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax

from jaxtune.config.trials import Trial, waves
from jaxtune.models.heads import SequenceClassifier
from jaxtune.training.group_run import GroupRun, put_on_devices
from jaxtune.training.plan import ProgramPlan, make_plans


class Passed(NamedTuple):
    """Where a trial is after so many steps; the rows of words in use alone
    (`jaxtune.models.vocabulary`).
    """

    trial: Trial
    step: int
    model: SequenceClassifier


def retrace(trials: Sequence[Trial], per_device: int, every: int) -> Iterator[Passed]:
    """Trains the trials again by their seeds and shows each one's parameters every `every` steps,
    both ends included.

    They are those of the first run: bit for bit on CPU, and elsewhere as far as the device repeats
    itself.

    Args:
        per_device: trials that a device ran at once in that sweep: the rounding of stacked trials
            depends on it.
    """
    for plan in make_plans(trials):
        # One device: a plan has as many as trials.
        program = dataclasses.replace(plan, trials=plan.trials[:1]).compile(per_device)
        tables = put_on_devices(program, plan.task)
        for group in waves(plan.trials, per_device):
            run = GroupRun(program, plan.task, tables, group, plan.shape, [])
            for step, models in _states(run, plan, every):
                for lane, trial in enumerate(group):
                    yield Passed(trial, step, jax.tree.map(lambda leaf, i=lane: leaf[i], models))


def _states(run: GroupRun, plan: ProgramPlan, every: int) -> Iterator[tuple[int, Any]]:
    """Step numbers and the group's parameters, stacked; they are given up to the next steps once
    seen.
    """
    state = run.start_state()
    yield 0, state.model
    step, most = 0, run.program.recipe.steps_per_dispatch
    while step < plan.num_steps:
        count = min(every - step % every, most, plan.num_steps - step)
        state, _ = run.program.train(*run.train_arguments(state, step, count))
        step += count
        if step % every == 0 or step == plan.num_steps:
            yield step, state.model
