"""Programs compiled from shapes alone, for devices that are here or for one that is only described:
jax's compilers need no device.

What such a program is known by are its memory and its kernels, never its time.
"""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import topologies
from jax.sharding import NamedSharding

from jaxtune.core.accelerators import Accelerator
from jaxtune.core.devices import bytes_held, is_out_of_memory
from jaxtune.core.errors import UserError
from jaxtune.core.quiet import silent_libraries
from jaxtune.models.heads import SequenceClassifier
from jaxtune.training.group_inputs import GroupInputs, put_on_devices
from jaxtune.training.kernel_rows import in_words
from jaxtune.training.outcome import saved_kinds
from jaxtune.training.plan import ProgramPlan
from jaxtune.training.program import PER_TRIAL, SHARED, GroupProgram, make_mesh
from jaxtune.training.step import TrialState

# The module that holds a platform's compiler, and the extra that installs it.
COMPILERS = {"cuda": ("jax_cuda12_plugin", "ahead-gpu"), "tpu": ("libtpu", "ahead-tpu")}

# libtpu asks a cloud's metadata server for its chips, for minutes where there is none, and lets one
# process at a time have them: neither matters to a compiler.
ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",  # of this host, which it would miss aloud
    "TPU_WORKER_HOSTNAMES": "localhost",
}


class Described(NamedTuple):
    """A program as its compiler describes it."""

    bytes_held: int  # on each device, while it runs
    text: str  # the optimised HLO


class AheadProgram(GroupProgram):
    """A group's program whose arguments are shapes: nothing is put on a device."""

    def place(self, tree: Any, per_trial: bool = True) -> Any:
        """What would go to the devices, as shapes that know their place."""
        sharding = NamedSharding(self.mesh, PER_TRIAL if per_trial else SHARED)

        def described(leaf: Any) -> jax.ShapeDtypeStruct:
            host = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
            # 64 bits become 32, as on their way to a device.
            dtype = jax.dtypes.canonicalize_dtype(host.dtype, allow_extended_dtype=True)
            return jax.ShapeDtypeStruct(jnp.shape(host), dtype, sharding=sharding)

        return jax.tree.map(described, tree)

    def place_state(
        self, state: TrialState, kept: SequenceClassifier | None
    ) -> tuple[TrialState, SequenceClassifier | None]:
        """Shapes that know how they lie in memory, too."""

        def described(leaf: Any, layout: Any) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=layout)

        layout = (self.layout, None if kept is None else self.layout.model)
        return jax.tree.map(described, (state, kept), layout)


def check_compiler(device: Accelerator) -> None:
    """Raises UserError where the compiler for the device is not installed."""
    module, extra = COMPILERS[device.platform]
    if find_spec(module) is None:
        raise UserError(
            f"The compiler for {device.name} is not installed; pip install 'jaxtune[{extra}]',"
            " which needs no such device."
        )


def described_devices(device: Accelerator) -> Sequence[Any]:
    """The devices of a machine that has the accelerator, as jax's compiler sees them."""
    check_compiler(device)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        with silent_libraries():
            return _described(device)
    except NotImplementedError:  # the plugin was there, but would not load
        raise UserError(
            f"The compiler for {device.name} does not go with jax {jax.__version__}; pip install"
            f" 'jaxtune[{COMPILERS[device.platform][1]}]' again."
        ) from None


def _described(device: Accelerator) -> Sequence[Any]:
    if device.topology is not None:
        return topologies.get_topology_desc(platform="tpu", topology_name=device.topology).devices
    return topologies.get_topology_desc(
        topology_name="", platform="cuda", target_config=device.target_config, topology="1x1x1"
    ).devices


def compile_train(plan: ProgramPlan, devices: Sequence[Any]) -> Described | None:
    """A plan's train program on these devices; None where the compiler finds no room for it."""
    program, inputs = _group(plan, devices)
    state, _ = program.place_state(inputs.state_shapes(), None)
    arguments = inputs.train_arguments(state, 0, 1)
    return _compiled(program.train, arguments)


def compile_evaluate(plan: ProgramPlan, devices: Sequence[Any]) -> Described | None:
    """A plan's evaluation on these devices; None where the compiler finds no room for it."""
    program, inputs = _group(plan, devices)
    models = program.place_state(inputs.state_shapes(), None)[0].evaluated
    return _compiled(program.evaluate, inputs.evaluate_arguments(models))


def bytes_beside(plan: ProgramPlan, trials: int) -> int:
    """Bytes that lie on a device while it trains so many trials and are none of the train program's
    own.

    The dev set, held-out examples and their plan; the model that all start from, where a step does
    not read it; and each trial's best parameters so far, where they are to be saved. A checkpoint
    is copied on the host.
    """
    task = plan.task
    dev = _bytes((task.evaluated.as_tokens(), task.eval_plan))
    origin = 0 if plan.static.needs_origin else _bytes(task.model)
    return dev + origin + _bytes_beside_both(plan, trials)


def bytes_beside_evaluation(plan: ProgramPlan, trials: int) -> int:
    """Bytes that lie on a device while it evaluates and are none of the evaluation's own: the
    moments of Adam, the weights where their average is evaluated, the training data, and what lies
    beside training but the dev set.
    """
    task = plan.task
    models = 1 + trials * (3 if plan.static.averages else 2)
    train = _bytes(task.train.as_tokens())
    return models * _bytes(task.model) + train + _bytes_beside_both(plan, trials)


def _bytes_beside_both(plan: ProgramPlan, trials: int) -> int:
    """Of the further sets, of the embedding rows that only they use, and of parameters kept."""
    task = plan.task
    tables = [(asked.tokens.as_tokens(), asked.plan) for asked in task.further.values()]
    kept = trials * _bytes(task.model) if "best" in saved_kinds(plan.config.save_params) else 0
    return kept + _bytes((tables, task.full_embedding[task.further_words]))


def _bytes(tree: Any) -> int:
    return sum(np.size(leaf) * np.dtype(leaf.dtype).itemsize for leaf in jax.tree.leaves(tree))


def _group(plan: ProgramPlan, devices: Sequence[Any]) -> tuple[AheadProgram, GroupInputs]:
    size = plan.per_device * len(devices)
    program = AheadProgram(plan.static, make_mesh(devices), size, plan.task.model)
    tables = put_on_devices(program, plan.task)
    return program, GroupInputs(program, plan, tables, plan.pending[:size])


def _compiled(function: jax.stages.Wrapped, arguments: Any) -> Described | None:
    with silent_libraries(), in_words():
        try:
            compiled = function.lower(*arguments).compile()
        except jax.errors.JaxRuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None
    return Described(bytes_held(compiled), compiled.as_text() or "")
