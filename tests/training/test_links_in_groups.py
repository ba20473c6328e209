"""The links of Adam in groups of trials: one program for a grid, and each arm the one alone."""

import numpy as np
import pytest
from small_groups import assert_same, plan_for, run
from unused_words import assert_given_back_as_trained

from jaxtune.config.parse import parse
from jaxtune.core.errors import UserError
from jaxtune.training.program import GroupProgram

GRID = ["--compact_vocabulary", "false"]
GRID += ["--grid.update_clipping", "false", "true", "--grid.correct_eps", "false", "true"]
GRID += ["--grid.second_moment_init", "0", "1", "--grid.untuned_warmup", "false", "true"]


@pytest.fixture(scope="module")
def grid(tiny):
    """Results of a grid by arm, and the program that ran all of it."""
    plan = plan_for(tiny, "--num_seeds", "1", "--save_params", "final", *GRID)
    results, program = run(plan, num_devices=1, group_size=1, make=GroupProgram)
    return {arm: result for (_, arm), result in results.items()}, program, plan


def arm_of(*values: str) -> str:
    names = ("update_clipping", "correct_eps", "second_moment_init", "untuned_warmup")
    return " ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))


def test_a_grid_is_one_program_whose_arms_all_differ(grid):
    results, program, plan = grid
    assert plan.static.links == (
        *("correct_eps", "second_moment_init", "untuned_warmup"),
        "update_clipping",
    )
    assert program.train._cache_size() == 1
    assert len({result.logits.tobytes() for result in results.values()}) == len(results) == 16


def test_a_trial_without_links_is_bitwise_what_it_is_in_the_plain_program(grid, tiny):
    flags = ("--num_seeds", "1", "--save_params", "final", "--compact_vocabulary", "false")
    plan = plan_for(tiny, *flags)
    assert plan.static.links == ()
    alone, _ = run(plan, num_devices=1, group_size=1)
    assert_same(alone[0, "all"], grid[0][arm_of("false", "false", "0.0", "false")])


@pytest.mark.storm
def test_one_link_alone_is_bitwise_what_it_is_in_a_grid_of_several(grid, tiny):
    flags = ("--num_seeds", "1", "--save_params", "final", "--compact_vocabulary", "false")
    alone, _ = run(plan_for(tiny, *flags, "--correct_eps", "true"), num_devices=1, group_size=1)
    assert_same(alone[0, "all"], grid[0][arm_of("false", "true", "0.0", "false")])


@pytest.mark.storm
def test_corrections_and_radam_are_one_program_and_each_arm_the_one_alone(tiny):
    """Rectification and the corrections of one moment do not go together: two grids."""
    common = ("--num_seeds", "1", "--save_params", "final")
    moments = ("--grid.correct_moments", "both", "first", "second")
    eps = ("--grid.correct_eps", "false", "true")
    for grid in (moments, ("--grid.rectify", "false", "true")):
        swept, program = run(plan_for(tiny, *common, *grid, *eps), 1, 1, make=GroupProgram)
        assert program.train._cache_size() == 1
        for (_, arm), result in swept.items():
            flags = [f"--{setting}" for setting in arm.split()]
            alone, _ = run(plan_for(tiny, *common, *flags), 1, 1)
            assert_same(alone[0, "all"], result)


@pytest.mark.storm
def test_stacked_trials_are_to_rounding_the_trial_alone(tiny):
    flags = ("--num_seeds", "1", "--dropout", "0", *GRID)
    stacked, _ = run(plan_for(tiny, *flags, "--trials_per_device", "16"), 1, 16)
    alone, _ = run(plan_for(tiny, *flags), 1, 1)
    for arm, result in alone.items():
        np.testing.assert_allclose(stacked[arm].logits, result.logits, rtol=1e-4, atol=1e-5)


@pytest.mark.storm
def test_words_that_no_text_has_decay_by_the_damped_learning_rate(tiny, tmp_path):
    """What is given back to a compact vocabulary is what the whole one ends with."""
    flags = ["--weight_decay", "5", "--learning_rate", "1e-2"]
    flags += ["--untuned_warmup", "true", "--adam_b2", "0.9"]
    assert_given_back_as_trained(tiny, tmp_path, *flags)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--second_moment_init -1", "second_moment_init is -1.0; give a finite number"),
        ("--second_moment_init inf", "second_moment_init is inf; give a finite number"),
        ("--second_moment_init nan", "second_moment_init is nan; give a finite number"),
        ("--correct_moments third", "correct_moments is 'third'"),
        (
            "--bias_correction false --correct_moments second",
            "correct_moments is 'second', but bias_correction false corrects none",
        ),
        ("--rectify --bias_correction false", "rectify is given and bias_correction is false"),
        ("--rectify --correct_moments first", "rectify is given and correct_moments is 'first'"),
        ("--update_clipping", "give --compact_vocabulary false too"),
    ],
)
def test_what_has_no_formula_is_refused(flags, message):
    with pytest.raises(UserError, match=message):
        parse(["--model", "m", "--task", "rte", *flags.split()])
