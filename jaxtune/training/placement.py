"""Where the trials of a group lie: spread over devices, and in which order in memory."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.layout import Format, Layout
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxtune.models.names import is_stacked, path_of

PER_TRIAL = PartitionSpec("trial")
SHARED = PartitionSpec()


def make_mesh(devices: Sequence[jax.Device]) -> Mesh:
    """One axis, `trial`, over the given devices."""
    return Mesh(np.array(devices), ("trial",), axis_types=(AxisType.Auto,))


def across_trials(function: Callable[..., Any], num_local: int) -> Callable[..., Any]:
    """`function` over the leading trial axis of its arguments; a single trial is no vmap of one."""
    # XLA's plain matrix products are faster on CPU than batched ones of a single trial, and their
    # rounding is that of a trial run alone, wherever it runs.
    if num_local > 1:
        return jax.vmap(function)

    def alone(*arguments):
        result = function(*jax.tree.map(lambda leaf: leaf[0], arguments))
        return jax.tree.map(lambda leaf: leaf[None], result)

    return alone


def put(tree: Any, mesh: Mesh, per_trial: bool) -> Any:
    """Host arrays to the devices: split along the trial axis, or a copy on each."""
    sharding = NamedSharding(mesh, PER_TRIAL if per_trial else SHARED)

    def spread(leaf: Any) -> jax.Array:
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            data = spread(jax.random.key_data(leaf))
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
        host = np.asarray(leaf)
        return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

    return jax.tree.map(spread, tree)


def state_layout(one: Any, mesh: Mesh, stacked: bool) -> Any:
    """How the states of a group lie in memory, from the shapes of one trial's: of `stacked` trials,
    layers come before trials.

    The layer scan reads one layer of all trials at a time. Laid out as they are indexed, the states
    would be copied into that order, and back, in every dispatch, and lie there twice.
    """
    sharding = NamedSharding(mesh, PER_TRIAL)

    def of(key_path: Any, leaf: jax.ShapeDtypeStruct) -> NamedSharding | Format:
        # Without the places in the optimiser's chain, which have no name.
        path = path_of(tuple(entry for entry in key_path if hasattr(entry, "name")))
        if not (stacked and is_stacked(path, leaf.ndim)):
            return sharding
        return Format(Layout((1, 0, *range(2, leaf.ndim + 1))), sharding)

    return jax.tree_util.tree_map_with_path(of, one)
