"""What shares a program, in which shapes, and how many trials a device takes."""

from types import SimpleNamespace

import jax
import pytest
from small_groups import plans_for

from jaxtune.config.parse import parse
from jaxtune.data.packing import rows_needed, trial_batches
from jaxtune.training.plan import MOST_STACKED_RUNGS, num_steps_of, trials_that_fit


@pytest.mark.parametrize(
    ("per_trial", "limit", "wanted", "fits"),
    [(10, 1000, 8, 8), (10, 100, 32, 9), (10, 1000, 90, 90), (10, 5, 4, 1), (100, 1000, 1, 1)],
)
def test_trials_that_fit(per_trial, limit, wanted, fits):
    assert trials_that_fit(lambda size: per_trial * size, limit, wanted) == fits


def test_trials_that_fit_where_memory_is_not_proportional():
    """A fixed part and a jump: the answer fits and is near the best, 20, after few compilations."""

    def needed(size: int) -> int:
        return 200 + 10 * size + (100 if size > 20 else 0)

    chosen = trials_that_fit(needed, 500, 64)
    assert needed(chosen) <= 450
    assert chosen >= 15


def test_trials_that_fit_where_a_program_does_not_even_compile():
    """A compiler that runs out of the device's memory says so by an error: half as many are tried,
    and any other error is passed on.
    """

    def needed(size: int) -> int:
        if size > 10:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Ran out of memory (injected)")
        return size

    def broken(size: int) -> int:
        raise jax.errors.JaxRuntimeError(f"INTERNAL: {size}")

    assert trials_that_fit(needed, 100, 64) == 8
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        trials_that_fit(broken, 100, 64)


def test_memory_of_the_compiled_program_grows_with_the_group(tiny):
    (plan,) = plans_for(tiny, "--num_seeds", "16", "--trials_per_device", "4")
    one, four = plan._bytes_needed(1), plan._bytes_needed(4)
    parameters = sum(leaf.nbytes for leaf in jax.tree.leaves(plan.task.model))
    assert one > 3 * parameters  # the model and two moments at least
    assert four > one + 3 * 3 * parameters


def test_a_memory_limit_decides_the_group_size(tiny, monkeypatch):
    (plan,) = plans_for(tiny, "--num_seeds", "32")
    monkeypatch.setattr("jaxtune.training.plan.stacks_trials", lambda config: True)
    monkeypatch.setattr("jaxtune.training.plan.memory_limit", lambda: 10 * plan._bytes_needed(1))
    assert plan.group_size % len(plan.devices) == 0
    assert 1 < plan.group_size // len(plan.devices) <= 8


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
    assert any("the NVIDIA H100 computes several" in each for each in plan.about_the_start) is said
