"""What a sweep reads, checked against what OUT was begun with, and sized for the devices."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxtune.config.looks import trials_at_looks
from jaxtune.config.parse import Settings
from jaxtune.core.console import say
from jaxtune.core.entities import same_lengths
from jaxtune.core.errors import UserError
from jaxtune.core.processes import everyones, in_all, writes
from jaxtune.storage.inputs import Inputs, read_inputs
from jaxtune.storage.out_folder import check_inputs
from jaxtune.storage.paths import CHECKPOINTS, FIRST_LEG
from jaxtune.storage.same_config import same_places
from jaxtune.storage.sweep_checkpoints import SweepCheckpoints
from jaxtune.storage.trial_rows import check_rows
from jaxtune.sweep.asked import Asked
from jaxtune.training.group_size import how_sized, sized
from jaxtune.training.plan import ProgramPlan


def inputs_of(asked: Asked, pending: bool) -> Inputs:
    """The files of model and data, which are those that OUT was begun with.

    A finished sweep reads them no more: it can be shown where they no longer lie, say on another
    machine. OUT is the first process's: the others' files are compared with its.
    """
    out, settings = asked.out, asked.settings
    if not writes():
        return read_inputs(settings) if pending else {}
    if settings.base.overwrite:
        return read_inputs(settings)
    needed = pending or not same_places(out, settings)
    try:
        inputs = read_inputs(settings)
    except UserError:
        if needed:
            raise
        return {}
    check_inputs(out, inputs, needed)
    return inputs


def check_one_dev_set(plans: Sequence[ProgramPlan]) -> None:
    """Raises UserError for arms whose scores would not compare, nor share a file of labels."""
    first = plans[0].task if plans else None
    for task in (plan.task for plan in plans[1:]):
        assert first is not None
        same = np.array_equal(task.dev.labels, first.dev.labels)
        same = same and same_lengths(task.sentence_lengths, first.sentence_lengths)
        if task.classes != first.classes or not same:
            cut = "" if task.sentences is None else ", or other words are cut away"
            raise UserError(
                f"The arms have different classes or dev labels{cut}, and their scores do not"
                " compare; give them one --dev_file and the same --classes, or run them into"
                " folders of their own."
            )


def with_sizes(asked: Asked, plans: Sequence[ProgramPlan]) -> list[ProgramPlan]:
    """Every program with the trials that it runs at once; how they were chosen is said."""
    if all(plan.chosen is not None for plan in plans):
        return list(plans)
    begun = everyones(in_all(lambda: _begun_with(asked, plans) if writes() else []))[0]
    plans = [
        plan.stacking(size) if plan.chosen is None and size is not None else plan
        for plan, size in zip(plans, begun, strict=True)
    ]
    if writes() and any(plan.chosen is None for plan in plans):
        say("Choosing how many trials run at once ...")
    found = [sized(_of_one_look(asked.settings, plan)) for plan in plans]
    if writes():
        for sentence in filter(None, map(how_sized, found)):
            say(sentence)
    return [
        plan.stacking(own.per_device, own.tried) for plan, own in zip(plans, found, strict=True)
    ]


def _begun_with(asked: Asked, plans: Sequence[ProgramPlan]) -> list[int | None]:
    """Of each program how many trials a device ran at once, as a first leg or the checkpoint of a
    group that was cut off tells; None where neither does.
    """
    if asked.settings.base.overwrite:
        return [None] * len(plans)
    rows = {row["trial"]: row.get("per_device") for row in check_rows(asked.out / FIRST_LEG)[0]}
    checkpoints = SweepCheckpoints(asked.out / CHECKPOINTS, say, trials=asked.trials)
    pending = [[trial.number for trial in plan.pending] for plan in plans]
    last = [next((rows[n] for n in reversed(own) if n in rows), None) for own in pending]
    return [size or checkpoints.per_device(own) for size, own in zip(last, pending, strict=True)]


def _of_one_look(settings: Settings, plan: ProgramPlan) -> ProgramPlan:
    """The plan with those trials alone that are to run before the verdict is looked at.

    Later looks have more, and keep the number of the first: rounding goes by it.
    """
    if not settings.base.until_decided:
        return plan
    looks = trials_at_looks(settings.base, len(settings.arms))
    first = min(trial.number for trial in plan.pending)
    until = next(look for look in looks if first < look)
    later = {trial.number for trial in plan.pending if trial.number >= until}
    return dataclasses.replace(plan, elsewhere=later)
