"""Reads back what a sweep wrote."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxtune.core.errors import UserError
from jaxtune.storage.paths import HISTORY, PREDICTIONS, TRIALS
from jaxtune.storage.trial_rows import CHECKSUMS, read_rows


class Results(NamedTuple):
    """A sweep: one row per finished trial, its curves, its dev logits, and the summary per arm."""

    trials: pd.DataFrame
    history: pd.DataFrame  # trial step name value
    predictions: dict[int, np.ndarray]  # float32 [example, label] by trial
    summary: dict[str, Any]  # empty while the sweep runs


def load(out: Path) -> Results:
    """Raises UserError where OUT holds no finished trial, or one whose files cannot be read."""
    rows = read_rows(out)
    if not rows:
        raise UserError(f"{out} holds no finished trial ({TRIALS}); give the --out of a sweep.")
    trials = pd.DataFrame(rows).drop(columns=list(CHECKSUMS), errors="ignore")
    numbers = trials["trial"].tolist()
    curves = [_read(pd.read_parquet, out / HISTORY / f"{n:05d}.parquet") for n in numbers]
    history = pd.concat(curves, ignore_index=True).astype({"name": "category"})
    summary = out / "summary.json"
    return Results(
        trials=trials,
        history=history,
        predictions={n: _read(np.load, out / PREDICTIONS / f"{n:05d}.npy") for n in numbers},
        summary=_read(_read_json, summary) if summary.exists() else {},
    )


def _read(read: Callable[[Path], Any], file: Path) -> Any:
    try:
        return read(file)
    except (OSError, ValueError, EOFError) as error:  # pyarrow's errors are ValueErrors
        raise UserError(
            f"{file} is missing or damaged; give the sweep's command again, and it repeats that"
            " trial."
        ) from error


def _read_json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))
