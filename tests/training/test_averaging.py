"""Averages of the weights: against plain numpy, in one program with trials that have none, and as
what is scored, saved, gone on with and exported.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cut_off import CutError
from exporting import export, torch_logits
from same_results import assert_same as assert_same_sweeps
from small_groups import STEPS, assert_same, custom_files, plan_for, run
from tiny import write_tiny_model
from unused_words import assert_given_back_as_trained

import jaxtune
from jaxtune.config.parse import parse
from jaxtune.core.errors import UserError
from jaxtune.models.vocabulary import unused_word_factor
from jaxtune.storage.checkpoints import RunCheckpoints
from jaxtune.sweep.__main__ import main
from jaxtune.training.ahead import bytes_beside_evaluation, compile_train
from jaxtune.training.averaging import latest_share
from jaxtune.training.group_inputs import GroupInputs, put_on_devices
from jaxtune.training.program import GroupProgram, make_mesh
from jaxtune.training.step import logits_in_order

ONE = ("--num_seeds", "1", "--save_params", "all", "--eval_every", "2")
EMA = (*ONE, "--grid.ema_decay", "0", "0.5", "0.999")
LAST = (*ONE, "--grid.average_last", "0", "3", str(STEPS))


def of_steps(arm: str, taken: int, num_steps: int = STEPS) -> np.ndarray:
    """What the weights after each update count in the average after `taken` of them, as the docs
    have it; they sum to 1.
    """
    name, value = arm.split("=")
    steps = np.arange(1, taken + 1)
    if name == "average_last":
        first = max(num_steps - int(value), 0)
        own = 1.0 * (steps > first) if taken > first else 1.0 * (steps == taken)
    else:
        own = float(value) ** (taken - steps)
    return own / own.sum()


def stepped(plan: Any) -> dict[str, list[Any]]:
    """By arm: the weights and their average after every step, on the host."""
    program = GroupProgram(plan.static, make_mesh(jax.devices()[:1]), 1, plan.task.model)
    tables, found = put_on_devices(program, plan.task), {}
    for trial in plan.trials:
        group = GroupInputs(program, plan, tables, [trial])
        state, states = group.start_state(), []
        for step in range(STEPS):
            state, _ = program.train(*group.train_arguments(state, step, 1))
            copies = (state.model, state.average)
            states.append(jax.tree.map(lambda leaf: np.array(leaf[0]), copies))
        found[trial.arm] = states
    assert program.train._cache_size() == 1
    return found


@pytest.mark.parametrize(
    "flags",
    [
        EMA,
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in (LAST, (*EMA, "--lora_rank", "2"))
        ),
    ],
)
def test_after_every_step_it_is_numpys_and_steps_know_nothing_of_it(tiny, flags):
    """In one program; of adapters A and B are averaged each by itself."""
    found = stepped(plan_for(tiny, *flags))
    (plain, *_), averages = found.values(), set()
    for arm, states in found.items():
        for taken, (model, average) in enumerate(states, 1):
            jax.tree.map(np.testing.assert_array_equal, model, plain[taken - 1][0])
            weights = of_steps(arm, taken)
            leaves = zip(*(jax.tree.leaves(model) for model, _ in states[:taken]), strict=True)
            for leaf, all_leaves in zip(jax.tree.leaves(average), leaves, strict=True):
                expected = np.tensordot(weights, np.array(all_leaves, np.float64), 1)
                np.testing.assert_allclose(leaf, expected, rtol=1e-6, atol=1e-7)
        if arm in ("ema_decay=0.0", "average_last=0"):
            jax.tree.map(np.testing.assert_array_equal, *states[-1])
        averages.add(b"".join(leaf.tobytes() for leaf in jax.tree.leaves(states[-1][1])))
    assert len(averages) == 3


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99, 0.9999])
def test_the_shares_of_a_decay_are_the_corrected_averages(decay):
    """Steady weights stay what they are, in float32 too; the first weights count whole."""
    count = np.arange(1, 2001)
    shares = latest_share(decay, 0, 2000, count)
    expected = 1 / np.cumsum(decay ** (count - 1.0))
    np.testing.assert_allclose(shares, expected, rtol=1e-9)
    traced = jax.jit(latest_share, static_argnames=("num_steps", "xp"))
    found = traced(jnp.float32(decay), jnp.float32(0), 2000, jnp.asarray(count), jnp)
    of_float = 1 / np.cumsum(float(np.float32(decay)) ** (count - 1.0))
    np.testing.assert_allclose(found, of_float, rtol=2e-6)
    assert (found[0], shares[0]) == (1, 1)
    assert float(found.max()) == 1


@pytest.mark.parametrize(("last", "first"), [(1, 9), (4, 6), (10, 0)])
def test_the_shares_of_the_last_steps_are_those_of_a_mean(last, first):
    shares = latest_share(0.0, last, 10, np.arange(1, 11))
    np.testing.assert_allclose(shares, [*[1.0] * first, *(1 / np.arange(1, last + 1))])


@pytest.fixture(scope="module")
def grid(tiny):
    """Results of a grid by arm, and the program that ran all of it."""
    plan = plan_for(tiny, *EMA)
    results, program = run(plan, num_devices=1, group_size=1, make=GroupProgram)
    return {arm: result for (_, arm), result in results.items()}, program, plan


def test_a_grid_is_one_program_whose_arms_differ_and_whose_training_is_one(grid):
    results, program, plan = grid
    assert plan.static.averages
    assert (program.train._cache_size(), program.evaluate._cache_size()) == (1, 1)
    assert len({result.logits.tobytes() for result in results.values()}) == len(results) == 3
    assert len({result.train_loss for result in results.values()}) == 1


@pytest.mark.slow
def test_a_trial_without_an_average_is_bitwise_what_it_is_in_the_plain_program(grid, tiny):
    plan = plan_for(tiny, *ONE)
    assert not plan.static.averages
    results, program = run(plan, num_devices=1, group_size=1, make=GroupProgram)
    assert program.layout.average is None
    assert_same(results[0, "all"], grid[0]["ema_decay=0.0"])


@pytest.mark.slow
def test_one_alone_is_bitwise_what_it_is_in_the_grid(grid, tiny):
    alone, _ = run(plan_for(tiny, *ONE, "--ema_decay", "0.5"), num_devices=1, group_size=1)
    assert_same(alone[0, "all"], grid[0]["ema_decay=0.5"])


def test_what_is_scored_is_what_is_saved(grid):
    results, _, plan = grid
    for result in results.values():
        logits = logits_in_order(
            jax.tree.map(jnp.asarray, result.params["final"]),
            plan.task.evaluated.as_tokens(),
            plan.task.eval_plan,
        )
        np.testing.assert_allclose(logits, result.logits, rtol=1e-5, atol=1e-6)


@pytest.mark.storm
def test_stacked_trials_are_to_rounding_the_trial_alone(grid, tiny):
    flags = ("--num_seeds", "2", "--save_params", "all", "--eval_every", "2")
    plan = plan_for(tiny, *flags, *EMA[-4:], "--trials_per_device", "6")
    stacked, _ = run(plan, 1, 6)
    for arm, result in grid[0].items():
        np.testing.assert_allclose(stacked[0, arm].logits, result.logits, rtol=1e-4, atol=1e-6)
        for kind, params in result.params.items():
            other = stacked[0, arm].params[kind]
            for one, two in zip(jax.tree.leaves(params), jax.tree.leaves(other), strict=True):
                np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


@pytest.mark.storm
def test_the_best_and_the_final_are_the_averages_of_their_evaluations(grid):
    results, _, plan = grid
    found = stepped(plan)
    for arm, result in results.items():
        for kind, step in (("best", result.best_step), ("final", STEPS)):
            expected = found[arm][step - 1][1]
            jax.tree.map(np.testing.assert_array_equal, result.params[kind], expected)


@pytest.mark.parametrize("taken", [1, 4, STEPS])
@pytest.mark.parametrize("arm", ["ema_decay=0.0", "ema_decay=0.9", "average_last=3"])
def test_what_is_left_of_a_word_is_the_average_of_what_each_step_left(arm, taken):
    name, value = arm.split("=")
    settings = {"ema_decay": 0.0, "average_last": 0, name: float(value)}
    latest = latest_share(**settings, num_steps=STEPS, count=np.arange(1, taken + 1))
    rates = np.linspace(0.3, 0.1, STEPS)[:taken]
    expected = of_steps(arm, taken) @ np.cumprod(1 - 0.5 * rates)
    assert unused_word_factor(rates, latest, 0.5) == pytest.approx(expected, rel=1e-12)


@pytest.mark.storm
@pytest.mark.parametrize("average", [("--ema_decay", "0.7"), ("--average_last", "4")])
def test_words_that_no_text_has_are_averaged_too(tiny, tmp_path, average):
    """What is given back to a compact vocabulary is what the whole one ends with."""
    flags = ["--weight_decay", "5", "--pretrained_decay", "2", "--learning_rate", "1e-2"]
    assert_given_back_as_trained(tiny, tmp_path, *flags, *average)


@pytest.mark.slow
def test_memory_is_4_bytes_more_a_parameter(tiny):
    plans = [plan_for(tiny, *ONE, *flags) for flags in ((), ("--ema_decay", "0.9"))]
    compiled = [compile_train(plan.stacking(1), jax.devices()[:1]) for plan in plans]
    parameters = sum(np.size(leaf) for leaf in jax.tree.leaves(plans[0].task.model))
    plain, more = (each.bytes_held for each in compiled if each)
    assert 4 * parameters <= more - plain < 4.4 * parameters
    plain, more = (bytes_beside_evaluation(plan, 3) for plan in plans)
    assert more - plain == 3 * 4 * parameters


@pytest.mark.storm
def test_cut_off_it_goes_on_to_the_same_bits(tiny, tmp_path, monkeypatch):
    words = ["--model", tiny, "--task", "miniature", "--max_steps", "12", "--log_every", "2"]
    words += ["--train_examples", "64", "--eval_every", "5", "--learning_rate", "1e-3"]
    words += [*EMA[:4], "--grid.ema_decay", "0", "0.9"]
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert main([*words, "--out", str(whole)]) == 0
    save = RunCheckpoints.save

    def save_and_cut(self, step, *args):
        save(self, step, *args)
        if step == 7:
            self.close()
            raise CutError

    with monkeypatch.context() as patched:
        patched.setattr(RunCheckpoints, "save", save_and_cut)
        with pytest.raises(CutError):
            main([*words, "--out", str(out), "--checkpoint_every", "1"])
    assert main([*words, "--out", str(out)]) == 0
    assert_same_sweeps(whole, out)


@pytest.mark.storm
def test_an_export_gives_the_averages_predictions(tmp_path):
    """In torch, of saved parameters; those of the trial without an average are others."""
    model, out = write_tiny_model(tmp_path / "model"), tmp_path / "out"
    words = ["--model", str(model), "--task", "custom", *custom_files(tmp_path), "--num_seeds", "1"]
    words += ["--max_steps", "8", "--save_params", "final", "--learning_rate", "1e-3"]
    assert main([*words, "--grid.ema_decay", "0", "0.9", "--out", str(out)]) == 0
    predictions = jaxtune.load_results(out).predictions
    assert not np.allclose(predictions[0], predictions[1], atol=1e-4)
    assert export(out, 1, tmp_path / "exported") == 0
    texts = ["the dog sleeps", "two dogs sleep", "a dog sleeps", "a chef cooks"]
    found = torch_logits(tmp_path / "exported", texts)
    np.testing.assert_allclose(found, predictions[1][:4], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--average_last -1", "average_last is -1; give a number of steps"),
        ("--average_last 9 --ema_decay 0.9", "ema_decay is 0.9 and average_last is 9, but"),
        ("--average_last 9 --patience 2", "average_last is 9 and patience is 2, which may end"),
        ("--ema_decay 0.99999999999", "ema_decay is 0.99999999999; give a rate from 0 up to"),
    ],
)
def test_what_has_no_average_is_refused(flags, message):
    with pytest.raises(UserError, match=message):
        parse(["--model", "m", "--task", "rte", *flags.split()])


def test_a_mean_over_more_steps_than_there_are_is_refused(tiny):
    with pytest.raises(UserError, match="average_last is 7, but a trial takes 6 steps; give at"):
        plan_for(tiny, "--average_last", "7")


@pytest.mark.parametrize("flags", [EMA, pytest.param(LAST, marks=pytest.mark.slow)])
def test_each_of_two_phases_has_an_average_of_its_own(tiny, flags):
    """Weights that the first phase leaves frozen are no steps of the second: with a decay of 0.999
    and as many steps in each, half of them were in the average at the end.
    """
    half = ("--train", "head_then_all", "--head_ratio", "0.5")
    found, first = stepped(plan_for(tiny, *flags, *half)), STEPS // 2
    for arm, states in found.items():
        for taken, (_, average) in enumerate(states, 1):
            begins = first if taken > first else 0
            own = [model for model, _ in states[begins:taken]]
            weights = of_steps(arm, taken - begins, first)
            leaves = zip(*map(jax.tree.leaves, own), strict=True)
            for leaf, all_leaves in zip(jax.tree.leaves(average), leaves, strict=True):
                expected = np.tensordot(weights, np.array(all_leaves, np.float64), 1)
                np.testing.assert_allclose(leaf, expected, rtol=1e-6, atol=1e-7)
