"""A trial's numbers depend on its own seeds and settings, and on nothing beside it."""

import numpy as np
import pytest
from small_groups import STEPS, assert_same, custom_files, plan_for, run
from tiny import write_tiny_model

from jaxtune.data.packing import Shape
from jaxtune.models.families import FAMILIES
from jaxtune.pretrain.run import pretrain
from jaxtune.pretrain.settings import PretrainConfig
from jaxtune.sweep.results import trial_row
from jaxtune.training.group_inputs import GroupInputs, put_on_devices
from jaxtune.training.program import GroupProgram
from jaxtune.training.rates import learning_rates


def test_a_trial_alone_among_eight_and_on_four_devices_is_bitwise_the_same(tiny):
    plan = plan_for(tiny, "--num_seeds", "8", "--save_params", "final")
    alone, _ = run(plan, num_devices=1, group_size=1, seeds=[5])
    among, _ = run(plan, num_devices=1, group_size=1)
    spread, _ = run(plan, num_devices=4, group_size=4)
    assert_same(alone[5, "all"], among[5, "all"])
    for key, result in among.items():
        assert_same(result, spread[key])
    assert len({result.train_loss for result in among.values()}) == 8


@pytest.mark.slow
def test_layers_in_a_loop_are_bitwise_the_same_on_four_devices_too(tiny):
    plan = plan_for(tiny, "--num_seeds", "4", "--scan_layers", "true")
    for one, other in on_devices(plan, 4):
        assert_same(one, other)


def on_devices(plan, number):
    """Each trial's result on one device and on several."""
    alone, _ = run(plan, num_devices=1, group_size=1)
    spread, _ = run(plan, num_devices=number, group_size=number)
    return [(result, spread[key]) for key, result in alone.items()]


@pytest.mark.storm
@pytest.mark.parametrize(
    "flags",
    [
        "--lora_rank 4 --lora_dropout 0.1",
        "--remat elementwise",
        "--remat block",
        "--train head_then_all --ema_decay 0.9",
        "--precision bfloat16 --lora_rank 4",
    ],
)
def test_what_else_is_trained_is_bitwise_the_same_on_two_devices(tiny, flags):
    plan = plan_for(tiny, "--num_seeds", "2", *flags.split())
    for one, other in on_devices(plan, 2):
        assert_same(one, other)


@pytest.mark.storm
def test_a_shared_block_differs_written_out_by_rounding_alone(tmp_path):
    """On several devices; the bound is some roundings of logits of 0.03. Seen was nothing."""
    model = str(write_tiny_model(tmp_path / "model", family="albert", layers=3))
    for one, other in on_devices(plan_for(model, "--num_seeds", "2", "--scan_layers", "false"), 2):
        np.testing.assert_allclose(one.logits, other.logits, rtol=0, atol=1e-6)


@pytest.mark.storm
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_bitwise_the_same_on_two_devices(tmp_path, monkeypatch, family, precision):
    """XLA moves factors from one operation to another, and may do so otherwise where it compiles
    for several devices.
    """
    monkeypatch.setattr("jaxtune.data.corpus.MINIATURE_SENTENCES", 2000)
    size = {"layers": (3,), "steps": (1,), "learning_rates": (1e-3,), "hidden_size": 32}
    out = tmp_path / "model"
    pretrain(PretrainConfig(data="miniature", out=out, family=family, **size))
    plan = plan_for(str(out), "--num_seeds", "2", "--precision", precision)
    for one, other in on_devices(plan, 2):
        assert_same(one, other)


@pytest.mark.storm
def test_trials_whose_orders_need_other_row_counts_share_a_program_bitwise(tiny, monkeypatch):
    monkeypatch.setattr(
        "jaxtune.training.prepare.choose_shape", lambda *_: Shape(24, (5, 7), packed=True)
    )
    small, large = (plan_for(tiny, "--seeds", seed) for seed in ("0", "1"))
    both = plan_for(tiny, "--seeds", "0,1")
    assert small.shape.ladder < large.shape.ladder == both.shape.ladder
    together, _ = run(both, num_devices=2, group_size=2)
    for seed, plan in ((0, small), (1, large)):
        alone, _ = run(plan, num_devices=1, group_size=1)
        assert_same(alone[seed, "all"], together[seed, "all"])


