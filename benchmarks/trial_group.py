"""What several benchmarks begin with: trials of a sweep's flags, on the devices; and a clock."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxtune.config.parse import parse
from jaxtune.config.trials import Trial, make_trials
from jaxtune.training.group_inputs import GroupInputs, put_on_devices
from jaxtune.training.plan import ProgramPlan, make_plans
from jaxtune.training.program import GroupProgram


def plan_of(flags: Sequence[str], num_seeds: int) -> ProgramPlan:
    """The first plan, which is the common one: a trial with an unusually long batch has a program
    of its own.
    """
    return make_plans(make_trials(parse([*flags, "--num_seeds", str(num_seeds)])))[0]


def group_of(plan: ProgramPlan, trials: Sequence[Trial]) -> tuple[GroupProgram, GroupInputs]:
    """A group of these trials, on all devices."""
    program = plan.compile(len(trials))
    return program, GroupInputs(program, plan, put_on_devices(program, plan.task), trials)


def milliseconds(run: Callable[[], Any], rounds: int) -> float:
    """Median time of a call, after one that compiles."""
    times = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        jax.block_until_ready(run())
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times[1:])
