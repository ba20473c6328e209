"""The plane through three models: losses and gradient norms on it, and where others project to.

Coordinates are those of Mosbach et al. (2021, 7.6): theta_p + a (theta_f - theta_p) + b (theta_s -
theta_p), so that the pre-trained model lies at (0, 0), the failed one at (1, 0) and the successful
one at (0, 1).
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtune.core.shapes import Array, Float
from jaxtune.data.packing import Plan, plan_in_order
from jaxtune.data.token_table import Tokens, TokenTable
from jaxtune.models.heads import SequenceClassifier
from jaxtune.training.step import (
    StepPlan,
    gather_batch,
    loss_and_gradients,
    loss_of_logits,
)

Coordinates = Float[np.ndarray, "point 2"]


class Plane(NamedTuple):
    """Three models with the same shapes."""

    pretrained: SequenceClassifier
    failed: SequenceClassifier
    successful: SequenceClassifier


class Values(NamedTuple):
    """What is known of a point on a plane, or of several."""

    loss: Float[Array | np.ndarray, "*point"]  # mean over the examples, dropout off, in nats
    gradient_norm: Float[Array | np.ndarray, "*point"]  # L2, of that mean, over all parameters


def weights_of(coordinates: Coordinates) -> Float[np.ndarray, "point 3"]:
    """Each point as weights of the three models that sum to 1.

    A model's own point has the weights 1, 0, 0, which give its parameters bit for bit; adding
    differences to the pre-trained ones would round.
    """
    a, b = np.asarray(coordinates, np.float64).T
    return np.stack([1 - a - b, a, b], axis=1).astype(np.float32)


def grid(low: float, high: float, points: int) -> Float[np.ndarray, " point"]:
    """Evenly spaced values of one axis, 0 and 1 exactly where they are among them."""
    return np.round(np.linspace(low, high, points), 12)


def at(plane: Plane, weights: Float[Array, "3"]) -> SequenceClassifier:
    """The model at a point."""

    def mixed(pretrained: Array, failed: Array, successful: Array) -> Array:
        return weights[0] * pretrained + weights[1] * failed + weights[2] * successful

    # Apart from what follows, so that the loss is that of any other model to the last bit.
    return jax.lax.optimization_barrier(jax.tree.map(mixed, *plane))


class Examples(NamedTuple):
    """Some examples as packed batches."""

    tokens: Tokens
    plan: Plan


def first_examples(table: TokenTable, count: int, batch_size: int, width: int) -> Examples:
    """The first `count` examples in file order, or all there are, in batches of `batch_size`."""
    plan = plan_in_order(table, min(count, len(table)), batch_size, width)
    return Examples(table.as_tokens(), plan)


def loss_and_norm(
    model: SequenceClassifier, examples: Examples
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Mean loss over the examples, and the L2 norm of its gradient over all parameters."""
    rows = examples.plan.source.shape[1]
    count = jnp.sum(examples.plan.weight)

    def add(carry, plan: StepPlan):
        loss, gradients = loss_and_gradients(model, gather_batch(examples.tokens, plan, rows), None)
        share = jnp.sum(plan.weight) / count
        total, sums = carry
        return (
            total + share * loss,
            jax.tree.map(lambda s, g: s + share * g, sums, gradients),
        ), None

    start = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, model))
    (loss, gradients), _ = jax.lax.scan(add, start, StepPlan._make(examples.plan))
    return loss, optax.tree.norm(gradients)


def example_losses(model: SequenceClassifier, examples: Examples) -> Float[Array, " place"]:
    """The loss of each example, dropout off; empty places of a short last batch mean nothing."""
    rows = examples.plan.source.shape[1]

    def of_batch(plan: StepPlan) -> Float[Array, " sequence"]:
        batch = gather_batch(examples.tokens, plan, rows)
        logits = model(batch.rows)
        one = jnp.ones(1)
        return jax.vmap(lambda x, y: loss_of_logits(x[None], y[None], one))(logits, batch.labels)

    return jax.lax.map(of_batch, StepPlan._make(examples.plan)).reshape(-1)


def values_at(shared: tuple[Plane, Examples], weights: Float[Array, "3"]) -> Values:
    """Loss and gradient norm at a point, for `over_points`."""
    plane, examples = shared
    return Values(*loss_and_norm(at(plane, weights), examples))


def example_losses_at(
    shared: tuple[Plane, Examples], weights: Float[Array, "3"]
) -> Float[Array, " place"]:
    """The examples' losses at a point, for `over_points`."""
    plane, examples = shared
    return example_losses(at(plane, weights), examples)


class Projection(NamedTuple):
    """A model seen from a plane."""

    a: float
    b: float
    distance: float  # from the pre-trained model, over all parameters (L2)
    outside: float  # share of that distance that the plane does not hold, 0 to 1


def project(model: SequenceClassifier, plane: Plane) -> Projection:
    """The point of the plane nearest to a model, by least squares: its axes are not orthogonal."""
    products = np.asarray(_products(model, plane), np.float64)
    a, b = np.linalg.solve(products[1:, 1:], products[0, 1:])
    distance = float(np.sqrt(products[0, 0]))
    # From the remainder itself: the difference of the squares would cancel.
    rest = float(_remainder(model, plane, np.float32(a), np.float32(b)))
    return Projection(float(a), float(b), distance, rest / distance if distance else 0.0)


@jax.jit
def _products(model: SequenceClassifier, plane: Plane) -> Float[Array, "3 3"]:
    """Inner products of the model, the failed and the successful one, from the pre-trained one."""
    others = (model, plane.failed, plane.successful)
    vectors = [jax.tree.leaves(jax.tree.map(jnp.subtract, x, plane.pretrained)) for x in others]
    return jnp.stack([jnp.stack([_inner(x, y) for y in vectors]) for x in vectors])


@jax.jit
def _remainder(
    model: SequenceClassifier, plane: Plane, a: Float[Array, ""], b: Float[Array, ""]
) -> Float[Array, ""]:
    def rest(x: Array, pretrained: Array, failed: Array, successful: Array) -> Array:
        return x - pretrained - a * (failed - pretrained) - b * (successful - pretrained)

    return optax.tree.norm(jax.tree.map(rest, model, *plane))


def _inner(one: Sequence[Array], other: Sequence[Array]) -> Float[Array, ""]:
    exact = jax.lax.Precision.HIGHEST  # an accelerator's default would lose half of the digits
    parts = [jnp.vdot(x, y, precision=exact) for x, y in zip(one, other, strict=True)]
    return jnp.sum(jnp.stack(parts))
