"""The checkpoints of a sweep: which group goes on from which."""

import contextlib
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from jaxtune.config.trials import Trial, identities
from jaxtune.storage.checkpoints import RunCheckpoints, sealed_steps
from jaxtune.storage.out_folder import check_held


class SweepCheckpoints:
    """The checkpoints of a sweep's unfinished groups, each group's in a folder of its own.

    On another number of devices trials go on in other groups than the one that was cut off: a group
    of nine in three of three. The large group's folder stays until all its trials are finished.
    """

    def __init__(
        self,
        folder: Path,
        say: Callable[[str], None],
        every: int | None = None,
        trials: Sequence[Trial] = (),
    ):
        self.folder = folder.absolute()
        self.every = every
        self._say = say
        self._check = partial(check_held, self.folder.parent)
        self._own = dict(zip([t.number for t in trials], identities(trials), strict=True))

    def leave_out_others(self) -> bool:
        """Takes away, and says so, what is of other seeds or settings: a trial is to go on from its
        own steps alone. Rows of finished trials are compared with the sweep, and with none finished
        the checkpoints are all that is there. Returns whether there was any.
        """
        self._check()
        found = False
        for folder in sorted(self.folder.glob("*-*")):
            if sealed_steps(folder) and not self._is_own(folder):
                self._say(
                    f"Warning: the checkpoint in {folder} is of other seeds or settings, or of an"
                    " earlier version; those trials begin anew."
                )
                shutil.rmtree(folder, ignore_errors=True)
                found = True
        return found

    def _is_own(self, folder: Path) -> bool:
        saved = _arrays(folder)
        return "identities" in saved and all(
            np.array_equal(self._own.get(number, identity), identity)
            for number, identity in zip(saved["trials"].tolist(), saved["identities"], strict=True)
        )

    def next_group(self, trials: Sequence[int], size: int) -> list[int]:
        """The numbers of the trials to run next, at most `size`: those that a checkpoint holds
        alone and first, for they go on from another step than the others.
        """
        for _, held in self._held(trials):
            return [number for number in trials if number in held][:size]
        return list(trials[:size])

    def per_device(self, trials: Sequence[int]) -> int | None:
        """How many trials a device ran at once in a group of some of these, of several the one that
        is furthest; None where no checkpoint tells it.
        """
        for folder, _ in self._held(trials):
            if "per_device" in (saved := _arrays(folder)) and self._is_own(folder):
                return int(saved["per_device"])
        return None

    def of(self, group: Sequence[int]) -> "contextlib.closing[RunCheckpoints]":
        """Those of a group, which begins at the newest that holds its trials; closed at the end of
        a `with`.
        """
        self._check()
        folder = self.folder / f"{group[0]:05d}-{group[-1]:05d}"
        held = [found for found, numbers in self._held(group) if numbers >= set(group)]
        if folder not in held:  # of a group that is over, or damaged
            shutil.rmtree(folder, ignore_errors=True)
        origin = held[0] if held and held[0] != folder else None
        begins_at = RunCheckpoints(origin, self._say) if origin else None
        return contextlib.closing(
            RunCheckpoints(folder, self._say, self.every, begins_at, self._check)
        )

    def drop(self, group: Sequence[int], left: Sequence[int]) -> None:
        """A group is finished: its checkpoints go, and those of larger ones with no trial left."""
        self._check()
        for folder in self.folder.glob("*-*"):
            numbers = _numbers(folder)
            if numbers <= set(group) or (numbers & set(group) and not numbers & set(left)):
                shutil.rmtree(folder, ignore_errors=True)

    def discard(self) -> None:
        """The sweep is over: nothing to go on from."""
        self._check()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _held(self, trials: Sequence[int]) -> list[tuple[Path, set[int]]]:
        """Folders with checkpoints of some of these trials, and all the trials that they hold; of
        several the one that is furthest comes first.
        """
        found = [(folder, _numbers(folder)) for folder in self.folder.glob("*-*")]
        held = [(folder, numbers) for folder, numbers in found if numbers & set(trials)]
        return sorted(held, key=lambda each: -max(sealed_steps(each[0])))


def _numbers(folder: Path) -> set[int]:
    """The trials of a group's checkpoints; none where no step can be read."""
    return {*_arrays(folder).get("trials", np.array([], int)).tolist()}


def _arrays(folder: Path) -> dict[str, np.ndarray]:
    """What tells a group's trials, and how many ran at once; nothing where no step can be read."""
    names = ("trials", "identities", "per_device")
    for step in sealed_steps(folder):
        with contextlib.suppress(Exception), (folder / f"{step}.npz").open("rb") as file:
            saved = np.load(file, allow_pickle=False)
            return {name: saved[name] for name in names if name in saved}
    return {}
