"""How many trials run at once on an accelerator, with made-up memory, bytes and seconds."""

import jax
import pytest
from small_groups import plans_for

from jaxtune.core.records import AtOnce
from jaxtune.training import ahead, group_size
from jaxtune.training.ahead import Described
from jaxtune.training.group_size import how_sized, sized
from jaxtune.training.plan import make_plans
from jaxtune.training.plan_facts import plan_facts
from jaxtune.training.sizes import Probe, Tried, find_largest

REPEATED = "  %fusion.3.remat = f32[2] fusion()\n"


@pytest.fixture
def card(monkeypatch):
    """A card of some bytes whose programs hold `bytes_of(trials)` and take `seconds` a step; one
    that has no entry there runs out of memory when it is tried.
    """

    def has(memory, bytes_of, seconds, recomputes_from=10**9):
        told = {"compiled": [], "timed": []}

        def compile_train(plan, devices):
            told["compiled"].append(plan.per_device)
            held = bytes_of(plan.per_device)
            if held > 2 * memory:
                return None
            return Described(held, REPEATED if plan.per_device >= recomputes_from else "")

        def probe(plan):
            told["timed"].append(plan.per_device)
            if plan.per_device not in seconds:
                raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory (injected)")
            return Probe(1.0, seconds[plan.per_device], 0.5, 100)

        monkeypatch.setattr("jaxtune.training.plan.stacks_trials", lambda *_: True)
        monkeypatch.setattr(group_size, "memory_limit", lambda: memory)
        monkeypatch.setattr(group_size, "compile_train", compile_train)
        monkeypatch.setattr(group_size, "compile_evaluate", lambda *_: Described(0, ""))
        for name in ("bytes_beside", "bytes_beside_evaluation"):
            monkeypatch.setattr(group_size, name, lambda plan, trials: 0)
        monkeypatch.setattr(group_size, "probe", probe)
        return told

    return has


def plan_on_card(tiny, *flags):
    """64 seeds on four devices: 16 for each."""
    (plan,) = plans_for(tiny, "--num_seeds", "64", "--max_steps", "100", *flags)
    return plan


def test_of_the_sizes_that_fit_the_fastest_per_seed_is_taken(tiny, card):
    told = card(100, lambda n: 2 + 8 * n, {1: 1.0, 4: 2.0, 8: 8.5})
    plan = sized(plan_on_card(tiny))
    assert told == {"compiled": [1, 2, 8, 4], "timed": [1, 4, 8]}
    assert (plan.per_device, plan.group_size) == (4, 16)
    assert [len(group) for group in plan.groups] == [16] * 4
    facts = plan_facts(plan)["sizes_tried"]
    assert [each["trials_per_device"] for each in facts] == [1, 2, 4, 8]
    assert [each["step_seconds"] for each in facts] == [1.0, None, 2.0, 8.5]
    assert [each["bytes"] for each in facts] == [10, 18, 34, 66]
    assert facts[2]["hours"] == pytest.approx(4 * (100 * 2.0 + 8 * 0.5) / 3600, rel=0.05)
    said = how_sized(plan)
    assert said is not None
    assert "by trials at once on a device: 1: " in said
    assert said.endswith("; 4 trials at once.")


def test_one_at_a_time_takes_the_whole_ladder(tiny, card):
    card(1000, lambda n: n, {1: 0.1, 6: 3.0, 16: 9.0})
    plan = sized(plan_on_card(tiny))
    assert plan.per_device == 1
    assert plan.shape == plan_on_card(tiny, "--trials_per_device", "4").stacking(1).shape


def test_what_xla_recomputes_does_not_fit(tiny, card):
    told = card(100, lambda n: 2 + 8 * n, {1: 1.0, 3: 2.0, 4: 2.5}, recomputes_from=6)
    plan = sized(plan_on_card(tiny))
    assert told["compiled"] == [1, 2, 8, 6, 4, 3]  # in 2, 3 and 4 waves
    assert [each.trials for each in plan.tried if each.fits] == [1, 2, 3, 4]
    assert plan.per_device == 4


def test_a_size_that_runs_out_when_it_is_tried_is_left(tiny, card):
    card(100, lambda n: 2 + 8 * n, {1: 1.0, 4: 1.0})
    plan = sized(plan_on_card(tiny))
    assert plan.per_device == 4
    assert [each.trials for each in plan.tried if not each.fits] == [8]


@pytest.mark.parametrize("bytes_of", [lambda n: 60 * n, lambda n: 95 * n, lambda n: 900 * n])
def test_where_one_fits_or_none_nothing_is_timed(tiny, card, bytes_of):
    told = card(100, bytes_of, {})
    plan = sized(plan_on_card(tiny))
    assert plan.per_device == 1
    assert told["timed"] == []
    assert how_sized(plan) is None


def test_what_is_settled_is_not_sought(tiny, card):
    told = card(100, lambda n: n, {})
    assert sized(plan_on_card(tiny, "--trials_per_device", "3")).group_size == 12
    begun = plan_on_card(tiny)
    # Of an older version: the row tells of the group alone.
    (resumed,) = make_plans(begun.trials, finished={0: AtOnce(20, None)})
    assert sized(resumed).group_size == 20
    assert told == {"compiled": [], "timed": []}


@pytest.mark.parametrize("before", [AtOnce(16, 4), AtOnce(8, None)])
def test_on_another_number_of_devices_a_sweep_keeps_its_number_on_each(tiny, monkeypatch, before):
    """Four devices ran four each, and now there is one; or nobody knows, but no more were asked."""
    begun = plan_on_card(tiny, "--trials_per_device", "4")
    one = jax.devices()[:1]
    monkeypatch.setattr(jax, "devices", lambda: one)
    (resumed,) = make_plans(begun.trials, finished={0: before})
    assert resumed.per_device == 4
    assert resumed.group_size == 4


def test_a_device_that_does_not_say_what_it_has_runs_one_at_a_time(tiny, card):
    card(None, lambda n: n, {})
    assert sized(plan_on_card(tiny)).per_device == 1


def test_nothing_is_sought_on_cpu(tiny):
    (plan,) = plans_for(tiny, "--num_seeds", "32")
    assert sized(plan) is plan
    assert "sizes_tried" not in plan_facts(plan)


@pytest.mark.storm
def test_real_programs_within_a_made_up_limit(tiny, monkeypatch):
    """Compiled from shapes and timed on this machine's devices."""
    (settled,) = plans_for(tiny, "--num_seeds", "32", "--save_params", "all", "--max_steps", "4")
    one = ahead.compile_train(settled, settled.own_devices)
    assert one is not None
    monkeypatch.setattr("jaxtune.training.plan.stacks_trials", lambda *_: True)
    beside = ahead.bytes_beside(settled, 1)
    monkeypatch.setattr(group_size, "memory_limit", lambda: 4 * (one.bytes_held + beside))
    (plan,) = make_plans(settled.trials)
    assert plan.chosen is None
    plan = sized(plan)
    timed = [each for each in plan.tried if each.probe]
    assert timed[0].trials == 1
    assert 1 < timed[-1].trials < 8
    assert plan.per_device == min(timed, key=lambda each: each.hours).trials
    assert min(each.all_bytes for each in plan.tried) >= one.bytes_held + beside


def test_the_largest_alone_is_found_without_one_between():
    def attempt(n):
        return Tried(n, 10 * n, 0, n <= 20)

    assert [each.trials for each in find_largest(attempt, 64, 200.0)] == [1, 2, 16]
