"""Parameters that trials are to leave, on disk, through orbax."""

import os
from pathlib import Path

import jax
import numpy as np

from jaxtune.storage.disk import check_room, system_code


def save_params(folder: Path, params: dict[str, np.ndarray]) -> None:
    """Parameters by path (`encoder/layers/query/kernel`) as one orbax checkpoint."""
    import orbax.checkpoint as ocp

    check_room(folder, params)
    # The process that writes, alone: orbax would wait for the others, which have nothing to save.
    me = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(primary_host=me, active_processes={me})
    try:
        with ocp.StandardCheckpointer(multiprocessing_options=alone) as checkpointer:
            checkpointer.save(folder.absolute(), params, force=True)
    except Exception as error:  # of several kinds, with the system's error in the text alone
        code = system_code(error)
        if code is None:
            raise
        raise OSError(code, os.strerror(code), str(folder)) from error


def load_params(folder: Path) -> dict[str, np.ndarray]:
    """What `save_params` wrote."""
    import orbax.checkpoint as ocp

    with ocp.StandardCheckpointer() as checkpointer:
        saved = checkpointer.restore(folder.absolute())
    return {path: np.asarray(value) for path, value in saved.items()}
