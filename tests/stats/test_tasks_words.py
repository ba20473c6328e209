"""The words of a verdict over several tasks, where a plain count or ratio would mislead."""

import numpy as np
import pytest
from made_up import made_up_arm

from jaxtune.stats.tasks import over_tasks
from jaxtune.stats.tasks_words import judge_tasks

FLOOR = 0.5


def recipe(name, n=16, failed=0, mean=0.8, std=0.02, **settings):
    """The trials that do not fail have exactly this mean and std."""
    rest = np.linspace(-1, 1, n - failed) if n - failed > 1 else np.zeros(n - failed)
    if rest.any():
        rest *= std / rest.std(ddof=1)
    return made_up_arm([*[FLOOR] * failed, *(mean + rest)], name, trivial=FLOOR, **settings)


def on_tasks(*by_task, **common):
    """Recipes by name on t1, t2 and so on, of which `by_task` has the settings of each."""
    return {
        f"t{place}": {name: recipe(name, **common | own) for name, own in recipes.items()}
        for place, recipes in enumerate(by_task, 1)
    }


def mean_notes(found):
    return [note for note in found.notes if "scores better" in note or "in the mean" in note]


def test_sums_that_tasks_of_different_sizes_turn_round_are_explained():
    """Simpson's paradox: [a] fails less on both tasks, and more in the sum."""
    found = judge_tasks(
        on_tasks(
            {"a": {"failed": 28, "n": 40}, "b": {"failed": 16, "n": 16}},
            {
                "a": {"failed": 0, "n": 12, "mean": 0.9, "std": 0.15},
                "b": {"failed": 20, "n": 60},
            },
        )
    )
    assert found.more_stable == (
        "[a] is more stable than [b] over 2 tasks: 28 of 52 trials failed against 36 of 76 in all,"
        " which tasks of different sizes turn round: on 2 of 2 [a] fails less often."
    )
    (note,) = [note for note in found.notes if "no stability" in note]
    assert note.endswith(
        "but 36 of its 76 trials failed against 28 of 52 in all, which tasks of different sizes"
        " turn round: on 2 of 2 [a] fails less often; failures are alike, which is no stability."
    )


def test_sums_that_turn_round_are_explained_beside_a_smaller_spread_too():
    near = {"mean": 0.55, "std": 0.001}
    wide = {"mean": 0.75, "std": 0.1}
    found = judge_tasks(
        on_tasks(
            {"a": near | {"failed": 14, "n": 24}, "b": wide | {"failed": 5, "n": 8}},
            {"a": near | {"failed": 0, "n": 8}, "b": wide | {"failed": 1, "n": 24}},
        )
    )
    assert found.more_stable.endswith(
        ", while no difference in failures was shown (14 of 32 against 6 of 32 in all, which tasks"
        " of different sizes turn round: on 2 of 2 [a] fails less often)."
    )


def test_failures_that_even_out_over_tasks_are_no_difference():
    """A third of a failure more than expected on one task and less on the other."""
    tasks = on_tasks(
        {"a": {"n": 8, "failed": 1}, "b": {"n": 16, "failed": 1}},
        {"a": {"n": 8, "failed": 0}, "b": {"n": 16, "failed": 1}},
    )
    (pair,) = over_tasks(tasks)
    assert pair.excess == 0


def test_where_every_trial_failed_more_seeds_are_no_advice():
    both = {"a": {"failed": 8}, "b": {"failed": 8}}
    found = judge_tasks(on_tasks(both, both, n=8, bias_correction=False))
    assert found.more_stable == (
        "Nothing here is stable in any useful sense: on every task every trial of [a] and [b]"
        " failed."
    )
    assert found.next_step.startswith("Change the recipe before adding seeds: bias_correction=true")
    # Of recipes that are not compared too.
    found = judge_tasks(on_tasks({"a": {"failed": 8}}, {"b": {"failed": 8}}, n=8))
    assert found.next_step.startswith("Change the recipe before adding seeds: ")
    # One trial that did not fail is enough for another answer.
    found = judge_tasks(on_tasks(both, {"a": {"failed": 7}, "b": {"failed": 8}}, n=8))
    assert "neither [a] nor [b] was shown to be more stable" in found.more_stable
    assert found.next_step.startswith("Run more seeds of each task")


