"""The search for a group size on a device, with made-up figures for what a compiler says."""

import dataclasses
import math

import numpy as np
import pytest
from small_groups import custom_files, plan_for, plans_for

from jaxtune.core.accelerators import accelerator
from jaxtune.training import ahead, device_plan
from jaxtune.training.ahead import Described, bytes_beside
from jaxtune.training.device_plan import (
    Outlook,
    Size,
    between,
    outlook,
    schedule_of,
    thinned,
    with_ladder,
)
from jaxtune.training.roofline import Cost
from jaxtune.training.sizes import even, try_sizes


def size(trials, held=0, fits=True, seconds=1.0, again=0):
    return Size(trials, held, held, again, fits, Cost(seconds, 10.0, 0.0, 0.0))


def searched(most, limit, bytes_of, recomputes_from=10**9):
    """The sizes that were compiled, and those of them that fit."""
    asked = []

    def attempt(trials):
        asked.append(trials)
        held = bytes_of(trials)
        if held > 1.2 * limit:  # no room
            return size(trials, 0, False, math.inf)
        return size(trials, held, held <= limit and trials < recomputes_from)

    found = try_sizes(attempt, most, float(limit))
    assert len(asked) == len(set(asked))  # no program is compiled twice
    return asked, [each.trials for each in found if each.fits]


def test_two_sizes_foretell_what_fits():
    assert searched(25, 80, lambda n: 2 + 8 * n) == ([1, 2, 9, 4], [1, 2, 4, 9])


def test_waves_are_of_equal_size():
    assert [even(64, 20), even(25, 8), even(25, 40), even(3, 1)] == [16, 7, 25, 1]
    assert searched(64, 200, lambda n: 10 * n)[1][-1] == 16


def test_where_all_fit_two_are_not_asked():
    assert searched(16, 1000, lambda n: n) == ([1, 16, 6], [1, 6, 16])
    assert searched(1, 10, lambda n: n) == ([1], [1])


def test_what_xla_recomputes_does_not_fit():
    asked, fits = searched(25, 80, lambda n: 2 + 8 * n, recomputes_from=6)
    assert asked == [1, 2, 9, 7, 5, 3]  # in 3, 4 and 5 waves
    assert fits == [1, 2, 3, 5]


def test_one_alone_or_none():
    assert searched(25, 80, lambda n: 50 * n) == ([1, 2], [1])
    assert searched(25, 80, lambda n: 90 * n) == ([1], [])
    assert searched(25, 80, lambda n: 900 * n) == ([1], [])


def test_hours_are_waves_of_steps_and_evaluations(tiny):
    plan = plan_for(tiny, "--num_seeds", "10", "--eval_every", "2")  # six steps
    made = Outlook(accelerator("h100"), plan, (), None, evaluation_seconds=0.5)
    # Three waves of four lanes, two of them idle: six steps and three evaluations each.
    assert made.hours(size(4, seconds=2.0)) == pytest.approx(3 * (6 * 2 + 3 * 0.5 * 4) / 3600)
    assert made.seeds_per_hour(size(4, seconds=2.0)) == pytest.approx(10 * 3600 / 54)


def test_hours_know_of_the_stop_step_and_of_further_sets(tiny, tmp_path):
    further = tmp_path / "other.csv"
    base = ("--num_seeds", "1", "--eval_every", "2")
    plain = plan_for(tiny, *base)
    assert plain.evaluations == 3
    assert plan_for(tiny, *base, "--early_stop", "0.5").evaluations == 4  # after 3 of 6 steps
    assert plan_for(tiny, *base, "--early_stop", "0.6").evaluations == 3  # after 4
    dev = plain.task.dev
    rows = [f"the dog sleeps,{place % 2}" for place in range(2 * len(dev))]
    further.write_text("\n".join(["text,label", *rows]) + "\n")
    files = ["--task", "custom", *custom_files(tmp_path), "--test_file", str(further)]
    asked = plan_for(tiny, *base, *files)
    (plan,) = (each.plan for each in asked.task.further.values())
    assert asked.evaluations == 3 + plan.source.size / asked.task.eval_plan.source.size
    assert asked.evaluations > 3


def test_what_lies_beside_the_train_program(tiny):
    plain = plan_for(tiny, "--num_seeds", "2")
    model = sum(leaf.size * 4 for leaf in leaves(plain.task.model))
    beside = bytes_beside(plain, 2)
    assert model < beside
    kept = plan_for(tiny, "--num_seeds", "2", "--save_params", "best")
    assert bytes_beside(kept, 2) == beside + 2 * model
    final = plan_for(tiny, "--num_seeds", "2", "--save_params", "final")
    assert bytes_beside(final, 2) == beside
    # A step that reads the starting point has the shared model among its own arguments.
    mixed = plan_for(tiny, "--num_seeds", "2", "--mixout", "0.5")
    assert bytes_beside(mixed, 2) == beside - model


