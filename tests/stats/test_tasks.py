"""Recipes over several tasks: known answers, and how often equal recipes are called different."""

import numpy as np
import pytest
from drawn_scores import bimodal
from made_up import made_up_arm
from scipy import stats

from jaxtune.stats.profiles import LEVELS, aggregate, normalised
from jaxtune.stats.stratified_tests import stratified_location
from jaxtune.stats.tasks import over_tasks, rankings
from jaxtune.stats.tasks_words import judge_tasks

FLOORS = {"rte": 0.527, "mrpc": 0.812, "cola": 0.0}


def arm(name, scores, task, **more):
    return made_up_arm(scores, name, trivial=FLOORS[task], task=task, **more)


def made_up_tasks(counts, n=16, seed=0, shift=0.0):
    """Recipes by name -> how many of n trials fail on each task; the rest scatter."""
    rng = np.random.default_rng(seed)
    tasks = {}
    for place, (task, floor) in enumerate(FLOORS.items()):
        tasks[task] = {
            name: arm(
                name,
                [*[floor] * own[place], *rng.normal(floor + 0.1, 0.02, n - own[place]) + i * shift],
                task,
            )
            for i, (name, own) in enumerate(counts.items())
        }
    return tasks


def test_evidence_adds_up_over_tasks():
    """On no task by itself would these counts be enough."""
    tasks = made_up_tasks({"off": (6, 5, 6), "on": (1, 1, 1)})
    found = judge_tasks(tasks)
    assert found.leaders == ("on",)
    assert found.more_stable == (
        "[on] is more stable than [off] over 3 tasks: 3 of 48 trials failed against 17 of 48."
    )
    assert "(exact stratified test, p = 0.00" in found.how_sure
    assert found.next_step == "Use [on] on tasks like these."
    (win,) = found.wins
    assert win.against == ()
    assert "These 3 tasks" not in found.more_stable
    assert found.notes[-1].startswith("This is about these 3 tasks: they are few")


def test_a_task_that_disagrees_is_named():
    found = judge_tasks(made_up_tasks({"off": (12, 10, 1), "on": (1, 1, 3)}))
    assert found.more_stable.endswith("against 23 of 48; on cola it is the other way round.")
    assert found.next_step.endswith("and look at cola by itself.")
    assert any("On cola it is the other way round: of [on] 3 of 16" in n for n in found.notes)


def test_tasks_of_different_sizes_do_not_turn_the_answer_round():
    """Simpson's paradox: `b` fails less on both tasks and more in the sum."""
    counts = {"rte": ((4, 40), (0, 8)), "cola": ((8, 8), (30, 40))}
    rng = np.random.default_rng(0)
    tasks = {
        task: {
            name: arm(
                name, [*[FLOORS[task]] * k, *rng.normal(FLOORS[task] + 0.1, 0.02, n - k)], task
            )
            for name, (k, n) in zip("ab", pair, strict=True)
        }
        for task, pair in counts.items()
    }
    (pair,) = over_tasks(tasks)
    assert pair.failed[0] / pair.trials[0] < pair.failed[1] / pair.trials[1]
    assert pair.excess > 0


def test_spread_and_mean_over_tasks():
    rng = np.random.default_rng(1)
    tasks = {
        task: {
            "wide": arm("wide", rng.normal(floor + 0.1, 0.03, 12), task),
            "steady": arm("steady", rng.normal(floor + 0.1, 0.01, 12), task),
        }
        for task, floor in FLOORS.items()
    }
    found = judge_tasks(tasks)
    assert found.leaders == ("steady",)
    assert "its scores vary less (" in found.more_stable
    (pair,) = found.pairs
    assert np.exp(pair.log_std_ratio) == pytest.approx(3, rel=0.5)
    better = made_up_tasks({"a": (0, 0, 0), "b": (0, 0, 0)}, shift=0.03)
    found = judge_tasks(better)
    assert found.leaders == ()
    assert "neither [a] nor [b] was shown to be more stable" in found.more_stable
    assert any(
        note.startswith("[b] scores better than [a] over tasks (p ≤") for note in found.notes
    )


def test_failures_that_are_alike_are_no_small_spread():
    """Nearly all of `off` ends at the floor: the smaller std is no sign of stability."""
    tasks = made_up_tasks({"off": (15, 16, 16), "on": (6, 6, 6)})
    found = judge_tasks(tasks)
    assert found.leaders == ("on",)
    (note,) = [note for note in found.notes if "no stability" in note]
    assert note.startswith("The std of [off] is the smaller one over tasks (p ≤ 0.0")
    assert note.endswith(
        ", but 47 of its 48 trials failed against 18 of 48: failures are alike, which is no"
        " stability."
    )
    # Where the steadier recipe fails less, there is nothing to say.
    found = judge_tasks(made_up_tasks({"off": (8, 8, 8), "on": (0, 0, 0)}))
    assert not [note for note in found.notes if "no stability" in note]


