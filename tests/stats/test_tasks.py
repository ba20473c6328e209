"""Recipes over several tasks: known answers, and how often equal recipes are called different."""

import numpy as np
import pytest
from drawn_scores import bimodal
from made_up import made_up_arm
from scipy import stats

from jaxtune.stats.hypothesis_tests import unpaired_location
from jaxtune.stats.profiles import LEVELS, aggregate, interquartile_mean, normalised
from jaxtune.stats.stratified_tests import stratified_location, stratified_spread
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
    # Of 2.81, 7.19 and 2.95; the one that chance moves most counts least.
    assert np.exp(pair.log_std_ratio) == pytest.approx(3.778, abs=0.001)
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


@pytest.mark.parametrize("sizes", [(9, 12), (8, 32), (32, 8)])
def test_of_one_task_the_location_test_is_that_of_two_arms(sizes):
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.70, 0.03, sizes[0]), rng.normal(0.71, 0.01, sizes[1])
    found = stratified_location([(arm("a", a, "rte"), arm("b", b, "rte"))])
    assert found.p == pytest.approx(unpaired_location(a, b).p, abs=0.01)
    assert found.effect == pytest.approx((a.mean() - b.mean()) / np.concatenate([a, b]).std())


def test_means_over_tasks_are_tested_by_welchs_t_with_satterthwaites_degrees():
    """Step by step: gaps and errors of two tasks in stds of a task's trials, and how certain their
    sum is. Dealing alone would give the smaller p, for the arm of few trials varies most.
    """
    rng = np.random.default_rng(8)
    pairs = [(rng.normal(0.71, 0.06, 8), rng.normal(0.7, 0.01, 32)) for _ in range(2)]
    gap = variance = parts = 0.0
    for pair in pairs:
        scale = np.concatenate(pair).std()
        gap += (pair[0].mean() - pair[1].mean()) / scale
        for sample in pair:
            error = sample.var(ddof=1) / sample.size / scale**2
            variance += error
            parts += error**2 / (sample.size - 1)
    expected = 2 * stats.t.sf(abs(gap) / variance**0.5, variance**2 / parts)
    arms = [(arm("a", a, "rte"), arm("b", b, "rte")) for a, b in pairs]
    found = stratified_location(arms, num_resamples=999)
    assert found.p == pytest.approx(expected)
    assert found.effect == pytest.approx(gap / 2)
    single = [(arm("a", a[:1], "rte"), arm("b", b, "rte")) for a, b in pairs]
    assert stratified_location(single).reason == "one trial has no std"
    assert stratified_location([*arms, *single], num_resamples=999) == found


def test_equal_means_over_tasks_are_rarely_called_different():
    """8 trials of a std of 0.06 against 32 of 0.01 on each of three tasks: by the sum of the gaps,
    not over its standard error, 31 of 100 were; 0.05 and three and a half standard errors.
    """
    rng, found = np.random.default_rng(11), []
    for seed in range(100):
        pairs = [
            (made_up_arm(rng.normal(0.7, 0.06, 8)), made_up_arm(rng.normal(0.7, 0.01, 32)))
            for _ in range(3)
        ]
        found.append(stratified_location(pairs, seed, 99).p <= 0.05)
    assert np.mean(found) <= 0.126


def of_three_tasks_and(*more):
    """The first varies less on three tasks; `more` are pairs of scores on further ones."""
    rng = np.random.default_rng(0)
    return [(rng.normal(0.7, 0.01, 16), rng.normal(0.7, 0.05, 16)) for _ in range(3)] + list(more)


EQUAL = np.full(16, 0.812)
ONE_APART = np.array([0.809] + [0.812] * 15)


@pytest.mark.parametrize(
    "more",
    [
        (ONE_APART, EQUAL),
        (EQUAL, ONE_APART),
        (np.random.default_rng(1).normal(0.8, 0.02, 16), EQUAL),
    ],
)
def test_a_task_on_which_an_arm_does_not_vary_does_not_drown_the_rest(more):
    """Its log ratio has no size: it stood at 20 where the others are 1.6, and p was 1, or 0.0002
    for the other recipe.
    """
    found = stratified_spread(of_three_tasks_and(more))
    assert found.p < 0.02
    assert found.effect < 0
    # A single trial that lies apart, in whichever arm, says nothing.
    alone = stratified_spread([(ONE_APART, EQUAL)])
    assert (alone.p, alone.effect) == (1, 0)


def test_a_task_counts_by_what_chance_makes_of_its_ratio():
    """Two tasks: of one 8 trials and of the other 64. The mean log ratio has the weights by which
    the test adds them up, one over the std of dealt ratios; the larger task counts for more.
    """
    rng = np.random.default_rng(4)
    few = rng.normal(0.7, 0.02, 8), rng.normal(0.7, 0.01, 8)
    many = rng.normal(0.7, 0.01, 64), rng.normal(0.7, 0.012, 64)
    ratios = [np.log(np.std(a, ddof=1) / np.std(b, ddof=1)) for a, b in (few, many)]
    dealt_ratios = []
    for pair in (few, many):
        pooled = np.concatenate([x - np.median(x) for x in pair])
        rows = rng.permuted(np.tile(pooled, (4000, 1)), axis=1)
        halves = np.split(rows, 2, axis=1)
        dealt_ratios.append(np.std(np.log(halves[0].std(axis=1) / halves[1].std(axis=1))))
    expected = np.average(ratios, weights=1 / np.array(dealt_ratios))
    assert stratified_spread([few, many]).effect == pytest.approx(expected, abs=0.01)


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


@pytest.mark.slow
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


def test_the_iqm_is_of_recipes_and_not_of_how_many_trials_a_task_has():
    """Both score 0.9 on one task and 0.6 on the other; of 64 + 8 and 8 + 64 trials the unweighted
    means of the middle half were 0.80 and 0.21 on the common scale.
    """
    found = []
    for sizes in ((64, 8), (8, 64)):
        scores = [np.full(size, mean) for size, mean in zip(sizes, (0.9, 0.6), strict=True)]
        found.append(aggregate([made_up_arm(own, trivial=0.5) for own in scores]).iqm.value)
    assert found == pytest.approx(
        [0.5, 0.5]
    )  # 0.8 and 0.2 after scaling, a quarter of the weight each


def test_a_trial_across_a_cut_counts_with_what_is_left_of_it():
    """Of 1, 2 and 3 with weights of a half and two quarters: half of the first and the second."""
    weights = np.array([0.25, 0.5, 0.25])
    assert interquartile_mean(np.array([3.0, 1.0, 2.0]), weights) == pytest.approx(1.5)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(5, 24))
    expected = stats.trim_mean(rows, 0.25, axis=1)
    assert interquartile_mean(rows, np.full(24, 1 / 24)) == pytest.approx(expected)


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
