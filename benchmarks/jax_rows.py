"""One row of `seeds_per_hour.py` for jaxtune, in a process of its own: prints one JSON line."""

import argparse
import json
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
from trial_group import group_of, plan_of

from jaxtune.core.devices import peak_memory
from jaxtune.training.plan import MOST_STEPS_PER_DISPATCH


def matrix_rate(seconds: float = 1.0) -> float:
    """FLOP/s of a plain matrix product on all devices at once: float32 on CPU, bfloat16
    elsewhere.
    """
    size = 1024 if jax.default_backend() == "cpu" else 8192
    dtype = jnp.float32 if jax.default_backend() == "cpu" else jnp.bfloat16
    operands = [
        jax.device_put(jax.random.normal(jax.random.key(0), (size, size), dtype), device)
        for device in jax.devices()
    ]
    product = jax.jit(lambda a: (a @ a) * (1 / size))
    jax.block_until_ready([product(a) for a in operands])
    began, rounds = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        operands = [product(a) for a in operands]
        jax.block_until_ready(operands)
        rounds += 1
    return rounds * len(operands) * 2 * size**3 / (time.perf_counter() - began)


def measure(flags: list[str], steps: int, repeats: int) -> dict[str, float]:
    """Steady-state seconds per seed and step over the same first batches, and the other columns."""
    per_device = int(flags[flags.index("--trials_per_device") + 1])
    num_trials = per_device * len(jax.devices())
    plan = plan_of(flags, 2 * num_trials)
    steps = min(steps, MOST_STEPS_PER_DISPATCH, (plan.num_steps - 1) // (repeats + 1))
    program, inputs = group_of(plan, plan.trials[:num_trials])
    began = time.perf_counter()
    state = inputs.start_state()
    state, records = program.train(*inputs.train_arguments(state, 0, 1))
    jax.block_until_ready(program.evaluate(*inputs.evaluate_arguments(state.model)))
    compiled = time.perf_counter() - began
    began = time.perf_counter()
    jax.block_until_ready(program.evaluate(*inputs.evaluate_arguments(state.model)))
    evaluation = (time.perf_counter() - began) / num_trials
    times, cpu_times = [], []
    for repeat in range(repeats + 1):  # the first repeat warms up
        began, cpu_began = time.perf_counter(), time.process_time()
        state, records = program.train(*inputs.train_arguments(state, 1 + repeat * steps, steps))
        jax.block_until_ready((state, records))
        times.append((time.perf_counter() - began) / steps / num_trials)
        cpu_times.append((time.process_time() - cpu_began) / steps / num_trials)
    lengths = plan.task.train.lengths
    trained = [b[1 + steps : 1 + (repeats + 1) * steps] for b in inputs.batches]
    tokens = np.mean([lengths[b][b >= 0].sum() for b in trained]) / (repeats * steps)
    layers = [part.encoder.layers for part in (plan.task.model, plan.task.frozen)]
    weights = sum(leaf.size for leaf in jax.tree.leaves(layers))
    if plan.task.model.encoder.config.shared_block:
        weights *= plan.task.model.encoder.config.num_layers
    return {
        "seconds_per_seed_step": statistics.median(times[1:]),
        "cpu_seconds_per_seed_step": statistics.median(cpu_times[1:]),
        "compile_seconds": compiled,
        "evaluation_seconds": evaluation,
        "steps": plan.num_steps,
        "tokens_per_step": float(tokens),
        "encoder_weights": weights,
        "matrix_rate": matrix_rate(),
        "peak_memory": peak_memory(),
    }


def main() -> None:
    """`jax_rows.py --devices N --steps S --repeats R -- SWEEP FLAGS`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("flags", nargs="*")
    arguments = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", arguments.devices)
    print(json.dumps(measure(arguments.flags, arguments.steps, arguments.repeats)))


if __name__ == "__main__":
    main()
