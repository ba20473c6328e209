"""What a running group gives away, and to whom; the engine knows these types and no files."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np


class AtOnce(NamedTuple):
    """Beside how many trials a finished one has run, itself among them."""

    group: int  # on all devices of back then
    per_device: int | None  # None where a row of an older version does not say it


class StepRecords(NamedTuple):
    """Consecutive steps of some trials; learning rates are without the bias correction's factor."""

    loss: np.ndarray  # [trial, step]
    learning_rate: np.ndarray  # [trial, step]
    norms: np.ndarray  # [trial, step, norm]; of repeated steps the logged ones alone
    norm_names: tuple[str, ...]
    repeated: bool = False  # taken before the run was cut off


@runtime_checkable
class Recorder(Protocol):
    """Receives the records of a group while it runs; `trials` are the numbers of its trials."""

    def steps(self, trials: Sequence[int], start: int, records: StepRecords) -> None:
        """Steps `start`, `start + 1`, ... have been taken."""

    def evaluation(
        self, trials: Sequence[int], step: int, metrics: Sequence[dict[str, float]]
    ) -> None:
        """The dev set has been scored after `step` updates, and the held-out examples if any."""


class Restored(NamedTuple):
    """A checkpoint read back."""

    step: int
    tree: Any  # of the structure that was asked for
    arrays: dict[str, np.ndarray]  # what was saved beside it


@runtime_checkable
class Checkpoints(Protocol):
    """Where a running group leaves its state; `jaxtune.storage.checkpoints` has it on disk."""

    every: int | None  # steps; None where the clock decides

    def due(self, step: int) -> bool:
        """Whether to save after `step` steps."""
        ...

    def save(self, step: int, tree: Any, arrays: dict[str, np.ndarray]) -> None:
        """Begins to save the tree, whose arrays may be overwritten once this returns."""

    def restore_latest(self, like: Any) -> Restored | None:
        """The newest one, on the host, its tree of the structure and dtypes of `like`; the first
        axis is as long as it was saved.
        """

    def discard(self) -> None:
        """Removes what is saved: it is of another run."""

    def close(self) -> None:
        """Returns when everything is saved."""
