"""A group in which every trial has stopped takes no further step."""

from small_groups import STEPS, plan_for

from jaxtune.training.group_run import GroupRun
from jaxtune.training.on_device import put_on_devices


def test_a_group_ends_when_all_have_stopped(tiny):
    """At a rate that changes no answer the first evaluation is the best, and the third the end."""
    flags = ("--num_seeds", "2", "--learning_rate", "1e-12", "--eval_every", "1")
    plan = plan_for(tiny, *flags, "--patience", "2", "--save_params", "best")
    program = plan.compile(2)
    tables = put_on_devices(program, plan.task)
    group = GroupRun(program, plan.task, tables, plan.trials, plan.shape, [])
    results = group.run()
    assert group.records.num_steps == 3 < STEPS
    for result in results:
        assert (result.num_steps, result.best_step, result.stopped_by) == (3, 1, "patience")
        assert result.params.keys() == {"best"}