def test_of_one_task_the_location_test_is_the_permutation_test_of_the_mean():
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.70, 0.02, 9), rng.normal(0.72, 0.02, 12)
    found = stratified_location([(arm("a", a, "rte"), arm("b", b, "rte"))])
    expected = stats.permutation_test(
        (a, b), lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis), n_resamples=20_000, rng=0
    )
    assert found.p == pytest.approx(expected.pvalue, abs=0.01)


def test_ranks_are_means_over_tasks():
    found = rankings(made_up_tasks({"a": (0, 2, 2), "b": (4, 4, 2)}))
    assert found["a"].by_failures == pytest.approx((1 + 1 + 1.5) / 3)
    assert found["b"].by_failures == pytest.approx((2 + 2 + 1.5) / 3)
    partly = made_up_tasks({"a": (0, 0, 0), "b": (1, 1, 1)})
    del partly["cola"]["b"]
    assert set(rankings(partly)) == {"a"}
    assert over_tasks(partly)[0].tasks == ("rte", "mrpc")


def test_recipes_that_share_no_two_tasks_are_not_compared():
    tasks = made_up_tasks({"a": (0, 0, 0)})
    tasks["rte"] |= {"b": tasks["rte"]["a"]}
    assert "No two recipes were run on two tasks" in judge_tasks(tasks).more_stable


def false_verdicts(rates, n, repeats, tasks=FLOORS):
    """Share of comparisons of two equal recipes in which one was called more stable."""
    rng, found = np.random.default_rng(n), 0
    for seed in range(repeats):
        drawn = {
            task: {name: made_up_arm(bimodal(rng, n, rate), name, trivial=0.55) for name in "ab"}
            for task, rate in zip(tasks, rates, strict=True)
        }
        found += bool(judge_tasks(drawn, seed).wins)
    return found / repeats


def test_equal_recipes_are_rarely_called_different_over_tasks():
    """0.05 and three and a half standard errors."""
    assert false_verdicts((0.0, 0.1, 0.5), 8, 60) <= 0.15


@pytest.mark.storm
@pytest.mark.parametrize(("rates", "n"), [((0.0, 0.1, 0.5), 8), ((0.3, 0.3, 0.3), 16)])
def test_equal_recipes_are_rarely_called_different_over_tasks_in_many_sweeps(rates, n):
    assert false_verdicts(rates, n, 400) <= 0.088


def test_scores_have_a_common_scale():
    assert normalised(arm("a", [0.527, 1.0], "rte")) == pytest.approx([0, 1])
    error = made_up_arm([2.0, 0.0, 1.0], trivial=2.0, metric="mse", higher_is_better=False)
    assert normalised(error) == pytest.approx([0, 1, 0.5])
    assert normalised(made_up_arm([71.0, 72.0], trivial=50.0, metric="bleu")) is None


def test_iqm_and_profile_are_of_all_tasks():
    arms = [arm("a", np.linspace(f, 1, 9), task) for task, f in FLOORS.items()]
    found = aggregate(arms)
    together = np.concatenate([np.linspace(0, 1, 9)] * 3)
    assert found.iqm.value == pytest.approx(stats.trim_mean(together, 0.25))
    assert found.iqm.low < found.iqm.value < found.iqm.high
    above = [(together > level).mean() for level in LEVELS]
    assert found.profile.share == pytest.approx(np.array(above), abs=0.12)  # ties at a level
    assert (found.profile.low <= found.profile.share).all()
    bleu = made_up_arm(np.linspace(71.0, 73.0, 8), trivial=50.0, metric="bleu")
    assert aggregate([arms[0], bleu]) is None
    likely = made_up_arm(np.linspace(-0.5, -0.1, 8), trivial=-0.69, metric="log_likelihood")
    assert aggregate([arms[0], likely]) is None
    few = arm("a", np.linspace(0.6, 1, 7), "rte")
    assert aggregate([arms[0], few]) is None


@pytest.mark.storm
def test_the_interval_of_the_iqm_holds_the_true_one():
    """16 trials on three tasks, drawn within tasks."""
    rng, held = np.random.default_rng(0), []
    for _ in range(300):
        arms = [
            arm("a", rng.normal(f + 0.3 * (1 - f), 0.03 * (1 - f), 16), t)
            for t, f in FLOORS.items()
        ]
        iqm = aggregate(arms).iqm
        held.append(iqm.low <= 0.3 <= iqm.high)
    assert np.mean(held) > 0.87


def test_of_few_trials_a_task_no_ratio_of_stds_is_given():
    """It is not tested, and 1 would be no number of theirs."""
    few = {
        task: {name: arm(name, [0.9, 0.91, 0.9 + k / 10], task) for name, k in (("a", 1), ("b", 4))}
        for task in ("rte", "mrpc")
    }
    (pair,) = over_tasks(few)
    assert (pair.log_std_ratio, pair.spread.p) == (None, None)
    assert "has for failure rate p = 1, after Holm" in judge_tasks(few).how_sure
