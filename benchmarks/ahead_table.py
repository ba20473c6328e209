"""What encoders take on devices that one does not have: `--dry_run --device` for each, one table.

python benchmarks/ahead_table.py --data_dir GLUE --tokenizers FOLDER --out OUT [--size base]
[--families bert roberta] [--trials 1 4] [--devices h100 v5e]
Weights are random, of the published sizes (`architectures.py`); RTE, batch 16, bfloat16. Memory and
kernels are the compiler's own figures, milliseconds are by the model and never measured. A row that
OUT has already is not compiled again. Needs jaxtune[ahead-gpu], for TPUs [ahead-tpu].
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from architectures import ARCHITECTURES, LARGE, base_sizes, write_architecture

COLUMNS = ("GiB a trial", "ms a seed-step", "share of the wall", "kernels a seed-step")


def compile_row(folder: Path, data_dir: Path, device: str, trials: int) -> list[str]:
    """The cells of the command's own table, after the device's name."""
    command = [sys.executable, "-m", "jaxtune.sweep", "--model", str(folder), "--random_weights"]
    command += ["--task", "rte", "--data_dir", str(data_dir), "--precision", "bfloat16"]
    command += ["--num_seeds", "25", "--trials_per_device", str(trials), "--dry_run"]
    # Wide, so that no cell of the command's table is broken into lines.
    done = subprocess.run(
        [*command, "--device", device],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "200"},
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    found = [line for line in lines if line[:1] == [device] and line[1:2] in (["yes"], ["no"])]
    if done.returncode or not found:
        sys.exit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return found[0][1:]


def table(rows: dict[str, list[str]]) -> str:
    """Markdown of all rows that OUT has."""
    lines = [f"| encoder | device | trials at once | {' | '.join(COLUMNS)} |"]
    lines.append("|" + "---|" * (3 + len(COLUMNS)))
    for name, cells in rows.items():
        family, size, device, trials = name.split()
        shown = ["does not fit", *[""] * (len(COLUMNS) - 1)]
        if cells[0] == "yes":
            _, gib, _, _, milliseconds, share, kernels, *_ = cells
            shown = [gib, milliseconds, share, kernels]
        lines.append(f"| {family} {size} | {device} | {trials} | {' | '.join(shown)} |")
    return "\n".join(lines)


def main() -> None:
    """Compiles what OUT lacks, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_dir", type=Path, required=True)
    parser.add_argument("--tokenizers", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--families", nargs="+", choices=ARCHITECTURES, default=[*ARCHITECTURES])
    parser.add_argument("--size", choices=("base", "large"), default="base")
    parser.add_argument("--trials", nargs="+", type=int, default=[4])
    parser.add_argument("--devices", nargs="+", default=["h100"])
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / "rows.json"
    rows = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for family in given.families:
        sizes = LARGE if given.size == "large" else base_sizes(family)
        folder = write_architecture(
            family, given.tokenizers, given.out / f"{family}-{given.size}", sizes
        )
        for device in given.devices:
            for trials in given.trials:
                name = f"{family} {given.size} {device} {trials}"
                if name not in rows:
                    rows[name] = compile_row(folder, given.data_dir, device, trials)
                    file.write_text(json.dumps(rows, indent=1), encoding="utf-8")
                    print(name, *rows[name], flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
