"""Seeds per hour: the sweep command, its inner loop, its ablations, the Hugging Face Trainer and a
plain PyTorch loop, in one run on one machine.

python benchmarks/seeds_per_hour.py --model FOLDER --data_dir GLUE --tasks rte mrpc cola --out
benchmarks/results/cpu.json
On a GPU add --random_weights and any folder with config.json and tokenizer files. Every row is a
process of its own; all take the same batches of the same examples. PyTorch rows need torch and
accelerate. With --lora_rank 8 the rows are of adapters on query and value, the Trainer's by peft,
and full tuning by the command stands beside them.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import date
from importlib import metadata
from pathlib import Path

from jaxtune.core.devices import num_cores

HERE = Path(__file__).parent
SEEDS = 32  # of the sweep that seeds per hour are given for
INNER, COMMAND, TRAINER = "jaxtune, inner loop", "jaxtune, the command", "HF Trainer"
FULL = "full tuning, the command"
IN_LOOP = "layers in a loop, the command"
LOOP = ("--scan_layers", "true")
HALF = ("--precision", "bfloat16")


def sweep_flags(given: argparse.Namespace, task: str, per_device: int, *flags: str) -> list[str]:
    """Those of the sweep that a row of jaxtune times; of 0 trials per device it chooses itself."""
    own = ["--model", given.model, "--task", task, "--data_dir", given.data_dir]
    if given.random_weights:
        own += ["--random_weights", "true"]
    if per_device:
        own += ["--trials_per_device", str(per_device)]
    return [*own, "--precision", given.precision, *flags]


def command_row(given: argparse.Namespace, task: str, *flags: str) -> list[str]:
    """A command for `command_rows.py`: the sweep as a user types it."""
    # Longer than the rows of the inner loop: two starts of a process lie in the difference.
    own = ["--num_seeds", str(given.stacked or num_cores()), "--steps", str(2 * given.steps)]
    repeats = ["--repeats", str(given.command_repeats)]
    sweep = sweep_flags(given, task, given.stacked, *flags)
    return [str(HERE / "command_rows.py"), *own, *repeats, "--", *sweep]


def jax_row(given: argparse.Namespace, task: str, devices: int, per_device: int, *flags: str):
    """A command for `jax_rows.py`."""
    own = ["--devices", str(devices), "--steps", str(given.steps), "--repeats", "3"]
    sweep = sweep_flags(given, task, per_device, *flags)
    return [str(HERE / "jax_rows.py"), *own, "--", *sweep]


def torch_row(given: argparse.Namespace, task: str, row: str, *flags: str):
    """A command for `torch_rows.py`."""
    common = ["--model", given.model, "--task", task, "--data_dir", given.data_dir]
    if given.random_weights:
        common.append("--random_weights")
    return [str(HERE / "torch_rows.py"), row, *common, "--steps", str(3 * given.steps), *flags]


def rows_for(given: argparse.Namespace, task: str) -> dict[str, list[str]]:
    """Name -> command. On a GPU, `stacked` trials share it; on CPU there is one trial per core."""
    cores = num_cores()
    devices, most = (1, given.stacked) if given.stacked else (cores, 1)
    if given.lora_rank:
        adapters = ("--lora_rank", str(given.lora_rank))
        return {
            INNER: jax_row(given, task, devices, most, *adapters),
            COMMAND: command_row(given, task, *adapters),
            IN_LOOP: command_row(given, task, *adapters, *LOOP),
            f"{INNER}, bfloat16": jax_row(given, task, devices, most, *adapters, *HALF),
            f"{COMMAND}, bfloat16": command_row(given, task, *adapters, *HALF),
            FULL: command_row(given, task),
            f"{TRAINER}, peft": torch_row(given, task, "trainer", *adapters),
            f"{TRAINER}, peft, bfloat16": torch_row(
                given, task, "trainer", *adapters, "--bfloat16"
            ),
        }
    rows = {
        INNER: jax_row(given, task, devices, most),
        COMMAND: command_row(given, task),
        IN_LOOP: command_row(given, task, *LOOP),
        f"{INNER}, bfloat16": jax_row(given, task, devices, most, *HALF),
        f"{COMMAND}, bfloat16": command_row(given, task, *HALF),
        "without packing": jax_row(given, task, devices, most, "--packing", "false"),
        "without compaction": jax_row(given, task, devices, most, "--compact_vocabulary", "false"),
        "one trial at a time": jax_row(given, task, 1, 1),
    }
    for size in given.group_sizes:
        rows[f"vmapped, {size} at once"] = jax_row(given, task, 1, size)
    rows[TRAINER] = torch_row(given, task, "trainer")
    rows[f"{TRAINER}, bfloat16"] = torch_row(given, task, "trainer", "--bfloat16")
    rows["PyTorch loop"] = torch_row(given, task, "loop")
    rows["PyTorch loop, bfloat16"] = torch_row(given, task, "loop", "--bfloat16")
    if given.torch_compile:
        flags = ("--bfloat16", "--compile")
        rows["PyTorch loop, bfloat16, compiled"] = torch_row(given, task, "loop", *flags)
    if unknown := set(given.rows) - rows.keys():
        sys.exit(f"no rows {sorted(unknown)}; there are {list(rows)}")
    # The others are compared with these two.
    return {n: row for n, row in rows.items() if n in (INNER, TRAINER, *(given.rows or rows))}


def run_row(command: list[str]) -> dict[str, float]:
    """The JSON line a row prints last."""
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, env=os.environ
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def complete(
    result: dict[str, float], shipped: dict[str, float], flop: int = 6
) -> dict[str, float]:
    """A row with the derived columns; `flop` are those of an encoder weight and token.

    Other rows take steps, tokens, rate and evaluation time from the inner loop's row of the same
    task. That favours PyTorch: its own evaluation and compilation are not counted.
    """
    facts = shipped | result
    seconds = facts["seconds_per_seed_step"]
    training = facts["steps"] * seconds + 3 * facts["evaluation_seconds"]
    compiling = result.get("compile_seconds", 0.0)
    useful = flop * facts["encoder_weights"] * facts["tokens_per_step"]
    return result | {
        "tokens_per_second": facts["tokens_per_step"] / seconds,
        "seeds_per_hour": 3600 * SEEDS / (compiling + SEEDS * training),
        "share_of_matrix_rate": useful / seconds / shipped["matrix_rate"],
    }


def table(results: dict[str, dict[str, float]]) -> str:
    """Markdown."""
    lines = [
        (
            "| row | s per seed-step | real tokens/s | seeds/h | share of matrix rate | peak GiB |"
            " against Trainer |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    trainers = [row for name, row in results.items() if name.startswith(TRAINER)]
    trainer = trainers[0]["seconds_per_seed_step"]
    for name, row in results.items():
        lines.append(
            f"| {name} | {row['seconds_per_seed_step']:.4f} | {row['tokens_per_second']:,.0f} |"
            f" {row['seeds_per_hour']:.1f} | {row['share_of_matrix_rate']:.0%} |"
            f" {row['peak_memory'] / 2**30:.2f} | {trainer / row['seconds_per_seed_step']:.2f}x |"
        )
    # No float32 program multiplies faster: of short sweeps the difference is lost in how long they
    # start.
    exact = {name: row for name, row in results.items() if "bfloat16" not in name}
    if impossible := [name for name, row in exact.items() if row["share_of_matrix_rate"] > 1]:
        lines += ["", f"Not possible, so noise: {', '.join(impossible)}; give more --steps."]
    return "\n".join(lines)


def main() -> None:
    """Runs every row of every task, prints the tables and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--tasks", nargs="+", default=["rte", "mrpc", "cola"])
    parser.add_argument("--random_weights", action="store_true")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--group_sizes", nargs="*", type=int, default=[2, 4])
    parser.add_argument(
        "--stacked", type=int, default=0, help="trials on the GPU in the shipped row"
    )
    parser.add_argument("--torch_compile", action="store_true")
    parser.add_argument("--lora_rank", type=int, default=0)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--command_repeats", type=int, default=3)
    parser.add_argument("--rows", nargs="+", default=[], help="only these, by their names")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    libraries = ["jax", "torch", "transformers", *(["peft"] if given.lora_rank else [])]
    report = {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: metadata.version(name) for name in libraries},
        "tasks": {},
    }
    for task in given.tasks:
        results: dict[str, dict[str, float]] = {}
        for name, command in rows_for(given, task).items():
            row = run_row(command)
            shipped = results.get(INNER, row)
            # A frozen weight has no gradient: two of the three products.
            flop = 4 if given.lora_rank and name != FULL else 6
            results[name] = complete(row, shipped, flop)
            print(f"{task}: {name}: {row['seconds_per_seed_step']:.4f} s per seed-step", flush=True)
        report["tasks"][task] = results
        rate = results[INNER]["matrix_rate"]
        print(f"\n{task}, matrix rate {rate / 1e9:.0f} GFLOP/s\n{table(results)}\n", flush=True)
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
