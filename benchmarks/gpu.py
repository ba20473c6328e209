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


class Commands:
    """What the rows run: scripts of this folder with their arguments, on models that are written
    once.
    """

    def __init__(self, given: argparse.Namespace):
        self.given, self.small = given, given.small
        self.stacked = 2 if self.small else 4
        self.steps = "2" if self.small else "16"
        self.data = ["--task", "rte", "--data_dir", str(given.data_dir)]
        self.precision = ["--precision", "float32" if self.small else "bfloat16"]
        self.kernel = [] if self.small else ["--attention", "kernel"]
        self.models = {family: self._model(family, family, LARGE) for family in FAMILIES}
        self.checked = self._model("checked", "bert", CHECKED)

    def _model(self, name: str, family: str, sizes: dict[str, int]) -> Path:
        folder = self.given.out / "models" / name
        return write_architecture(
            family, self.given.tokenizers, folder, SMALL if self.small else sizes
        )

    def _sweep(self, folder: Path, *flags: str) -> list[str]:
        return ["--", "--model", str(folder), *self.data, "--random_weights", "true", *flags]

    def _torch(self, *flags: str) -> list[str]:
        common = ["--model", str(self.models["bert"]), *self.data, "--random_weights"]
        cuda = [] if self.small else ["--cuda"]
        return [*flags, *common, *cuda, "--steps", "4" if self.small else "48"]

    def correctness(self) -> Row:
        """Losses of the first steps against the CPU's."""
        check = ["--per_device", str(self.stacked), "--steps", "4"]
        return Row(["correctness.py", *check, *self._sweep(self.checked)])

    def invariance(self) -> Row:
        """A trial beside other neighbours."""
        check = ["--per_device", str(self.stacked)]
        return Row(["invariance.py", *check, *self._sweep(self.checked, *self.precision)])

    def jaxtune(self, family: str, size: int) -> Row:
        """Steps of so many trials at once."""
        timed = ["jax_rows.py", "--steps", self.steps, "--repeats", "2"]
        flags = ["--trials_per_device", str(size), *self.precision, *self.kernel]
        return Row([*timed, *self._sweep(self.models[family], *flags)], size, 60)

    def clocked(self, *flags: str) -> Row:
        """The same for BERT, with each kind of kernel by the model and by the clock."""
        timed = ["model_and_clock.py", "--device", self.given.device, "--steps", self.steps]
        size = ["--per_device", str(self.stacked)]
        sweep = self._sweep(self.models["bert"], *self.precision, *flags)
        return Row([*timed, *size, *sweep], self.stacked, 60)

    def torch(self, *flags: str) -> Row:
        """One process of PyTorch."""
        return Row(["torch_rows.py", *self._torch(*flags)], 1)

    def side_by_side(self, *flags: str, mps: bool = False) -> Row:
        """As many processes of PyTorch as trials are stacked."""
        shared = ["--mps"] if mps else []
        count = ["side_by_side.py", "--processes", str(self.stacked), *shared, "--"]
        return Row([*count, *self._torch(*flags)], self.stacked, 40)

    def attention(self) -> Row:
        """The kernel against plain products."""
        shape = ["--rows", "8" if self.small else "44", "--heads", "16", "--head_size", "64"]
        return Row(["attention.py", *shape, "--dtype", self.precision[-1]])

    def dropout(self) -> Row:
        """Masks of an attention's shape."""
        return Row(["dropout.py", "--shape", str(self.stacked), "11", "16", "128", "128"])


def rows_for(given: argparse.Namespace) -> dict[str, Row]:
    """Name -> row, most important first."""
    run, small = Commands(given), given.small
    stacked = run.stacked
    fastest = ("loop", "--bfloat16", "--unpad", *(() if small else ("--compile",)))
    trainer = ("trainer", "--bfloat16")
    loop = f"PyTorch loop, bfloat16, SDPA, unpadded{'' if small else ', compiled'}"
    rows = {
        "correctness": run.correctness(),
        f"jaxtune, {stacked} at once, attention kernel": run.clocked(*run.kernel),
        "HF Trainer": run.torch("trainer"),
        "HF Trainer, bfloat16": run.torch(*trainer),
        loop: run.torch(*fastest),
        f"jaxtune, {stacked} at once, plain products": run.clocked(),
        f"{loop}, {stacked} side by side": run.side_by_side(*fastest),
        f"HF Trainer, bfloat16, {stacked} side by side": run.side_by_side(*trainer),
    }
    if not small:
        under = f"{stacked} under MPS"
        rows[f"{loop}, {under}"] = run.side_by_side(*fastest, mps=True)
        rows[f"HF Trainer, bfloat16, {under}"] = run.side_by_side(*trainer, mps=True)
        for size in (8, 12, 1):
            rows[f"jaxtune, {size} at once, attention kernel"] = run.jaxtune("bert", size)
    rows["invariance"] = run.invariance()
    for family in ("roberta", "albert"):
        name = f"jaxtune, {family}, {stacked} at once, attention kernel"
        rows[name] = run.jaxtune(family, stacked)
    return rows | {"attention": run.attention(), "dropout": run.dropout()}


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
