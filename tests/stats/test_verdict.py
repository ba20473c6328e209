"""The words: what they claim, and what they must not claim."""

import numpy as np
import pytest
from made_up import made_up_arm, made_up_rows

from jaxtune.core.errors import UserError
from jaxtune.stats.arms import make_arms
from jaxtune.stats.power import power_of_failures
from jaxtune.stats.verdict import judge

RNG = np.random.default_rng(0)


def normal(mean, std, n):
    """Scores with exactly this mean and std."""
    x = RNG.normal(size=n)
    return mean + std * (x - x.mean()) / x.std(ddof=1)


def arm(name, scores, **settings):
    return made_up_arm(scores, name, **settings)


def test_the_arm_that_fails_less_is_more_stable_though_its_std_is_larger():
    off = arm("off", [0.6] * 25 + [*normal(0.65, 0.02, 7)], bias_correction=False)
    on = arm("on", normal(0.82, 0.05, 32), bias_correction=True)
    found = judge([off, on], num_dev=150)
    assert found.leader == "on"
    assert (
        found.more_stable
        == "[on] is more stable than [off]: 0 of 32 trials failed against 25 of 32."
    )
    assert "p < 0.0001 (Boschloo's exact test, after Holm over 3 tests)" in found.how_sure
    assert "higher by 78 points (95 % interval 58 to 89)" in found.how_sure
    assert found.next_step.startswith("Use bias_correction=true; of 5 seeds, expect the best")
    assert "because 25 of 32 trials failed and failures are alike" in found.text
    assert "Some trials give every dev example the same answer, 25 of 32 in [off]." in found.notes
    # Neither the order of the arms nor their names change who wins.
    assert judge([on, off]).leader == "on"
    assert judge([on, off]).how_sure == found.how_sure


def test_equal_failures_and_smaller_spread():
    wide, narrow = arm("wide", normal(0.8, 0.06, 20)), arm("narrow", normal(0.8, 0.01, 20))
    found = judge([wide, narrow])
    assert found.leader == "narrow"
    assert "its scores vary less (std 0.010 against 0.060)" in found.more_stable
    assert "the std of [wide] is larger by a factor of 6 (95 % interval" in found.how_sure


def test_an_arm_that_does_not_vary_has_no_factor():
    found = judge([arm("flat", [0.8] * 20), arm("wide", normal(0.8, 0.06, 20))])
    assert found.leader == "flat"
    assert found.how_sure.endswith("the scores of [flat] are all equal, those of [wide] vary.")


def test_a_small_std_of_failures_is_no_stability():
    """The spread differs beyond doubt and the failure rates do not: still no win."""
    alike = arm("alike", normal(0.55, 0.001, 24))
    failing = arm("failing", [*normal(0.5, 0.05, 22), 0.9, 0.8])
    found = judge([alike, failing])
    assert found.comparisons[0].holm.spread < 0.05
    assert found.leader is None
    assert found.wins == ()
    assert "Every trial of [alike] failed, so a small std there means nothing" in found.text


def test_all_trials_of_all_arms_failed():
    off = arm("off", [0.6] * 12, bias_correction=False)
    found = judge([off, arm("low", normal(0.55, 0.01, 12), bias_correction=False)])
    assert found.more_stable.startswith(
        "Nothing here is stable in any useful sense: every trial of"
    )
    assert found.next_step.startswith("Change the recipe before adding seeds: bias_correction=true")
    assert found.power is None
    on = judge([arm("a", [0.6] * 12, bias_correction=True), off])
    assert "a smaller learning_rate" in on.next_step


def test_no_difference_is_not_called_equal():
    found = judge([arm("a", normal(0.8, 0.03, 16)), arm("b", normal(0.8, 0.031, 16))])
    assert found.leader is None
    assert "Neither [a] nor [b] was shown to be more stable than the other" in found.more_stable
    assert "does not make them equal" in found.more_stable
    assert "a failure rate of [a] from 19 points below to 19 points above that of [b]" in (
        found.how_sure
    )
    assert "more than 256 seeds per arm for the spread" in found.next_step
    assert "No difference in the mean was shown" in found.text


