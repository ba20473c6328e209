"""Arrays on disk, through orbax: parameters to keep, and the state of a run that may have to go on.

A run's checkpoint counts only once it is sealed: a list with the sha256 of every file is written
last, and verified before anything is read back, for orbax itself does not notice a changed byte.
"""

import contextlib
import errno
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxtune.core.files import digest, replace_file, write_json
from jaxtune.core.records import Restored

SECONDS_BETWEEN = 600.0
ROOM_TO_SPARE = 1 << 20  # bytes, for orbax's own files


class SweepCheckpoints:
    """The checkpoints of a sweep's unfinished groups, each group's in a folder of its own.

    On another number of devices trials go on in other groups than the one that was cut off: a group
    of nine in three of three. The large group's folder stays until all its trials are finished.
    """

    def __init__(self, folder: Path, say: Callable[[str], None], every: int | None = None):
        self.folder = folder.absolute()
        self.every = every
        self._say = say

    def next_group(self, trials: Sequence[int], size: int) -> list[int]:
        """The numbers of the trials to run next, at most `size`: those that a checkpoint holds
        alone and first, for they go on from another step than the others.
        """
        for _, held in self._held(trials):
            return [number for number in trials if number in held][:size]
        return list(trials[:size])

    def of(self, group: Sequence[int]) -> "contextlib.closing[RunCheckpoints]":
        """Those of a group, which begins at the newest that holds its trials; closed at the end of
        a `with`.
        """
        folder = self.folder / f"{group[0]:05d}-{group[-1]:05d}"
        held = [found for found, numbers in self._held(group) if numbers >= set(group)]
        if folder not in held:  # of a group that is over, or damaged
            shutil.rmtree(folder, ignore_errors=True)
        origin = held[0] if held and held[0] != folder else None
        begins_at = RunCheckpoints(origin, self._say) if origin else None
        return contextlib.closing(RunCheckpoints(folder, self._say, self.every, begins_at))

    def drop(self, group: Sequence[int], left: Sequence[int]) -> None:
        """A group is finished: its checkpoints go, and those of larger ones with no trial left."""
        for folder in self.folder.glob("*-*"):
            numbers = _numbers(folder)
            if numbers <= set(group) or (numbers & set(group) and not numbers & set(left)):
                shutil.rmtree(folder, ignore_errors=True)

    def discard(self) -> None:
        """The sweep is over: nothing to go on from."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _held(self, trials: Sequence[int]) -> list[tuple[Path, set[int]]]:
        """Folders with checkpoints of some of these trials, and all the trials that they hold; of
        several the one that is furthest comes first.
        """
        folders = [folder for folder in self.folder.glob("*-*") if _numbers(folder) & set(trials)]
        folders.sort(key=lambda folder: -max(_steps(folder)))
        return [(folder, _numbers(folder)) for folder in folders]


def _steps(folder: Path) -> list[int]:
    """The sealed steps, newest first."""
    return sorted((int(path.stem) for path in folder.glob("*.json")), reverse=True)


def _numbers(folder: Path) -> set[int]:
    """The trials of a group's checkpoints; none where no step can be read."""
    for step in _steps(folder):
        with contextlib.suppress(Exception), (folder / f"{step}.npz").open("rb") as file:
            return set(np.load(file, allow_pickle=False)["trials"].tolist())
    return set()


