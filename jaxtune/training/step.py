"""One step and one evaluation of ONE trial: pure functions of arrays, no vmap, mesh or I/O.

Outwards from here: `stacked_gradients` and `local_trials` (the trials of a device), `program`
(compiled, over all devices), `group_inputs` (what it is given), `group_run` (dispatch by dispatch).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxtune.config.settings import ADAPTED
from jaxtune.core.shapes import Array, Float, Int, Key, Labels, Logits, Scalar
from jaxtune.data.packing import Plan
from jaxtune.data.token_table import Tokens
from jaxtune.models.block import BlockWeights
from jaxtune.models.encoder import Rows
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.starting_point import mix
from jaxtune.training.clipping import square_sums

EMBEDDINGS = ("word", "position", "token_type", "norm")


class StepPlan(NamedTuple):
    """What one step reads: `jaxtune.data.packing.Plan` without its step axis."""

    source: Int[Array, "row slot"]
    segments: Int[Array, "row slot"]
    first: Int[Array, " sequence"]
    example: Int[Array, " sequence"]
    weight: Float[Array, " sequence"]
    rows: Int[Array, ""]


class Batch(NamedTuple):
    """One batch in rows; places that a short batch leaves empty have a weight of 0.

    Where words have labels, a `sequence` here is a flat slot.
    """

    rows: Rows
    labels: Labels
    weights: Float[Array, " sequence"]


class TrialState(NamedTuple):
    """Everything a step changes."""

    model: SequenceClassifier  # its trained part (`jaxtune.models.parts`), which may be all of it
    optimizer: optax.OptState
    average: SequenceClassifier | None = None  # of the weights so far, where a program has it

    @property
    def evaluated(self) -> SequenceClassifier:
        """The parameters that are scored, kept and saved."""
        return self.model if self.average is None else self.average


class LossTerms(NamedTuple):
    """What the loss of classes has beside the plain mean; None is not compiled in."""

    class_weights: Float[Array, " label"] | None = None
    label_smoothing: Float[Array, ""] | None = None  # share of the label that all classes get


PLAIN = LossTerms()


def gather_batch(tokens: Tokens, plan: StepPlan, num_rows: int) -> Batch:
    """The batch of a plan, from its first `num_rows` rows (the others are empty).

    Where words have labels, every slot has one: that of the word it begins, or any with a weight
    of 0.
    """
    source = plan.source[:num_rows]
    rows = Rows(
        token_ids=tokens.ids[source],
        segments=plan.segments[:num_rows],
        positions=tokens.positions[source],
        token_types=tokens.token_types[source],
        first=plan.first,
    )
    if tokens.word is None:
        return Batch(rows, tokens.labels[plan.example], plan.weight)
    word = tokens.word[source].reshape(-1)
    begins = (word >= 0).astype(jnp.float32)
    return Batch(rows, tokens.labels[jnp.maximum(word, 0)], begins)


def loss_of_logits(
    logits: Logits,
    labels: Labels,
    weights: Float[Array, " sequence"],
    terms: LossTerms = PLAIN,
) -> Scalar:
    """Mean over the examples: cross-entropy in nats, or, with one label, squared error. Of words
    that have labels it is the mean over all of the batch, as in transformers.

    Where a text may have any number of labels it is the mean over these of the binary
    cross-entropy, so that the loss is torch's BCEWithLogitsLoss.

    With `terms` it is torch's CrossEntropyLoss(weight, label_smoothing, reduction="mean"): class
    weights w make it the mean by w of each example's label, and smoothing e puts e / K * sum of
    w_c * -log p_c over all K classes beside (1 - e) * w_y * -log p_y.
    """
    if labels.ndim == 2:
        targets = labels.astype(logits.dtype)
        losses = jnp.mean(optax.sigmoid_binary_cross_entropy(logits, targets), axis=-1)
    elif logits.shape[-1] == 1:
        losses = jnp.square(logits[:, 0] - labels)
    else:
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    shares = weights
    if terms.class_weights is not None:
        own = terms.class_weights[labels]
        losses, shares = losses * own, weights * own
    if terms.label_smoothing is not None:
        of_all = jax.nn.log_softmax(logits)
        if terms.class_weights is not None:
            of_all = of_all * terms.class_weights
        # At 0 it adds an exact 0, so that a trial without it keeps its bits beside one that has it.
        smoothed = terms.label_smoothing * jnp.mean(of_all, axis=-1)
        losses = (1 - terms.label_smoothing) * losses - smoothed
    # By the examples there are: those of a short last batch count more, as in the paper's code.
    return jnp.sum(losses * weights) / jnp.sum(shares)


def loss_and_gradients(
    model: SequenceClassifier,
    batch: Batch,
    key: Key | None,
    mixout: ArrayLike = 0.0,
    origin: SequenceClassifier | None = None,
    terms: LossTerms = PLAIN,
    whole: Callable[[SequenceClassifier], SequenceClassifier] = lambda trained: trained,
) -> tuple[Scalar, SequenceClassifier]:
    """The training loss and its gradient for every trained parameter; without a key, dropout is
    off. `whole` makes the model of its trained part.

    With an `origin`, which needs a key, the loss is that of the model mixed with it
    (`jaxtune.models.starting_point.mix`).
    """

    def loss(model: SequenceClassifier) -> Scalar:
        if origin is not None:  # inside the gradient: weights that are put back learn nothing
            assert key is not None
            model = mix(model, origin, mixout, key)
        model = whole(model)
        return loss_of_logits(model(batch.rows, key), batch.labels, batch.weights, terms)

    return jax.value_and_grad(loss)(model)


def loss_and_weight_gradients(
    model: SequenceClassifier,
    weights: BlockWeights,
    batch: Batch,
    key: Key | None,
    terms: LossTerms = PLAIN,
) -> tuple[Scalar, SequenceClassifier, BlockWeights]:
    """The training loss, its gradients without those of the blocks, and the gradients of the
    weights that the blocks' products read (`block_weights`), in their type.

    `of_parameters` makes the whole of them.
    """

    def loss(model: SequenceClassifier, weights: BlockWeights) -> Scalar:
        logits = model(batch.rows, key, weights)
        return loss_of_logits(logits, batch.labels, batch.weights, terms)

    value, (gradients, of_weights) = jax.value_and_grad(loss, argnums=(0, 1))(model, weights)
    gradients.encoder.layers = None  # the loss has not seen the parameters of the blocks
    return value, gradients, of_weights


def of_parameters(
    model: SequenceClassifier, gradients: SequenceClassifier, of_weights: BlockWeights
) -> SequenceClassifier:
    """The gradients for every parameter, from what `loss_and_weight_gradients` gives."""
    _, back = jax.vjp(type(model.encoder).block_weights, model.encoder)
    (of_encoder,) = back(of_weights)
    gradients.encoder.layers = of_encoder.layers
    return gradients


def apply_gradients(
    state: TrialState, gradients: SequenceClassifier, optimizer: optax.GradientTransformation
) -> TrialState:
    """One update of the chain in `jaxtune.training.optimizer`; an average stays what it is."""
    model: Any = state.model  # optax's types know no modules
    updates: Any = gradients
    updates, optimizer_state = optimizer.update(updates, state.optimizer, model)
    updated: Any = optax.apply_updates(model, updates)
    return state._replace(model=updated, optimizer=optimizer_state)


def logits_of_plan(model: SequenceClassifier, tokens: Tokens, plan: Plan) -> Logits:
    """The logits of every place of a plan, batch by batch, empty places too; of every flat slot
    where words have labels.
    """

    def logits_of(plan: StepPlan) -> Logits:
        return model(gather_batch(tokens, plan, plan.source.shape[0]).rows)

    # One batch after the other: all at once would hold the activations of all.
    logits = jax.lax.map(logits_of, StepPlan._make(plan))
    return logits.reshape(-1, logits.shape[-1])


def logits_in_order(model: SequenceClassifier, tokens: Tokens, plan: Plan) -> Logits:
    """The logits of every example of `tokens`, in its order, or of every word that has a label;
    `plan` holds the examples in that order.
    """
    logits, count = logits_of_plan(model, tokens, plan), len(tokens.labels)
    if tokens.word is None:
        return logits[:count]  # only the last batch has places left over, at its end
    word = tokens.word[plan.source].reshape(-1)
    # Each word begins in one slot; the other slots are put where nothing is.
    place = jnp.where(word < 0, count, word)
    slots = jnp.zeros(count, jnp.int32).at[place].set(jnp.arange(len(word)), mode="drop")
    return logits[slots]


def gradient_norms(gradients: SequenceClassifier) -> Float[Array, " norm"]:
    """L2 norms before clipping, in the order of `gradient_norm_names`.

    Per block and tensor kind the weight matrix alone, as the paper plots it; `layer` is the whole
    block; embeddings, pooler and classifier are whole modules; `all` is the norm that clipping acts
    on, unless the head is trained alone or each tensor is clipped by itself. A shared block counts
    once. A head without a layer before its classifier has no pooler.
    """
    # Square sums until the end, for the norm of a whole is not the sum of its parts' norms.
    every: Any = gradients  # optax's types know no modules
    sums: Any = square_sums(every)

    def total(tree: Any) -> Float[Array, ""]:
        return sum((jnp.sum(leaf) for leaf in jax.tree.leaves(tree)), jnp.zeros(()))

    # A shared block has no layer axis.
    kinds = [jnp.atleast_1d(kernel[...]) for kernel in _kinds(sums).values()]
    per_layer = [jnp.atleast_1d(leaf) for leaf in jax.tree.leaves(sums.encoder.layers)]
    modules = [total(module) for module in _modules(sums).values()]
    layers = [sum(per_layer)] if per_layer else []
    return jnp.sqrt(jnp.concatenate([*kinds, *layers, jnp.stack(modules)]))


def gradient_norm_names(model: SequenceClassifier) -> tuple[str, ...]:
    """Names for `gradient_norms` of a trained part: `layer_00/query` ... `layer_23/layer`,
    `embeddings`, ...; those of the matrices of an adapter are such as `layer_00/query_a`.
    """
    config = model.encoder.config
    layers = range(1 if config.shared_block else config.num_layers)
    whole = ["layer"] if jax.tree.leaves(model.encoder.layers) else []
    per_layer = [f"layer_{i:02d}/{kind}" for kind in (*_kinds(model), *whole) for i in layers]
    return (*per_layer, *_modules(model))


def _kinds(tree: Any) -> dict[str, Any]:
    """The weight matrices of the blocks that are trained, by name."""
    found: dict[str, Any] = {}
    for kind in ADAPTED:
        if (own := getattr(tree.encoder.layers, kind, None)) is not None:
            found[kind] = own.kernel
        if (own := getattr(tree.encoder.layers, f"{kind}_lora", None)) is not None:
            found |= {f"{kind}_a": own.a.kernel, f"{kind}_b": own.b.kernel}
    return {kind: kernel for kind, kernel in found.items() if jax.tree.leaves(kernel)}


def _modules(tree: Any) -> dict[str, Any]:
    """The modules beside the blocks of which something is trained, and the whole, by name."""
    encoder, head = tree.encoder, tree.head
    found = {
        "embeddings": [getattr(encoder, name) for name in EMBEDDINGS if hasattr(encoder, name)],
        "pooler": [getattr(head, name) for name in ("pooler", "norm") if hasattr(head, name)],
        "classifier": head.classifier,
        "all": tree,
    }
    return {name: module for name, module in found.items() if jax.tree.leaves(module)}