def test_vmapped_trials_are_bitwise_the_same_with_other_neighbours_and_places(tiny):
    plan = plan_for(tiny, "--num_seeds", "8", "--trials_per_device", "4")
    first, _ = run(plan, 1, 4, seeds=[0, 1, 2, 3])
    other, _ = run(plan, 1, 4, seeds=[7, 6, 5, 2])
    assert_same(first[2, "all"], other[2, "all"])


@pytest.mark.storm
def test_group_sizes_agree_to_rounding(tiny):
    plan = plan_for(tiny, "--num_seeds", "8", "--trials_per_device", "8")
    eight, _ = run(plan, 1, 8)
    two, _ = run(plan, 1, 2)
    alone, _ = run(plan, 1, 1)
    for key, result in eight.items():
        np.testing.assert_allclose(result.logits, two[key].logits, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(result.logits, alone[key].logits, rtol=1e-4, atol=1e-6)


def test_a_grid_of_traced_values_is_one_compiled_program(tiny):
    grid = ["--grid.learning_rate", "1e-4", "1e-3", "--grid.bias_correction", "true", "false"]
    plan = plan_for(tiny, "--num_seeds", "2", *grid)
    results, program = run(plan, 1, 2, make=GroupProgram)
    assert len(results) == 8
    assert program.train._cache_size() == 1
    assert len({result.train_loss for result in results.values()}) == 8


def test_a_swept_trial_equals_the_same_trial_unswept(tiny):
    swept, _ = run(plan_for(tiny, "--num_seeds", "1", "--grid.learning_rate", "1e-4", "1e-3"), 1, 1)
    plain, _ = run(plan_for(tiny, "--num_seeds", "1"), 1, 1)
    assert_same(swept[0, "learning_rate=0.001"], plain[0, "all"])


STORM = pytest.mark.storm


@pytest.mark.parametrize("most", [pytest.param(1, marks=STORM), 4, pytest.param(64, marks=STORM)])
def test_dispatches_cut_anywhere_change_nothing(tiny, most):
    plan = plan_for(tiny, "--num_seeds", "1")
    whole, _ = run(plan, 1, 1)
    cut, _ = run(plan, 1, 1, steps_per_dispatch=most)
    assert_same(whole[0, "all"], cut[0, "all"])


def test_evaluating_more_often_changes_nothing_but_the_best(tiny):
    seldom, _ = run(plan_for(tiny, "--num_seeds", "1", "--eval_every", "6"), 1, 1)
    often, _ = run(plan_for(tiny, "--num_seeds", "1", "--eval_every", "1"), 1, 1)
    assert_same(seldom[0, "all"], often[0, "all"])
    assert often[0, "all"].best >= seldom[0, "all"].best


def test_packed_trains_as_padded_does(tiny):
    packed = plan_for(tiny, "--num_seeds", "1", "--dropout", "0")
    padded = plan_for(tiny, "--num_seeds", "1", "--dropout", "0", "--packing", "false")
    assert packed.shape.ladder[-1] < padded.shape.ladder[-1]
    one, other = run(packed, 1, 1)[0][0, "all"], run(padded, 1, 1)[0][0, "all"]
    np.testing.assert_allclose(one.logits, other.logits, rtol=1e-4, atol=1e-6)


@pytest.mark.storm
@pytest.mark.usefixtures("all_rungs")
def test_every_rung_of_the_ladder_gives_the_same_step_to_rounding(tiny):
    plan = plan_for(tiny, "--num_seeds", "1")
    top = plan.shape.ladder[-1:]
    laddered, _ = run(plan, 1, 1)
    single, _ = run(plan, 1, 1, ladder=top)
    assert len(plan.shape.ladder) > 1
    np.testing.assert_allclose(
        laddered[0, "all"].logits, single[0, "all"].logits, rtol=1e-4, atol=1e-6
    )


@pytest.mark.slow
def test_a_diverging_trial_is_a_result_and_leaves_its_neighbours_alone(tiny):
    stable = ["--num_seeds", "2", "--trials_per_device", "4"]
    wild = plan_for(tiny, *stable, "--grid.learning_rate", "1e-3", "1e38")
    calm = plan_for(tiny, *stable, "--grid.learning_rate", "1e-3", "2e-3")
    wild_results, _ = run(wild, 1, 4)
    calm_results, _ = run(calm, 1, 4)
    for seed in (0, 1):
        diverged = wild_results[seed, "learning_rate=1e+38"]
        assert diverged.diverged
        assert trial_row(diverged, wild, 4)["failed"]
        neighbour = wild_results[seed, "learning_rate=0.001"]
        assert not neighbour.diverged
        assert_same(neighbour, calm_results[seed, "learning_rate=0.001"])


def test_idle_lanes_of_a_short_group_are_dropped(tiny):
    plan = plan_for(tiny, "--num_seeds", "3")
    full, _ = run(plan, 1, 1)
    short, _ = run(plan, 4, 4)
    assert set(full) == set(short)
    for key, result in full.items():
        assert_same(result, short[key])


def test_four_devices_exchange_nothing(tiny):
    plan = plan_for(tiny, "--num_seeds", "4")
    program = plan.compile(4)
    assert program.mesh.size == 4
    tables = put_on_devices(program, plan.task)
    group = GroupInputs(program, plan, tables, plan.trials)
    lowered = program.train.lower(*group.train_arguments(group.start_state(), 0, 1))
    text = lowered.compile().as_text()
    assert "fusion" in text
    for collective in ("all-reduce", "all-gather", "all-to-all", "collective-permute"):
        assert collective not in text


def test_streams_are_separate(tiny):
    """Changing one of the three seeds changes the trial; the data order is the order seed's
    alone.
    """
    crossed = ["--init_seeds", "0,1", "--order_seeds", "0,1", "--dropout_seeds", "0,1"]
    results, _ = run(plan_for(tiny, *crossed), 1, 1)
    assert len(results) == 8
    assert len({result.train_loss for result in results.values()}) == 8
    plain, _ = run(plan_for(tiny, "--num_seeds", "2"), 1, 1)
    assert_same(plain[1, "all"], results[7, "all"])


def test_learning_rates_are_those_of_the_schedule(tiny):
    plan = plan_for(tiny, "--num_seeds", "1", "--warmup_ratio", "0.5")
    rates = learning_rates(plan.trials, STEPS)
    expected = 1e-3 * np.array([[0, 1 / 3, 2 / 3, 1, 2 / 3, 1 / 3]])
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


@pytest.mark.slow
def test_compacted_vocabulary_ends_with_the_same_weights(tiny, tmp_path):
    """Full-vocabulary weights after the run: words in use trained alike, the others decayed
    alike.
    """
    flags = ["--num_seeds", "1", "--save_params", "final", "--weight_decay", "0.1"]
    few = ["--task", "custom", *custom_files(tmp_path), "--learning_rate", "1e-2"]
    params = {}
    for compacted in ("true", "false"):
        plan = plan_for(tiny, *flags, *few, "--compact_vocabulary", compacted)
        result = run(plan, 1, 1)[0][0, "all"]
        params[compacted] = plan.full_params(result, "final", result.params["final"])
        words = len(plan.task.kept_words)
        assert words == 121 if compacted == "false" else words < 20
    start = plan.task.full_embedding
    assert not np.allclose(params["false"]["encoder/word/embedding"], start, rtol=1e-4)
    for path, leaf in params["false"].items():
        np.testing.assert_allclose(params["true"][path], leaf, rtol=1e-5, atol=1e-7, err_msg=path)


@pytest.mark.parametrize(
    "flags",
    [
        "--scan_layers true",
        "--remat elementwise",
        "--remat block",
        "--scan_layers true --remat block",
    ],
)
@pytest.mark.slow
def test_what_is_kept_and_how_blocks_are_compiled_changes_rounding_alone(tiny, flags):
    plain, _ = run(plan_for(tiny, "--num_seeds", "1"), 1, 1)
    again, _ = run(plan_for(tiny, "--num_seeds", "1", *flags.split()), 1, 1)
    np.testing.assert_allclose(plain[0, "all"].logits, again[0, "all"].logits, rtol=1e-4, atol=1e-6)
