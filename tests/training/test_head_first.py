"""Protects a head that is trained before everything: torch runs the phases one after the other."""

from typing import Any

import hf
import jax
import numpy as np
import pytest
import torch
from hf import deviation
from small_groups import assert_same, plan_for, run
from torch_training import adamw_ours, batch_of, batches, named
from unused_words import assert_given_back_as_trained

from jaxtune.config.trials import Hyper
from jaxtune.core.schedules import first_whole_step, peak, scheduled_rates
from jaxtune.models.names import paths
from jaxtune.models.pretrained import to_tensors
from jaxtune.training.optimizer import make_optimizer
from jaxtune.training.program import GroupProgram
from jaxtune.training.step import TrialState, apply_gradients, loss_and_gradients

STEPS, HEAD_STEPS, HEAD_RATE = 12, 5, 3e-3
HYPER = Hyper(5e-4, True, 0.9, 0.999, 1e-6, 0.1, 0.5, 0.4)
HYPER = HYPER._replace(head_ratio=HEAD_STEPS / STEPS, head_learning_rate=HEAD_RATE)
GRADIENTS = jax.jit(loss_and_gradients)
FLAGS = ("--train", "head_then_all", "--head_ratio", "0.5")
B = "encoder/layers/query_lora/b/kernel"


def of_head(name: str) -> bool:
    return name.startswith(("classifier.", "bert.pooler."))


def run_torch(
    model: Any, family: str, numbers: range, rate: float, trains: Any, hyper: Hyper
) -> list[float]:
    """One training by the paper's loop, of the parameters that `trains` names."""
    own = {name: p for name, p in named(model) if trains(name)}
    for name, p in named(model):
        p.requires_grad_(name in own)
    moments = {name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in own.items()}
    warmup, losses = int(hyper.warmup_ratio * len(numbers)), []
    for t, number in enumerate(numbers):
        model.zero_grad()
        batch = batches(family)[number]
        loss = model(**hf.torch_inputs(batch, family), labels=torch.tensor(batch.labels)).loss
        loss.backward()
        losses.append(loss.item())
        torch.nn.utils.clip_grad_norm_(own.values(), hyper.max_grad_norm)
        scheduled = rate * min(t / warmup, (len(numbers) - t) / (len(numbers) - warmup))
        with torch.no_grad():
            for name, p in own.items():
                free = name.endswith("bias") or "norm" in name.lower()
                decay = 0.0 if free else hyper.weight_decay
                adamw_ours(p, *moments[name], t + 1, scheduled, decay, hyper)
    return losses


@pytest.mark.parametrize("corrected", [False, pytest.param(True, marks=pytest.mark.storm)])
def test_the_phases_are_two_trainings_in_torch(corrected: bool) -> None:
    """Every loss and parameter; until the second phase nothing but the head has changed a bit."""
    family, hyper = "bert", HYPER._replace(bias_correction=corrected)
    reference, model = hf.load_torch(hf.make_folder(family)), hf.load_jax(hf.make_folder(family))
    phases = (range(HEAD_STEPS), range(HEAD_STEPS, STEPS))
    expected = run_torch(reference, family, phases[0], HEAD_RATE, of_head, hyper)
    after_head = {name: p.numpy(force=True).copy() for name, p in named(reference)}
    rate = float(hyper.learning_rate)
    expected += run_torch(reference, family, phases[1], rate, lambda name: True, hyper)

    optimizer = make_optimizer(hyper, STEPS, head_first=True)
    state, losses = TrialState(model, optimizer.init(model)), []
    update = jax.jit(lambda state, gradients: apply_gradients(state, gradients, optimizer))
    start = to_tensors(model)
    for number, batch in enumerate(batches(family)[:STEPS]):
        loss, gradients = GRADIENTS(state.model, batch_of(batch), None)
        if number == HEAD_STEPS:
            for name, ours in to_tensors(state.model).items():
                if of_head(name):
                    assert deviation(ours, after_head[name]) < 1e-5, name
                    assert deviation(ours, start[name]) > 1e-3, name
                else:
                    np.testing.assert_array_equal(ours, start[name], err_msg=name)
        state = update(state, gradients)
        losses.append(float(loss))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    theirs = dict(named(reference))
    for name, ours in to_tensors(state.model).items():
        assert deviation(ours, theirs[name].numpy(force=True)) < 1e-5, name


