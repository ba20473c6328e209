"""A custom task whose animal decides the label, with a test file and another dev file."""

import csv
from pathlib import Path

import numpy as np

ANIMALS = ("dog", "chef", "wolf", "drummer", "fisherman", "captain")
UNMET = ("mouse", "whale")  # in no training and no dev text
CLASSES = ("no", "yes")
STEPS = 6


def texts_and_labels(number, seed, animals=ANIMALS):
    """Texts such as `the wolf sleeps gladly`."""
    rng = np.random.default_rng(seed)
    which, how = rng.integers(0, len(animals), number), rng.integers(0, 2, number)
    texts = [
        f"the {animals[i]} sleeps {('quietly', 'gladly')[j]}"
        for i, j in zip(which, how, strict=True)
    ]
    return texts, [CLASSES[i % 2] for i in which]


def write_csv(path: Path, columns, *rows) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *zip(*rows, strict=True)])
    return path


def write_files(folder: Path) -> dict[str, Path]:
    """The test file has ids and no labels, and words that training does not meet."""
    folder.mkdir(parents=True, exist_ok=True)
    tests, _ = texts_and_labels(70, 3, (*ANIMALS, *UNMET))
    return {
        "train": write_csv(folder / "train.csv", ["text", "label"], *texts_and_labels(48, 1)),
        "dev": write_csv(folder / "dev.csv", ["text", "label"], *texts_and_labels(30, 2)),
        "test": write_csv(folder / "test.csv", ["id", "text"], [f"t{i}" for i in range(70)], tests),
        "ood": write_csv(folder / "ood.csv", ["text", "label"], *texts_and_labels(20, 4, UNMET)),
    }


def command(model, files, out, *flags):
    return [
        *("--model", str(model), "--task", "custom", "--out", str(out)),
        *("--train_file", str(files["train"]), "--dev_file", str(files["dev"])),
        *("--max_steps", str(STEPS), "--num_seeds", "3", "--learning_rate", "1e-3"),
        *("--metric", "auroc", "--log_every", "2", "--eval_every", "3", "--weight_decay", "0.5"),
        *("--grid.bias_correction", "false", "true", *flags),
    ]


def further(files):
    return ["--test_file", str(files["test"]), "--more_dev_files", f"ood={files['ood']}"]