class RunCheckpoints:
    """The last two states of a run, by step, in a folder that exists only while the run does.

    `every` is in steps; without it a checkpoint is due every ten minutes. What goes wrong while
    writing is said and costs no more than the checkpoint. A run without any begins at the newest of
    `origin`, which it leaves as it is.
    """

    def __init__(
        self,
        folder: Path,
        say: Callable[[str], None],
        every: int | None = None,
        origin: "RunCheckpoints | None" = None,
    ):
        self.folder = folder.absolute()
        self.every = every
        self._origin = origin
        self._say = say
        self._last = time.monotonic()
        self._sealing: threading.Thread | None = None

    @cached_property
    def _manager(self) -> Any:
        import orbax.checkpoint as ocp

        # What a killed process left half-written or unsealed goes; the caller holds the lock on the
        # folder.
        for path in (self.folder / "states").glob("*"):
            if not (self.folder / f"{path.name}.json").exists():
                shutil.rmtree(path, ignore_errors=True)
        options = ocp.CheckpointManagerOptions(max_to_keep=2, cleanup_tmp_directories=True)
        return ocp.CheckpointManager(self.folder / "states", options=options)

    def due(self, step: int) -> bool:
        """Whether to save after `step` steps."""
        if self.every is not None:
            return step % self.every == 0
        return time.monotonic() - self._last >= SECONDS_BETWEEN

    def save(self, step: int, tree: Any, arrays: dict[str, np.ndarray] | None = None) -> None:
        """Begins to write the tree; it is copied before this returns, and the disk is written
        meanwhile.

        `arrays` are those whose shapes the reader will not know.
        """
        import orbax.checkpoint as ocp

        self.wait()
        self._last = time.monotonic()
        try:
            _check_room(self.folder, tree)
            replace_file(self.folder / f"{step}.npz", _writer(arrays or {}))
            self._manager.save(step, args=ocp.args.StandardSave(jax.tree.leaves(tree)))
        except Exception as error:  # orbax and its writers raise many kinds
            self._complain(error)
        else:
            self._sealing = threading.Thread(target=self._seal, args=(step,))
            self._sealing.start()

    def latest(self) -> int:
        """The step of the newest whole checkpoint, or 0; a damaged one is named and removed."""
        for step in _steps(self.folder):
            try:
                self._verify(step)
                return step
            except (OSError, ValueError) as error:
                self._put_aside(step, error)
        return 0

    def restore_latest(self, like: Any) -> Restored | None:
        """The newest usable one, on the host, with the structure and dtypes of `like`.

        Arrays have as many trials as were saved, whatever their first axis is in `like`.
        """
        while step := self.latest():
            try:
                return self._restore(step, like)
            except Exception as error:  # another version's, or another group's, or no archive
                self._put_aside(step, error)
        if self._origin is None:
            return None
        restored = self._origin.restore_latest(like)
        self._origin.close()
        return restored

    def _restore(self, step: int, like: Any) -> Restored:
        import orbax.checkpoint as ocp

        leaves, structure = jax.tree.flatten(like)
        with (self.folder / f"{step}.npz").open("rb") as file:
            arrays = dict(np.load(file, allow_pickle=False))
        # As host arrays: orbax would put device arrays where they lay, on devices that may be gone.
        # Broadcast: only their shapes and dtypes are read.
        lanes = () if "lanes" not in arrays else (int(arrays["lanes"]),)
        wanted = [
            np.broadcast_to(np.zeros((), leaf.dtype), (*lanes, *leaf.shape[len(lanes) :]))
            for leaf in leaves
        ]
        found = self._manager.restore(step, args=ocp.args.StandardRestore(wanted))
        for leaf, target in zip(found, wanted, strict=True):
            if (leaf.shape, leaf.dtype) != (target.shape, target.dtype):
                raise ValueError("its arrays are of another model")
        return Restored(step, jax.tree.unflatten(structure, found), arrays)

    def wait(self) -> None:
        """Returns when nothing is being written any more."""
        if self._sealing is not None:
            self._sealing.join()
            self._sealing = None

    def close(self) -> None:
        """Waits for writes under way and lets go of orbax's threads."""
        self.wait()
        if "_manager" in self.__dict__:
            with contextlib.suppress(Exception):  # a failed write, of which was told
                self._manager.close()
            del self.__dict__["_manager"]

    def discard(self) -> None:
        """The run is over: nothing to go on from."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _seal(self, step: int) -> None:
        """Waits for a step's files, lists them, and forgets the steps that orbax has removed."""
        try:
            self._manager.wait_until_finished()
            names = {str(file.relative_to(self.folder)): digest(file) for file in self._files(step)}
            write_json(self.folder / f"{step}.json", names)
            for path in (*self.folder.glob("*.json"), *self.folder.glob("*.npz")):
                if not (self.folder / "states" / path.stem).exists():
                    path.unlink()
        except Exception as error:
            self._complain(error)

    def _files(self, step: int) -> list[Path]:
        written = (self.folder / "states" / str(step)).rglob("*")
        return [self.folder / f"{step}.npz", *sorted(path for path in written if path.is_file())]

    def _verify(self, step: int) -> None:
        listed = json.loads((self.folder / f"{step}.json").read_text(encoding="utf-8"))
        for name, expected in listed.items():
            if not (self.folder / name).is_file():
                raise ValueError(f"{name} is missing")
            if digest(self.folder / name) != expected:
                raise ValueError(f"{name} has changed since it was written")

    def _put_aside(self, step: int, error: Exception) -> None:
        self._say(f"The checkpoint of step {step} cannot be used ({_one_line(error)}).")
        self.close()
        (self.folder / f"{step}.json").unlink(missing_ok=True)
        shutil.rmtree(self.folder / "states" / str(step), ignore_errors=True)

    def _complain(self, error: Exception) -> None:
        self._say(f"No checkpoint could be written ({_one_line(error)}); going on without.")


def _check_room(folder: Path, tree: Any) -> None:
    """Raises OSError where the disk is too full, before orbax fills a screen about it."""
    disk = folder.absolute()
    while not disk.exists():
        disk = disk.parent
    needed = sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
    if shutil.disk_usage(disk).free < needed + ROOM_TO_SPARE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _writer(arrays: dict[str, Any]) -> Callable[[Path], None]:
    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays)

    return write


def _one_line(error: Exception) -> str:
    code = _system_code(error)
    if code is not None:
        return os.strerror(code)
    return (" ".join(str(error).split()) or type(error).__name__)[:200].rstrip(".")


def _system_code(error: Exception) -> int | None:
    """The system's number of an error; orbax's writers have it in their text alone."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"os_error_code='(\d+)'", str(error))
    return int(found[1]) if found else None


def save_params(folder: Path, params: dict[str, np.ndarray]) -> None:
    """Parameters by path (`encoder/layers/query/kernel`) as one orbax checkpoint."""
    import orbax.checkpoint as ocp

    _check_room(folder, params)
    # The process that writes, alone: orbax would wait for the others, which have nothing to save.
    me = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(primary_host=me, active_processes={me})
    try:
        with ocp.StandardCheckpointer(multiprocessing_options=alone) as checkpointer:
            checkpointer.save(folder.absolute(), params, force=True)
    except Exception as error:  # of several kinds, with the system's error in the text alone
        code = _system_code(error)
        if code is None:
            raise
        raise OSError(code, os.strerror(code), str(folder)) from error


def load_params(folder: Path) -> dict[str, np.ndarray]:
    """What `save_params` wrote."""
    import orbax.checkpoint as ocp

    with ocp.StandardCheckpointer() as checkpointer:
        return {
            path: np.asarray(value)
            for path, value in checkpointer.restore(folder.absolute()).items()
        }
