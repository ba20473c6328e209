"""Mitigations in whole programs, and every packaged config tried on the miniature."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest
from small_groups import assert_same, custom_files, plan_for, run

from jaxtune.config.parse import parse
from jaxtune.config.recipe_files import recipe_file, recipe_names, recipe_table
from jaxtune.config.trials import make_trials
from jaxtune.core.errors import UserError
from jaxtune.core.words import plural
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.pretrained import read_config, write_folder
from jaxtune.sweep.run import run_sweep
from jaxtune.training.plan import make_plans
from jaxtune.training.program import GroupProgram

ROOT = Path(__file__).parents[2]
# Those of the studies are no sweeps (tests/study/test_study.py).
CONFIGS = [*sorted((ROOT / "configs").glob("*.yaml")), *map(recipe_file, recipe_names())]
ALL_ON = ["--mixout", "0.5", "--pretrained_decay", "3", "--layerwise_lr_decay", "0.8"]
ALL_ON += ["--reinit_layers", "1"]


@pytest.mark.storm
def test_a_grid_of_strengths_is_one_program_and_each_trial_the_one_alone(tiny):
    grid = ["--grid.mixout", "0.1", "0.9", "--grid.reinit_layers", "1", "2"]
    common = ["--num_seeds", "1", "--save_params", "final", "--pretrained_decay", "0.5"]
    swept, program = run(plan_for(tiny, *common, *grid), 1, 1, make=GroupProgram)
    assert program.train._cache_size() == 1
    assert len({result.train_loss for result in swept.values()}) == 4
    one = plan_for(tiny, *common, "--mixout", "0.9", "--reinit_layers", "2")
    alone, _ = run(one, 1, 1)
    assert_same(alone[0, "all"], swept[0, "mixout=0.9 reinit_layers=2"])


def test_an_arm_without_mitigations_runs_the_plain_program(tiny):
    """Whatever the other arms of its sweep use: the same recipe, and so the same bits."""
    common = ["--model", tiny, "--task", "miniature", "--max_steps", "6", "--num_seeds", "2"]
    swept = make_plans(make_trials(parse([*common, "--grid.mixout", "0", "0.1", "0.9"])))
    (plain,) = make_plans(make_trials(parse(common)))
    assert [len(plan.trials) for plan in swept] == [2, 4]
    off, on = (plan.compile(len(plan.devices)) for plan in swept)
    assert off.static == plain.compile(len(plain.devices)).static
    assert not off.static.needs_origin
    assert on.static.mitigations == ("mixout",)
    assert on.static.needs_origin


@pytest.mark.storm
def test_all_mitigations_at_once_vmapped_with_other_neighbours(tiny):
    """Bitwise for a group size, whoever the neighbours are; to rounding the trial alone; dispatches
    cut anywhere.
    """
    plan = plan_for(tiny, "--num_seeds", "4", "--trials_per_device", "2", *ALL_ON)
    first, _ = run(plan, 1, 2, seeds=[0, 1])
    other, _ = run(plan, 1, 2, seeds=[3, 1], steps_per_dispatch=4)
    assert_same(first[1, "all"], other[1, "all"])
    alone, _ = run(plan, 1, 1, seeds=[1])
    np.testing.assert_allclose(alone[1, "all"].logits, first[1, "all"].logits, rtol=1e-4, atol=1e-6)


@pytest.mark.storm
def test_compacted_vocabulary_ends_with_the_same_weights(tiny, tmp_path):
    """Words without gradient decay towards 0 and towards their start at once, at the embeddings'
    own learning rate.
    """
    flags = ["--num_seeds", "1", "--save_params", "final", "--weight_decay", "5", *ALL_ON]
    few = ["--task", "custom", *custom_files(tmp_path), "--learning_rate", "1e-2"]
    params = {}
    for compacted in ("true", "false"):
        plan = plan_for(tiny, *flags, *few, "--compact_vocabulary", compacted)
        result = run(plan, 1, 1)[0][0, "all"]
        params[compacted] = plan.full_params(result, "final", result.params["final"])
    assert len(plan.task.kept_words) == 121
    word = "encoder/word/embedding"
    assert not np.allclose(params["false"][word], plan.task.full_embedding, rtol=1e-2)
    for path, leaf in params["false"].items():
        np.testing.assert_allclose(params["true"][path], leaf, rtol=1e-5, atol=1e-6, err_msg=path)


@pytest.mark.slow
def test_pulled_words_without_gradient_stay_where_they_are(tiny, tmp_path):
    flags = ["--num_seeds", "1", "--save_params", "final", "--weight_decay", "0"]
    few = ["--task", "custom", *custom_files(tmp_path), "--pretrained_decay", "3"]
    plan = plan_for(tiny, *flags, *few)
    result = run(plan, 1, 1)[0][0, "all"]
    full = plan.full_params(result, "final", result.params["final"])["encoder/word/embedding"]
    unused = np.delete(np.arange(len(full)), plan.task.kept_words)
    np.testing.assert_array_equal(full[unused], plan.task.full_embedding[unused])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--mixout 1", "mixout is 1.0; give a rate"),
        ("--mixout nan", "mixout is nan; give a rate"),
        ("--pretrained_decay -1", "pretrained_decay is -1.0; give 0"),
        ("--layerwise_lr_decay 0", "layerwise_lr_decay is 0.0; give a factor"),
        ("--layerwise_lr_decay 1.1", "layerwise_lr_decay is 1.1; give a factor"),
        ("--reinit_layers -1", "reinit_layers is -1; give a number"),
        ("--grid.reinit_layers 1 3", "reinit_layers is 3, but the model has 2 blocks"),
    ],
)
def test_strengths_out_of_range(tiny, flags, message):
    with pytest.raises(UserError, match=message):
        plan_for(tiny, *flags.split())


def test_a_model_fine_tuned_before_keeps_its_encoder_and_loses_its_head(tiny, tmp_path):
    """STILTs: an exported folder with five labels is a valid model for a task of two."""
    config, raw = read_config(Path(tiny))
    exported = SequenceClassifier(config, 5, key=jax.random.key(1))
    write_folder(tmp_path, exported, raw)
    for file in Path(tiny).glob("tokenizer*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    flags = ["--recipe", "stilts", "--model", str(tmp_path), "--task", "miniature"]
    (plan,) = make_plans(make_trials(parse([*flags, "--num_seeds", "1"])))
    assert plan.task.fresh == ("head/classifier",)
    assert plan.task.model.head.classifier.kernel.shape == (config.hidden_size, 2)
    kept = (plan.task.model.encoder.layers, plan.task.model.head.pooler)
    expected = (exported.encoder.layers, exported.head.pooler)
    jax.tree.map(np.testing.assert_array_equal, kept, expected)


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_config_can_be_planned(file):
    """On the miniature, which has blocks enough: settings, models and shapes fit each other."""
    few = ["--num_seeds", "1", "--max_steps", "12", "--train_examples", "64"]
    flags = ["--config", str(file), "--model", "miniature", "--task", "miniature", *few]
    settings = parse(flags)
    plans = make_plans(make_trials(settings))
    arms = [trial.arm for plan in plans for trial in plan.trials]
    assert len(arms) == len(set(arms)) == len(settings.arms)


@pytest.mark.storm
@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_config_passes_a_dry_run(file, capsys, tmp_path):
    """On the miniature, which has blocks enough; few steps, so that most share one compiled
    program.
    """
    few = ["--num_seeds", "1", "--max_steps", "12", "--train_examples", "64", "--packing", "false"]
    flags = ["--model", "miniature", "--task", "miniature", *few, "--out", str(tmp_path / "out")]
    settings = parse(["--config", str(file), *flags, "--dry_run", "true"])
    run_sweep(settings, [])
    said = capsys.readouterr().out
    trials = plural(len(settings.arms), "trial")
    assert f"in all: {trials}, {12 * len(settings.arms)} trial-steps" in said
    assert not (tmp_path / "out").exists()


def test_recipes_say_where_they_come_from():
    """A purpose for `--help` in the first line, paper and table, and each in configs/README.md."""
    table = (ROOT / "configs/README.md").read_text(encoding="utf-8")
    assert len(recipe_names()) == 27
    assert recipe_table().count("\n  ") >= 15
    for name in recipe_names():
        first, *rest = recipe_file(name).read_text(encoding="utf-8").splitlines()
        assert re.fullmatch(r"# [A-Z].{30,90}\.", first), name
        assert re.search(r"# .* et al\. \(?20\d\d", "\n".join([first, *rest])), name
        assert f"`{name}`" in table
