"""The whole GPU table in one call: correctness first, then seeds per hour, group sizes, dropout and
attention variants.

python benchmarks/gpu.py --data_dir GLUE --tokenizers FOLDER --out OUT [--families bert roberta
albert] [--small]
--tokenizers holds bert-uncased/, roberta/ and albert-v2/ with tokenizer files; weights are random,
of the large architectures. Every table goes to OUT as it is made, so a call that is cut off loses
only what was not yet measured. --small is a rehearsal on CPU.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
LARGE = {
    "num_hidden_layers": 24,
    "hidden_size": 1024,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}
SMALL = {
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}
ROBERTA = {"type_vocab_size": 1, "pad_token_id": 1, "max_position_embeddings": 514}
# Family -> tokenizer folder and what its config.json has beside the sizes, as published.
FAMILIES = {
    "bert": (
        "bert-uncased",
        {"vocab_size": 30522, "type_vocab_size": 2, "max_position_embeddings": 512},
    ),
    "roberta": ("roberta", ROBERTA | {"vocab_size": 50265, "layer_norm_eps": 1e-5}),
    "albert": ("albert-v2", {"vocab_size": 30000, "embedding_size": 128, "hidden_act": "gelu_new"}),
}


def write_architecture(family: str, tokenizers: Path, folder: Path, small: bool) -> Path:
    """A model folder without weights: config.json and the family's tokenizer."""
    tokenizer, own = FAMILIES[family]
    shutil.copytree(tokenizers / tokenizer, folder, dirs_exist_ok=True)
    config = {"model_type": family} | own | (SMALL if small else LARGE)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def commands(given: argparse.Namespace) -> dict[str, list[str]]:
    """Name of the table -> script and arguments, most important first."""
    sizes = ["1", "2"] if given.small else ["1", "4", "16", "32"]
    stacked = "2" if given.small else "16"
    steps = "2" if given.small else "16"
    precision = "float32" if given.small else "bfloat16"
    folders = {
        family: write_architecture(
            family, given.tokenizers, given.out / "models" / family, given.small
        )
        for family in given.families
    }
    model = {family: ["--model", str(folder)] for family, folder in folders.items()}
    data = ["--task", "rte", "--data_dir", str(given.data_dir)]
    random = ["--random_weights", "true", "--precision", precision]
    first = given.families[0]
    rows = "8" if given.small else "208"
    head = ["--head_size", "64", "--dtype", precision]
    tables = {
        "invariance": [
            "invariance.py",
            "--per_device",
            sizes[1],
            "--",
            *model[first],
            *data,
            *random,
        ],
        "dropout": ["dropout.py", "--shape", stacked, "13", "16", "128", "128"],
        "attention": ["attention.py", "--rows", rows, "--heads", "16", *head],
    }
    for family in given.families:
        sweep = ["--tasks", "rte", "--data_dir", str(given.data_dir), "--random_weights"]
        how = ["--precision", precision, "--stacked", stacked]
        length = ["--group_sizes", *sizes, "--steps", steps]
        peers = [] if given.small else ["--torch_compile"]
        out = ["--out", str(given.out / f"{family}.json"), *peers]
        tables[f"seeds_per_hour-{family}"] = [
            *("seeds_per_hour.py", *model[family]),
            *(*sweep, *how, *length, *out),
        ]
    return tables


def main() -> None:
    """Runs every script, each in a process of its own, and writes what it prints to OUT/NAME.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_dir", type=Path, required=True)
    parser.add_argument("--tokenizers", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--families", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--small", action="store_true", help="tiny models: a rehearsal on CPU")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    failed = []
    for name, (script, *arguments) in commands(given).items():
        began = time.monotonic()
        with (given.out / f"{name}.md").open("w", encoding="utf-8") as table:
            done = subprocess.run(
                [sys.executable, str(HERE / script), *arguments], stdout=table, check=False
            )
        print(f"{name}: exit {done.returncode} after {time.monotonic() - began:.0f} s", flush=True)
        if done.returncode:
            failed.append(name)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
