"""Who is said to be the better one is who the test says is: never by numbers that it did not
compare.
"""

import numpy as np
import pytest
from made_up import made_up_arm

from jaxtune.stats.grid_words import keep, over_grid
from jaxtune.stats.main_effects import main_effects
from jaxtune.stats.tasks_words import judge_tasks
from jaxtune.stats.verdict import judge

RNG = np.random.default_rng(0)


def scores(*parts):
    """Of (mean, number) pairs, none like another."""
    return np.concatenate([mean + 1e-3 * np.arange(number) / number for mean, number in parts])


def failures(failed, n, name, **settings):
    """0.5 where a trial failed, around 0.8 elsewhere."""
    return made_up_arm(scores((0.5, failed), (0.8, n - failed)), name, trivial=0.6, **settings)


def test_an_arm_that_more_often_scores_better_has_no_better_mean():
    """Ranks favour the arm with a few very bad trials, and its mean is the lower one."""
    mostly_better = made_up_arm(scores((0.80, 13), (0.20, 3)), "a", trivial=0.1)
    even = made_up_arm(scores((0.75, 16)), "b", trivial=0.1, seeds=range(100, 116))
    found = judge([mostly_better, even])
    (pair,) = found.comparisons
    assert pair.tests.location.test == "Welch's t test and its permutation test"
    assert pair.tests.location.p > 0.1
    assert pair.effects.mean.low < 0 < pair.effects.mean.high
    assert "scores higher" not in found.text
    assert "it scores lower" not in found.text


def test_means_of_arms_that_share_most_seeds_are_of_those_seeds():
    """On each of 8 shared seeds [a] is the better one; 8 more of its trials are worse."""
    shared = scores((0.74, 8))
    one = made_up_arm([*shared + 0.01, *scores((0.64, 8))], "a", trivial=0.1)
    other = made_up_arm(shared, "b", trivial=0.1)
    found = judge([one, other])
    (pair,) = found.comparisons
    assert pair.effects.mean.value == pytest.approx(0.01)
    assert pair.means == (pytest.approx(shared.mean() + 0.01), pytest.approx(shared.mean()))
    assert (pair.better_first.one, pair.turned().better_first.one) == ("a", "a")
    assert "[a] scores higher than [b] (mean 0.750 against 0.740" in found.text


def test_the_lower_error_is_the_better_mean():
    errors = {"a": 1.0, "b": 2.0}
    arms = [
        made_up_arm(scores((mean, 16)), name, trivial=5.0, higher_is_better=False, metric="mse")
        for name, mean in errors.items()
    ]
    (pair,) = judge(arms).comparisons
    assert pair.better_first.one == "a"


def grid_of_unequal_cells():
    """[true] fails less in either cell, and more over both: it was run most where all fail."""
    return [
        failures(0, 20, "easy true", rate="easy", correction=True),
        failures(18, 100, "easy false", rate="easy", correction=False),
        failures(62, 100, "hard true", rate="hard", correction=True),
        failures(23, 24, "hard false", rate="hard", correction=False),
    ]


def test_cells_of_different_sizes_do_not_turn_a_main_effect_round():
    effects = main_effects(grid_of_unequal_cells())
    (correction,) = [effect for effect in effects if effect.setting == "correction"]
    assert correction.fewer_failures == "true"
    assert correction.more_failures == "false"
    (sentence,) = [text for text in over_grid(effects) if "correction=true" in text]
    assert (
        "correction=true fails less often than correction=false: 62 of 120 trials against 41 of"
        " 124 in all, which cells of different sizes turn round: in 2 of 2 it fails less often."
    ) in sentence
    assert "correction=true" in keep(effects)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_mean_of_a_main_effect_has_the_sign_of_its_test(sign):
    """Better by 0.01 in two quiet cells and worse by 0.06 in a noisy one: the mean over cells of
    the raw scores, -0.013, is not what the test is of. An error is better where it is lower.
    """
    noise = np.linspace(-1, 1, 32) * sign
    cells = [(0.005, 0.80, 0.79), (0.005, 0.80, 0.79), (0.15, 0.60, 0.66)]
    arms = [
        made_up_arm(
            sign * (mean + std * noise),
            f"{rate} {name}",
            trivial=2.0,
            higher_is_better=sign > 0,
            metric="accuracy" if sign > 0 else "mse",
            rate=rate,
            correction=name,
        )
        for rate, (std, *means) in enumerate(cells)
        for name, mean in zip((True, False), means, strict=True)
    ]
    (correction,) = [e for e in main_effects(arms) if e.setting == "correction"]
    assert (correction.one, correction.other) == ("true", "false")
    assert correction.location_gap > 0.2
    assert correction.corrected_location.p < 0.01


def test_recipes_that_win_in_a_circle_have_no_leader():
    tasks = {}
    for first, second, on in (("a", "b", "12"), ("b", "c", "34"), ("c", "a", "56")):
        for task in on:
            tasks[task] = {first: failures(0, 16, first), second: failures(10, 16, second)}
    found = judge_tasks(tasks)
    assert len(found.wins) == 3
    assert found.leaders == ()
    assert found.more_stable == (
        "No recipe leads: each of [b], [a] and [c] was shown to be less stable than another."
    )
    assert "none of" not in found.more_stable


def test_pairs_that_share_unlike_many_tasks_are_said_to():
    tasks = {
        str(i): {"a": failures(0, 16, "a"), "c": failures(12, 16, "c")}
        | ({"b": failures(9, 16, "b")} if i < 2 else {})
        for i in range(5)
    }
    found = judge_tasks(tasks)
    assert found.leaders == ("a",)
    assert found.more_stable.endswith(
        "over 2 to 5 tasks: 0 of 32 trials failed against 18 of 32 of [b]."
    )


def test_no_number_of_looks_keeps_a_spread_from_being_shown():
    """A permutation test gives no p below 2 / resamples; 64 times that is above the level."""
    tasks = {
        task: {
            name: made_up_arm(RNG.normal(0.8, std, 16), name, trivial=0.1)
            for name, std in (("a", 0.001), ("b", 0.03), ("c", 0.03))
        }
        for task in ("rte", "mrpc")
    }
    assert judge_tasks(tasks, times=64.0).leaders == ("a",)
