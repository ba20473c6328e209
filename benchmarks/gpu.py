"""The whole GPU table in one call of ten minutes, most important first: correctness, the model of a
step against the clock, and seeds per hour beside what people do without jaxtune.

python benchmarks/gpu.py --device h200 --data_dir GLUE --tokenizers FOLDER --out OUT [--only NAME
...] [--seconds 570] [--small]
--tokenizers holds bert-uncased/, roberta/ and albert-v2/ with tokenizer files; weights are random,
of the large architectures. Every row is a process of its own, and goes to OUT as it is made; rows
that the seconds do not reach are named, and a second call with --only takes them. --small is a
rehearsal on CPU. PyTorch rows need torch with CUDA, transformers and accelerate.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from architectures import LARGE, write_architecture

HERE = Path(__file__).parent
# Small enough for a CPU to check, and with heads as wide as those of the large ones.
CHECKED = LARGE | {
    "num_hidden_layers": 4,
    "hidden_size": 256,
    "num_attention_heads": 4,
    "intermediate_size": 1024,
}
SMALL = {
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}
# Of which a large model is timed.
FAMILIES = ("bert", "roberta", "albert")
# What others have published, for whoever reads the table.
ANCHORS = """\
| elsewhere | |
|---|---|
| NVIDIA's PyTorch BERT README: BERT-large, MRPC, 3 epochs, 8 A100, 7.31 s | 62 seeds/h per A100 |
| the same README: pre-training at length 128 | 44% of the peak rate |
| HFTA (MLSys 2021): many models fused on one device, against one job per device | up to 15x |"""


class Row(NamedTuple):
    """A line of the table: a script of this folder and its arguments."""

    command: list[str]
    seeds: int = 0  # trained at once; 0 where the row is no training
    needs: int = 20  # seconds without which it is not begun


def rows_for(given: argparse.Namespace) -> dict[str, Row]:
    """Name -> row, most important first."""
    small, models = given.small, given.out / "models"
    folders = {
        family: write_architecture(
            family, given.tokenizers, models / family, SMALL if small else LARGE
        )
        for family in FAMILIES
    }
    checked = write_architecture(
        "bert", given.tokenizers, models / "checked", SMALL if small else CHECKED
    )
    data = ["--task", "rte", "--data_dir", str(given.data_dir)]
    precision = ["--precision", "float32" if small else "bfloat16"]
    stacked, more = (2, []) if small else (4, [8, 12, 1])
    steps = "2" if small else "16"

    def sweep(folder: Path, *flags: str) -> list[str]:
        return ["--", "--model", str(folder), *data, "--random_weights", "true", *flags]

    def jaxtune(family: str, size: int, *flags: str) -> Row:
        timed = ["jax_rows.py", "--steps", steps, "--repeats", "2"]
        at_once = ["--trials_per_device", str(size), *precision, *flags]
        return Row([*timed, *sweep(folders[family], *at_once)], size, 60)

    def clocked(*flags: str) -> Row:
        timed = ["model_and_clock.py", "--device", given.device, "--per_device", str(stacked)]
        return Row(
            [*timed, "--steps", steps, *sweep(folders["bert"], *precision, *flags)], stacked, 60
        )

    def torch(*flags: str) -> list[str]:
        common = ["--model", str(folders["bert"]), *data, "--random_weights"]
        cuda = [] if small else ["--cuda"]
        return [*flags, *common, *cuda, "--steps", "4" if small else "48"]

    def alone(*flags: str) -> Row:
        return Row(["torch_rows.py", *torch(*flags)], 1)

    def together(*flags: str, mps: bool = False) -> Row:
        shared = ["--mps"] if mps else []
        count = ["side_by_side.py", "--processes", str(stacked), *shared, "--"]
        return Row([*count, *torch(*flags)], stacked, 40)

    fastest = ("loop", "--bfloat16", "--unpad", *(() if small else ("--compile",)))
    how = "" if small else ", compiled"
    loop = f"PyTorch loop, bfloat16, SDPA, unpadded{how}"
    kernel = () if small else ("--attention", "kernel")
    check = ["--per_device", str(stacked), "--steps", "4"]
    rows = {
        "correctness": Row(["correctness.py", *check, *sweep(checked)]),
        f"jaxtune, {stacked} at once, attention kernel": clocked(*kernel),
        "HF Trainer": alone("trainer"),
        "HF Trainer, bfloat16": alone("trainer", "--bfloat16"),
        loop: alone(*fastest),
        f"jaxtune, {stacked} at once, plain products": clocked(),
        f"{loop}, {stacked} side by side": together(*fastest),
        f"HF Trainer, bfloat16, {stacked} side by side": together("trainer", "--bfloat16"),
    }
    if not small:
        rows[f"{loop}, {stacked} under MPS"] = together(*fastest, mps=True)
        rows[f"HF Trainer, bfloat16, {stacked} under MPS"] = together(
            "trainer", "--bfloat16", mps=True
        )
    for size in more:
        rows[f"jaxtune, {size} at once, attention kernel"] = jaxtune("bert", size, *kernel)
    rows["invariance"] = Row(
        ["invariance.py", "--per_device", str(stacked), *sweep(checked, *precision)]
    )
    for family in ("roberta", "albert"):
        rows[f"jaxtune, {family}, {stacked} at once, attention kernel"] = jaxtune(
            family, stacked, *kernel
        )
    shape = ["--rows", "8" if small else "44", "--heads", "16", "--head_size", "64"]
    rows["attention"] = Row(["attention.py", *shape, "--dtype", precision[-1]])
    rows["dropout"] = Row(["dropout.py", "--shape", str(stacked), "11", "16", "128", "128"])
    return rows


def run_row(row: Row, out: Path, seconds: float) -> dict[str, float] | None:
    """Runs a row, keeps what it prints, and gives its last line where that is JSON; None where it
    failed or was stopped.
    """
    # Programs of an earlier call need no second compilation.
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(out.parent / "compiled")}
    with out.open("w", encoding="utf-8") as printed:
        try:
            done = subprocess.run(
                [sys.executable, str(HERE / row.command[0]), *row.command[1:]],
                stdout=printed,
                stderr=out.with_suffix(".err").open("w"),
                env=environment,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
    if done.returncode:
        return None
    last = out.read_text(encoding="utf-8").splitlines()[-1]
    return json.loads(last) if last.startswith("{") else {}


def summary(found: dict[str, tuple[Row, dict[str, float]]]) -> str:
    """Markdown: the rows that train, and what others have published."""
    figures = [result for _, result in found.values()]
    steps = next((each["steps"] for each in figures if "steps" in each), None)
    trainer = found.get("HF Trainer", (None, {}))[1].get("seconds_per_seed_step")
    lines = ["| row | ms per seed-step | seeds/h | against the HF Trainer |", "|---|---|---|---|"]
    for name, (row, result) in found.items():
        if not row.seeds:
            continue
        seconds = result["seconds_per_seed_step"]
        per_hour = f"{3600 / (seconds * steps):,.0f}" if steps else ""
        ratio = f"{trainer / seconds:.2f}x" if trainer else ""
        lines.append(f"| {name} | {1000 * seconds:.2f} | {per_hour} | {ratio} |")
    alone = "Seeds per hour are of training alone: no evaluation, no compiling, no start."
    return "\n".join([*lines, "", alone, "", ANCHORS])


def main() -> None:
    """Runs the rows that the time allows, and writes OUT/table.md after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="h200", help="by whose rates the model goes")
    parser.add_argument("--data_dir", type=Path, required=True)
    parser.add_argument("--tokenizers", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=None, help="names of rows, in their order")
    parser.add_argument("--seconds", type=float, default=570.0, help="that all rows may take")
    parser.add_argument("--small", action="store_true", help="tiny models: a rehearsal on CPU")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    rows = rows_for(given)
    end = time.monotonic() + given.seconds
    found, missing = {}, []
    for name in given.only or rows:
        row, began = rows[name], time.monotonic()
        left = end - began
        result = None
        if left >= row.needs:
            file = given.out / f"{name.replace(', ', '-').replace(' ', '_')}.md"
            result = run_row(row, file, left)
        word = "missing" if result is None else "done"
        print(f"{word} after {time.monotonic() - began:.0f} s: {name}", flush=True)
        if result is None:
            missing.append(name)
            continue
        found[name] = (row, result)
        (given.out / "table.md").write_text(summary(found) + "\n", encoding="utf-8")
    print(summary(found))
    sys.exit(f"missing: {'; '.join(missing)}" if missing else 0)


if __name__ == "__main__":
    main()
