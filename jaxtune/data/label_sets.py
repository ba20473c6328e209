"""Texts with any number of labels: how files write them, and what of that is refused."""

from collections.abc import Sequence

import numpy as np

from jaxtune.core.errors import UserError
from jaxtune.core.label_sets import BETWEEN_LABELS
from jaxtune.core.unseen import bare, drawn_alike
from jaxtune.core.words import quoted
from jaxtune.data.labels import number
from jaxtune.data.rows import Row

# What a column of its own says of a label.
_WORDS = {"true": 1, "false": 0}


def label_set(where: str, cell: str) -> list[str]:
    """The labels of a cell such as `a|b`, or none; UserError for an empty or repeated one."""
    if not bare(cell):
        return []
    labels = list(map(bare, cell.split(BETWEEN_LABELS)))
    if len(labels) > len({*labels}) and {*labels} <= {"0", "1"}:
        raise UserError(
            f"{where} has 0 and 1 for each label: write the labels' names, or give each a column of"
            " its own and name these with --label_columns"
        )
    for label in labels:
        if not label or labels.count(label) > 1:
            what = "an empty label" if not label else f"the label {label!r} twice"
            raise UserError(
                f"{where} has {what} in {cell!r}: write each of its labels once, with"
                f" {BETWEEN_LABELS} between, and nothing where it has none"
            )
    return labels


def as_numbers(where: str, cell: str, names: Sequence[str], unknown: str = "") -> list[int]:
    """1 for each of the labels that a cell has, else 0, in the order of the names.

    Args:
        unknown: the end of a message about a label that is none of them.
    """
    found = label_set(where, cell)
    for label in found:
        if label not in names:
            those = drawn_alike(label, names) or f"use those of {quoted(names)}{unknown}"
            raise UserError(f"{where} has the label {label!r}: {those}")
    return [int(name in found) for name in names]


def joined(source: str, rows: Sequence[Row], columns: Sequence[str], label: str) -> list[Row]:
    """Rows with a column per label to rows with one cell of them all, called `label`.

    A file without any of the columns has no labels, and its rows stay as they are.
    """
    found = []
    for place, row in rows:
        absent = [name for name in columns if name not in row]
        if len(absent) == len(columns):
            found.append((place, row))
            continue
        where = f"{source}, {place}"
        if absent:
            raise UserError(
                f"{where} has no column {absent[0]!r}, but others of the labels: give all or none"
            )
        own = [name for name in columns if _is_given(where, name, row[name])]
        found.append((place, row | {label: BETWEEN_LABELS.join(own)}))
    return found


def _is_given(where: str, name: str, cell: str) -> bool:
    text = bare(cell)
    value = _WORDS.get(text.lower(), number(text))
    if value not in (0, 1):
        raise UserError(
            f"{where} has {text!r} in column {name!r}: write 1 where the text has this label, or 0"
        )
    return value == 1


def counts_of(labels: np.ndarray) -> dict[str, int | float]:
    """How many labels the examples of a split have, from `[example, label]`."""
    sizes = labels.sum(axis=1)
    return {
        "fewest": int(sizes.min()),
        "most": int(sizes.max()),
        "mean": float(sizes.mean(dtype=np.float64)),
        "without": int((sizes == 0).sum()),
    }
