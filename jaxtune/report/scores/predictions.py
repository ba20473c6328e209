"""Predictions of other trainers' runs on the dev set, and its labels: `.npy`, or columns of text.

They are optional, and bring what scores alone cannot tell: how much runs disagree, the dev set's
own error, the floor.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxtune.core.errors import UserError
from jaxtune.core.files import read_text
from jaxtune.core.metrics import METRICS, fitting
from jaxtune.core.words import listed, plural

SUFFIXES = (".npy", ".csv", ".txt")
PREDICTIONS, LABELS = "predictions", "labels"
# Names of columns in a file of each, the surest first; and of columns that number the examples.
OF_LABELS = ("label", "labels", "gold", "target")
OF_PREDICTIONS = ("prediction", "predictions", "pred", "preds", "predicted", "label", "labels")
IDS = ("", "id", "idx", "index")


def labels_in(folder: Path) -> np.ndarray | None:
    """`labels.npy`, `labels.csv` or `labels.txt`, `[example]`; None where there is none of them."""
    file = _file(folder, LABELS)
    if file is None:
        return None
    labels = read_array(file, OF_LABELS)
    if labels.ndim != 1:
        raise UserError(f"{file} has the shape {labels.shape}; give one label for each example.")
    return labels


def logits_in(folder: Path, labels: np.ndarray | None, metric: str | None) -> np.ndarray | None:
    """The predictions of the run in a folder; None where there are none."""
    file = _file(folder, PREDICTIONS)
    return None if file is None else read_logits(file, labels, metric)


def _file(folder: Path, name: str) -> Path | None:
    found = [folder / f"{name}{suffix}" for suffix in SUFFIXES]
    return next((path for path in found if path.is_file()), None)


def read_logits(file: Path, labels: np.ndarray | None, metric: str | None) -> np.ndarray:
    """Logits or probabilities `[example, label]`; of one class for each example, its column.

    Raises UserError where they are not those of the labels' examples.
    """
    if labels is None:
        raise UserError(f"{file} holds predictions, and there are no labels: give labels.npy too.")
    found = read_array(file, OF_PREDICTIONS)
    if len(found) != len(labels):
        raise UserError(
            f"{file} has {len(found)} predictions and the labels are {len(labels)}; give one for"
            " each example, in their order."
        )
    labels = as_measured(labels, metric)
    if found.ndim == 2:
        if labels.dtype.kind != "f" and 1 < found.shape[1] <= labels.max():
            raise UserError(
                f"{file} has {found.shape[1]} columns, and the labels go up to class"
                f" {labels.max()}; give a column for each class, from 0 on."
            )
        if len(found) > 2 and (np.diff(found[:, 0].astype(np.float64)) == 1).all():
            raise UserError(
                f"{file} counts the examples in its first column, and columns are logits: take it"
                " out, or call it id."
            )
        return found.astype(np.float32)
    if labels.dtype.kind == "f":
        return found.astype(np.float32)[:, None]
    if not _are_classes(found):
        raise UserError(f"{file} holds no classes 0, 1, ...; give those, or a column for each.")
    found = found.astype(np.int64)
    width = int(max(found.max(), labels.max())) + 1
    # The class alone is known, and nothing of how sure the run was: no divergence is made of it.
    logits = np.full((len(found), max(width, 2)), -np.inf, np.float32)
    logits[np.arange(len(found)), found] = 0.0
    return logits


def as_measured(labels: np.ndarray, metric: str | None) -> np.ndarray:
    """The labels as the metric takes them, classes or numbers, whatever their file has: pandas
    makes 1.0 of a class as soon as one is missing. Of a metric that is not known, as they are.

    Raises UserError where they are no classes and the metric is of classes.
    """
    if metric not in METRICS:
        return labels.astype(np.float64 if labels.dtype.kind == "f" else np.int64)
    if METRICS[metric].most == 1:
        return labels.astype(np.float64)
    if not _are_classes(labels):
        raise UserError(
            f"The {metric} is of classes, and the labels are not 0, 1, ...: give those, or give"
            " --metric the name of what was measured."
        )
    return labels.astype(np.int64)


def num_columns(labels: np.ndarray, logits: Sequence[np.ndarray], metric: str) -> int:
    """How many classes the runs tell apart, 1 of numbers; labels are those of `as_measured`.

    Raises UserError where the metric is not one of so many.
    """
    least = 1 if labels.dtype.kind == "f" else max(int(labels.max()) + 1, 2)
    widths = sorted({least, *(each.shape[1] for each in logits)})
    for width in widths:
        # Of one column an accuracy would have the labels' mean as its best constant prediction.
        if metric not in (fits := fitting(width)):
            of = "numbers in one column" if width == 1 else plural(width, "class")
            raise UserError(
                f"The labels or predictions are of {of}, and the {metric} is not: give --metric the"
                f" name of what was measured ({listed(fits)} are), or leave them out."
            )
    return widths[-1]


def _are_classes(values: np.ndarray) -> bool:
    return bool((values == np.round(values)).all() and values.min() >= 0)


def read_array(file: Path, names: Sequence[str]) -> np.ndarray:
    """Numbers of a `.npy` (never a pickle), or of lines of text, with a header or without.

    Args:
        names: what the column may be called that is meant, where a header has several.
    """
    if file.suffix == ".npy":
        return _saved(file)
    rows = [row for row in csv.reader(read_text(file).splitlines()) if row]
    if rows and not _are_numbers(rows[0]):
        header, *rows = rows
        kept = _columns(header, names)
        rows = [[row[i] for i in kept] if len(row) == len(header) else row for row in rows]
    widths = {len(row) for row in rows}
    if len(widths) != 1 or 0 in widths or not all(map(_are_numbers, rows)):
        raise UserError(f"{file} is no table of numbers; give a line for each example.")
    numbers = np.array(rows, np.float64)
    whole = np.equal(numbers, np.round(numbers)).all() and not any(
        "." in c for r in rows for c in r
    )
    numbers = numbers.astype(np.int64) if whole else numbers
    return numbers[:, 0] if numbers.shape[1] == 1 else numbers


def _columns(header: Sequence[str], names: Sequence[str]) -> list[int]:
    """Where a column of one of these names stands; or else all but the examples' numbers."""
    cells = [cell.strip("# ").lower() for cell in header]
    named = [cells.index(name) for name in names if name in cells]
    return named[:1] or [i for i, cell in enumerate(cells) if cell not in IDS]


def _saved(file: Path) -> np.ndarray:
    try:
        found = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{file} cannot be read ({error}): write it with numpy.save.") from error
    if found.dtype.kind not in "biuf" or found.ndim not in (1, 2) or not found.size:
        raise UserError(f"{file} is no table of numbers; give a line for each example.")
    return found


def _are_numbers(cells: list[str]) -> bool:
    try:
        [float(cell) for cell in cells]
    except ValueError:
        return False
    return True
