"""Result files of a sweep (DESIGN 2.2): JSON lines, Parquet and NPY are the truth, TensorBoard is a view of them."""

import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

TRIALS, HISTORY, PREDICTIONS = "trials.jsonl", "history", "predictions"


class StepRecords(NamedTuple):
    """Consecutive steps of a group of trials; learning rates are without the bias correction's factor."""

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
        names = np.repeat(np.array(name, object), [len(part) for part in trial])
        trials = np.concatenate(trial)
        table = pa.table(
            {
                "trial": pa.array(trials, pa.int32()),
                "step": pa.array(np.concatenate(step), pa.int32()),
                "name": pa.array(names).dictionary_encode(),
                "value": pa.array(np.concatenate(value), pa.float32()),
            }
        )
        for number in np.unique(trials).tolist():
            own = table.filter(pa.array(trials == number))
            _replace(folder / f"{number:05d}.parquet", partial(pq.write_table, own))


def write_predictions(out: Path, trial: int, logits: np.ndarray) -> None:
    """float32 dev logits `[example, label]` of the final step."""

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.save(file, logits.astype(np.float32))

    _replace(out / PREDICTIONS / f"{trial:05d}.npy", write)


def write_text(path: Path, text: str) -> None:
    """A small text file, complete or as it was."""
    _replace(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """A JSON file, complete or as it was; non-finite numbers become null, which every JSON reader takes."""
    write_text(path, json.dumps(_finite(value), indent=2, allow_nan=False) + "\n")


def append_rows(out: Path, rows: list[dict[str, Any]]) -> None:
    """Adds rows to trials.jsonl and returns when they are on the disk; a half-written last line is taken away."""
    text = "".join(json.dumps(_finite(row), allow_nan=False) + "\n" for row in rows)
    path = out / TRIALS
    whole = path.read_bytes().rfind(b"\n") + 1 if path.exists() else 0
    with path.open("ab") as file:
        file.truncate(whole)
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def read_rows(out: Path) -> list[dict[str, Any]]:
    """The rows of trials.jsonl in trial order; a half-written last line is not one of them."""
    path = out / TRIALS
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    rows = [json.loads(line) for line in lines]
    return sorted(rows, key=lambda row: row["trial"])


def _replace(path: Path, write: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    write(part)
    os.replace(part, path)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value
