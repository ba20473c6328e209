"""A program is made once for the same settings, shapes and devices, and anew for any other."""

import jax
import pytest
from small_groups import plan_for, plans_for

import jaxtune
from jaxtune.training import program as module
from jaxtune.training.program import MOST_KEPT, make_mesh, recent_program

TRACE = "/jax/core/compile/jaxpr_trace_duration"


@pytest.fixture(autouse=True)
def as_users_have_it(recent_programs, monkeypatch):
    """Few programs are kept, and none of other tests."""
    recent_programs.cache_clear()
    monkeypatch.setattr(module, "_made", recent_programs)


def test_the_same_program_again(tiny):
    plan, again = (plan_for(tiny, "--num_seeds", "4") for _ in range(2))
    assert plan is not again
    assert plan.compile(4) is again.compile(4)
    assert plan.compile(8) is not plan.compile(4)
    (other,) = plans_for(tiny, "--max_steps", "9")
    assert other.compile(4) is not plan.compile(4)
    mesh = make_mesh(jax.devices()[:2])
    assert recent_program(plan.static, mesh, 4, plan.task.model) is not plan.compile(4)


def test_few_are_kept(tiny):
    plan = plan_for(tiny, "--num_seeds", "4")
    first = plan.compile(4)
    for size in range(2, MOST_KEPT + 2):
        plan.compile(4 * size)
    assert plan.compile(4) is not first


@pytest.mark.slow
def test_a_second_sweep_traces_no_training_step(tiny, tmp_path):
    traced = []

    def note(event, seconds, **about):
        if event == TRACE and about.get("fun_name") == "train":
            traced.append(about["fun_name"])

    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        flags = {"model": tiny, "task": "miniature", "num_seeds": 2, "max_steps": 3}
        for number, rate in enumerate((1e-4, 1e-3)):  # a traced value
            before = len(traced)
            jaxtune.run_sweep(**flags, learning_rate=rate, out=tmp_path / str(number))
            assert (len(traced) > before) == (number == 0), traced
    finally:
        jax.monitoring.unregister_event_duration_listener(note)
