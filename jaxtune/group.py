"""The compiled program of a group: trials stacked on a leading axis, sharded over devices, with no collectives.

Inside `shard_map` a device sees only its own trials. One trial per device runs as it is, several are vmapped, and a
trial's numbers depend on its own seeds and settings alone.
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxtune.data.packing import Plan
from jaxtune.data.tokens import Tokens
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.pretrained import draw_fresh
from jaxtune.optim import Hyper, make_optimizer
from jaxtune.shapes import Array, Bool, Float, Int, Key, TrialKeys
from jaxtune.step import (
    StepPlan,
    TrialState,
    apply_gradients,
    eval_step,
    gather_batch,
    gradient_norm_names,
    gradient_norms,
    loss_and_gradients,
)

PER_TRIAL = PartitionSpec("trial")
SHARED = PartitionSpec()


class Records(NamedTuple):
    """What a dispatch leaves for each of its steps; places beyond the steps taken are zero."""

    loss: Float[Array, "trial step"]
    norms: Float[Array, "trial step norm"]  # written every `log_every` steps


class Outcome(NamedTuple):
    """The dev set's logits, in the dev file's order, and whether every parameter is finite."""

    logits: Float[Array, "trial example label"]
    finite: Bool[Array, " trial"]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a program is compiled for, beside the shapes of its arguments."""

    num_steps: int
    schedule: str
    clip_per_tensor: bool
    log_every: int
    ladder: tuple[int, ...]  # row counts of the packed batches
    eval_rows: int
    steps_per_dispatch: int
    fresh: tuple[str, ...]  # modules of the head that each trial draws anew


def make_mesh(devices: Sequence[jax.Device]) -> Mesh:
    """One axis, `trial`, over the given devices."""
    return Mesh(np.array(devices), ("trial",), axis_types=(AxisType.Auto,))


def across_trials(function: Callable[..., Any], num_local: int) -> Callable[..., Any]:
    """`function` over the leading trial axis of its arguments: vmapped, or as it is where there is one trial.

    The single trial is not a vmap of one: XLA's plain matrix products are faster on CPU, and their rounding is that of a
    trial run alone.
    """
    if num_local > 1:
        return jax.vmap(function)

    def alone(*arguments):
        result = function(*jax.tree.map(lambda leaf: leaf[0], arguments))
        return jax.tree.map(lambda leaf: leaf[None], result)

    return alone


