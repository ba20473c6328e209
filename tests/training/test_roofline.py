"""The model of a step's time: kernels counted, loops multiplied out, conditions shared."""

from pathlib import Path

import jax
import pytest
from small_groups import plan_for

from jaxtune.core.accelerators import accelerator
from jaxtune.training.roofline import Schedule, cost, kernels, wall_seconds

STEP = Path(__file__).with_name("step.hlo").read_text(encoding="utf-8")


def test_how_often_a_step_runs_each_kernel():
    schedule = Schedule(steps=8, rungs=(0.75, 0.25))
    times = {kernel.name: kernel.times for kernel in kernels(STEP, schedule)}
    assert times == pytest.approx(
        {
            **{"copy.1": 1 / 8, "copy.2": 1 / 8},  # a dispatch's, shared by its steps
            **{
                "more": 3,
                "dot.1": 3,
                "zeros": 0.5,
                "sums": 0.5,
            },  # of a condition on who knows what
            **{"dot.2": 0.75, "dot.3": 0.25, "dot.4": 0.25},
        }
    )


def test_a_condition_of_which_nothing_is_known_takes_its_branches_alike():
    times = {kernel.name: kernel.times for kernel in kernels(STEP, Schedule(rungs=(1.0,)))}
    assert (times["dot.2"], times["dot.3"]) == (0.5, 0.5)


def test_a_kernel_takes_the_longest_of_products_bytes_and_a_microsecond():
    device = accelerator("h100")
    found = {kernel.name: kernel for kernel in kernels(STEP, Schedule(rungs=(0.5, 0.5)))}
    product, copy = found["dot.2"], found["copy.1"]
    assert copy.num_bytes == 8192
    assert copy.seconds(device) == 1e-6
    large = copy._replace(num_bytes=10**9)
    assert large.seconds(device) == 1e9 / (0.9 * 3.352e12)
    large = product._replace(flop={"bfloat16": 1e12}, num_bytes=1)
    assert large.seconds(device) == 1e12 / (0.8 * 989.4e12)
    both = product._replace(flop={"bfloat16": 1e12, "float32": 1e12}, num_bytes=1)
    assert both.seconds(device) == pytest.approx(1 / (0.8 * 989.4) + 1 / (0.8 * 66.9))


def test_the_cost_of_a_step_is_the_sum():
    device, schedule = accelerator("v5e"), Schedule(4, (1.0, 0.0))
    seen, found = cost(STEP, device, schedule), list(kernels(STEP, schedule))
    assert seen.kernels == pytest.approx(3 + 3 + 1 + 1 + 2 / 4)
    assert seen.flop == 4 * 2 * 64**3
    assert seen.num_bytes == sum(kernel.times * kernel.num_bytes for kernel in found)
    assert seen.seconds == sum(kernel.times * kernel.seconds(device) for kernel in found)


def test_the_wall_is_products_of_real_tokens_and_one_pass_of_the_optimiser(tiny):
    model, device = plan_for(tiny, "--num_seeds", "1").task.model, accelerator("h100")
    block = 4 * (32 * 32 + 32) + 2 * 32 * 64 + 64 + 32 + 4 * 32
    trained = sum(leaf.size for leaf in jax.tree.leaves(model))
    seconds = 6 * 2 * block * 100 / (0.8 * 66.9e12) + 28 * trained / (0.9 * 3.352e12)
    assert wall_seconds(model, 100.0, device) == pytest.approx(seconds)
    flags = ("--num_seeds", "1", "--precision", "bfloat16")
    half = plan_for(tiny, *flags, platform="cuda").task.model
    seconds = 6 * 2 * block * 100 / (0.8 * 989.4e12) + 26 * trained / (0.9 * 3.352e12)
    assert wall_seconds(half, 100.0, device) == pytest.approx(seconds, rel=1e-3)


@pytest.mark.parametrize(
    ("flags", "each"),
    [(["--train", "head"], 2), (["--train", "bias"], 4), (["--lora_rank", "2"], 4)],
)
def test_a_frozen_weight_has_no_backward_pass_where_the_head_alone_is_trained(tiny, flags, each):
    """What the compiler makes of them: of products with the blocks' weights, forward and back."""
    task, device = plan_for(tiny, "--num_seeds", "1", *flags).task, accelerator("h100")
    own, trained, frozen = (
        sum(leaf.size for leaf in jax.tree.leaves(part))
        for part in (task.model.encoder.layers, task.model, task.frozen.encoder.layers)
    )
    flop = (6 * own + each * frozen) * 100
    seconds = flop / (0.8 * 66.9e12) + 28 * trained / (0.9 * 3.352e12)
    assert wall_seconds(task.model, 100.0, device, task.frozen) == pytest.approx(seconds)
