"""How many trials run at once on an accelerator that is here: of the sizes that fit, the fastest.

Fitting is not the aim: a step of more trials may take longer for each. So a few steps of one trial
at a time, of the largest group and of one between are timed on the device itself.
"""

import math
from functools import partial

import jax

from jaxtune.core.devices import is_out_of_memory, memory_limit
from jaxtune.core.processes import worst
from jaxtune.core.words import plural
from jaxtune.training.ahead import (
    bytes_beside,
    bytes_beside_evaluation,
    compile_evaluate,
    compile_train,
)
from jaxtune.training.hlo import recomputed
from jaxtune.training.plan import ProgramPlan
from jaxtune.training.probe import probe
from jaxtune.training.sizes import MEMORY_SHARE, Probe, Tried, fits_in, try_sizes

NO_ROOM = Probe(math.inf, math.inf, math.inf, 0)


def sized(plan: ProgramPlan) -> ProgramPlan:
    """The plan with as many trials at once as is fastest, where that is not settled already.

    All processes of a run must ask together: they go by the worst that any of them finds.
    """
    if plan.chosen is not None:
        return plan
    memory = -worst([-(memory_limit() or 0)])[0]
    if not memory:  # an accelerator that does not say what it has
        return plan.stacking(1)
    most = math.ceil(len(plan.pending) / len(plan.devices))
    found = try_sizes(partial(_compiled, plan, memory), most, MEMORY_SHARE * memory)
    candidates = _candidates(found)
    if len(candidates) < 2:
        return plan.stacking(candidates[0] if candidates else 1, tuple(found))
    tried = [_timed(plan, each) if each.trials in candidates else each for each in found]
    return plan.stacking(min(tried, key=lambda each: each.hours).trials, tuple(tried))


def how_sized(plan: ProgramPlan) -> str | None:
    """What the choice was made by, in words; None where nothing was timed."""
    timed = [each for each in plan.tried if each.probe]
    if not timed:
        return None
    rates = ", ".join(
        f"{each.trials}: {len(plan.pending) / each.hours:,.0f}" for each in timed if each.hours
    )
    return (
        f"Seeds an hour by a few steps, by trials at once on a device: {rates};"
        f" {plural(plan.per_device, 'trial')} at once."
    )


def _candidates(found: list[Tried]) -> list[int]:
    """Of the sizes that fit the smallest and the two largest: others only foretold those."""
    fitting = [each.trials for each in found if each.fits]
    return sorted({*fitting[:1], *fitting[-2:]})


def _compiled(plan: ProgramPlan, memory: float, trials: int) -> Tried:
    """What so many trials at once on a device hold, whichever is more: training or evaluating."""
    stacked = plan.stacking(trials)
    train = compile_train(stacked, plan.own_devices)
    evaluate = compile_evaluate(stacked, plan.own_devices) if train else None
    held = repeated = 0
    if train and evaluate:
        held = max(
            train.bytes_held + bytes_beside(stacked, trials),
            evaluate.bytes_held + bytes_beside_evaluation(stacked, trials),
        )
        repeated = recomputed(train.text)
    no_room, *figures = worst([not (train and evaluate), held, repeated])
    held, repeated = map(int, figures)
    return Tried(trials, held, repeated, not no_room and fits_in(held, repeated, memory))


def _timed(plan: ProgramPlan, tried: Tried) -> Tried:
    """A size with what a few steps of it took, or without where the device had no room for it."""
    stacked = plan.stacking(tried.trials)
    try:
        seen = probe(stacked)
    except jax.errors.JaxRuntimeError as error:
        if not is_out_of_memory(error):
            raise
        seen = NO_ROOM
    compiling, step, evaluation = worst(seen[:3])  # of several processes the slowest
    if math.isinf(step):
        return tried._replace(fits=False)
    seen = Probe(compiling, step, evaluation, seen.bytes_per_trial)
    return tried._replace(probe=seen, hours=plan.hours(stacked.group_size, step, evaluation))