@pytest.mark.usefixtures("all_rungs")
def test_row_counts_by_the_orders_of_the_trials(tiny):
    (plan,) = plans_for(tiny, "--num_seeds", "3", "--batch_size", "4")
    schedule = schedule_of(plan, 1)
    assert len(schedule.rungs) == len(plan.shape.ladder) > 1
    assert sum(schedule.rungs) == pytest.approx(1)
    assert schedule.steps == min(64, plan.num_steps)


def test_the_fastest_that_fits_is_taken(tiny, monkeypatch):
    plan = plans_for(tiny, "--num_seeds", "8")[0]
    seconds = {1: 1.0, 8: 12.0, 4: 2.0}
    told = []
    monkeypatch.setattr(device_plan, "described_devices", lambda _: [None])
    monkeypatch.setattr(
        device_plan,
        "compile_train",
        lambda plan, _: Described(2**20 * plan.per_device, f"{plan.per_device}"),
    )
    monkeypatch.setattr(device_plan, "compile_evaluate", lambda *_: Described(1, "8"))
    monkeypatch.setattr(
        device_plan,
        "cost",
        lambda text, device, schedule=None: Cost(seconds[int(text)], 8.0, 0.0, 0.0),
    )
    seen = outlook(plan, accelerator("h100"), told.append)
    assert told == [1, 8, 4]
    assert [each.trials for each in seen.sizes] == [1, 4, 8]
    assert seen.best is not None
    assert seen.best.trials == 4
    assert 0 < seen.wall_share < 1
    (asked,) = plans_for(tiny, "--num_seeds", "8", "--trials_per_device", "4")
    assert [each.trials for each in outlook(asked, accelerator("l4"), told.append).sizes] == [4]


def test_a_size_fits_whose_evaluation_does(tiny, monkeypatch):
    """Eight trials train in less than the card has, and evaluate in more."""
    plan, card = plans_for(tiny, "--num_seeds", "8")[0], accelerator("h100")
    monkeypatch.setattr(device_plan, "described_devices", lambda _: [None])
    monkeypatch.setattr(device_plan, "compile_train", lambda plan, _: Described(2**20, ""))
    a_trial = card.memory // 8
    monkeypatch.setattr(
        device_plan, "compile_evaluate", lambda plan, _: Described(a_trial * plan.per_device, "")
    )
    monkeypatch.setattr(device_plan, "cost", lambda *_: Cost(1.0, 8.0, 0.0, 0.0))
    seen = outlook(plan, card, lambda _: None)
    assert [(each.trials, each.fits) for each in seen.sizes] == [(1, True), (4, True), (8, False)]
    assert seen.sizes[-1].all_bytes > 8 * a_trial
    assert seen.best is not None
    assert seen.best.trials == 4
    assert seen.evaluation_seconds == 1 / 4


@pytest.mark.slow
def test_a_group_of_shapes_puts_nothing_on_a_device(tiny):
    """The program that is compiled ahead, lowered for this machine's own devices."""
    import jax

    plan = plans_for(tiny, "--num_seeds", "3")[0]
    plan = plan.stacking(2)
    program, inputs = ahead._group(plan, jax.devices()[:1])
    arguments = inputs.train_arguments(program.place(inputs.state_shapes()), 0, 1)
    held = [leaf for leaf in leaves(arguments) if isinstance(leaf, jax.Array)]
    assert held == []
    compiled = ahead.compile_train(plan, jax.devices()[:1])
    assert compiled is not None
    assert compiled.bytes_held > 2 * 12 * sum(leaf.size for leaf in leaves(plan.task.model))


def leaves(tree):
    import jax

    return jax.tree.leaves(tree)


def test_of_a_long_ladder_three_rungs_are_compiled_and_stand_for_all():
    ladder = (9, 10, 11, 12, 14, 16, 20)
    few = thinned(ladder)
    assert few == (9, 12, 20)
    assert thinned(ladder[:4]) == ladder[:4]
    shares = (0.1, 0.2, 0.1, 0.0, 0.3, 0.2, 0.1)
    seen = between(few, ladder, shares)
    assert sum(seen) == pytest.approx(sum(shares))
    # What grows evenly with the rows is the same to the last digit.
    assert np.dot(seen, few) == pytest.approx(np.dot(shares, ladder))
    assert between(ladder, ladder, shares) == shares


def test_a_thinned_plan_is_the_same_but_for_its_rungs(tiny):
    plan = plan_for(tiny, "--num_seeds", "2").stacking(1)
    top = plan.static.ladder[-1:]
    assert with_ladder(plan, top).static == dataclasses.replace(plan.static, ladder=top)
    assert with_ladder(plan, plan.static.ladder) is plan
