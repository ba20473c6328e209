"""Protects adapters in the engine: one shared base, ranks side by side in one program, and a trial
that depends on nothing beside it.
"""

import re

import jax
import numpy as np
import pytest
from small_groups import assert_same, plan_for, plans_for, run

from jaxtune.core.errors import UserError
from jaxtune.models.adapters import is_adapter
from jaxtune.models.names import paths
from jaxtune.training.ahead import compile_train
from jaxtune.training.program import GroupProgram
from jaxtune.training.trained_part import whole_params

LORA = ("--lora_rank", "4")


def trained(result):
    return {path: np.asarray(leaf) for path, leaf in paths(result.params["final"]).items()}


@pytest.mark.parametrize("init", ["kaiming", pytest.param("pissa", marks=pytest.mark.slow)])
def test_a_trial_alone_among_eight_and_on_four_devices_is_bitwise_the_same(tiny, init):
    flags = ("--lora_rank", "3", "--lora_init", init)  # 16 / 3, whose root is no float
    plan = plan_for(tiny, *flags, "--num_seeds", "8", "--save_params", "final")
    alone, _ = run(plan, num_devices=1, group_size=1, seeds=[5])
    spread, _ = run(plan, num_devices=4, group_size=4)
    assert_same(alone[5, "all"], spread[5, "all"])
    assert len({result.train_loss for result in spread.values()}) == 8
    # What a trial has of its own is its adapters, A and B of queries and values, and its head.
    of_blocks = [path for path in trained(alone[5, "all"]) if not path.startswith("head/")]
    assert len(of_blocks) == 4
    assert all(map(is_adapter, of_blocks))


def test_a_grid_of_ranks_scales_and_rates_is_one_program(tiny):
    """A trial of rank 2 beside one of rank 4 uses two columns, and ends as it does by itself."""
    grid = ["--grid.lora_rank", "2", "4", "--grid.lora_alpha", "8", "20", "--save_params", "final"]
    grid += ["--grid.bias_correction", "true", "false"]
    plan = plan_for(tiny, *grid, "--num_seeds", "1")
    results, program = run(plan, 4, 4, make=GroupProgram)
    assert len(results) == 8
    assert program.train._cache_size() == 1
    assert len({result.train_loss for result in results.values()}) == 8
    small = results[0, "lora_rank=2 lora_alpha=8.0 bias_correction=true"]
    alone = ["--lora_rank", "2", "--lora_alpha", "8", "--num_seeds", "1", "--save_params", "final"]
    own = run(plan_for(tiny, *alone), 1, 1)[0][0, "all"]
    np.testing.assert_allclose(small.logits, own.logits, rtol=1e-4, atol=1e-6)
    names = [path.rsplit("/", 2)[1] for path in trained(small) if is_adapter(path)]
    assert sorted(names) == ["a", "a", "b", "b"]
    for path, leaf in trained(small).items():
        if path.endswith("/a/kernel"):
            assert leaf[..., :2].any(axis=-2).all()
            assert not leaf[..., 2:].any()
        if path.endswith("/b/kernel"):
            assert leaf[..., :2, :].any(axis=-1).all()
            assert not leaf[..., 2:, :].any()


def test_the_base_has_no_trial_axis(tiny):
    """In the compiled program its products are one over the slots of all trials, and no array is as
    large as a block's kernels of every trial.
    """
    planned = plan_for(tiny, *LORA, "--num_seeds", "5", "--trials_per_device", "5")
    plan = planned.stacking(5)
    compiled = compile_train(plan, jax.devices()[:1])
    assert compiled is not None
    width, (rows, *_) = 32, plan.shape.ladder
    slots = 5 * rows * plan.shape.slots
    products = re.findall(r"f32\[([0-9,]+)\]\S* dot\(", compiled.text)
    for outputs in (3 * width, width, 2 * width):  # query, key, value; attention's output; inner
        assert f"{slots},{outputs}" in products
    found = re.findall(r"f32\[([0-9,]+)\]", compiled.text)
    shapes = {tuple(map(int, dims.split(","))) for dims in found}
    kernels = {(width, width), (width, 2 * width), (2 * width, width), (width, 3 * width)}
    copied = {shape for shape in shapes if 5 in shape[:-2] and shape[-2:] in kernels}
    assert copied <= {(5, width, width)}  # the pooler's, which every trial trains


def test_what_pissa_leaves_of_the_base_goes_by_the_rank(tiny):
    """Ranks are programs of their own; a grid over what scales and trains adapters is one."""
    flags = ["--lora_init", "pissa", "--grid.lora_rank", "2", "4", "--grid.lora_alpha", "4", "16"]
    plans = plans_for(tiny, *flags, "--max_steps", "2", "--num_seeds", "1")
    assert [len(plan.trials) for plan in plans] == [2, 2]
    kernel = "encoder/layers/query/kernel"
    kept = [paths(plan.task.frozen)[kernel] for plan in plans]
    assert np.abs(kept[0] - kept[1]).max() > 1e-3
    assert plans[0].drawn_anew == ["pooler", "classifier"]
    (drawn,) = plans_for(tiny, "--lora_rank", "2", "--max_steps", "2", "--num_seeds", "1")
    assert drawn.drawn_anew == ["pooler", "classifier", "adapters"]
    np.testing.assert_array_equal(
        paths(drawn.task.frozen)["encoder/layers/key/kernel"],
        paths(plans[0].task.frozen)["encoder/layers/key/kernel"],
    )


