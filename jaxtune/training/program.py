"""The compiled program of a group: trials stacked on a leading axis, sharded over devices, with no
collectives.

Inside `shard_map` a device sees only its own trials. One trial per device runs as it is, and its
numbers depend on its own seeds and settings alone. Several are vmapped: the longest batch among
them decides how many rows all compute, and with it how their sums are rounded.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.layout import Format, Layout
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.names import is_stacked, path_of
from jaxtune.training.local_trials import LocalTrials, StaticSettings
from jaxtune.training.step import TrialState

PER_TRIAL = PartitionSpec("trial")
SHARED = PartitionSpec()
MOST_KEPT = 4  # programs that a process has had lately


def make_mesh(devices: Sequence[jax.Device]) -> Mesh:
    """One axis, `trial`, over the given devices."""
    return Mesh(np.array(devices), ("trial",), axis_types=(AxisType.Auto,))


class GroupProgram:
    """Start, train and evaluate for any `group_size` trials, compiled once per shape."""

    def __init__(
        self, static: StaticSettings, mesh: Mesh, group_size: int, model: SequenceClassifier
    ):
        if group_size % mesh.size:
            raise ValueError(f"a group of {group_size} trials does not fill {mesh.size} devices")
        self.static = static
        self.mesh = mesh
        self.group_size = group_size
        adapters = model.encoder.config.adapters is not None
        on_cpu = mesh.devices.flat[0].platform == "cpu"
        local = LocalTrials(static, group_size // mesh.size, adapters, on_cpu)
        self.layout = state_layout(local.state_shapes(model), mesh, group_size > mesh.size)
        state, model_layout = self.layout, self.layout.model
        per_trial = NamedSharding(mesh, PER_TRIAL)
        own, same = PER_TRIAL, SHARED  # of the arguments, in order
        self.start = self._compile(local.start, (same, own, own), result=state)
        self.train = self._compile(
            local.train, (*[own] * 4, *[same] * 5, own), donated=state, result=(state, per_trial)
        )
        self.evaluate = self._compile(local.evaluate, (own, own, same, same, same))
        self.answer = self._compile(local.answer, (own, own, own, *[same] * 4))
        self.keep = self._compile(
            local.keep, (own, own, own), donated=model_layout, result=model_layout
        )
        self.copy = jax.jit(partial(jax.tree.map, jnp.copy), out_shardings=model_layout)

    def place(self, tree: Any, per_trial: bool = True) -> Any:
        """Host arrays to the devices: split along the trial axis, or a copy on each."""
        sharding = NamedSharding(self.mesh, PER_TRIAL if per_trial else SHARED)

        def spread(leaf: Any) -> jax.Array:
            if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
                data = spread(jax.random.key_data(leaf))
                return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
            host = np.asarray(leaf)
            return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

        return jax.tree.map(spread, tree)

    def place_state(
        self, state: TrialState, kept: SequenceClassifier | None
    ) -> tuple[TrialState, SequenceClassifier | None]:
        """A state on the host, and parameters kept beside it, as the programs take them."""
        layout = (self.layout, None if kept is None else self.layout.model)
        return jax.jit(lambda *given: given, out_shardings=layout)(*self.place((state, kept)))

    def fetch(self, tree: Any) -> Any:
        """Device arrays to host arrays."""
        return jax.device_get(tree)

    def _compile(
        self,
        function: Callable[..., Any],
        specs: tuple[PartitionSpec, ...],
        donated: Any = None,
        result: Any = None,
    ) -> jax.stages.Wrapped:
        """`donated` is the layout of the first argument, where its memory is the result's."""
        # check_vma tracks which values are the same on all devices: trials never exchange any.
        mapped = jax.shard_map(
            function, mesh=self.mesh, in_specs=specs, out_specs=PER_TRIAL, check_vma=False
        )
        if donated is None:
            return jax.jit(mapped, out_shardings=result)
        given = (donated, *(None,) * (len(specs) - 1))
        # Donated: parameters and moments are overwritten in place, or they would lie there twice.
        return jax.jit(mapped, donate_argnums=0, in_shardings=given, out_shardings=result)


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


def recent_program(
    static: StaticSettings, mesh: Mesh, group_size: int, model: SequenceClassifier
) -> GroupProgram:
    """The program for models of these shapes, the same one again if it was wanted lately: a sweep
    that is tried before it runs, is looked at several times, or comes again, is traced once.
    """
    leaves, structure = jax.tree.flatten(model)
    shapes = tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves)
    return _made(static, mesh, group_size, structure, shapes)


@lru_cache(MOST_KEPT)
def _made(
    static: StaticSettings,
    mesh: Mesh,
    group_size: int,
    structure: Any,
    shapes: tuple[jax.ShapeDtypeStruct, ...],
) -> GroupProgram:
    """It holds no data, so that nothing but its code stays on the devices."""
    return GroupProgram(static, mesh, group_size, jax.tree.unflatten(structure, shapes))
