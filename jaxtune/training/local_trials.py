"""What a device computes for its own trials, which are stacked on a leading axis: one function of
arrays for each thing that is asked of them.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxtune.config.trials import Hyper
from jaxtune.core.schedules import phase_of
from jaxtune.core.shapes import Array, Bool, Float, Int, Key, Logits, TrialKeys
from jaxtune.data.packing import Plan
from jaxtune.data.token_table import Tokens
from jaxtune.models.block import BlockWeights
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.names import with_leaves
from jaxtune.models.starting_point import drawn_leaves, starting_model
from jaxtune.models.vocabulary import with_embedding
from jaxtune.training.averaging import latest_share, moved
from jaxtune.training.optimizer import make_optimizer
from jaxtune.training.stacked_gradients import OfTrials, Shared, stacked_gradients, whole_model
from jaxtune.training.step import (
    LossTerms,
    StepPlan,
    TrialState,
    apply_gradients,
    gradient_norm_names,
    gradient_norms,
    logits_in_order,
)


class Records(NamedTuple):
    """What a dispatch leaves for each of its steps; places beyond the steps taken are zero."""

    loss: Float[Array, "trial step"]
    norms: Float[Array, "trial step norm"]


class Outcome(NamedTuple):
    """The dev set's logits, in the dev file's order, and whether every parameter is finite."""

    logits: Float[Array, "trial example label"]
    finite: Bool[Array, " trial"]


@dataclasses.dataclass(frozen=True)
class StaticSettings:
    """What a group's program is compiled for beside the shapes of its arguments: none of this is
    traced.
    """

    num_steps: int
    schedule: str
    clip_per_tensor: bool
    log_every: int
    ladder: tuple[int, ...]  # row counts of the packed batches
    steps_per_dispatch: int
    fresh: tuple[str, ...]  # modules of the head that each trial draws anew
    mitigations: tuple[str, ...] = ()  # of `jaxtune.config.field_groups.MITIGATIONS`, those in use
    loss: tuple[str, ...] = ()  # of `jaxtune.config.field_groups.LOSS_FIELDS`, those in use
    links: tuple[str, ...] = ()  # of `jaxtune.config.field_groups.LINKS`, those in use
    averages: bool = False  # whether trials are evaluated by an average of their weights
    head_first: bool = False  # whether trials may train the head alone first

    @property
    def needs_origin(self) -> bool:
        """Whether a step reads what the trials started from."""
        return bool({"mixout", "pretrained_decay"} & {*self.mitigations})


@dataclasses.dataclass(frozen=True)
class LocalTrials:
    """Start, train and evaluate the trials of one device, as a group's settings say."""

    static: StaticSettings
    num_local: int
    adapters: bool  # whether dense layers have adapters beside them
    on_cpu: bool

    def _across(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` over the leading trial axis of its arguments; a single trial is no vmap."""
        # XLA's plain matrix products are faster on CPU than batched ones of a single trial, and
        # their rounding is that of a trial run alone, wherever it runs.
        if self.num_local > 1:
            return jax.vmap(function)

        def alone(*arguments):
            result = function(*jax.tree.map(lambda leaf: leaf[0], arguments))
            return jax.tree.map(lambda leaf: leaf[None], result)

        return alone

    def state_shapes(self, model: SequenceClassifier) -> TrialState:
        """Of one trial."""
        nothing = Hyper(*(0.0 for _ in Hyper._fields))
        return jax.eval_shape(partial(self._state, nothing), model)

    def start(
        self, pretrained: SequenceClassifier, init_keys: TrialKeys, hyper: Hyper
    ) -> TrialState:
        """Each trial's starting parameters, and zero moments."""

        def one(key: Key, hyper: Hyper) -> TrialState:
            return self._state(hyper, self._starting_model(pretrained, key, hyper))

        return self._across(one)(init_keys, hyper)

    def _state(self, hyper: Hyper, model: Any) -> TrialState:
        optimizer = self._optimizer(hyper, model).init(model)
        # An average has no weights yet: its first step replaces what lies there.
        return TrialState(model, optimizer, model if self.static.averages else None)

    def _starting_model(
        self, pretrained: SequenceClassifier, key: Key, hyper: Hyper
    ) -> SequenceClassifier:
        """Pre-trained weights under a head, and top blocks, drawn from a trial's init key."""
        redraws = "reinit_layers" in self.static.mitigations
        return starting_model(
            pretrained,
            self.static.fresh,
            key,
            hyper.reinit_layers if redraws else None,
            hyper.lora_rank if self.adapters else None,
            hyper.lora_scale,
        )

    def _optimizer(self, hyper: Hyper, origin: Any) -> optax.GradientTransformation:
        static = self.static
        return make_optimizer(
            hyper,
            static.num_steps,
            static.schedule,
            static.clip_per_tensor,
            origin if "pretrained_decay" in static.mitigations else None,
            by_depth="layerwise_lr_decay" in static.mitigations,
            adapters=self.adapters,
            links=static.links,
            head_first=static.head_first,
        )

    def _scales(self, hyper: Hyper) -> Any:
        """What the adapters of each trial are multiplied by; None where there are none."""
        return hyper.lora_scale if self.adapters else None

    def train(
        self,
        state: TrialState,
        hyper: Hyper,
        dropout_keys: TrialKeys,
        plan: Plan,
        tokens: Tokens,
        start: Int[Array, ""],
        count: Int[Array, ""],
        frozen: SequenceClassifier,
        pretrained: SequenceClassifier | None,
        init_keys: TrialKeys | None,
    ) -> tuple[TrialState, Records]:
        """Steps `start` to `start + count` of the local trials; `plan` holds them from its first
        place on, `frozen` what none of them trains.

        The pre-trained model and the init keys are given where the settings say `needs_origin`.
        """
        drawn = self._drawn(pretrained, init_keys, hyper)
        mixing = (hyper.mixout, drawn) if "mixout" in self.static.mitigations else None
        terms = LossTerms(**{name: getattr(hyper, name) for name in self.static.loss})
        scales, shared = self._scales(hyper), Shared(tokens, frozen, pretrained)
        num_norms = len(gradient_norm_names(state.model))
        places = (len(plan.rows), self.static.steps_per_dispatch)
        empty = Records(jnp.zeros(places), jnp.zeros((*places, num_norms)))

        def update(state, gradients, hyper, drawn):
            origin = None if pretrained is None else with_leaves(pretrained, drawn)
            return apply_gradients(state, gradients, self._optimizer(hyper, origin))

        def step(i, carry):
            state, weights, records = carry
            step_plan = StepPlan._make(part[:, i] for part in plan)
            # Counted over the run: dropout and averages are the same wherever a dispatch begins.
            before = start + i
            keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(dropout_keys, before)
            trials = OfTrials(state.model, scales, weights, step_plan, keys, mixing, terms)
            loss, gradients = stacked_gradients(
                trials, shared, self.static.ladder, self._across, self.on_cpu
            )
            norms = self._across(gradient_norms)(gradients)
            state = self._across(update)(state, gradients, hyper, drawn)
            if self.static.averages:
                state = state._replace(average=self._averages(state, hyper, before + 1))
            records = Records(records.loss.at[:, i].set(loss), records.norms.at[:, i].set(norms))
            return state, self._weights(state.model, frozen), records

        # A traced count: a shorter dispatch runs the same program, with places left over.
        start_from = (state, self._weights(state.model, frozen), empty)
        state, _, records = jax.lax.fori_loop(0, count, step, start_from)
        return state, records

    def _averages(
        self, state: TrialState, hyper: Hyper, count: Int[Array, ""]
    ) -> SequenceClassifier:
        """The averages after update `count`.

        On CPU in a branch of XLA's, into which the new weights come as they were written: fused
        with the update they would round it otherwise than it is rounded without an average. On an
        accelerator fused: of stacked states a branch makes copies, by the compiler for an H100.
        """
        num_steps: Any = self.static.num_steps
        if self.static.head_first:  # the frozen weights of the first phase are no part of it
            phase = phase_of(hyper.head_ratio, num_steps, count - 1, jnp)
            num_steps, count = phase.num_steps, phase.step + 1
        share = latest_share(hyper.ema_decay, hyper.average_last, num_steps, count, jnp)
        move, arguments = self._across(moved), (state.average, state.model, share)
        if not self.on_cpu:
            return move(*arguments)
        return jax.lax.cond(jnp.any(share < 1), move, lambda _, models, __: models, *arguments)

    def _weights(
        self, models: SequenceClassifier, frozen: SequenceClassifier
    ) -> BlockWeights | None:
        """In bfloat16 the update writes what the next step's products read: parameters are read
        once a step. In float32 a step reads the parameters themselves, and Mixout a mixture; what
        is frozen lies there as the products read it.
        """
        config = models.encoder.config
        if config.dtype == "float32" or config.shared_block or "mixout" in self.static.mitigations:
            return None
        if jax.tree.leaves(frozen):
            return None
        return self._across(type(models.encoder).block_weights)(models.encoder)

    def _drawn(
        self, pretrained: SequenceClassifier | None, init_keys: TrialKeys | None, hyper: Hyper
    ) -> dict[str, Float[Array, "trial ..."]]:
        """What of each trial's starting parameters is its own; the rest is the checkpoint's."""
        if pretrained is None:
            return {}

        def one(key: Key, hyper: Hyper) -> dict[str, Array]:
            return drawn_leaves(self._starting_model(pretrained, key, hyper), pretrained)

        return self._across(one)(init_keys, hyper)

    def evaluate(
        self,
        models: SequenceClassifier,
        hyper: Hyper,
        tokens: Tokens,
        plan: Plan,
        frozen: SequenceClassifier,
    ) -> Outcome:
        """Logits of the examples, in their order, and whether every parameter is finite."""

        def one(trained: SequenceClassifier, scale: Float[Array, ""] | None) -> Outcome:
            logits = logits_in_order(whole_model(trained, frozen, scale), tokens, plan)
            finite = jnp.array([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(trained)])
            return Outcome(logits, jnp.all(finite))

        return self._across(one)(models, self._scales(hyper))

    def answer(
        self,
        models: SequenceClassifier,
        hyper: Hyper,
        decay: Float[Array, " trial"],
        tokens: Tokens,
        plan: Plan,
        words: Float[Array, "word embedding"],
        frozen: SequenceClassifier,
    ) -> Float[Array, "trial example label"]:
        """Logits of a further set, in its file's order.

        Args:
            decay: what each trial's steps have left of a word that they never met.
            words: pre-trained embedding rows of such words, numbered after the trials' own.
        """

        def one(
            trained: SequenceClassifier, scale: Float[Array, ""] | None, decay: Float[Array, ""]
        ) -> Logits:
            model = whole_model(trained, frozen, scale)
            rows = jnp.concatenate([model.encoder.word.embedding[...], words * decay])
            return logits_in_order(with_embedding(model, rows), tokens, plan)

        return self._across(one)(models, self._scales(hyper), decay)

    def keep(
        self, kept: SequenceClassifier, models: SequenceClassifier, better: Bool[Array, " trial"]
    ) -> SequenceClassifier:
        """The new parameters for the trials that improved, the kept ones for the others."""

        def one(kept, model, better):
            return jax.tree.map(partial(jnp.where, better), model, kept)

        return self._across(one)(kept, models, better)
