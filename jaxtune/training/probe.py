"""A few real steps of a program: what a group of it takes."""

import time
from collections.abc import Callable
from typing import Any

import jax

from jaxtune.core.devices import bytes_held
from jaxtune.training.group_inputs import GroupInputs, put_on_devices
from jaxtune.training.kernel_rows import in_words
from jaxtune.training.plan import ProgramPlan
from jaxtune.training.sizes import Probe

PROBE_STEPS = 8
# Seconds that steps, or an evaluation, may take once they have been run a first time.
PATIENCE = 10.0


@in_words()
def probe(plan: ProgramPlan) -> Probe:
    """Compiles the program and tries its first steps, of a large model one; nothing is kept."""
    size = plan.per_device * len(plan.own_devices)
    program = plan.compile(size)
    tables = put_on_devices(program, plan.task)
    inputs = GroupInputs(program, plan, tables, plan.pending[:size])
    began = time.monotonic()
    state = inputs.start_state()
    train = program.train.lower(*inputs.train_arguments(state, 0, 1)).compile()
    evaluate = program.evaluate.lower(*inputs.evaluate_arguments(state.evaluated)).compile()
    compiled = time.monotonic()
    state, step_seconds = _timed(lambda: train(*inputs.train_arguments(state, 0, 1))[0])

    def evaluating() -> float:
        return _timed(lambda: evaluate(*inputs.evaluate_arguments(state.evaluated)))[1]

    evaluation_seconds = evaluating()
    # A run of a single step takes that one twice.
    first = min(1, plan.num_steps - 1)
    steps = min(PROBE_STEPS, plan.num_steps - first, int(PATIENCE / step_seconds))
    if steps:  # a first call has costs of its own, which do not count
        state, seconds = _timed(lambda: train(*inputs.train_arguments(state, first, steps))[0])
        step_seconds = seconds / steps
    if evaluation_seconds < PATIENCE:
        evaluation_seconds = evaluating()
    return Probe(
        compile_seconds=compiled - began,
        step_seconds=step_seconds,
        evaluation_seconds=evaluation_seconds,
        bytes_per_trial=bytes_held(train) // plan.per_device,
    )


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call gives, once it is there, and its seconds."""
    began = time.monotonic()
    result = jax.block_until_ready(call())
    return result, time.monotonic() - began