@pytest.mark.storm
def test_packed_trains_as_padded_does(tiny):
    flags = [*LORA, "--lora_targets", "all", "--num_seeds", "1", "--dropout", "0"]
    one = run(plan_for(tiny, *flags), 1, 1)[0][0, "all"]
    other = run(plan_for(tiny, *flags, "--packing", "false"), 1, 1)[0][0, "all"]
    np.testing.assert_allclose(one.logits, other.logits, rtol=1e-4, atol=1e-6)


@pytest.mark.storm
def test_dropout_of_adapters_draws_and_rounds_alike(tiny):
    """It changes a trial, and is the same alone and stacked."""
    flags = [*LORA, "--num_seeds", "2", "--dropout", "0"]
    without = run(plan_for(tiny, *flags), 1, 1)[0][0, "all"]
    dropped = plan_for(tiny, *flags, "--lora_dropout", "0.5")
    alone, together = (run(dropped, 1, size)[0][0, "all"] for size in (1, 2))
    assert abs(alone.train_loss - without.train_loss) > 1e-6
    np.testing.assert_allclose(alone.logits, together.logits, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("train", "own"),
    [("bias", r"head/|.*/bias$"), pytest.param("head", "head/", marks=pytest.mark.storm)],
)
def test_biases_or_the_head_alone(tiny, train, own):
    plan = plan_for(tiny, "--train", train, "--num_seeds", "1", "--save_params", "final")
    result = run(plan, 1, 1)[0][0, "all"]
    params = trained(result)
    assert all(re.match(own, path) for path in params)
    assert ("encoder/layers/query/bias" in params) == (train == "bias")
    whole = whole_params(params, plan.config)
    full = plan_for(tiny, "--num_seeds", "1")
    assert set(whole) == {*paths(full.task.model)}
    start = paths(plan.task.frozen)["encoder/layers/query/kernel"]
    np.testing.assert_array_equal(whole["encoder/layers/query/kernel"], start)


@pytest.mark.storm
def test_bfloat16_holds_the_base_in_it(tiny):
    plan = plan_for(tiny, *LORA, "--precision", "bfloat16", "--num_seeds", "2")
    frozen = paths(plan.task.frozen)
    assert frozen["encoder/layers/query/kernel"].dtype == jax.numpy.bfloat16
    assert frozen["encoder/word/embedding"].dtype == np.float32
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(plan.task.model))
    alone, together = (run(plan, 1, size)[0][0, "all"] for size in (1, 2))
    np.testing.assert_allclose(alone.logits, together.logits, atol=0.02)


REFUSED = [
    (["--lora_rank", "-1"], "lora_rank is -1"),
    (["--lora_rank", "4", "--lora_alpha", "0"], "lora_alpha is 0.0"),
    (["--lora_rank", "4", "--lora_dropout", "1"], "lora_dropout is 1.0"),
    (["--lora_rank", "4", "--lora_dropout", "0.99999999999"], "0.99999999999; give a rate"),
    (["--lora_rank", "4", "--lora_targets", "query", "keys"], "lora_targets is 'query keys'"),
    (["--lora_rank", "4", "--lora_targets", "gate"], "do not have"),
    (["--lora_rank", "4", "--train", "bias"], "lora_rank and train 'bias'"),
    (["--lora_rank", "4", "--mixout", "0.5"], "mixout is 0.5"),
    (["--lora_alpha", "8"], "lora_alpha is 8.0, which adapters alone have"),
    (["--train", "head", "--reinit_layers", "1"], "reinit_layers is 1"),
    (["--train", "head", "--layerwise_lr_decay", "0.9"], "layerwise_lr_decay is 0.9"),
    (["--train", "head", "--early_stop", "0.5"], "early_stop is 0.5"),
    (["--train", "head_then_all", "--head_ratio", "1"], "head_ratio is 1.0; give a share"),
    (["--train", "head_then_all", "--head_ratio", "nan"], "head_ratio is nan; give a share"),
    (["--train", "head_then_all", "--head_learning_rate", "0"], "head_learning_rate is 0.0"),
    (["--train", "head_then_all", "--head_ratio", "0.9999"], "leaves none of"),
    (["--train", "head_then_all", "--early_stop", "0.5"], "give a larger early_stop"),
    (["--train", "head_then_all", "--early_stop", "0.51"], "after 3 steps of 6"),
    (["--head_ratio", "0.2"], "head_ratio is 0.2, which train head_then_all alone has"),
    (["--lora_rank", "33", "--lora_init", "pissa"], "of which a layer of the model has 32"),
    (["--lora_init", "pissa"], "lora_init is pissa, which adapters alone have"),
]


@pytest.mark.parametrize(("flags", "message"), REFUSED)
def test_what_contradicts_itself_is_refused(tiny, flags, message):
    with pytest.raises(UserError, match=re.escape(message)):
        plan_for(tiny, *flags)
