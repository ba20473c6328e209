"""The plane through three models: exact at their points, gradients as torch has them, projections
with known answers.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import write_tiny_model

from jaxtune.config.settings import SweepConfig
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.names import paths
from jaxtune.models.pretrained import to_tensors
from jaxtune.study.over_points import over_points
from jaxtune.study.plane import (
    Plane,
    at,
    example_losses_at,
    first_examples,
    grid,
    loss_and_norm,
    project,
    values_at,
    weights_of,
)
from jaxtune.training.prepare import prepare
from jaxtune.training.step import loss_of_logits

POINTS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [-0.3, 1.2]])
COUNT = 30  # no multiple of the batch size


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def task(folder):
    config = SweepConfig(model=str(folder), task="miniature", train_examples=64)
    return prepare(config)


@pytest.fixture(scope="module")
def plane(task):
    config = task.model.encoder.config
    return Plane(*(SequenceClassifier(config, 2, key=jax.random.key(i)) for i in range(3)))


@pytest.fixture(scope="module")
def examples(task):
    return first_examples(task.train, COUNT, 8, 32)


@pytest.fixture(scope="module")
def values(plane, examples):
    return over_points(values_at, (plane, examples), weights_of(POINTS), "points")


def test_the_grid_holds_the_models_points():
    axis = grid(-0.5, 1.5, 25)
    assert len(axis) == 25
    assert {-0.5, 0.0, 1.0, 1.5} <= set(axis)
    assert {0.0, 1.0} <= set(grid(-1.5, 1.5, 31))
    np.testing.assert_allclose(np.diff(axis), 2 / 24)


def test_weights_are_the_papers_coordinates():
    """theta_p + a (theta_f - theta_p) + b (theta_s - theta_p), and exactly one model at its own
    point.
    """
    weights = weights_of(POINTS)
    assert weights[:3].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    theta = np.random.default_rng(0).normal(size=(3, 50))
    for (a, b), own in zip(POINTS, weights, strict=True):
        expected = theta[0] + a * (theta[1] - theta[0]) + b * (theta[2] - theta[0])
        np.testing.assert_allclose(own @ theta, expected, atol=1e-6)


def test_a_models_point_is_the_model_bit_for_bit(plane):
    make = jax.jit(at)
    for weights, model in zip(weights_of(POINTS[:3]), plane, strict=True):
        for ours, own in zip(
            jax.tree.leaves(make(plane, weights)), jax.tree.leaves(model), strict=True
        ):
            np.testing.assert_array_equal(ours, own)


@pytest.mark.slow
def test_the_three_points_have_exactly_the_losses_of_the_models(plane, examples, values, task):
    """Of each model alone in the same program, with nothing mixed; and to rounding, in a program
    without a plane.
    """
    for number, model in enumerate(plane):
        shared = (Plane(model, model, model), examples)
        own = over_points(values_at, shared, weights_of(np.zeros((8, 2))), "alone")
        assert values.loss[number] == own.loss[0]
        assert values.gradient_norm[number] == own.gradient_norm[0]
        loss, norm = jax.jit(loss_and_norm)(model, examples)
        assert values.loss[number] == pytest.approx(float(loss), rel=1e-6)
        assert values.gradient_norm[number] == pytest.approx(float(norm), rel=1e-6)
    alone = first_examples(task.train, COUNT, 1, 32)
    losses = over_points(example_losses_at, (plane, alone), weights_of(POINTS), "examples")
    assert losses.shape == (len(POINTS), COUNT)
    np.testing.assert_allclose(losses.mean(axis=1), values.loss, rtol=1e-5)


def test_losses_are_those_of_the_first_examples(plane, examples, task):
    """In file order, with the places of the short last batch left out by their weight."""
    losses = over_points(example_losses_at, (plane, examples), weights_of(POINTS[:1]), "examples")
    weight = examples.plan.weight.reshape(-1)
    assert weight.sum() == COUNT
    assert examples.plan.example.reshape(-1)[weight > 0].tolist() == [*range(COUNT)]
    labels = task.train.labels[:COUNT]
    alone = first_examples(task.train, COUNT, COUNT, 32)
    expected = over_points(example_losses_at, (plane, alone), weights_of(POINTS[:1]), "examples")
    np.testing.assert_allclose(losses[:, weight > 0], expected, rtol=1e-5)
    assert len(np.unique(labels)) == 2


def test_more_examples_than_there_are(task):
    assert first_examples(task.train, 10_000, 16, 32).plan.weight.sum() == len(task.train)


def test_loss_and_gradient_norm_are_torchs(folder, plane, values, task):
    """At every point: BertForSequenceClassification with the mixed weights, on the same
    sentences.
    """
    torch = pytest.importorskip("torch")
    from transformers import BertConfig, BertForSequenceClassification

    settings = BertConfig.from_pretrained(folder).to_dict()
    settings["num_labels"] = 2
    for number, weights in enumerate(weights_of(POINTS)):
        mixed = jax.tree.map(
            lambda *leaves, w=weights: sum(x * y for x, y in zip(w, leaves, strict=True)), *plane
        )
        model = BertForSequenceClassification(BertConfig(**settings)).eval()
        tensors = {name: torch.tensor(value) for name, value in to_tensors(mixed).items()}
        assert not model.load_state_dict(tensors, strict=True).missing_keys
        total = torch.zeros(())
        for example in range(COUNT):
            start, length = task.train.starts[example], task.train.lengths[example]
            ids = torch.tensor(task.train.ids[None, start : start + length], dtype=torch.long)
            label = torch.tensor(task.train.labels[example : example + 1], dtype=torch.long)
            total = total + model(input_ids=ids, labels=label).loss / COUNT
        total.backward()
        squares = sum(float((p.grad**2).sum()) for p in model.parameters())
        assert values.loss[number] == pytest.approx(total.item(), rel=1e-5)
        assert values.gradient_norm[number] == pytest.approx(squares**0.5, rel=1e-4)


def test_many_points_are_spread_and_none_is_lost(plane, examples):
    """More points than a dispatch holds, their number no multiple of anything."""
    line = np.linspace(0, 1, 37)
    weights = weights_of(np.stack([1 - line, line], axis=1))
    many = over_points(values_at, (plane, examples), weights, "line")
    few = over_points(values_at, (plane, examples), weights[[0, 17, 36]], "few")
    assert many.loss.shape == (37,)
    np.testing.assert_array_equal(many.loss[[0, 17, 36]], few.loss)


def test_projection_with_known_answers(plane):
    """Models of the plane are found at their coordinates; what is put at right angles to it is
    outside.
    """
    for a, b in POINTS:
        seen = project(jax.jit(at)(plane, weights_of(np.array([[a, b]]))[0]), plane)
        assert (seen.a, seen.b) == pytest.approx((a, b), abs=1e-5)
        assert seen.outside < 1e-5
    flat = flattened(plane)
    along = np.stack([flat[1] - flat[0], flat[2] - flat[0]])
    away = np.random.default_rng(0).normal(size=flat.shape[1])
    away -= np.linalg.lstsq(along.T, away, rcond=None)[0] @ along
    away *= 3 / np.linalg.norm(away)
    inside = 0.25 * along[0] + 0.5 * along[1]
    seen = project(unflattened(plane, flat[0] + inside + away), plane)
    assert (seen.a, seen.b) == pytest.approx((0.25, 0.5), abs=1e-4)
    distance = np.hypot(np.linalg.norm(inside), 3)
    assert seen.distance == pytest.approx(distance, rel=1e-5)
    assert seen.outside == pytest.approx(3 / distance, rel=1e-4)


def flattened(plane):
    return np.stack(
        [np.concatenate([np.ravel(x) for x in jax.tree.leaves(model)]) for model in plane]
    ).astype(np.float64)


def unflattened(plane, vector):
    leaves, start = [], 0
    for leaf in jax.tree.leaves(plane.pretrained):
        part = vector[start : start + leaf.size]
        leaves.append(jnp.asarray(part.reshape(leaf.shape), jnp.float32))
        start += leaf.size
    return jax.tree.unflatten(jax.tree.structure(plane.pretrained), leaves)


def test_all_parameters_are_on_the_plane(plane):
    """The classifier and the pooler among them."""
    half = paths(jax.jit(at)(plane, weights_of(np.array([[0.5, 0.5]]))[0]))
    failed, successful = paths(plane.failed), paths(plane.successful)
    for path in half:
        expected = (failed[path] + successful[path]) / 2
        np.testing.assert_allclose(half[path], expected, atol=1e-7)
    assert {"head/classifier/kernel", "head/pooler/kernel"} <= set(half)


def test_squared_error_where_there_is_one_label(task):
    """A regression head's loss goes through the same code."""
    config = task.model.encoder.config
    model = SequenceClassifier(config, 1, key=jax.random.key(0))
    table = task.train
    examples = first_examples(table, 8, 8, 32)
    scores = examples._replace(
        tokens=examples.tokens._replace(labels=examples.tokens.labels.astype(jnp.float32))
    )
    losses = example_losses_at((Plane(model, model, model), scores), jnp.array([1.0, 0.0, 0.0]))
    mean = loss_and_norm(model, scores)[0]
    assert float(losses.mean()) == pytest.approx(float(mean), rel=1e-5)
    assert float(loss_of_logits(jnp.zeros((2, 1)), jnp.ones(2), jnp.ones(2))) == 1.0
