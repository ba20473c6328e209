"""Loss and gradients of a device's trials, which are stacked on a leading axis."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxtune.core.shapes import Array, Float, Key
from jaxtune.data.token_table import Tokens
from jaxtune.models.adapters import scaled
from jaxtune.models.block import BlockWeights
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.names import with_leaves
from jaxtune.models.parts import join
from jaxtune.training.step import (
    LossTerms,
    StepPlan,
    gather_batch,
    loss_and_gradients,
    loss_and_weight_gradients,
    of_parameters,
)

# Mixout's probability, and what of the origin is each trial's own.
Mixing = tuple[ArrayLike, dict[str, Array]]


class OfTrials(NamedTuple):
    """What each trial brings to a step: stacked, and across trials one trial's own."""

    trained: SequenceClassifier
    scale: Float[Array, "..."] | None  # of its adapters
    weights: BlockWeights | None  # what the blocks' products read, where that is held apart
    plan: StepPlan
    key: Key
    mixing: Mixing | None
    terms: LossTerms


class Shared(NamedTuple):
    """What all trials read, without a trial axis."""

    tokens: Tokens
    frozen: SequenceClassifier
    pretrained: SequenceClassifier | None


def whole_model(
    trained: SequenceClassifier, frozen: SequenceClassifier, scale: Float[Array, ""] | None
) -> SequenceClassifier:
    """The model that a trial computes with. Under vmap what is frozen has no trial axis: its
    products are one over the tokens of all trials, and it is nowhere copied.
    """
    model = join(trained, frozen)
    return model if scale is None else scaled(model, scale)


def stacked_gradients(
    trials: OfTrials,
    shared: Shared,
    ladder: tuple[int, ...],
    across: Callable[[Callable[..., Any]], Callable[..., Any]],
    on_cpu: bool,
) -> tuple[Float[Array, " trial"], SequenceClassifier]:
    """Loss and gradients on the smallest rung of the ladder that holds the batches of all trials.

    Out of a rung, a branch of XLA's, come whole arrays. On an accelerator the weights' gradients
    leave it in bfloat16, as the update reads them; on CPU XLA keeps them in float32 inside.

    Args:
        across: makes a function of one trial one of all.
    """
    apart = trials.weights is not None and not on_cpu

    def on_rung(rows: int, trials: OfTrials) -> Any:
        return across(partial(_of_trial, shared=shared, rows=rows, apart=apart))(trials)

    # One rung for all local trials: a switch per trial, vmapped, would compute every rung.
    rung = jnp.searchsorted(jnp.array(ladder), jnp.max(trials.plan.rows))
    loss, *gradients = jax.lax.switch(rung, [partial(on_rung, rows) for rows in ladder], trials)
    whole = across(of_parameters)(trials.trained, *gradients) if apart else gradients[0]
    return loss, whole


def _of_trial(trial: OfTrials, shared: Shared, rows: int, apart: bool) -> Any:
    """Loss and gradients; `apart`, with those of the blocks' weights after them."""
    batch = gather_batch(shared.tokens, trial.plan, rows)
    if trial.weights is not None:
        found = loss_and_weight_gradients(
            trial.trained, trial.weights, batch, trial.key, trial.terms
        )
        loss, gradients, of_weights = found
        return found if apart else (loss, of_parameters(trial.trained, gradients, of_weights))
    if trial.mixing is None:
        whole = partial(whole_model, frozen=shared.frozen, scale=trial.scale)
        return loss_and_gradients(trial.trained, batch, trial.key, terms=trial.terms, whole=whole)
    assert shared.pretrained is not None
    probability, drawn = trial.mixing
    origin = with_leaves(shared.pretrained, drawn)
    return loss_and_gradients(
        trial.trained, batch, trial.key, probability, origin, terms=trial.terms
    )
