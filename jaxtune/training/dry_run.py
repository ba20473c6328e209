"""What `--dry_run` says: the plan, and from a few real steps what it will cost."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from jaxtune.config.trials import Trial
from jaxtune.core.console import duration
from jaxtune.core.devices import bytes_held
from jaxtune.core.schedules import peak, scheduled_rates
from jaxtune.core.words import plural
from jaxtune.data.packing import steps_per_epoch
from jaxtune.training.group_run import GroupRun, put_on_devices
from jaxtune.training.plan import ProgramPlan

PROBE_STEPS = 8
# Seconds that steps, or an evaluation, may take once they have been run a first time.
PATIENCE = 10.0


class Probe(NamedTuple):
    """What a group of a program was seen to take."""

    compile_seconds: float
    step_seconds: float  # of all trials of the group
    evaluation_seconds: float
    bytes_per_trial: int  # on a device: parameters, moments, gradients, activations

    def total_seconds(self, plan: ProgramPlan) -> float:
        """For every trial that is left to run."""
        every = plan.config.eval_every or steps_per_epoch(
            len(plan.task.train), plan.config.batch_size
        )
        evaluations = math.ceil(plan.num_steps / every)
        group = plan.num_steps * self.step_seconds + evaluations * self.evaluation_seconds
        return self.compile_seconds + len(plan.groups) * group


def probe(plan: ProgramPlan) -> Probe:
    """Compiles the program and tries its first steps, of a large model one; nothing is kept."""
    program = plan.compile(plan.group_size)
    tables = put_on_devices(program, plan.task)
    run = GroupRun(program, plan.task, tables, plan.groups[0], plan.shape, [])
    began = time.monotonic()
    state = run.start_state()
    train = program.train.lower(*run.train_arguments(state, 0, 1)).compile()
    evaluate = program.evaluate.lower(state.model, tables.dev, tables.eval_plan).compile()
    compiled = time.monotonic()
    state, step_seconds = _timed(lambda: train(*run.train_arguments(state, 0, 1))[0])
    _, evaluation_seconds = _timed(lambda: evaluate(state.model, tables.dev, tables.eval_plan))
    # A run of a single step takes that one twice.
    first = min(1, plan.num_steps - 1)
    steps = min(PROBE_STEPS, plan.num_steps - first, int(PATIENCE / step_seconds))
    if steps:  # a first call has costs of its own, which do not count
        state, seconds = _timed(lambda: train(*run.train_arguments(state, first, steps))[0])
        step_seconds = seconds / steps
    if evaluation_seconds < PATIENCE:
        _, evaluation_seconds = _timed(lambda: evaluate(state.model, tables.dev, tables.eval_plan))
    per_device = plan.group_size // len(plan.devices)
    return Probe(
        compile_seconds=compiled - began,
        step_seconds=step_seconds,
        evaluation_seconds=evaluation_seconds,
        bytes_per_trial=bytes_held(train) // per_device,
    )


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call gives, once it is there, and its seconds."""
    began = time.monotonic()
    result = jax.block_until_ready(call())
    return result, time.monotonic() - began


def peak_rates(trial: Trial, num_steps: int) -> tuple[float, float]:
    """The largest scheduled learning rate, and the largest effective one."""
    settings = trial.settings
    return float(scheduled_rates(settings, num_steps).max()), peak(settings, num_steps).rate


def plan_lines(plans: Sequence[ProgramPlan], probes: Sequence[Probe]) -> list[str]:
    """A readable plan: some lines per program, a line per arm, and the totals."""
    lines = []
    for number, (plan, seen) in enumerate(zip(plans, probes, strict=True), 1):
        facts = plan.describe()
        first_of_arm = {trial.arm: trial for trial in reversed(plan.trials)}
        arms, steps = plural(len(first_of_arm), "arm"), plural(facts["steps"], "step")
        done = f", {len(plan.trials) - len(plan.pending)} done" if plan.finished else ""
        tokens = plural(round(facts["real_tokens_per_step"]), "token")
        slots = " or ".join(str(n) for n in facts["packed_slots_per_step"])
        lines += [
            (f"program {number}: {plural(facts['trials'], 'trial')} in {arms}, {steps} each{done}"),
            (
                f"  {plural(facts['parameters'], 'parameter')}, {facts['vocabulary'][0]:,} of"
                f" {plural(facts['vocabulary'][1], 'word')} in use"
            ),
            *(f"  {sentence}" for sentence in plan.about_the_start),
            f"  {tokens} a step, packed into {slots} slots",
            (
                f"  {plural(facts['group_size'], 'trial')} at once on"
                f" {plural(facts['devices'], 'device')}, {plural(len(facts['groups']), 'group')}"
            ),
            (
                f"  {seen.bytes_per_trial / 2**20:,.0f} MiB per trial and device;"
                f" {seen.step_seconds:.3f} s a step, {seen.evaluation_seconds:.3f} s an evaluation,"
                f" {seen.compile_seconds:.0f} s to compile"
            ),
        ]
        if plan.stop_step is not None:
            keep = plan.config.keep_trials
            goes_on = (
                "all that have learnt go on"
                if keep is None
                else f"at most {keep} of each arm are chosen, to run again whole"
            )
            lines.append(
                f"  after {plural(plan.stop_step, 'step')} {goes_on}; the total leaves that aside"
            )
        for arm, trial in reversed(first_of_arm.items()):
            rate, effective = peak_rates(trial, plan.num_steps)
            times = f"{effective / rate:.1f} times" if effective > 1.001 * rate else "the same"
            lines.append(
                f"  {arm}: peak learning rate {rate:.2g}, effective {effective:.2g} ({times})"
            )
    total = sum(plan.num_steps * len(plan.pending) for plan in plans)
    trials = sum(len(plan.pending) for plan in plans)
    seconds = sum(seen.total_seconds(plan) for plan, seen in zip(plans, probes, strict=True))
    return [
        *lines,
        f"in all: {plural(trials, 'trial')}, {plural(total, 'trial-step')}, about"
        f" {duration(seconds)}",
    ]
