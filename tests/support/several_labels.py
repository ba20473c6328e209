"""A custom task of texts with any number of labels, which the words of a text decide."""

import csv
import json
from pathlib import Path

import numpy as np

LABELS = ("cook", "sail", "sing")  # each where the text has this word
STEPS = 40


def texts_and_sets(number, seed):
    """Texts such as `the dog sing sail`, and of each the labels that it has."""
    rng = np.random.default_rng(seed)
    has = rng.random((number, len(LABELS))) < (0.5, 0.4, 0.3)
    animals = rng.choice(["dog", "wolf", "baker", "mouse"], number)
    sets = [[name for name, one in zip(LABELS, row, strict=True) if one] for row in has]
    texts = [f"the {animal} {' '.join(own)}" for animal, own in zip(animals, sets, strict=True)]
    return texts, sets


def write_cells(path: Path, texts, sets) -> Path:
    """As `a|b` in CSV."""
    with path.open("w", newline="") as file:
        rows = zip(texts, map("|".join, sets), strict=True)
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


def write_lists(path: Path, texts, sets) -> Path:
    """As lists in JSON lines."""
    pairs = zip(texts, sets, strict=True)
    path.write_text("".join(json.dumps({"text": t, "label": own}) + "\n" for t, own in pairs))
    return path


def write_columns(path: Path, texts, sets) -> Path:
    """As a column of 0 and 1 for each."""
    rows = [[t, *(int(name in own) for name in LABELS)] for t, own in zip(texts, sets, strict=True)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", *LABELS), *rows])
    return path


def command(model, train, dev, out, *flags):
    return [
        *("--model", str(model), "--task", "custom", "--several_labels", "true"),
        *("--train_file", str(train), "--dev_file", str(dev), "--out", str(out)),
        *("--max_steps", str(STEPS), "--num_seeds", "2", "--learning_rate", "1e-2"),
        *("--log_every", "10", "--eval_every", "20", *flags),
    ]
