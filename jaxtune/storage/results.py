"""Reads back what a sweep wrote, as tables and arrays.

A trial has its files before it has its row, so a file that is not there is damage: every reader
raises UserError, which names it.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from jaxtune.core.errors import UserError
from jaxtune.core.files import digest, read_json
from jaxtune.storage.paths import (
    CLASSES,
    HISTORY,
    IDS,
    LABELS,
    PREDICTIONS,
    SENTENCES,
    SUMMARY,
    trial_name,
)
from jaxtune.storage.trial_rows import checksums


def read_history(
    out: Path, trials: Iterable[int], noted: Mapping[Path, str] | None = None
) -> pd.DataFrame:
    """Long form `trial step name value` of these trials.

    Args:
        noted: what `checksums` gives, where it is at hand.
    """
    noted = checksums(out) if noted is None else noted
    files = [out / HISTORY / f"{trial_name(n)}.parquet" for n in trials]
    curves = [read_whole(pd.read_parquet, file, noted.get(file)) for file in files]
    return pd.concat(curves, ignore_index=True).astype({"name": "category"})


def read_predictions(
    out: Path, trials: Iterable[int], of: str = ""
) -> dict[int, Float[np.ndarray, "example label"]]:
    """Logits of the final step by trial, float32, in the file's order: of the dev set, or of the
    further set of this name. Where words have labels they are `[word, label]`.
    """
    noted = checksums(out)
    files = {n: out / PREDICTIONS / of / f"{trial_name(n)}.npy" for n in trials}
    return {n: read_whole(np.load, file, noted.get(file)) for n, file in files.items()}


def further_sets(out: Path) -> list[str]:
    """The further sets that the trials in OUT have answered."""
    return sorted(folder.name for folder in (out / PREDICTIONS).glob("*/"))


def read_ids(out: Path, of: str) -> list[str]:
    """What tells the examples of a further set apart, in its file's order."""
    return read_whole(read_json, out / PREDICTIONS / of / IDS)


def read_classes(out: Path) -> tuple[str, ...] | None:
    """The classes in the order of the logits' columns; None for regression."""
    classes = _read_label_file(read_json, out / CLASSES)
    return classes if classes is None else tuple(classes)


def read_labels(out: Path) -> np.ndarray:
    """The dev labels that scored the logits: int32 classes or float32 numbers `[example]`, or int32
    `[example, label]` of 0 and 1, where a text may have any number of them; or int32 `[word]`,
    where words have labels.
    """
    return _read_label_file(np.load, out / LABELS)


def read_sentences(out: Path) -> np.ndarray | None:
    """How many labelled words each dev sentence has, int32 `[sentence]`; None where words have no
    labels.
    """
    file = out / SENTENCES
    return _read_label_file(np.load, file) if file.exists() else None


def _read_label_file(read: Callable[[Path], Any], file: Path) -> Any:
    try:
        return read(file)
    except (OSError, ValueError, EOFError) as error:  # UserError is a ValueError
        raise UserError(
            f"{file} is missing, as sweeps of jaxtune 0.1.0 lack it, or damaged; take the labels"
            " from the dev file, or repeat the sweep."
        ) from error


def read_summary(out: Path) -> dict[str, Any]:
    """summary.json; empty while the sweep runs."""
    file = out / SUMMARY
    return read_json(file) if file.exists() else {}


def read_whole(read: Callable[[Path], Any], file: Path, sha256: str | None = None) -> Any:
    """What a trial's file holds; raises UserError where it is missing, damaged or another one.

    Args:
        sha256: of the file as it was written, where that is known.
    """
    try:
        if sha256 is not None and digest(file) != sha256:
            raise ValueError("another file")
        return read(file)
    except (OSError, ValueError, EOFError) as error:  # pyarrow's errors are ValueErrors
        raise UserError(
            f"{file} is missing or damaged; give the sweep's command again, and it repeats that"
            " trial."
        ) from error
