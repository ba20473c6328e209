"""Seconds per seed-step against the number of trials at once, and against the number of devices.

python benchmarks/scaling.py --model FOLDER --data_dir GLUE --task cola --group_sizes 1 2 4 8 16
--devices 1 2
"""

import argparse
from pathlib import Path

from seeds_per_hour import jax_row, run_row

from jaxtune.core.devices import num_cores


def main() -> None:
    """Prints one Markdown table: a row per (devices, trials per device)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data_dir", default=".")
    parser.add_argument("--task", default="cola")
    parser.add_argument("--random_weights", action="store_true")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--group_sizes", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--devices", nargs="+", type=int, default=[1, num_cores()])
    parser.add_argument("--steps", type=int, default=8)
    given = parser.parse_args()
    print(f"{Path(given.model).name}, {given.task}")
    print(
        "| devices | trials per device | s per seed-step | seeds-steps per s | compile s | peak"
        " GiB |"
    )
    print("|---|---|---|---|---|---|")
    for devices in given.devices:
        for size in given.group_sizes:
            row = run_row(jax_row(given, given.task, devices, size))
            seconds, memory = row["seconds_per_seed_step"], row["peak_memory"] / 2**30
            print(
                f"| {devices} | {size} | {seconds:.4f} | {1 / seconds:.1f} "
                f"| {row['compile_seconds']:.1f} | {memory:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
