"""A group in which every trial has stopped takes no further step."""

import pytest
from small_groups import STEPS, plan_for

from jaxtune.training.group_inputs import put_on_devices
from jaxtune.training.group_run import GroupRun


@pytest.mark.slow
def test_a_group_ends_when_all_have_stopped(tiny):
    """At a rate that changes no answer the first evaluation is the best, and the third the end."""
    flags = ("--num_seeds", "2", "--learning_rate", "1e-12", "--eval_every", "1")
    plan = plan_for(tiny, *flags, "--patience", "2", "--save_params", "best")
    program = plan.compile(2)
    tables = put_on_devices(program, plan.task)
    group = GroupRun(program, plan, tables, plan.trials, [])
    results = group.run()
    assert group.records.num_steps == 3 < STEPS
    for result in results:
        assert (result.num_steps, result.best_step, result.stopped_by) == (3, 1, "patience")
        assert result.params.keys() == {"best"}


def test_the_evaluation_of_an_early_stop_ends_no_trial_sooner(tiny):
    """Without one they are scored after 2, 4 and 6 steps, and with one after 3, too."""
    flags = ("--num_seeds", "2", "--learning_rate", "1e-12", "--eval_every", "2")
    plan = plan_for(tiny, *flags, "--patience", "2", "--early_stop", "0.5", "--save_params", "best")
    program = plan.compile(2)
    tables = put_on_devices(program, plan.task)
    group = GroupRun(program, plan, tables, plan.trials, [])
    results = group.run()
    assert group.records.evaluated == [2, 3, 4, 6]
    for result in results:
        assert (result.num_steps, result.best_step, result.stopped_by) == (STEPS, 2, None)


@pytest.mark.parametrize(
    ("ratio", "end"),
    [
        ("0", 2),
        pytest.param("0.4", 4, marks=pytest.mark.slow),
        ("0.5", 5),
        pytest.param("0.7", STEPS, marks=pytest.mark.slow),
    ],
)
def test_patience_begins_when_more_than_the_head_is_trained(tiny, ratio, end):
    """After floor(ratio * 6) steps; the first evaluation from there on is the best of them."""
    flags = ("--num_seeds", "1", "--learning_rate", "1e-12", "--eval_every", "1")
    phases = ("--train", "head_then_all", "--grid.head_ratio", ratio, "0.1")
    plan = plan_for(tiny, *flags, *phases, "--patience", "1", "--save_params", "best")
    program = plan.compile(2)
    tables = put_on_devices(program, plan.task)
    results = GroupRun(program, plan, tables, plan.trials, []).run()
    assert [result.num_steps for result in results] == [end, 2]
    assert [result.best_step for result in results] == [1, 1]
