"""Several processes that share the trials of a sweep: whose a trial is, and what they agree on.

Each runs its own trials on its own devices, in programs that exchange nothing. They meet only
between attempts at a group, and every one of them must call the functions here that exchange
something, in the same order.
"""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxtune.core.errors import UserError

Found = TypeVar("Found")


def writes() -> bool:
    """Whether this process writes and speaks: the first one, where there are several."""
    return jax.process_index() == 0


def owner(place: int, group_size: int) -> int:
    """The process that runs the trial at this place of a group: each has as many devices."""
    return place // (group_size // jax.process_count())


def worst(values: Sequence[Any]) -> list[float]:
    """The largest number that any process gives, in each place."""
    if jax.process_count() == 1:
        return [float(value) for value in values]
    # Not as numbers: JAX would make 32 bits of them.
    given = [np.frombuffer(part) for part in _gathered(np.array(values, np.float64).tobytes())]
    return np.max(given, axis=0).tolist()


def everyones(value: Any) -> list[Any]:
    """What every process gives, in their order; anything that JSON has."""
    if jax.process_count() == 1:
        return [value]
    return [json.loads(part) for part in _gathered(json.dumps(value).encode())]


def in_all(step: Callable[[], Found]) -> Found:
    """What a step gives in which no process waits for another; where one fails, all do.

    Raises here what the step has raised here; in the other processes a UserError with the number
    of that process and its words.
    """
    if jax.process_count() == 1:
        return step()
    try:
        found = step()
    except Exception as error:  # whatever it is: the others would wait for ever
        tell(error)
        raise
    for process, why in enumerate(everyones(None)):
        if why is not None:
            raise UserError(f"process {process}: {why}")
    return found


def tell(error: Exception) -> None:
    """Says to the others, which are in `in_all`, why this process does not go on."""
    plain = isinstance(error, UserError)
    everyones(str(error) if plain else f"{type(error).__name__}: {error}")


def all_arrays(arrays: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """The arrays of every process, in their order."""
    file = io.BytesIO()
    np.savez(file, **dict[str, Any](arrays))
    parts = [np.load(io.BytesIO(part), allow_pickle=False) for part in _gathered(file.getvalue())]
    return [dict(part) for part in parts]


def from_owner(tree: Any, like: Any, process: int) -> Any:
    """What a process has, for the one that writes; in the others nothing to rely on.

    Leaf by leaf, so that no more than one of them is on the devices for it.

    Args:
        like: arrays of the same shapes and dtypes.
    """
    if process == 0:
        return tree
    own = tree if jax.process_index() == process else jax.tree.map(np.zeros_like, like)

    def sent(leaf: Any) -> np.ndarray:
        return multihost_utils.broadcast_one_to_all(leaf, jax.process_index() == process)

    return jax.tree.map(sent, own)


def _gathered(message: bytes) -> list[bytes]:
    """The messages of all processes, in their order."""
    lengths = multihost_utils.process_allgather(np.array([len(message)], np.int32)).reshape(-1)
    padded = np.zeros(int(lengths.max()), np.uint8)
    padded[: len(message)] = np.frombuffer(message, np.uint8)
    table = np.asarray(multihost_utils.process_allgather(padded))
    return [row[:n].tobytes() for row, n in zip(table, lengths.tolist(), strict=True)]