@pytest.mark.slow
def test_a_gradient_that_is_not_finite_leaves_a_frozen_encoder_alone() -> None:
    model = hf.load_jax(hf.make_folder("bert"))
    optimizer = make_optimizer(HYPER._replace(warmup_ratio=0.0), STEPS, head_first=True)
    bad = jax.tree.map(lambda leaf: leaf * np.float32(np.nan), model.encoder)
    gradients = jax.tree.map(lambda leaf: leaf, model)
    gradients.encoder = bad
    state = apply_gradients(TrialState(model, optimizer.init(model)), gradients, optimizer)
    for name, ours in to_tensors(state.model).items():
        assert np.isfinite(ours).all(), name
        assert of_head(name) == bool((ours != to_tensors(model)[name]).any()), name


@pytest.mark.slow
def test_a_grid_of_ratios_is_one_program_and_none_is_full_tuning(tiny):
    grid = ["--grid.head_ratio", "0", "0.3", "0.5", "--grid.head_learning_rate", "null", "1e-2"]
    flags = ["--num_seeds", "1", "--save_params", "final"]
    swept, program = run(
        plan_for(tiny, "--train", "head_then_all", *grid, *flags), 1, 1, make=GroupProgram
    )
    assert program.train._cache_size() == 1
    assert program.static.head_first
    assert len({result.train_loss for result in swept.values()}) == 5
    alone, plain = run(plan_for(tiny, *flags), 1, 1)
    assert not plain.static.head_first
    for rate in ("null", "0.01"):
        result = swept[0, f"head_ratio=0.0 head_learning_rate={rate}"]
        np.testing.assert_allclose(result.logits, alone[0, "all"].logits, rtol=1e-5, atol=1e-6)


@pytest.mark.storm
def test_a_trial_alone_is_the_trial_on_four_devices_and_padded(tiny):
    flags = ("--num_seeds", "4", "--save_params", "final", "--head_learning_rate", "1e-2")
    plan = plan_for(tiny, *FLAGS, *flags)
    alone, _ = run(plan, num_devices=1, group_size=1, seeds=[2])
    spread, _ = run(plan, num_devices=4, group_size=4)
    assert_same(alone[2, "all"], spread[2, "all"])
    still = ("--num_seeds", "1", "--dropout", "0")
    packed, padded = (
        run(plan_for(tiny, *FLAGS, *still, *more), 1, 1)[0][0, "all"].logits
        for more in ((), ("--packing", "false"))
    )
    np.testing.assert_allclose(packed, padded, rtol=1e-4, atol=1e-6)


@pytest.mark.storm
def test_adapters_wait_for_the_head(tiny):
    """With lora_rank what comes after the head is the adapters and the head: at next to no learning
    rate, so that B shows whether it was moved before.
    """
    rates = ("--head_learning_rate", "1e-2", "--learning_rate", "1e-9")
    flags = ("--lora_rank", "4", "--num_seeds", "2", "--save_params", "final")
    found = run(plan_for(tiny, *FLAGS, *flags, *rates), 1, 1)[0]
    params, other = (paths(found[seed, "all"].params["final"]) for seed in (0, 1))
    assert 0 < np.abs(params[B]).max() < 1e-8
    bias = "head/classifier/bias"  # which starts at 0
    assert min(np.abs(each[bias]).max() for each in (params, other)) > 1e-3


@pytest.mark.storm
def test_words_that_no_text_has_decay_in_the_second_phase_alone(tiny, tmp_path):
    """What is given back to a compact vocabulary is what the whole one ends with."""
    flags = [*FLAGS, "--weight_decay", "5", "--learning_rate", "1e-2"]
    assert_given_back_as_trained(tiny, tmp_path, *flags, "--head_learning_rate", "1e-1")


def test_the_peak_is_of_the_steps_that_train_everything() -> None:
    """Rows of sweeps from before there was a head first have no such setting."""
    plain = {
        "learning_rate": 2e-5,
        "warmup_ratio": 0.1,
        "schedule": "linear",
        "bias_correction": False,
        "adam_b1": 0.9,
        "adam_b2": 0.999,
    }
    arm = {"train": "head_then_all", "head_ratio": 0.25, "head_learning_rate": 1e-3}
    found, alone = peak(plain | arm, 400), peak(plain, 300)
    assert first_whole_step(plain | arm, 400) == 100
    assert (found.rate, found.step) == (alone.rate, 100 + alone.step)
    rates = scheduled_rates(plain | arm, 400)
    np.testing.assert_array_equal(rates[100:], scheduled_rates(plain, 300))
    assert rates[:100].max() == 1e-3
    same = scheduled_rates(plain | arm | {"head_learning_rate": float("nan")}, 400)
    np.testing.assert_array_equal(same[:100], scheduled_rates(plain, 100))
    np.testing.assert_array_equal(
        scheduled_rates(plain | arm | {"train": None}, 400), scheduled_rates(plain, 400)
    )
