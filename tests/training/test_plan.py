"""What shares a program, in which shapes, and how many trials a device takes."""

from types import SimpleNamespace

import pytest
from small_groups import plans_for

from jaxtune.config.parse import parse
from jaxtune.data.packing import rows_needed, trial_batches
from jaxtune.training.plan import MOST_STACKED_RUNGS, num_steps_of
from jaxtune.training.plan_words import about_the_start


@pytest.mark.parametrize(
    ("flags", "size"),
    [
        ("--num_seeds 32", 4),
        ("--num_seeds 2", 2),
        ("--num_seeds 32 --trials_per_device 3", 12),
        ("--num_seeds 6 --trials_per_device 3", 8),
    ],
)
def test_group_sizes_on_four_cpu_devices(tiny, flags, size):
    (plan,) = plans_for(tiny, *flags.split())
    assert plan.group_size == size


def test_programs_differ_by_what_changes_shapes(tiny):
    plans = plans_for(tiny, "--grid.batch_size", "8", "16", "--grid.learning_rate", "1e-4", "1e-3")
    assert [len(plan.trials) for plan in plans] == [64, 64]
    assert {plan.config.batch_size for plan in plans} == {8, 16}


@pytest.mark.usefixtures("all_rungs")
def test_stacked_trials_share_few_rungs_and_the_top_one_holds_every_batch(tiny):
    (alone,) = plans_for(tiny, "--num_seeds", "12")
    (stacked,) = plans_for(tiny, "--num_seeds", "12", "--trials_per_device", "4")
    assert len(alone.shape.ladder) > 1
    assert 1 < len(stacked.shape.ladder) <= MOST_STACKED_RUNGS
    train, steps = stacked.task.train, stacked.num_steps
    most = max(
        rows_needed(
            train,
            trial_batches(trial.seeds.order_seed, len(train), stacked.config.batch_size, steps),
            stacked.shape,
        ).max()
        for trial in stacked.trials
    )
    assert stacked.shape.ladder[-1] == most
    assert stacked.stacking(1).shape == alone.shape


def test_tokens_of_a_step_are_an_epochs_over_its_steps_the_short_last_batch_too(tiny):
    (plan,) = plans_for(tiny, "--train_examples", "33", "--batch_size", "32", "--num_seeds", "1")
    assert plan.tokens_per_step == plan.task.train.lengths.sum() / 2


def test_steps():
    config = parse(["--model", "m", "--task", "rte"]).base
    assert num_steps_of(config, 2490) == 468


@pytest.mark.parametrize(
    ("platform", "precision", "said"),
    [("cpu", "float32", False), ("gpu", "float32", True), ("gpu", "bfloat16", False)],
)
def test_what_float32_costs_an_accelerator_is_said(tiny, platform, precision, said):
    (plan,) = plans_for(tiny, "--num_seeds", "2", "--precision", precision)
    vars(plan)["devices"] = [SimpleNamespace(platform=platform, device_kind="NVIDIA H100")]
    assert any("the NVIDIA H100 computes several" in each for each in about_the_start(plan)) is said


@pytest.mark.parametrize(
    ("precision", "has", "said"),
    [
        ("bfloat16", False, True),
        ("bfloat16", True, False),
        ("bfloat16", None, False),
        ("float32", False, False),
    ],
)
def test_a_processor_without_bfloat16_is_said(tiny, monkeypatch, precision, has, said):
    monkeypatch.setattr("jaxtune.training.plan_words.multiplies_bfloat16", lambda: has)
    (plan,) = plans_for(tiny, "--num_seeds", "2", "--precision", precision)
    assert any("has no instructions" in each for each in about_the_start(plan)) is said