class GroupProgram:
    """Start, train and evaluate for groups of `group_size` trials; compiled once per shape, whoever the trials are."""

    def __init__(self, recipe: Recipe, mesh: Mesh, group_size: int):
        if group_size % mesh.size:
            raise ValueError(f"a group of {group_size} trials does not fill {mesh.size} devices")
        self.recipe = recipe
        self.mesh = mesh
        self.group_size = group_size
        self._across = partial(across_trials, num_local=group_size // mesh.size)
        self.start = self._compile(self._start, shared=(0,), num_arguments=2)
        self.train = self._compile(self._train, shared=(4, 5, 6), num_arguments=7, donate=(0,))
        self.evaluate = self._compile(self._evaluate, shared=(1, 2), num_arguments=3)
        self.keep = self._compile(self._keep, shared=(), num_arguments=3, donate=(0,))

    def place(self, tree: Any, per_trial: bool = True) -> Any:
        """Host arrays, the same in every process, to the devices: split along the trial axis, or a copy on each."""
        sharding = NamedSharding(self.mesh, PER_TRIAL if per_trial else SHARED)

        def spread(leaf: Any) -> jax.Array:
            if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
                data = spread(jax.random.key_data(leaf))
                return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
            host = np.asarray(leaf)
            return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

        return jax.tree.map(spread, tree)

    def abstract(self, tree: Any) -> Any:
        """Shapes and dtypes as those of arrays that lie split along the trial axis."""
        sharding = NamedSharding(self.mesh, PER_TRIAL)
        return jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree
        )

    def fetch(self, tree: Any) -> Any:
        """Device arrays to host arrays, whole in every process."""
        if jax.process_count() > 1:
            return multihost_utils.process_allgather(tree, tiled=True)
        return jax.device_get(tree)

    def _compile(
        self,
        function: Callable[..., Any],
        shared: tuple[int, ...],
        num_arguments: int,
        donate: tuple[int, ...] = (),
    ) -> jax.stages.Wrapped:
        specs = tuple(SHARED if i in shared else PER_TRIAL for i in range(num_arguments))
        # Trials never exchange anything, so there is no replication for check_vma to track.
        mapped = jax.shard_map(
            function, mesh=self.mesh, in_specs=specs, out_specs=PER_TRIAL, check_vma=False
        )
        return jax.jit(mapped, donate_argnums=donate)

    def _start(self, pretrained: SequenceClassifier, init_keys: TrialKeys) -> TrialState:
        """Pre-trained weights under a head drawn from each trial's init key, and zero moments."""

        def one(key: Key) -> TrialState:
            model: Any = draw_fresh(pretrained, self.recipe.fresh, key)
            # The state's structure does not depend on the settings: any values do.
            optimizer = make_optimizer(Hyper(*(0.5,) * len(Hyper._fields)), self.recipe.num_steps)
            return TrialState(model, optimizer.init(model))

        return self._across(one)(init_keys)

    def _train(
        self,
        state: TrialState,
        hyper: Hyper,
        dropout_keys: TrialKeys,
        plan: Plan,
        tokens: Tokens,
        start: Int[Array, ""],
        count: Int[Array, ""],
    ) -> tuple[TrialState, Records]:
        """Steps `start` to `start + count` of the local trials; `plan` holds them from its first place on."""
        num_norms = len(gradient_norm_names(state.model))
        places = (len(plan.rows), self.recipe.steps_per_dispatch)
        empty = Records(jnp.zeros(places), jnp.zeros((*places, num_norms)))

        def step(i, carry):
            state, records = carry
            step_plan = StepPlan._make(part[:, i] for part in plan)
            keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(dropout_keys, start + i)
            loss, gradients = self._gradients(state.model, tokens, step_plan, keys)
            norms = jax.lax.cond(
                (start + i) % self.recipe.log_every == 0,
                self._across(gradient_norms),
                lambda _: jnp.zeros((len(loss), num_norms)),
                gradients,
            )
            state = self._across(self._apply)(state, gradients, hyper)
            records = Records(records.loss.at[:, i].set(loss), records.norms.at[:, i].set(norms))
            return state, records

        return jax.lax.fori_loop(0, count, step, (state, empty))

    def _gradients(
        self, models: SequenceClassifier, tokens: Tokens, plan: StepPlan, keys: TrialKeys
    ) -> tuple[Float[Array, " trial"], SequenceClassifier]:
        """Loss and gradients on the smallest rung of the ladder that holds the batches of all local trials."""

        def on_rung(rows, models, plan, keys):
            def one(model, plan, key):
                return loss_and_gradients(model, gather_batch(tokens, plan, rows), key)

            return self._across(one)(models, plan, keys)

        ladder = self.recipe.ladder
        rung = jnp.searchsorted(jnp.array(ladder), jnp.max(plan.rows))
        return jax.lax.switch(rung, [partial(on_rung, rows) for rows in ladder], models, plan, keys)

    def _apply(self, state: TrialState, gradients: SequenceClassifier, hyper: Hyper) -> TrialState:
        recipe = self.recipe
        return apply_gradients(
            state, gradients, hyper, recipe.num_steps, recipe.schedule, recipe.clip_per_tensor
        )

    def _evaluate(self, models: SequenceClassifier, tokens: Tokens, plan: Plan) -> Outcome:
        def one(model: SequenceClassifier) -> Outcome:
            def logits_of(plan: StepPlan):
                return eval_step(model, gather_batch(tokens, plan, self.recipe.eval_rows))

            logits = jax.lax.map(logits_of, StepPlan._make(plan))
            logits = logits.reshape(-1, logits.shape[-1])[: len(tokens.labels)]
            finite = jnp.array([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(model)])
            return Outcome(logits, jnp.all(finite))

        return self._across(one)(models)

    def _keep(
        self, kept: SequenceClassifier, models: SequenceClassifier, better: Bool[Array, " trial"]
    ) -> SequenceClassifier:
        """The new parameters for the trials that improved, the kept ones for the others."""

        def one(kept, model, better):
            return jax.tree.map(partial(jnp.where, better), model, kept)

        return self._across(one)(kept, models, better)
