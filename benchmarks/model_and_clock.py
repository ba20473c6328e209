"""Where the model of a step lies: kernels of the train program by the model of `--device` and by
the clock of jax.profiler, kind by kind.

python benchmarks/model_and_clock.py --device h200 --per_device 4 --steps 16 -- --model FOLDER
--task rte --data_dir GLUE --precision bfloat16
With --trace FOLDER the trace of an earlier run is kept, for Perfetto or TensorBoard. The last line
is JSON: milliseconds per seed and step without the profiler, and by the model.
"""

import argparse
import json
import re
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from trial_group import group_of, plan_of

from jaxtune.core.accelerators import Accelerator, accelerator
from jaxtune.data.packing import rows_needed
from jaxtune.training.group_inputs import GroupInputs
from jaxtune.training.hlo import Module
from jaxtune.training.plan import ProgramPlan
from jaxtune.training.roofline import Kernel, Schedule, kernels

UNKNOWN = "in the trace, of no kernel of the program"
IDLE = "no kernel runs"


class Seen(NamedTuple):
    """A kernel in a trace: the instruction that it belongs to, and its seconds."""

    name: str
    seconds: float


class Line(NamedTuple):
    """A kind of kernel in a step of all trials."""

    kind: str
    kernels: float  # by the program
    model: float  # seconds
    clock: float  # seconds


def kind_of(kernel: Kernel) -> str:
    """What a kernel is for, by its place in the program."""
    where = kernel.where
    way = "backward" if "transpose(" in where else "forward"
    if "jvp(" not in where:
        if "block_weights" in where or "convert_element_type" in where:
            return "copies and casts of weights"
        return "optimiser, norms, buffers"
    if "pallas" in where or "custom_call" in kernel.name or "triton" in where:
        return f"{way}: attention kernel"
    if kernel.flop and "attention" in where and "attend" in where:
        return f"{way}: products of attention"
    if kernel.flop:
        return f"{way}: dense products"
    for part in ("attention", "feedforward", "embed"):
        if f"/{part}/" in where:
            return f"{way}: elementwise, {part}"
    return f"{way}: copies of the layer scan, head"


def events(trace: Path) -> Iterator[Seen]:
    """Every kernel of an accelerator's trace; of a CPU's, every operation."""
    file = max(trace.glob("plugins/profile/*/*.xplane.pb"), key=lambda path: path.stat().st_mtime)
    planes = list(jax.profiler.ProfileData.from_file(str(file)).planes)
    on_device = [p for p in planes if re.match(r"/device:(GPU|TPU)", p.name)]
    lines = [line for plane in on_device or planes for line in plane.lines]
    # Kernels lie in a GPU's streams and among a TPU's operations; other lines are made of them.
    own = [line for line in lines if line.name.startswith(("Stream", "XLA Ops"))]
    for line in own or lines:
        for event in line.events:
            name = dict(event.stats).get("hlo_op", event.name)
            yield Seen(str(name), event.duration_ns / 1e9)


def containers(text: str) -> set[str]:
    """Loops and conditions of a program, which a trace may hold beside the kernels in them."""
    rows = (row for rows in Module(text).computations.values() for row in rows.values())
    return {plain(row.name) for row in rows if row.opcode in ("while", "conditional", "call")}


def plain(name: str) -> str:
    """An instruction's name as NVIDIA's kernels have it: letters, numbers and underscores."""
    return re.sub(r"\W", "_", name)


def lines_of(
    program: Sequence[Kernel], seen: Iterable[Seen], steps: int, device: Accelerator
) -> list[Line]:
    """Kinds, the dearest by the clock first, and what is seen of no kernel.

    Args:
        program: its kernels, by the shares of the rungs that the traced steps took.
        steps: that were traced.
    """
    kinds = {plain(kernel.name): kind_of(kernel) for kernel in program}
    clock: dict[str, float] = defaultdict(float)
    for each in seen:
        clock[kinds.get(plain(each.name), UNKNOWN)] += each.seconds / steps
    count: dict[str, float] = defaultdict(float)
    model: dict[str, float] = defaultdict(float)
    for kernel in program:
        count[kind_of(kernel)] += kernel.times
        model[kind_of(kernel)] += kernel.times * kernel.seconds(device)
    names = {*count, *clock}
    found = [Line(name, count[name], model[name], clock[name]) for name in names]
    return sorted(found, key=lambda line: -max(line.clock, line.model))


