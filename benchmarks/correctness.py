"""Whether a device computes what a CPU does: losses of the first steps of a stacked group.

python benchmarks/correctness.py --per_device 4 --steps 8 -- --model FOLDER --task rte --data_dir
GLUE
The yardstick is the same group on this machine's CPU, in float32 and with plain products. Expected:
float32 to rounding, the attention kernel as near as plain products, bfloat16 to its 8 bits.
"""

import argparse

import jax
import numpy as np
from trial_group import plan_of

from jaxtune.training.group_inputs import GroupInputs, put_on_devices
from jaxtune.training.program import GroupProgram, make_mesh


def losses(flags: list[str], device: jax.Device, size: int, steps: int) -> np.ndarray:
    """Of each trial and step, in rows as the accelerator takes them, whichever the device."""
    plan = plan_of([*flags, "--trials_per_device", str(size)], size)
    program = GroupProgram(plan.static, make_mesh([device]), size, plan.task.model)
    tables = put_on_devices(program, plan.task)
    inputs = GroupInputs(program, plan, tables, plan.trials[:size])
    _, records = program.train(*inputs.train_arguments(inputs.start_state(), 0, steps))
    return np.asarray(records.loss)[:, :steps]


def main() -> None:
    """Prints one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per_device", type=int, default=4)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("flags", nargs="*")
    given = parser.parse_args()
    device = jax.devices()[0]
    where = (given.per_device, given.steps)
    yardstick = losses([*given.flags, "--precision", "float32"], jax.devices("cpu")[0], *where)
    print(f"{device.device_kind}, {given.per_device} trials, {given.steps} steps")
    print("| losses against the CPU's | largest difference |\n|---|---|")
    kernels = ["products"] if device.platform == "cpu" else ["products", "kernel"]
    for precision in ("float32", "bfloat16"):
        for attention in kernels:
            how = ["--precision", precision, "--attention", attention]
            seen = losses([*given.flags, *how], device, *where)
            far = np.abs(seen - yardstick).max()
            print(f"| {precision}, attention by {attention} | {far:.1e} |", flush=True)


if __name__ == "__main__":
    main()
