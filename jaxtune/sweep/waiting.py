"""OUT/waiting: trials that were paused for the choice of early stopping, a sealed checkpoint
each.
"""

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxtune.storage.checkpoints import RunCheckpoints
from jaxtune.training.history import Journal


class PausedTrial(NamedTuple):
    """One trial between two groups, on the host."""

    step: int
    tree: Any  # its part of the group's state and kept parameters
    journal: Journal


class WaitingTrials:
    """States and journals of paused trials, by number; what is damaged is named and not there.

    Those that were added last are at hand.
    """

    def __init__(self, folder: Path, say: Callable[[str], None], log_every: int):
        self.folder = folder
        self.log_every = log_every
        self._say = say
        self._last: dict[int, PausedTrial] = {}

    def add(self, paused: dict[int, PausedTrial]) -> None:
        """Returns when these are on the disk; raises OSError where they cannot be put there."""
        self._last = paused
        begun = []
        for number, trial in paused.items():
            checkpoints = self._of(number)
            checkpoints.save(trial.step, trial.tree, trial.journal.as_arrays())
            begun.append((checkpoints, trial.step))
        for checkpoints, step in begun:
            checkpoints.close()
            if checkpoints.latest() != step:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(checkpoints.folder))

    def journals(self, numbers: Sequence[int]) -> dict[int, Journal]:
        """Of those of these trials that wait."""
        found = {}
        for number in numbers:
            if (arrays := self._of(number).latest_arrays()) is not None:
                found[number] = Journal.from_arrays(self.log_every, arrays)
        return found

    def get(self, number: int, like: Any) -> PausedTrial:
        """A trial that waits, its state of the structure, shapes and dtypes of `like`."""
        if number in self._last:
            return self._last[number]
        checkpoints = self._of(number)
        restored = checkpoints.restore_latest(_on_one_device(like))
        checkpoints.close()
        if restored is None:
            raise OSError(errno.EIO, "a paused trial cannot be read", str(checkpoints.folder))
        tree = jax.tree.map(np.asarray, restored.tree)
        return PausedTrial(
            restored.step, tree, Journal.from_arrays(self.log_every, restored.arrays)
        )

    def remove(self, number: int) -> None:
        """The trial has ended."""
        self._last.pop(number, None)
        self._of(number).discard()

    def _of(self, number: int) -> RunCheckpoints:
        return RunCheckpoints(self.folder / f"{number:05d}", self._say)


def _on_one_device(like: Any) -> Any:
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device), like
    )
