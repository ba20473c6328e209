"""Predictions of other trainers' runs on the dev set, and its labels: `.npy`, or columns of text.

They are optional, and bring what scores alone cannot tell: how much runs disagree, the dev set's
own error, the floor.
"""

import csv
from pathlib import Path

import numpy as np

from jaxtune.core.errors import UserError
from jaxtune.core.files import read_text

SUFFIXES = (".npy", ".csv", ".txt")
PREDICTIONS, LABELS = "predictions", "labels"


def labels_in(folder: Path) -> np.ndarray | None:
    """`labels.npy`, `labels.csv` or `labels.txt`, `[example]`; None where there is none of them."""
    file = _file(folder, LABELS)
    if file is None:
        return None
    labels = read_array(file)
    if labels.ndim != 1:
        raise UserError(f"{file} has the shape {labels.shape}; give one label for each example.")
    return labels


def logits_in(folder: Path, labels: np.ndarray | None) -> np.ndarray | None:
    """The predictions of the run in a folder; None where there are none."""
    file = _file(folder, PREDICTIONS)
    return None if file is None else read_logits(file, labels)


def _file(folder: Path, name: str) -> Path | None:
    found = [folder / f"{name}{suffix}" for suffix in SUFFIXES]
    return next((path for path in found if path.is_file()), None)


def read_logits(file: Path, labels: np.ndarray | None) -> np.ndarray:
    """Logits or probabilities `[example, label]`; of one class for each example, its column.

    Raises UserError where they are not those of the labels' examples.
    """
    if labels is None:
        raise UserError(f"{file} holds predictions, and there are no labels: give labels.npy too.")
    found = read_array(file)
    if len(found) != len(labels):
        raise UserError(
            f"{file} has {len(found)} predictions and the labels are {len(labels)}; give one for"
            " each example, in their order."
        )
    if found.ndim == 2:
        return found.astype(np.float32)
    if not np.issubdtype(labels.dtype, np.integer):
        return found.astype(np.float32)[:, None]
    if not np.issubdtype(found.dtype, np.integer) or found.min() < 0:
        raise UserError(f"{file} holds no classes 0, 1, ...; give those, or a column for each.")
    width = int(max(found.max(), labels.max())) + 1
    # The class alone is known, and nothing of how sure the run was: no divergence is made of it.
    logits = np.full((len(found), max(width, 2)), -np.inf, np.float32)
    logits[np.arange(len(found)), found] = 0.0
    return logits


def read_array(file: Path) -> np.ndarray:
    """Numbers of a `.npy` (never a pickle), or of lines of text, with a header or without."""
    if file.suffix == ".npy":
        try:
            return np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise UserError(
                f"{file} cannot be read ({error}): write it with numpy.save."
            ) from error
    rows = [row for row in csv.reader(read_text(file).splitlines()) if row]
    if rows and not _are_numbers(rows[0]):
        rows = rows[1:]
    if not rows or len({len(row) for row in rows}) > 1 or not all(map(_are_numbers, rows)):
        raise UserError(f"{file} is no table of numbers; give a line for each example.")
    numbers = np.array(rows, np.float64)
    whole = np.equal(numbers, np.round(numbers)).all() and not any(
        "." in c for r in rows for c in r
    )
    numbers = numbers.astype(np.int64) if whole else numbers
    return numbers[:, 0] if numbers.shape[1] == 1 else numbers


def _are_numbers(cells: list[str]) -> bool:
    try:
        [float(cell) for cell in cells]
    except ValueError:
        return False
    return True
