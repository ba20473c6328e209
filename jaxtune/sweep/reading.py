"""What a sweep reads, checked against what OUT was begun with, and sized for the devices."""

from collections.abc import Sequence

import numpy as np

from jaxtune.core.console import say
from jaxtune.core.entities import same_lengths
from jaxtune.core.errors import UserError
from jaxtune.core.processes import writes
from jaxtune.storage.inputs import Inputs, read_inputs
from jaxtune.storage.out_folder import check_inputs
from jaxtune.storage.same_config import same_places
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


def with_sizes(plans: Sequence[ProgramPlan]) -> list[ProgramPlan]:
    """Every program with the trials that it runs at once; how they were chosen is said."""
    if writes() and any(plan.chosen is None for plan in plans):
        say("Choosing how many trials run at once ...")
    chosen = [sized(plan) for plan in plans]
    if writes():
        for sentence in filter(None, map(how_sized, chosen)):
            say(sentence)
    return chosen
