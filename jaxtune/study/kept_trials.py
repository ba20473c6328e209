"""Parameters of a sweep's finished trials: those that it kept, and those on the way there."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxtune.config.trials import Trial, waves
from jaxtune.export.members import DevSet, Params, read_sweep
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.vocabulary import compact_embedding
from jaxtune.training.group_inputs import GroupInputs, put_on_devices
from jaxtune.training.plan import ProgramPlan, make_plans
from jaxtune.training.prepared import Prepared


class KeptTrials:
    """Trials whose final parameters the sweep kept; UserError where some are missing or damaged."""

    def __init__(self, out: Path, numbers: Iterable[int]):
        self.sweep = read_sweep(out, "final")
        by_number = {member.number: member for member in self.sweep.members}
        self.members = {number: by_number[number] for number in numbers}

    @cached_property
    def _dev(self) -> DevSet:
        return DevSet(next(iter(self.members.values())).trial)

    @property
    def task(self) -> Prepared:
        """What the trials were trained on."""
        return self._dev.task

    def params(self, number: int) -> Params:
        """By path, every word's embedding among them; they give the logits that the sweep left."""
        member = self.members[number]
        params = self.sweep.params(member)
        self._dev.check(self.sweep, member, params)
        return params

    def model(self, number: int) -> SequenceClassifier:
        """With the embedding rows of words in use alone, as it was trained."""
        model = self._dev.model(self.params(number), self.members[number].folder)
        return jax.tree.map(jnp.asarray, compact_embedding(model, self.task.kept_words))


class Passed(NamedTuple):
    """Where a trial is after so many steps, with the embedding rows of words in use alone."""

    trial: Trial
    step: int
    model: SequenceClassifier


def retrace(trials: Sequence[Trial], per_device: int, every: int) -> Iterator[Passed]:
    """Trains trials again by their seeds and shows each one every `every` steps, ends included.

    The parameters are those of the first run: bit for bit on CPU, and elsewhere as far as the
    device repeats itself.

    Args:
        per_device: trials that a device ran at once in that sweep: the rounding of stacked trials
            depends on it.
    """
    for planned in make_plans(trials):
        plan = planned.stacking(per_device)
        # One device: a plan has as many as trials.
        program = dataclasses.replace(plan, trials=plan.trials[:1]).compile(per_device)
        tables = put_on_devices(program, plan.task)
        for group in waves(plan.trials, per_device):
            inputs = GroupInputs(program, plan, tables, group)
            for step, models in _states(inputs, plan, every):
                for lane, trial in enumerate(group):
                    yield Passed(trial, step, jax.tree.map(lambda leaf, i=lane: leaf[i], models))


def _states(inputs: GroupInputs, plan: ProgramPlan, every: int) -> Iterator[tuple[int, Any]]:
    """Step numbers and the group's stacked parameters, given up to the next steps once seen."""
    state = inputs.start_state()
    yield 0, state.evaluated
    step, most = 0, inputs.program.static.steps_per_dispatch
    while step < plan.num_steps:
        count = min(every - step % every, most, plan.num_steps - step)
        state, _ = inputs.program.train(*inputs.train_arguments(state, step, count))
        step += count
        if step % every == 0 or step == plan.num_steps:
            yield step, state.evaluated
