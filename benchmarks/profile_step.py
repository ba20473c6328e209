"""Where a training step's time goes: one row per part of the model and kind of operation, from
jax.profiler's trace.

python benchmarks/profile_step.py --devices 2 --steps 6 -- --model FOLDER --task rte --data_dir GLUE
The trace is left in --trace for Perfetto or TensorBoard. On CPU every operation is counted; with
several devices the operations that XLA runs on a second thread are missing from the trace, so
profile one device for the whole picture.
"""

import argparse
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import jax
from trial_group import group_of, plan_of

# An operation in the text of a compiled program: its name, its shape, its opcode.
OPERATION = re.compile(r"\s*(?:ROOT )?%?([\w.-]+) = (\([^)]*\)|\S+) ([\w-]+)\(")
CONTAINERS = ("while", "conditional", "call")


def parts_of(program: str) -> dict[str, str]:
    """Operation name -> the row of the table it belongs to, from the text of a compiled program."""
    parts = {}
    for line in program.splitlines():
        operation = OPERATION.match(line)
        if operation and operation[3] not in CONTAINERS:
            path = re.search(r'op_name="([^"]*)"', line)
            is_product = " dot(" in line or bool(path and path[1].endswith("dot_general"))
            batched = operation[2].count(",") > 4  # four axes and their layout
            parts[operation[1]] = part_of(path[1] if path else "", is_product, batched)
    return parts


def part_of(path: str, is_product: bool, batched: bool) -> str:
    """The row for an operation, from JAX's path to it:
    `jit(_train)/.../transpose(jvp())/.../attention/dot_general`.
    """
    if "jvp(" not in path:
        return "optimiser, norms, buffers"
    way = "backward" if "transpose(" in path else "forward"
    if is_product:
        return f"{way}: products of attention" if batched else f"{way}: dense products"
    scopes = [scope for scope in ("attention", "feedforward") if f"/{scope}/" in path]
    return f"{way}: rest of {scopes[0]}" if scopes else f"{way}: embeddings, head, layers' copies"


def durations(trace: Path) -> Iterator[tuple[str, float]]:
    """Name and seconds of every traced event."""
    file = max(trace.glob("plugins/profile/*/*.xplane.pb"), key=lambda path: path.stat().st_mtime)
    for plane in jax.profiler.ProfileData.from_file(str(file)).planes:
        for line in plane.lines:
            for event in line.events:
                yield event.name, event.duration_ns / 1e9


def main() -> None:
    """Prints one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--per_device", type=int, default=1)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--trace", type=Path, default=None)
    parser.add_argument("flags", nargs="*")
    given = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", given.devices)
    trace = given.trace or Path(tempfile.mkdtemp(prefix="jaxtune-trace-"))
    size = given.devices * given.per_device
    plan = plan_of([*given.flags, "--trials_per_device", str(given.per_device)], 2 * size)
    program, inputs = group_of(plan, plan.trials[:size])
    state, _ = program.train(*inputs.train_arguments(inputs.start_state(), 0, given.steps))
    compiled = program.train.lower(*inputs.train_arguments(state, 0, 1)).compile()
    arguments = jax.block_until_ready(inputs.train_arguments(state, given.steps, given.steps))
    with jax.profiler.trace(str(trace)):
        began = time.perf_counter()
        jax.block_until_ready(program.train(*arguments))
        step = (time.perf_counter() - began) / given.steps
    parts = parts_of(compiled.as_text())
    spent: Counter[str] = Counter()
    for name, duration in durations(trace):
        if name in parts:
            spent[parts[name]] += duration / given.steps / given.devices
    spent["not traced, waiting"] = max(0.0, step - spent.total())
    print(f"{1000 * step:.1f} ms a step of {size} trials, while traced")
    print("| part | ms a step | share |\n|---|---|---|")
    for part, seconds in spent.most_common():
        print(f"| {part} | {1000 * seconds:.1f} | {seconds / step:.0%} |")


if __name__ == "__main__":
    main()
