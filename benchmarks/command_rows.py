"""One row of `seeds_per_hour.py` for the command itself, in processes of its own: prints one JSON
line.

The sweep is run at two lengths, which differ in the steps that `jax_rows.py` times; so reading
data, starting, loading compiled programs and the evaluation at the end drop out of the difference,
and what is left is what a user waits for: steps with all records, TensorBoard and display.
"""

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple


class Spent(NamedTuple):
    """What a whole sweep took."""

    wall: float  # seconds
    cpu: float  # seconds of all cores, which other work on them disturbs less
    memory: int  # peak bytes


def timed_sweep(flags: list[str], steps: int, num_seeds: int, out: Path) -> Spent:
    """One sweep of so many steps, into a fresh folder."""
    own = ["--max_steps", str(steps), "--num_seeds", str(num_seeds), "--out", str(out)]
    began, before = time.perf_counter(), cpu_seconds(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "jaxtune.sweep", *flags, *own],
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"the sweep failed:\n{done.stderr[-2000:]}")
    throughput = json.loads((out / "summary.json").read_text(encoding="utf-8"))["throughput"]
    shutil.rmtree(out)
    cpu = cpu_seconds(resource.RUSAGE_CHILDREN) - before
    return Spent(wall, cpu, throughput["peak_memory_bytes"])


def cpu_seconds(whose: int) -> float:
    """Of `whose` processes, in user code and in the kernel."""
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


def measure(flags: list[str], steps: int, repeats: int, num_seeds: int) -> dict[str, float]:
    """Wall seconds per seed and step, and of starting; the median of `repeats` pairs of sweeps."""
    short, long = 1 + steps, 1 + 4 * steps  # `jax_rows.py` times the steps between
    starts, slopes, cpu, memory = [], [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        for length in (short, long):  # fills the cache of compiled programs
            timed_sweep(flags, length, num_seeds, out)
        for _ in range(repeats):
            first, second = (timed_sweep(flags, n, num_seeds, out) for n in (short, long))
            taken = (long - short) * num_seeds
            slopes.append((second.wall - first.wall) / taken)
            cpu.append((second.cpu - first.cpu) / taken)
            starts.append(first.wall - short * num_seeds * slopes[-1])
            memory = max(memory, second.memory)
    return {
        "seconds_per_seed_step": statistics.median(slopes),
        "shortest": min(slopes),
        "longest": max(slopes),
        "cpu_seconds_per_seed_step": statistics.median(cpu),
        "compile_seconds": statistics.median(starts),
        "peak_memory": memory,
    }


def main() -> None:
    """`command_rows.py --num_seeds N --steps S --repeats R -- SWEEP FLAGS`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--num_seeds", type=int, required=True)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("flags", nargs="*")
    given = parser.parse_args()
    print(json.dumps(measure(given.flags, given.steps, given.repeats, given.num_seeds)))


if __name__ == "__main__":
    main()
