"""A task of sentences about animals, swept in two arms: in one some trials learn it, in the other
none.
"""

import hf
import numpy as np
from exporting import write_jsonl

import jaxtune
from jaxtune.data.miniature import language
from jaxtune.sweep.__main__ import main as sweep

ANIMALS = ("dog", "chef", "wolf", "drummer", "fisherman", "captain", "mouse", "whale")
LABELS = ("*no* |", "<b>yes</b>")  # as text in the card
LEARNS, FAILS = "learning_rate=0.001", "learning_rate=1e-08"


def sentences(number, seed):
    """The animal decides the label; noise keeps scores from being perfect."""
    rng = np.random.default_rng(seed)
    animals, adverbs = rng.integers(0, len(ANIMALS), number), rng.integers(0, 2, number)
    texts = [
        f"the {ANIMALS[i]} sleeps {('quietly', 'gladly')[j]}"
        for i, j in zip(animals, adverbs, strict=True)
    ]
    return texts, [
        LABELS[y] for y in np.where(rng.random(number) < 0.1, 1 - animals % 2, animals % 2)
    ]


def sweep_animals(folder):
    """OUT of two arms of five seeds, all parameters kept."""
    model = folder / "secret-place" / "tiny"
    words = {"vocab_size": len(language.VOCABULARY), "max_position_embeddings": 16}
    hf.make_model("bert", hf.BARE, **words).save_pretrained(model)
    language.write_tokenizer(model)
    train, dev = (sentences(n, seed) for n, seed in ((64, 1), (90, 2)))
    flags = ["--train_file", write_jsonl(folder / "train.jsonl", *train)]
    flags += ["--dev_file", write_jsonl(folder / "dev.jsonl", *dev), "--eval_every", "5"]
    recipe = ["--max_steps", "50", "--num_seeds", "5"]
    grid = ["--grid.learning_rate", "1e-3", "1e-8", "--save_params", "all"]
    out = folder / "out"
    command = ["--model", str(model), "--task", "custom", *flags, *recipe, *grid]
    assert sweep([*command, "--out", str(out)]) == 0
    return out


def rows_of(out, arm):
    rows = jaxtune.load_results(out).trials
    return rows[rows.arm == arm]


def usable(out):
    """Trials of the arm that learns, without the failed ones."""
    rows = rows_of(out, LEARNS)
    rows = rows[~rows.failed]
    assert 2 <= len(rows) < 5, "the fixture must hold both kinds"
    return rows
