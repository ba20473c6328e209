"""Reads back what a sweep wrote."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxtune.core.errors import UserError
from jaxtune.core.files import read_json
from jaxtune.storage.paths import HISTORY, PREDICTIONS
from jaxtune.storage.trial_rows import CHECKSUMS, finished_rows


class Results(NamedTuple):
    """A sweep: one row per finished trial, its curves, its dev logits, and the summary per arm."""

    trials: pd.DataFrame
    history: pd.DataFrame  # trial step name value
    predictions: dict[int, np.ndarray]  # float32 [example, label] by trial
    summary: dict[str, Any]  # empty while the sweep runs


def load(out: Path) -> Results:
    """Raises UserError where OUT holds no finished trial, or one whose files cannot be read."""
    trials = pd.DataFrame(finished_rows(out)).drop(columns=list(CHECKSUMS), errors="ignore")
    numbers = trials["trial"].tolist()
    curves = [read_whole(pd.read_parquet, out / HISTORY / f"{n:05d}.parquet") for n in numbers]
    history = pd.concat(curves, ignore_index=True).astype({"name": "category"})
    summary = out / "summary.json"
    return Results(
        trials=trials,
        history=history,
        predictions={n: read_whole(np.load, out / PREDICTIONS / f"{n:05d}.npy") for n in numbers},
        summary=read_json(summary) if summary.exists() else {},
    )


def read_whole(read: Callable[[Path], Any], file: Path) -> Any:
    """What a trial's file holds; raises UserError where it is missing or damaged."""
    try:
        return read(file)
    except (OSError, ValueError, EOFError) as error:  # pyarrow's errors are ValueErrors
        raise UserError(
            f"{file} is missing or damaged; give the sweep's command again, and it repeats that"
            " trial."
        ) from error
