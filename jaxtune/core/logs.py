"""Result files of a sweep (DESIGN 2.2): JSON lines, Parquet and NPY are the truth, TensorBoard is a
view of them.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

CONFIG, MANIFEST, SUMMARY = "config.yaml", "manifest.json", "summary.json"
HISTORY, PREDICTIONS, PARAMS = "history", "predictions", "params"
REPORT = ("report.html", "report.md", "arms.csv", "trials.csv")


class StepRecords(NamedTuple):
    """Consecutive steps of a group of trials; learning rates are without the bias correction's
    factor.
    """

    loss: np.ndarray  # [trial, step]
    learning_rate: np.ndarray  # [trial, step]
    norms: np.ndarray  # [trial, step, norm], written at logged steps only
    norm_names: tuple[str, ...]


@runtime_checkable
class Recorder(Protocol):
    """What the engine tells while a group runs; `trials` are the numbers of the group's trials."""

    def steps(self, trials: Sequence[int], start: int, records: StepRecords) -> None:
        """Steps `start`, `start + 1`, ... have been taken."""

    def evaluation(
        self, trials: Sequence[int], step: int, metrics: Sequence[dict[str, float]]
    ) -> None:
        """The dev set has been scored after `step` updates."""


class History:
    """A recorder that collects a group's curves in long form: `trial step name value`."""

    def __init__(self, log_every: int) -> None:
        self.log_every = log_every
        self._columns: list[tuple[np.ndarray, np.ndarray, str, np.ndarray]] = []

    def steps(self, trials: Sequence[int], start: int, records: StepRecords) -> None:
        """The loss of every step; learning rate and gradient norms of every `log_every`-th."""
        steps = np.arange(start, start + records.loss.shape[1])
        logged = steps % self.log_every == 0
        self._add(trials, steps, "loss", records.loss)
        self._add(trials, steps[logged], "learning_rate", records.learning_rate[:, logged])
        for index, name in enumerate(records.norm_names):
            self._add(trials, steps[logged], f"grad_norm/{name}", records.norms[:, logged, index])

    def evaluation(
        self, trials: Sequence[int], step: int, metrics: Sequence[dict[str, float]]
    ) -> None:
        """Dev metrics after `step` updates."""
        for name in metrics[0]:
            values = np.array([[scores[name]] for scores in metrics])
            self._add(trials, np.array([step]), f"dev/{name}", values)

    def _add(self, trials: Sequence[int], steps: np.ndarray, name: str, values: np.ndarray) -> None:
        numbers = np.repeat(trials, len(steps))
        self._columns.append((numbers, np.tile(steps, len(trials)), name, values.reshape(-1)))

    def write(self, folder: Path) -> None:
        """One Parquet file per trial, complete or absent, such as 00007.parquet."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        trial, step, name, value = zip(*self._columns, strict=True)
        kinds = list(
            dict.fromkeys(name)
        )  # first seen first: loss, learning rate, norms, dev metrics
        codes = np.repeat([kinds.index(each) for each in name], [len(part) for part in trial])
        trials, steps = np.concatenate(trial), np.concatenate(step)
        # However the run was cut into dispatches, and wherever it was resumed, the file is the
        # same.
        order = np.lexsort((steps, codes, trials))
        trials = trials[order]
        names = pa.DictionaryArray.from_arrays(pa.array(codes[order], pa.int32()), kinds)
        table = pa.table(
            {
                "trial": pa.array(trials, pa.int32()),
                "step": pa.array(steps[order], pa.int32()),
                "name": names,
                "value": pa.array(np.concatenate(value)[order], pa.float32()),
            }
        )
        for number in np.unique(trials).tolist():
            own = table.filter(pa.array(trials == number))
            replace_file(folder / f"{number:05d}.parquet", partial(pq.write_table, own))


def write_predictions(out: Path, trial: int, logits: np.ndarray) -> None:
    """float32 dev logits `[example, label]` of the final step."""

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.save(file, logits.astype(np.float32))

    replace_file(out / PREDICTIONS / f"{trial:05d}.npy", write)


def write_text(path: Path, text: str) -> None:
    """A small text file, complete or as it was."""
    replace_file(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """A JSON file, complete or as it was; non-finite numbers become null, which every JSON reader
    takes.
    """
    write_text(path, json.dumps(finite(value), indent=2, allow_nan=False) + "\n")


def replace_file(path: Path, write: Callable[[Path], Any]) -> None:
    """What `write` puts into the file it is given, complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    write(part)
    os.replace(part, path)


def digest(file: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def finite(value: Any) -> Any:
    """The value with None for every number that is not finite."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value
