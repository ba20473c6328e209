"""The state of a run that may have to go on, on disk, through orbax.

A checkpoint counts only once it is sealed: a list with the sha256 of every file is written last,
and verified before anything is read back, for orbax itself does not notice a changed byte.
"""

import contextlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxtune.core.files import digest, replace_file, write_json
from jaxtune.core.records import Restored
from jaxtune.storage.disk import check_room, system_code

SECONDS_BETWEEN = 600.0


def sealed_steps(folder: Path) -> list[int]:
    """The sealed steps, newest first."""
    return sorted((int(path.stem) for path in folder.glob("*.json")), reverse=True)


class RunCheckpoints:
    """The last two states of a run, by step, in a folder that exists only while the run does.

    `every` is in steps; without it a checkpoint is due every ten minutes. What goes wrong while
    writing is said and costs no more than the checkpoint. A run without any begins at the newest of
    `origin`, which it leaves as it is. `check` raises where nothing may be written there any more.
    """

    def __init__(
        self,
        folder: Path,
        say: Callable[[str], None],
        every: int | None = None,
        origin: "RunCheckpoints | None" = None,
        check: Callable[[], None] = lambda: None,
    ):
        self.folder = folder.absolute()
        self.every = every
        self._origin = origin
        self._check = check
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
        self._check()
        self._last = time.monotonic()
        try:
            check_room(self.folder, tree)
            replace_file(self.folder / f"{step}.npz", partial(_write_arrays, arrays or {}))
            leaves = jax.tree.leaves(tree)
            if not self._manager.save(step, args=ocp.args.StandardSave(leaves)):
                raise ValueError(f"there is a later one than of step {step}")
        except Exception as error:  # orbax and its writers raise many kinds
            self._complain(error)
        else:
            self._sealing = threading.Thread(target=self._seal, args=(step,))
            self._sealing.start()

    def latest(self) -> int:
        """The step of the newest whole checkpoint, or 0; a damaged one is named and removed."""
        for step in sealed_steps(self.folder):
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
        self._check()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _seal(self, step: int) -> None:
        """Waits for a step's files, lists them, and forgets the steps that orbax has removed."""
        try:
            self._manager.wait_until_finished()
            self._check()
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


def _write_arrays(arrays: dict[str, Any], part: Path) -> None:
    with part.open("wb") as file:  # np.savez adds an ending to a path
        np.savez_compressed(file, **arrays)


def _one_line(error: Exception) -> str:
    code = system_code(error)
    if code is not None:
        return os.strerror(code)
    return (" ".join(str(error).split()) or type(error).__name__)[:200].rstrip(".")
