"""Masked-language modelling: the loss, its compiled program, and growing a model's depth."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtune.core.shapes import Key, Scalar
from jaxtune.data.corpus import Corpus
from jaxtune.data.packing import Shape, batch_indices, make_plan, rows_needed
from jaxtune.data.token_table import Tokens
from jaxtune.models.encoder_config import EncoderConfig
from jaxtune.models.heads import MaskedLM
from jaxtune.models.names import map_by_path
from jaxtune.training.step import StepPlan, gather_batch

HELD_OUT_BATCH = 64


class Guessed(NamedTuple):
    """Sums over masked words."""

    loss: Scalar  # nats
    right: Scalar
    words: Scalar


def mean(sums: Guessed) -> tuple[Scalar, Scalar]:
    """Loss of a word, and the share right; of no word 0."""
    count = jnp.maximum(1.0, sums.words)
    return sums.loss / count, sums.right / count


def masked_lm_loss(
    model: MaskedLM,
    corpus: Corpus,
    tokens: Tokens,
    plan: StepPlan,
    key: Key,
    mask_rate: float,
    training: bool = True,
) -> Guessed:
    """Cross-entropy (nats) of the masked words (Devlin et al., 3.1)."""
    mask_key, kind_key, word_key, dropout_key = jax.random.split(key, 4)
    rows = gather_batch(tokens, plan, plan.source.shape[0]).rows
    targets = rows.token_ids.reshape(-1)
    is_word = jnp.zeros(corpus.vocab_size, bool).at[corpus.words].set(True)
    eligible = is_word[targets] & (rows.segments.reshape(-1) > 0)
    chosen = eligible & jax.random.bernoulli(mask_key, mask_rate, targets.shape)
    kind = jax.random.uniform(kind_key, targets.shape)
    drawn = jnp.asarray(corpus.words)[
        jax.random.randint(word_key, targets.shape, 0, len(corpus.words))
    ]
    shown = jnp.where(kind < 0.8, corpus.mask_token, jnp.where(kind < 0.9, drawn, targets))
    shown = jnp.where(chosen, shown, targets).reshape(rows.token_ids.shape)
    # Room for the masked words: their expected number and a margin of six standard deviations.
    expected = targets.size * mask_rate
    room = min(targets.size, int(expected + 6 * expected**0.5) + 1)
    slots = jnp.nonzero(chosen, size=room, fill_value=targets.size)[0]
    present = slots < targets.size
    slots = jnp.minimum(slots, targets.size - 1)
    logits = model(rows._replace(token_ids=shown), slots, dropout_key if training else None)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets[slots])
    correct = logits.argmax(-1) == targets[slots]
    counts = (part.sum().astype(jnp.float32) for part in (correct & present, present))
    return Guessed(jnp.where(present, losses, 0.0).sum(), *counts)


def stacked(model: MaskedLM | None, config: EncoderConfig, key: Key) -> MaskedLM:
    """A model of `config.num_layers` blocks: fresh, or those of `model` repeated in order."""
    if model is None:
        return jax.jit(lambda: MaskedLM(config, key=key))()
    repeats = config.num_layers // model.encoder.config.num_layers

    def repeat(path, leaf):
        in_layers = path.startswith("encoder/layers/")
        return jnp.concatenate([leaf] * repeats) if in_layers and not config.shared_block else leaf

    leaves = jax.tree.leaves(map_by_path(repeat, model))
    skeleton = jax.eval_shape(lambda: MaskedLM(config, key=key))
    return jax.tree.unflatten(jax.tree.structure(skeleton), leaves)


class State(NamedTuple):
    """Parameters and optimiser of a stage."""

    model: Any  # a MaskedLM; optax's types know no modules
    optimizer: optax.OptState


@dataclasses.dataclass(frozen=True, eq=False)
class MaskedLMProgram:
    """Training and evaluation of one depth; a step is a pure function of (state, step number)."""

    corpus: Corpus
    shape: Shape  # holds every batch of the run
    optimizer: optax.GradientTransformation
    mask_rate: float
    key: Key

    def start(self, model: MaskedLM) -> State:
        """Zero moments."""
        untyped: Any = model
        return State(model, self.optimizer.init(untyped))

    @functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
    def train(
        self, state: State, tokens: Tokens, plan: Any, start: Any, count: Any
    ) -> tuple[State, Scalar]:
        """`count` steps from number `start` on, and their mean loss."""

        def body(i, carry):
            state, total = carry
            step_plan = StepPlan._make(part[i] for part in plan)
            key = jax.random.fold_in(self.key, start + i)
            loss, gradients = jax.value_and_grad(
                lambda model: mean(
                    masked_lm_loss(model, self.corpus, tokens, step_plan, key, self.mask_rate)
                )[0]
            )(state.model)
            updates, optimizer = self.optimizer.update(gradients, state.optimizer, state.model)
            return State(optax.apply_updates(state.model, updates), optimizer), total + loss

        state, total = jax.lax.fori_loop(0, count, body, (state, jnp.zeros(())))
        return state, total / jnp.asarray(count, jnp.float32)

    @functools.partial(jax.jit, static_argnums=0)
    def evaluate(self, model: MaskedLM) -> tuple[Scalar, Scalar]:
        """Loss in nats and accuracy on the held-out sequences, under the same masks every time."""
        held_out = self.corpus.held_out
        tokens = held_out.as_tokens()
        batches = batch_indices(np.arange(len(held_out)), HELD_OUT_BATCH)
        most = int(rows_needed(held_out, batches, self.shape).max())
        plan = make_plan(held_out, batches, self.shape._replace(ladder=(most,)))

        def one(plan_and_number):
            step_plan, number = plan_and_number
            key = jax.random.fold_in(jax.random.key(0), number)
            return masked_lm_loss(
                model, self.corpus, tokens, StepPlan._make(step_plan), key, self.mask_rate, False
            )

        # A word counts alike in whatever batch it is: the last one may be short.
        found = jax.lax.map(one, (plan, jnp.arange(len(batches))))
        return mean(jax.tree.map(jnp.sum, found))