def schedule_between(plan: ProgramPlan, inputs: GroupInputs, start: int, steps: int) -> Schedule:
    """The rungs that these steps of a group take."""
    needed = [
        rows_needed(plan.task.train, batches[start : start + steps], plan.shape)
        for batches in inputs.batches
    ]
    rungs = np.searchsorted(plan.static.ladder, np.max(needed, axis=0))
    shares = np.bincount(rungs, minlength=len(plan.static.ladder)) / steps
    return Schedule(steps, tuple(shares.tolist()))


def table(lines: Sequence[Line], size: int, step: float) -> str:
    """Markdown, in milliseconds per seed and step."""
    rows = ["| kind | kernels | model, ms | clock, ms | clock / model |", "|---|---|---|---|---|"]
    running = sum(line.clock for line in lines)
    total = Line("all kernels", *(sum(line[i] for line in lines) for i in (1, 2, 3)))
    waiting = Line(IDLE, 0.0, 0.0, max(0.0, step - running))
    for line in [*lines, total, waiting]:
        ratio = f"{line.clock / line.model:.2f}" if line.model and line.clock else ""
        model, clock = (1000 * seconds / size for seconds in (line.model, line.clock))
        rows.append(
            f"| {line.kind} | {line.kernels / size:.1f} | {model:.3f} | {clock:.3f} | {ratio} |"
        )
    return "\n".join(rows)


def main() -> None:
    """Prints one Markdown table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", required=True, help="by whose rates the model goes")
    parser.add_argument("--per_device", type=int, default=4)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--trace", type=Path, default=None)
    parser.add_argument("flags", nargs="*")
    given = parser.parse_args()
    print(json.dumps(measure(given)), flush=True)


def measure(given: argparse.Namespace) -> Mapping[str, float]:
    """Compiles once; times without the profiler, then with it; prints the table."""
    size, steps, device = given.per_device, given.steps, accelerator(given.device)
    plan = plan_of([*given.flags, "--trials_per_device", str(size)], size)
    program, inputs = group_of(plan, plan.trials[:size])
    state = inputs.start_state()
    began = time.perf_counter()
    train = program.train.lower(*inputs.train_arguments(state, 0, 1)).compile()
    compiled = time.perf_counter() - began
    times = []
    for repeat in range(given.repeats + 1):  # the first repeat warms up
        arguments = jax.block_until_ready(inputs.train_arguments(state, repeat * steps, steps))
        began = time.perf_counter()
        state, _ = jax.block_until_ready(train(*arguments))
        times.append((time.perf_counter() - began) / steps)
    start = (given.repeats + 1) * steps
    arguments = jax.block_until_ready(inputs.train_arguments(state, start, steps))
    with tempfile.TemporaryDirectory() as scratch:
        trace = given.trace or Path(scratch)
        with jax.profiler.trace(str(trace)):
            began = time.perf_counter()
            jax.block_until_ready(train(*arguments))
            traced = (time.perf_counter() - began) / steps
        text = train.as_text()
        around = containers(text)
        seen = [each for each in events(trace) if plain(each.name) not in around]
    schedule = schedule_between(plan, inputs, start, steps)
    lines = lines_of(list(kernels(text, schedule)), seen, steps, device)
    print(
        f"{jax.devices()[0].device_kind}, {size} trials, {steps} steps traced; the model is of"
        f" {device.title}, per seed and step\n{table(lines, size, traced)}"
    )
    return {
        "seconds_per_seed_step": statistics.median(times[1:]) / size,
        "by_the_model": sum(line.model for line in lines) / size,
        "compile_seconds": compiled,
        "steps": plan.num_steps,
    }


if __name__ == "__main__":
    main()