def test_few_seeds_are_said_to_be_few():
    found = judge([arm("a", [0.71, 0.73, 0.7, 0.76]), arm("b", [0.72, 0.73, 0.72, 0.725])], 277)
    assert found.next_step.startswith("Run at least 7 seeds per arm, from which on every test can")
    assert "rough guess" in found.next_step
    assert "With 4 and 4 trials no test of spread or location" in found.text
    assert "an interval needs at least 8 trials" in found.how_sure
    assert (
        "The seed std of [a] and [b] is within the standard error of a dev set of 277" in found.text
    )


def test_the_seeds_that_would_decide_come_from_the_power_table():
    found = judge([arm("a", [0.5] * 3 + [*normal(0.8, 0.02, 13)]), arm("b", normal(0.8, 0.02, 16))])
    assert found.leader is None
    assert found.power is not None
    assert (
        power_of_failures(3 / 16, 0.0, 32, 0.05 / 3)
        < 0.8
        < power_of_failures(3 / 16, 0.0, 48, 0.05 / 3)
    )
    assert "8 times in 10 takes about 48 seeds per arm for the failure rate" in found.next_step


def test_a_stable_arm_that_scores_lower_is_said_to():
    steady = arm("steady", normal(0.7, 0.005, 20))
    better = arm("better", normal(0.85, 0.05, 20))
    found = judge([better, steady])
    assert found.leader == "steady"
    assert "[better] scores higher than [steady]" in found.text
    assert "so here stability costs score" in found.text


def test_an_arm_that_still_fails_is_started_more_than_once():
    """2 of 32 failures leave a rate of 20 % possible: two trials succeed in 96 of 100 cases, one in
    80.
    """
    often = arm("often", [0.5] * 24 + [*normal(0.8, 0.02, 8)])
    found = judge([often, arm("seldom", [0.5] * 2 + [*normal(0.8, 0.02, 30)])])
    assert found.leader == "seldom"
    assert "start at least 2" in found.next_step
    assert "even if 20% fail" in found.next_step


def test_one_of_three_arms_leads():
    bad = [arm(f"lr={i}", [0.5] * 20 + [*normal(0.8, 0.02, 4)], learning_rate=i) for i in (1, 2)]
    good = arm("lr=3", normal(0.8, 0.02, 24), learning_rate=3)
    found = judge([bad[0], good, bad[1]])
    assert found.leader == "lr=3"
    assert found.more_stable.startswith(
        "[lr=3] is more stable than [lr=1] and [lr=2], which is every"
    )
    assert "The least certain part of this has p < 0.0001" in found.how_sure
    assert "after Holm over 9 tests" in found.how_sure
    assert found.next_step.startswith("Use learning_rate=3;")
    same = judge([bad[0], good, arm("twin", normal(0.8, 0.02, 24), learning_rate=4)])
    assert "that was not shown, which does not make them equal" in same.more_stable


def test_many_arms_share_sentences():
    arms = [arm(f"{i}", [0.6, 0.5, *normal(0.8, 0.02, 6)]) for i in range(6)]
    found = judge(arms)
    assert found.more_stable.startswith("No arm was shown to be more stable than another ([0], [1]")
    assert "of the pair nearest to a difference, [" in found.how_sure
    assert "[0], [1], [2] and 3 more mix trials that failed with trials that did not" in found.text
    assert "1 of 8 in [0], 1 of 8 in [1], 1 of 8 in [2] and in 3 more arms." in found.text


def test_one_arm_has_nothing_to_compare():
    found = judge([arm("all", [0.5, *normal(0.8, 0.02, 9)])])
    assert "nothing to compare it with" in found.more_stable
    assert (
        "1 of 10 trials failed, which leaves a failure rate of 2% to 40% possible" in found.how_sure
    )
    assert found.comparisons == ()


