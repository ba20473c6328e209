"""The compiled program of a group: trials stacked on a leading axis, sharded over devices, with no
collectives.

Inside `shard_map` a device sees only its own trials. One trial per device runs as it is, and its
numbers depend on its own seeds and settings alone. Several are vmapped: the longest batch among
them decides how many rows all compute, and with it how their sums are rounded.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding

from jaxtune.models.heads import SequenceClassifier
from jaxtune.training.local_trials import LocalTrials
from jaxtune.training.placement import PER_TRIAL, SHARED, put, state_layout
from jaxtune.training.static_settings import StaticSettings
from jaxtune.training.step import TrialState


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
        self.start = self._compile(local.start, shared=(0,), num_arguments=3, result=state)
        self.train = self._compile(
            local.train,
            shared=(4, 5, 6, 7, 8),
            num_arguments=10,
            donated=state,
            result=(state, per_trial),
        )
        self.evaluate = self._compile(local.evaluate, shared=(2, 3, 4), num_arguments=5)
        self.answer = self._compile(local.answer, shared=(3, 4, 5, 6), num_arguments=7)
        self.keep = self._compile(
            local.keep, shared=(), num_arguments=3, donated=model_layout, result=model_layout
        )
        self.copy = jax.jit(partial(jax.tree.map, jnp.copy), out_shardings=model_layout)

    @property
    def needs_origin(self) -> bool:
        """Whether a step reads what the trials started from."""
        return bool({"mixout", "pretrained_decay"} & {*self.static.mitigations})

    def place(self, tree: Any, per_trial: bool = True) -> Any:
        """Host arrays to the devices: split along the trial axis, or a copy on each."""
        return put(tree, self.mesh, per_trial)

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
        shared: tuple[int, ...],
        num_arguments: int,
        donated: Any = None,
        result: Any = None,
    ) -> jax.stages.Wrapped:
        """`donated` is the layout of the first argument, where its memory is the result's."""
        specs = tuple(SHARED if i in shared else PER_TRIAL for i in range(num_arguments))
        # check_vma tracks which values are the same on all devices: trials never exchange any.
        mapped = jax.shard_map(
            function, mesh=self.mesh, in_specs=specs, out_specs=PER_TRIAL, check_vma=False
        )
        if donated is None:
            return jax.jit(mapped, out_shardings=result)
        given = (donated, *(None,) * (num_arguments - 1))
        # Donated: parameters and moments are overwritten in place, or they would lie there twice.
        return jax.jit(mapped, donate_argnums=0, in_shardings=given, out_shardings=result)
