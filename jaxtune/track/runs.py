"""What trackers are told of a trial, from its row and its history."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import pandas as pd

from jaxtune.stats.arms import is_result
from jaxtune.storage.results import read_history
from jaxtune.storage.tensorboard import run_path, shown_norm
from jaxtune.storage.trial_rows import SEEDS, Row, checksums_of

SCORES = (
    *("final", "best", "best_step", "train_loss", "trivial", "failed", "diverged"),
    *("constant_prediction", "num_steps", "stopped_at", "stopped_by", "seconds"),
)
NORM = "grad_norm/"


class TrackedRun(NamedTuple):
    """A trial as a run."""

    key: str  # tells it from all other runs, of other sweeps too
    name: str
    arm: str
    config: dict[str, Any]  # every setting, the seeds, and which sweep it is of
    points: list[tuple[int, dict[str, float]]]  # values by tag, steps ascending
    summary: dict[str, Any]  # what came out


@runtime_checkable
class Tracker(Protocol):
    """Where runs go."""

    @property
    def place(self) -> str:
        """What tells this destination from others; without passwords, for it is noted."""
        ...

    @property
    def empty(self) -> bool:
        """Whether nothing can be there, whatever is noted: its store is not there (any more)."""
        ...

    @property
    def seen_with(self) -> str:
        """Where the runs lie, and what shows them."""
        ...

    def send(self, run: TrackedRun) -> None:
        """Returns when the run is there."""

    def attach(self, report: Path, key: str, sweep: str) -> None:
        """The report of the sweep, in a run of its own."""


def tracked_run(out: Path, row: Row, name: str, key: str, sweep: str) -> TrackedRun:
    """A finished trial; raises UserError where its history cannot be read.

    Args:
        name: of its arm.
    """
    settings = {name: value for name, value in row.items() if not is_result(name)}
    about = {name: row[name] for name in (*SEEDS, "metric")}
    return TrackedRun(
        key,
        run_path(name, row["seed"]),
        row["arm"],
        about | settings | {"sweep": sweep},
        _points(read_history(out, [row["trial"]], checksums_of(out, row)), row["log_every"]),
        {name: row[name] for name in SCORES if row.get(name) is not None},
    )


def _points(history: pd.DataFrame, log_every: int) -> list[tuple[int, dict[str, float]]]:
    """The curves that TensorBoard shows, by its tags, and scores of further sets."""
    tags = {name: tag for name in history["name"].cat.categories if (tag := _tag(str(name)))}
    # The history has the loss of every step.
    logged = (history["name"] != "loss") | (history["step"] % log_every == 0)
    shown = history[logged & history["name"].isin(tags)]
    return [
        (int(str(step)), _values(part, tags))
        for step, part in shown.groupby("step", sort=True, observed=True)
    ]


def _values(part: pd.DataFrame, tags: Mapping[str, str]) -> dict[str, float]:
    pairs = zip(part["name"], part["value"], strict=True)
    return {tags[name]: float(value) for name, value in pairs}


def _tag(name: str) -> str | None:
    if name in ("loss", "learning_rate"):
        return f"train/{name}"
    return shown_norm(name.removeprefix(NORM)) if name.startswith(NORM) else name
