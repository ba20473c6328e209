"""Reads back what a sweep wrote."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxtune.errors import UserError
from jaxtune.logs import HISTORY, PREDICTIONS, TRIALS, read_rows


class Results(NamedTuple):
    """A sweep: one row per finished trial, its curves, its dev logits, and the summary per arm."""

    trials: pd.DataFrame
    history: pd.DataFrame  # trial step name value
    predictions: dict[int, np.ndarray]  # float32 [example, label] by trial
    summary: dict[str, Any]  # empty while the sweep runs


def load(out: Path) -> Results:
    """Raises UserError where OUT holds no finished trial."""
    rows = read_rows(out)
    if not rows:
        raise UserError(f"{out} holds no finished trial ({TRIALS}); give the --out of a sweep.")
    trials = pd.DataFrame(rows)
    curves = [pd.read_parquet(out / HISTORY / f"{n:05d}.parquet") for n in trials["trial"]]
    history = pd.concat(curves, ignore_index=True).astype({"name": "category"})
    summary = out / "summary.json"
    return Results(
        trials=trials,
        history=history,
        predictions={n: np.load(out / PREDICTIONS / f"{n:05d}.npy") for n in trials["trial"]},
        summary=json.loads(summary.read_text(encoding="utf-8")) if summary.exists() else {},
    )
