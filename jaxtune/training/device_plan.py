"""What a sweep would take on a device that one does not have: its real programs, compiled for it.

Memory and kernels are the compiler's own figures; all times are by the model of
`jaxtune.training.roofline` and never measured.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxtune.core.accelerators import Accelerator
from jaxtune.training.ahead import (
    Described,
    bytes_beside,
    bytes_beside_evaluation,
    compile_evaluate,
    compile_train,
    described_devices,
)
from jaxtune.training.hlo import recomputed
from jaxtune.training.kernel_rows import check_kernel_rows
from jaxtune.training.plan import MOST_STACKED_RUNGS, ProgramPlan, rows_of_order
from jaxtune.training.roofline import Cost, Schedule, cost, wall_seconds
from jaxtune.training.sizes import MEMORY_SHARE, fits_in, try_sizes

# Called before each compilation with the trials at once.
Tell = Callable[[int], None]
# Rungs that are compiled of a longer ladder, which one trial at a time has: each takes a compiler
# as long as a program of its own. What the others take lies between.
MOST_COMPILED_RUNGS = 3


class Size(NamedTuple):
    """A group size that was compiled for a device."""

    trials: int  # at once
    program_bytes: int  # that the train program holds; 0 where the compiler finds no room for it
    all_bytes: int  # with what lies beside it
    recomputed: int  # arrays that XLA computes again for want of memory
    fits: bool
    step: Cost  # of all trials at once, by the model


class Outlook(NamedTuple):
    """A program of a sweep on a device."""

    device: Accelerator
    plan: ProgramPlan
    sizes: tuple[Size, ...]  # that were compiled, the smallest first
    best: Size | None  # the fastest that fits, by the model; None where none fits
    evaluation_seconds: float  # of one trial, by the model

    @property
    def fitting(self) -> list[Size]:
        """The sizes that fit, the smallest first."""
        return [size for size in self.sizes if size.fits]

    def hours(self, size: Size) -> float:
        """For every trial that is left to run, compiling aside; by the model."""
        evaluation = self.evaluation_seconds * size.trials
        return self.plan.hours(size.trials, size.step.seconds, evaluation)

    def seeds_per_hour(self, size: Size) -> float:
        """Trials of this sweep over its hours; by the model."""
        return len(self.plan.pending) / self.hours(size)

    @property
    def wall_share(self) -> float:
        """What the best size reaches of the speed that nothing can exceed; by the model."""
        assert self.best is not None
        task = self.plan.task
        wall = wall_seconds(task.model, self.plan.tokens_per_step, self.device, task.frozen)
        return wall * self.best.trials / self.best.step.seconds


def outlook(plan: ProgramPlan, device: Accelerator, tell: Tell) -> Outlook:
    """Compiles a program for a few group sizes and takes the fastest that fits, by the model.

    Raises UserError where the device's compiler is not installed, or its attention kernel does not
    hold the rows.
    """
    devices = described_devices(device)[:1]
    check_kernel_rows(plan.task, devices[0])

    def attempt(trials: int) -> Size:
        tell(trials)
        sized = plan.stacking(trials)
        ladder = sized.static.ladder
        compiled = compile_train(with_ladder(sized, thinned(ladder)), devices)
        return _size(sized, device, trials, compiled)

    asked = plan.config.trials_per_device
    if asked is None:
        sizes = try_sizes(attempt, len(plan.pending), MEMORY_SHARE * device.jax_memory)
    else:
        sizes = [attempt(min(asked, len(plan.pending)))]
    seconds = 0.0
    # Of the largest size whose evaluation fits, too, as on a device that is here; smaller ones, of
    # which it holds less, then do.
    for place in reversed([place for place, size in enumerate(sizes) if size.fits]):
        stacked = plan.stacking(sizes[place].trials)
        evaluation = compile_evaluate(stacked, devices)
        sizes[place] = _with_evaluation(sizes[place], stacked, device, evaluation)
        if evaluation and sizes[place].fits:
            seconds = cost(evaluation.text, device).seconds / sizes[place].trials
            break
    made = Outlook(device, plan, tuple(sizes), None, seconds)
    return made._replace(best=min(made.fitting, key=made.hours, default=None))


def _with_evaluation(
    size: Size, plan: ProgramPlan, device: Accelerator, evaluation: Described | None
) -> Size:
    """A size by whichever holds more, training or evaluating."""
    if evaluation is None:
        return size._replace(program_bytes=0, fits=False)
    held = evaluation.bytes_held + bytes_beside_evaluation(plan, size.trials)
    held = max(size.all_bytes, held)
    return size._replace(all_bytes=held, fits=fits_in(held, size.recomputed, device.jax_memory))


def _size(plan: ProgramPlan, device: Accelerator, trials: int, compiled: Described | None) -> Size:
    if compiled is None:
        return Size(trials, 0, 0, 0, False, Cost(math.inf, 0.0, 0.0, 0.0))
    held = compiled.bytes_held + bytes_beside(plan, trials)
    repeated = recomputed(compiled.text)
    fits = fits_in(held, repeated, device.jax_memory)
    schedule = schedule_of(plan, trials)
    ladder = plan.static.ladder
    shares = between(thinned(ladder), ladder, schedule.rungs)
    step = cost(compiled.text, device, schedule._replace(rungs=shares))
    return Size(trials, compiled.bytes_held, held, repeated, fits, step)


def thinned(ladder: Sequence[int]) -> tuple[int, ...]:
    """The lowest and the highest rung, which decides on memory, and those that lie evenly between;
    all rungs of a short ladder, such as stacked trials have.
    """
    if len(ladder) <= MOST_STACKED_RUNGS:
        return tuple(ladder)
    places = np.linspace(0, len(ladder) - 1, MOST_COMPILED_RUNGS).round().astype(int)
    return tuple(ladder[place] for place in places)


def between(
    few: Sequence[int], ladder: Sequence[int], shares: Sequence[float]
) -> tuple[float, ...]:
    """Shares of the steps for `few` rungs of a ladder such that a cost which grows evenly with the
    rows, from each of them to the next, is that of the whole ladder.
    """
    # The part of each rung that a compiled one stands for: all of its own, none of its neighbours'.
    parts = [np.interp(ladder, few, own) for own in np.eye(len(few))]
    return tuple(float(np.dot(part, shares)) for part in parts)


def with_ladder(plan: ProgramPlan, ladder: Sequence[int]) -> ProgramPlan:
    """The plan of a program that is compiled for these row counts."""
    if tuple(ladder) == plan.static.ladder:
        return plan
    shape = plan.shape._replace(ladder=tuple(ladder))
    return dataclasses.replace(plan, task=dataclasses.replace(plan.task, shape=shape))


def schedule_of(plan: ProgramPlan, trials: int) -> Schedule:
    """What the model must know of a plan's steps, from the orders of its first group."""
    static = plan.static
    needed = [
        rows_of_order(plan.config, trial.seeds.order_seed, plan.task, plan.shape)
        for trial in plan.pending[:trials]
    ]
    # The largest batch of the lanes decides which row count all of them take.
    rungs = np.searchsorted(static.ladder, np.max(needed, axis=0))
    shares = np.bincount(rungs, minlength=len(static.ladder)) / len(rungs)
    return Schedule(static.steps_per_dispatch, tuple(shares.tolist()))


def outlooks(
    plans: Mapping[str | None, Sequence[ProgramPlan]],
    devices: Sequence[Accelerator],
    tell: Callable[[int, str], None],
) -> list[Outlook]:
    """Every program on every device, device by device.

    Args:
        plans: by the platform they are made for.
        tell: called before each compilation with the programs done and what is compiled.
    """
    found: list[Outlook] = []
    for device in devices:
        for number, plan in enumerate(plans[device.platform], 1):

            def now(trials: int, device=device, number=number) -> None:
                at_once = "1 trial" if trials == 1 else f"{trials} trials at once"
                tell(len(found), f"{device.name}: compiling program {number} for {at_once}")

            found.append(outlook(plan, device, now))
    return found
