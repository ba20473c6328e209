"""What a running group tells, and to whom: the engine knows these types and nothing of files."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np


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