def test_diverged_and_unscored_trials_are_named():
    found = judge([arm("a", [None, *normal(0.8, 0.02, 9)]), arm("b", normal(0.8, 0.02, 10))])
    assert "Some trials diverged, 1 of 10 in [a]: they count as failed" in found.text
    assert "Some trials have no finite score, 1 of 10 in [a]: they" in found.text


def test_most_trials_of_the_better_arm_may_still_fail():
    better = arm("better", [0.5] * 20 + [*normal(0.8, 0.02, 12)])
    found = judge([arm("worse", normal(0.5, 0.02, 32)), better])
    assert found.leader == "better"
    assert "go on changing the recipe, for most trials still fail" in found.next_step


def test_crossed_seeds_are_said_to_make_trials_dependent():
    rows = made_up_rows([*normal(0.8, 0.02, 9)])
    for number, row in enumerate(rows):
        row["init_seed"], row["order_seed"] = divmod(number, 3)
    assert (
        "Trials of [all] share seeds and are not independent"
        in judge(make_arms({"all": rows})).text
    )


def test_other_seeds_are_mentioned():
    one = arm("a", normal(0.8, 0.02, 10))
    other = made_up_arm(normal(0.8, 0.02, 10), "b", seeds=range(10, 20))
    assert "did not run the same seeds" in judge([one, other]).text
    assert "did not run the same seeds" not in judge([one, arm("b", one.final)]).text


def test_arms_of_two_tasks_are_refused():
    with pytest.raises(UserError, match="compare arms of one task and metric"):
        judge([arm("a", [0.7, 0.8]), arm("b", [0.7, 0.8], task="cola")])


DEGENERATE = [[0.9], [0.5], [None], [0.9, 0.5], [0.9, 0.9], [0.5, 0.5, 0.5], [None] * 3, [0.9] * 20]


@pytest.mark.parametrize("one", DEGENERATE)
@pytest.mark.parametrize("other", DEGENERATE)
def test_degenerate_arms_get_a_verdict_without_nan(one, other):
    text = judge([arm("a", one), arm("b", other)], num_dev=100).text
    assert "nan" not in text
    assert "None" not in text


def test_a_verdict_repeats_with_its_seed():
    arms = [arm("a", normal(0.8, 0.03, 12)), arm("b", normal(0.8, 0.05, 12))]
    assert judge(arms, seed=1).text == judge(arms, seed=1).text
    assert judge(arms, seed=1).comparisons != judge(arms, seed=2).comparisons


def with_stopped(name, scores, stopped, **settings):
    rows = made_up_rows(scores, name, **settings)
    for row in rows[:stopped]:
        row["stopped_at"] = 10
    (made,) = make_arms({name: rows})
    return made


def test_no_verdict_about_stability_over_selected_trials():
    chosen = with_stopped("few", [0.6] * 6 + [0.9, 0.8], 6, keep_trials=2, early_stop=0.3)
    found = judge([chosen, arm("all", normal(0.8, 0.1, 8), keep_trials=2)])
    assert found.leader is None
    assert "kept the best trials of [few] and stopped 6 others" in found.more_stable
    assert "because others had scored better, 6 of 8 in [few]" in found.notes[0]
    assert "run the sweep without keep_trials" in found.next_step


def test_trials_that_were_stopped_for_learning_nothing_are_named():
    failing = with_stopped("failing", [0.6] * 20 + [0.9, 0.8], 15, keep_trials=None)
    found = judge([failing, arm("fine", normal(0.8, 0.05, 22))])
    assert found.leader == "fine"
    assert "because they had learnt nothing, 15 of 22 in [failing]" in found.notes[0]


def test_a_single_failed_trial_is_one_trial():
    mixed = arm("mixed", [0.6, 0.9, 0.8, 0.85])
    assert "[mixed] mixes 1 trial that failed with 3 that did not" in judge([mixed]).text
