"""Arrays on disk, through orbax: parameters to keep, and the state of a run that may have to go on."""

from pathlib import Path
from typing import TypeVar

import jax
import numpy as np

Tree = TypeVar("Tree")


class RunCheckpoints:
    """The last states of a run, by step, in a folder that exists only while the run does."""

    def __init__(self, folder: Path):
        import orbax.checkpoint as ocp

        options = ocp.CheckpointManagerOptions(max_to_keep=2, cleanup_tmp_directories=True)
        self._ocp = ocp
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)

    def save(self, step: int, tree: Tree) -> None:
        """Begins to write the tree; the arrays are copied before this returns, the disk is written meanwhile."""
        self._manager.save(step, args=self._ocp.args.StandardSave(jax.tree.leaves(tree)))

    def restore_latest(self, like: Tree) -> tuple[int, Tree] | None:
        """The newest finished step and its tree, of the structure, shapes and dtypes of `like`; None without one."""
        step = self._manager.latest_step()
        if step is None:
            return None
        leaves, structure = jax.tree.flatten(like)
        abstract = [jax.ShapeDtypeStruct(np.shape(leaf), leaf.dtype) for leaf in leaves]
        restored = self._manager.restore(step, args=self._ocp.args.StandardRestore(abstract))
        return step, jax.tree.unflatten(structure, restored)

    def latest_step(self) -> int | None:
        """The newest finished step."""
        return self._manager.latest_step()

    def close(self) -> None:
        """Waits for writes under way."""
        self._manager.wait_until_finished()
        self._manager.close()


def save_params(folder: Path, params: dict[str, np.ndarray]) -> None:
    """Parameters by path (`encoder/layers/query/kernel`) as one orbax checkpoint."""
    import orbax.checkpoint as ocp

    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder.absolute(), params, force=True)


def load_params(folder: Path) -> dict[str, np.ndarray]:
    """What `save_params` wrote."""
    import orbax.checkpoint as ocp

    with ocp.StandardCheckpointer() as checkpointer:
        return {
            path: np.asarray(value)
            for path, value in checkpointer.restore(folder.absolute()).items()
        }
