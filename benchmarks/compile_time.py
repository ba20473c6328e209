"""Compile time of the training program against depth and group size; layers run in a loop, so depth
should not matter.

python benchmarks/compile_time.py --layers 2 6 12 24 --group_sizes 1 8
"""

import argparse
import json
import tempfile
from argparse import Namespace
from pathlib import Path

from seeds_per_hour import LOOP, jax_row, run_row

from jaxtune.data.miniature import language


def write_architecture(folder: Path, num_layers: int, hidden_size: int) -> None:
    """A config.json and the miniature's tokenizer: all that --random_weights needs."""
    config = {
        "model_type": "bert",
        "vocab_size": len(language.VOCABULARY),
        "hidden_size": hidden_size,
        "num_hidden_layers": num_layers,
        "num_attention_heads": hidden_size // 16,
        "intermediate_size": 4 * hidden_size,
        "max_position_embeddings": language.MAX_TOKENS,
        "type_vocab_size": 2,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    language.write_tokenizer(folder)


def main() -> None:
    """Prints one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", nargs="+", type=int, default=[2, 6, 12, 24])
    parser.add_argument("--group_sizes", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--hidden_size", type=int, default=64)
    arguments = parser.parse_args()
    print("| layers | trials at once | compile and first step, s |\n|---|---|---|")
    for num_layers in arguments.layers:
        for size in arguments.group_sizes:
            with tempfile.TemporaryDirectory() as folder:
                write_architecture(Path(folder), num_layers, arguments.hidden_size)
                given = Namespace(
                    model=folder, data_dir=".", random_weights=True, precision="float32", steps=1
                )
                row = run_row(jax_row(given, "miniature", 1, size, *LOOP))
            print(f"| {num_layers} | {size} | {row['compile_seconds']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