def test_the_means_that_differ_are_named_and_the_pair_whose_do_not():
    every = {
        "a": {"std": 0.01},
        "b": {"mean": 0.801, "std": 0.011},
        "c": {"mean": 0.9, "std": 0.01},
    }
    found = judge_tasks(on_tasks(every, every))
    assert found.leaders == ()
    better, alike = mean_notes(found)
    assert better.startswith("[c] scores better than [a] and [b] over tasks (p ≤ 0.00")
    assert alike.startswith("No difference in the mean of [a] and [b] was shown over tasks (p = 0")
    lower = every | {"c": {"mean": 0.79, "std": 0.01}}
    better, _ = mean_notes(judge_tasks(on_tasks(every, lower, every)))
    assert "), though not than every one of them on t2, unless [c] fails in " in better


def test_no_difference_in_any_mean_is_said_of_all_pairs_with_the_nearest():
    two = {"a": {"mean": 0.8}, "b": {"mean": 0.801}}
    (note,) = mean_notes(judge_tasks(on_tasks(two, two)))
    assert note.startswith("No difference in the mean was shown over tasks (p = 0.")
    assert "nearest" not in note
    three = two | {"c": {"mean": 0.803}}
    (note,) = mean_notes(judge_tasks(on_tasks(three, three)))
    assert note.endswith(" for [a] and [c], the nearest pair).")


def test_means_that_win_in_a_circle_are_no_missing_difference():
    tasks = {}
    for better, worse, on in (("a", "b", "12"), ("b", "c", "34"), ("c", "a", "56")):
        for task in on:
            tasks[task] = {better: recipe(better, mean=0.9), worse: recipe(worse)}
    (note,) = mean_notes(judge_tasks(tasks))
    assert note.startswith("[a] scores better than [b] over tasks")


@pytest.mark.parametrize(
    ("steady", "wide", "said"),
    [
        ((0, 0), (0.03, 0.03), "its scores are all equal on every task, while"),
        ((0, 0.01), (0.03, 0.03), "its scores vary less, and on t1 not at all, while"),
        ((1e-5, 1e-5), (0.03, 0.03), "its scores hardly vary, while"),
        ((0.005, 0.005), (0.03, 0.03), "its scores vary less (6 times on average over tasks),"),
        # Where neither varies there is no ratio, nor anything to say.
        ((0, 0.005), (0, 0.03), "its scores vary less (6 times on average over tasks), while"),
        ((0.01, 1e-7, 1e-7), (0, 0.1, 0.1), "its scores vary less, while"),
    ],
)
def test_a_ratio_of_stds_is_given_where_it_is_one(steady, wide, said):
    pairs = zip(steady, wide, strict=True)
    found = judge_tasks(on_tasks(*({"a": {"std": a}, "b": {"std": b}} for a, b in pairs)))
    assert found.leaders == ("a",)
    assert f"[a] is more stable than [b] over {len(steady)} tasks: {said}" in found.more_stable


def test_of_several_pairs_it_is_said_beside_whom_scores_do_not_vary():
    every = {"a": {"std": 0}, "b": {"std": 0.03}, "c": {"std": 0.03}}
    found = judge_tasks(on_tasks(every, every))
    assert "its scores are all equal on every task, unlike those of [" in found.more_stable
    every = every | {"a": {"std": 1e-5}}
    found = judge_tasks(on_tasks(every, every))
    assert "its scores hardly vary beside those of [" in found.more_stable


def test_several_leaders_by_failures():
    every = {"a": {}, "b": {"failed": 1}, "c": {"failed": 14}}
    found = judge_tasks(on_tasks(every, every))
    assert found.leaders == ("a", "b")
    assert found.more_stable == (
        "[a] and [b] are each more stable than [c] over 2 tasks: 2 of 32 trials of [b] failed"
        " against 28 of 32 of [c]; between [a] and [b] that was not shown."
    )


def test_several_leaders_by_spread():
    every = {"a": {"std": 0.005}, "b": {"std": 0.005}, "c": {"std": 0.05}}
    found = judge_tasks(on_tasks(every, every))
    assert found.more_stable == (
        "[a] and [b] are each more stable than [c] over 2 tasks: the scores of [a] vary less than"
        " those of [c] (10 times on average over tasks), while no difference in failures was shown"
        " (0 of 32 against 0 of 32); between [a] and [b] that was not shown."
    )


def test_leaders_that_beat_others_each_name_all_that_were_beaten():
    """[a] and [c] meet on tasks of their own, as [b], [d] and [e] do; [e] is beaten by none."""
    first, second = (
        {"a": {}, "c": {"failed": 14}},
        {"b": {"failed": 4}, "d": {"failed": 14}, "e": {"failed": 9}},
    )
    found = judge_tasks(on_tasks(first, first, second, second))
    assert found.more_stable == (
        "[a] and [b] are each more stable than 1 of [c] and [d] over 2 tasks: 8 of 32 trials of [b]"
        " failed against 28 of 32 of [d]; between [a] and [b], and against [e] that was not shown."
    )
