"""Class weights and label smoothing: torch's CrossEntropyLoss, in one program for any grid of them,
which leaves a trial without either as it is.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from small_groups import assert_same, plan_for, run

from jaxtune.training.group_inputs import GroupInputs, put_on_devices
from jaxtune.training.program import GroupProgram, make_mesh
from jaxtune.training.step import LossTerms, StepPlan, gather_batch, loss_of_logits

WEIGHTS = [0.7, 1.3, 4.0]
GRID = ("--grid.class_weights", "null", "balanced", "3,0.5", "--grid.label_smoothing", "0", "0.1")


def torch_loss(logits, labels, weights=None, smoothing=0.0):
    weights = None if weights is None else torch.tensor(np.asarray(weights), dtype=logits.dtype)
    return torch.nn.functional.cross_entropy(
        logits, torch.tensor(labels, dtype=torch.long), weights, label_smoothing=smoothing
    )


@pytest.mark.parametrize("empty", [0, 5])
@pytest.mark.parametrize(
    ("weights", "smoothing"),
    [
        (WEIGHTS, None),
        (None, 0.1),
        (WEIGHTS, 0.1),
        ([1e-3, 1.0, 1e3], 0.9),
        (WEIGHTS, 0.0),
        ([1.0, 1.0, 1.0], 0.0),
    ],
)
def test_value_and_gradient_are_those_of_torch(weights, smoothing, empty):
    """Of a full batch, and of one whose last places are empty, whatever lies there."""
    rng = np.random.default_rng(3)
    logits = (3 * rng.normal(size=(16, 3))).astype(np.float32)
    labels = rng.integers(0, 3, 16).astype(np.int32)
    there = np.arange(16) < 16 - empty
    terms = LossTerms(
        None if weights is None else jnp.array(weights, jnp.float32),
        None if smoothing is None else jnp.float32(smoothing),
    )
    loss, gradient = jax.jit(jax.value_and_grad(loss_of_logits))(
        logits, labels, there.astype(np.float32), terms
    )
    theirs = torch.tensor(logits[there], requires_grad=True)
    expected = torch_loss(theirs, labels[there], weights, smoothing or 0.0)
    expected.backward()
    np.testing.assert_allclose(loss, expected.item(), rtol=1e-6)
    np.testing.assert_allclose(gradient[there], theirs.grad, rtol=1e-6, atol=1e-7)
    assert not np.any(gradient[~there])


@pytest.mark.parametrize("empty", [0, 5])
@pytest.mark.parametrize("scale", [3, 300])
def test_the_loss_of_label_sets_is_that_of_torch(scale, empty):
    """Also where the probabilities round to 0 and 1, and with empty places in the batch."""
    rng = np.random.default_rng(4)
    logits = (scale * rng.normal(size=(16, 3))).astype(np.float32)
    labels = rng.integers(0, 2, (16, 3)).astype(np.int32)
    there = np.arange(16) < 16 - empty
    loss, gradient = jax.jit(jax.value_and_grad(loss_of_logits))(
        logits, labels, there.astype(np.float32)
    )
    theirs = torch.tensor(logits[there], requires_grad=True)
    targets = torch.tensor(labels[there], dtype=torch.float32)
    expected = torch.nn.BCEWithLogitsLoss()(theirs, targets)
    expected.backward()
    np.testing.assert_allclose(loss, expected.item(), rtol=1e-6)
    np.testing.assert_allclose(gradient[there], theirs.grad, rtol=1e-6, atol=1e-8)
    assert not np.any(gradient[~there])


@pytest.fixture(scope="module")
def grid(tiny):
    """Results of a grid by arm, and the program that ran all of it."""
    plan = plan_for(tiny, "--num_seeds", "1", "--save_params", "final", *GRID)
    results, program = run(plan, num_devices=1, group_size=1, make=GroupProgram)
    return {arm: result for (_, arm), result in results.items()}, program, plan


def arm(weights, smoothing):
    return f"class_weights={weights} label_smoothing={smoothing}"


def test_a_grid_is_one_program_whose_arms_all_differ(grid):
    results, program, plan = grid
    assert plan.static.loss == ("class_weights", "label_smoothing")
    assert program.train._cache_size() == 1
    assert len({result.train_loss for result in results.values()}) == len(results) == 6
    assert len({result.logits.tobytes() for result in results.values()}) == 6


def test_a_trial_without_either_is_bitwise_what_it_is_in_the_plain_program(grid, tiny):
    plan = plan_for(tiny, "--num_seeds", "1", "--save_params", "final")
    assert plan.static.loss == ()
    alone, _ = run(plan, num_devices=1, group_size=1)
    assert_same(alone[0, "all"], grid[0][arm("null", "0.0")])


@pytest.mark.storm
def test_one_of_the_two_alone_is_bitwise_what_it_is_in_a_grid_of_both(grid, tiny):
    flags = ("--num_seeds", "1", "--save_params", "final", "--class_weights", "3,0.5")
    alone, _ = run(plan_for(tiny, *flags), num_devices=1, group_size=1)
    assert_same(alone[0, "all"], grid[0][arm("3,0.5", "0.0")])


@pytest.mark.slow
def test_every_trial_is_trained_with_its_own(tiny):
    """The first loss of each, stacked, is torch's of its own logits."""
    flags = ("--num_seeds", "1", "--dropout", "0", "--trials_per_device", "6")
    plan = plan_for(tiny, *flags, *GRID)
    task = plan.task
    program = GroupProgram(plan.static, make_mesh(jax.devices()[:1]), 6, task.model)
    tables = put_on_devices(program, task)
    group = GroupInputs(program, plan, tables, plan.trials)
    state = group.start_state()
    arguments = group.train_arguments(state, 0, 1)
    models = jax.tree.map(np.asarray, state.model)  # the state is given away
    _, records = program.train(*arguments)
    for i, trial in enumerate(plan.trials):
        model = jax.tree.map(lambda leaf, i=i: leaf[i], models)
        step = StepPlan._make(part[i, 0] for part in arguments[3])
        batch = gather_batch(tables.train, step, plan.shape.ladder[-1])
        there = np.asarray(batch.weights) > 0
        logits = torch.tensor(np.asarray(model(batch.rows))[there])
        weights = {
            None: None,
            "3,0.5": [3.0, 0.5],
            # As scikit-learn's compute_class_weight("balanced").
            "balanced": 100 / (2 * np.bincount(task.train.labels)),
        }[trial.config.class_weights]
        labels = np.asarray(batch.labels)[there]
        expected = torch_loss(logits, labels, weights, trial.config.label_smoothing)
        np.testing.assert_allclose(records.loss[i, 0], expected.item(), rtol=1e-5)
