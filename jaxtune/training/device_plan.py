"""What a sweep would take on a device that one does not have: its real programs, compiled for it.

Memory and kernels are the compiler's own figures; all times are by the model of
`jaxtune.training.roofline` and never measured.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxtune.core.accelerators import Accelerator
from jaxtune.data.packing import rows_needed, steps_per_epoch, trial_batches
from jaxtune.training.ahead import (
    Described,
    compile_evaluate,
    compile_train,
    described_devices,
    lanes_of,
)
from jaxtune.training.hlo import recomputed
from jaxtune.training.plan import MEMORY_SHARE, ProgramPlan
from jaxtune.training.roofline import Cost, Schedule, cost, wall_seconds

# What a trial among several may hold, over what one alone does; 1.1 was seen for BERT-large.
WORST_GROWTH = 1.5

# Called before each compilation with the trials at once.
Tell = Callable[[int], None]


class Size(NamedTuple):
    """A group size that was compiled for a device."""

    trials: int  # at once
    program_bytes: int  # that the train program holds; 0 where the compiler finds no room for it
    all_bytes: int  # with what lies beside it
    recomputed: int  # instructions that XLA repeats for want of memory
    fits: bool
    step: Cost  # of all trials at once, by the model


class Outlook(NamedTuple):
    """A program of a sweep on a device."""

    device: Accelerator
    plan: ProgramPlan
    sizes: tuple[Size, ...]  # that were compiled, the smallest first
    best: Size | None  # the fastest that fits, by the model; None where none fits
    evaluation_seconds: float  # of one trial, by the model

    def hours(self, size: Size) -> float:
        """For every trial that is left to run, compiling aside; by the model."""
        plan = self.plan
        every = plan.config.eval_every or steps_per_epoch(
            len(plan.task.train), plan.config.batch_size
        )
        evaluations = math.ceil(plan.num_steps / every) * self.evaluation_seconds * size.trials
        waves = math.ceil(len(plan.pending) / size.trials)  # the last one may have idle lanes
        return waves * (plan.num_steps * size.step.seconds + evaluations) / 3600

    def seeds_per_hour(self, size: Size) -> float:
        """Trials of this sweep over its hours; by the model."""
        return len(self.plan.pending) / self.hours(size)

    @property
    def wall_share(self) -> float:
        """What the best size reaches of the speed that nothing can exceed; by the model."""
        assert self.best is not None
        tokens = float(self.plan.task.train.lengths.mean()) * self.plan.config.batch_size
        wall = wall_seconds(self.plan.task.model, tokens, self.device)
        return wall * self.best.trials / self.best.step.seconds


def outlook(plan: ProgramPlan, device: Accelerator, tell: Tell) -> Outlook:
    """Compiles a program for a few group sizes and takes the fastest that fits, by the model.

    Raises UserError where the device's compiler is not installed.
    """
    devices = described_devices(device)[:1]

    def attempt(trials: int) -> Size:
        tell(trials)
        return _size(plan, device, trials, compile_train(plan, devices, trials))

    asked = plan.config.trials_per_device
    if asked is None:
        sizes = try_sizes(attempt, len(plan.pending), MEMORY_SHARE * device.memory)
    else:
        sizes = [attempt(min(asked, len(plan.pending)))]
    fitting = [size for size in sizes if size.fits]
    if not fitting:
        return Outlook(device, plan, tuple(sizes), None, 0.0)
    largest = fitting[-1].trials
    evaluation = compile_evaluate(plan, devices, largest)
    # Without room for it, which no encoder was seen to lack, it is as slow as can be.
    seconds = cost(evaluation.text, device).seconds / largest if evaluation else math.inf
    made = Outlook(device, plan, tuple(sizes), None, seconds)
    return made._replace(best=min(fitting, key=made.hours))


def try_sizes(attempt: Callable[[int], Size], most: int, limit: float) -> list[Size]:
    """One trial at once, the largest group that fits, and one between; all that were compiled.

    What a program holds grows evenly with its trials, so that two of them foretell the rest; they
    are asked only where memory may be short, for a compilation takes a minute.

    Args:
        attempt: compiles a size.
        most: trials that there are.
        limit: bytes that may be held.
    """
    tried: dict[int, Size] = {}

    def fits(trials: int) -> bool:
        if trials not in tried:
            tried[trials] = attempt(trials)
        return tried[trials].fits

    def foretold() -> int:
        """Trials that fit by what was compiled, 1 where nothing more does."""
        one = tried[1]
        # One alone is another program than several, which may hold more for each.
        if WORST_GROWTH * most * one.all_bytes <= limit:
            return most
        if not fits(2):
            return 1
        each = max(tried[2].all_bytes - one.all_bytes, 1)
        return 1 + int((limit - one.all_bytes) / each)

    largest = 1
    if fits(1) and most > 1:
        wanted = even(most, min(most, foretold()))
        # One try as a rule; where XLA begins to recompute below the limit, each time a wave more.
        while wanted > 1 and not fits(wanted):
            wanted = even(most, wanted - 1)
        largest = wanted
    between = even(most, round(math.sqrt(2 * largest)))
    if 2 < between < largest:
        fits(between)
    return [tried[trials] for trials in sorted(tried)]


def even(trials: int, most: int) -> int:
    """The group size of as few waves as `most` allows, all alike: 4 x 16 and not 3 x 20 + 4."""
    return math.ceil(trials / math.ceil(trials / most))


def _size(plan: ProgramPlan, device: Accelerator, trials: int, compiled: Described | None) -> Size:
    if compiled is None:
        return Size(trials, 0, 0, 0, False, Cost(math.inf, 0.0, 0.0, 0.0))
    held = compiled.bytes_held + bytes_beside(plan, trials)
    repeated = recomputed(compiled.text)
    # With its own recomputation XLA makes a program "fit" that is slower than a smaller one.
    fits = held <= MEMORY_SHARE * device.memory and not repeated
    step = cost(compiled.text, device, schedule_of(plan, trials))
    return Size(trials, compiled.bytes_held, held, repeated, fits, step)


def bytes_beside(plan: ProgramPlan, trials: int) -> int:
    """Bytes that lie on a device while it trains and are none of the train program's own.

    The dev set and its plan; the model that all start from, where a step does not read it; and each
    trial's best parameters so far, where they are to be saved.
    """
    task = plan.task
    model = _bytes(task.model)
    dev = _bytes((task.dev.as_tokens(), task.eval_plan))
    reads_origin = {"mixout", "pretrained_decay"} & {*plan.static.mitigations}
    kept = trials * model if plan.config.save_params in ("best", "all") else 0
    return dev + kept + (0 if reads_origin else model)


def _bytes(tree: Any) -> int:
    return sum(np.size(leaf) * np.dtype(leaf.dtype).itemsize for leaf in jax.tree.leaves(tree))


def schedule_of(plan: ProgramPlan, trials: int) -> Schedule:
    """What the model must know of a plan's steps, from the orders of its first group."""
    static, task = plan.static, plan.task
    config = plan.config
    needed = [
        rows_needed(
            task.train,
            trial_batches(
                trial.seeds.order_seed, len(task.train), config.batch_size, static.num_steps
            ),
            plan.shape,
        )
        for trial in lanes_of(plan, trials)
    ]
    # The largest batch of the lanes decides which row count all of them take.
    rungs = np.searchsorted(static.ladder, np.max(needed, axis=0))
    shares = np.bincount(rungs, minlength=len(static.ladder)) / len(rungs)
    return Schedule(static.steps_per_dispatch, static.log_every, tuple(shares.tolist()))


def outlooks(
    plans: Sequence[ProgramPlan],
    devices: Sequence[Accelerator],
    tell: Callable[[int, str], None],
) -> list[Outlook]:
    """Every program on every device, device by device.

    Args:
        tell: called before each compilation with the programs done and what is compiled.
    """
    found: list[Outlook] = []
    for device in devices:
        for number, plan in enumerate(plans, 1):

            def now(trials: int, device=device, number=number) -> None:
                at_once = "1 trial" if trials == 1 else f"{trials} trials at once"
                tell(len(found), f"{device.name}: compiling program {number} for {at_once}")

            found.append(outlook(plan, device, now))
    return found
