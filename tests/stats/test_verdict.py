"""The words: what they claim, and what they must not claim."""

import numpy as np
import pytest
from made_up import arm, made_up_arm, normal

from jaxtune.stats.verdict import judge


def test_the_arm_that_fails_less_is_more_stable_though_its_std_is_larger():
    off = arm("off", [0.6] * 25 + [*normal(0.65, 0.02, 7)], bias_correction=False)
    on = arm("on", normal(0.82, 0.05, 32), bias_correction=True)
    found = judge([off, on], num_dev=150)
    assert found.leaders == ("on",)
    assert (
        found.more_stable
        == "[on] is more stable than [off]: 0 of 32 trials failed against 25 of 32."
    )
    assert found.how_sure.startswith(
        "Two equal recipes would differ this much in fewer than 1 of 10,000 such sweeps (Boschloo's"
        " exact test, p < 0.0001 after Holm over 2 tests); "
    )
    assert "higher by 78 points (97.5% interval 54 to 90)" in found.how_sure
    assert found.next_step.startswith("Use bias_correction=true; of 5 seeds, expect the best")
    # One note for one fact: the failures, that they are alike, and the std that this makes small.
    about = [note for note in found.notes if "[off] mixes" in note or "std of [off]" in note]
    (failures,) = about
    assert failures.startswith(
        "[off] mixes 25 trials that failed (each with one answer for every dev example) with"
        " 7 that did not"
    )
    assert failures.endswith("and failures alike make a std small.")
    # Neither the order of the arms nor their names change who wins.
    assert judge([on, off]).leaders == ("on",)
    assert judge([on, off]).how_sure == found.how_sure


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"bias_correction": True, "second_moment_init": 1.0}, True),
        ({"bias_correction": True, "second_moment_init": 1, "correct_moments": "second"}, True),
        ({"bias_correction": True, "second_moment_init": 1.0, "correct_moments": "first"}, False),
        ({"bias_correction": False, "second_moment_init": 1.0}, False),
        ({"bias_correction": True, "second_moment_init": 0.0}, False),
        ({"bias_correction": True, "second_moment_init": float("nan")}, False),
    ],
)
def test_a_second_moment_that_is_corrected_too_much_is_told(settings, told):
    arms = [arm("one", [0.8, 0.81, 0.82], bias_correction=True)]
    arms += [arm("other", [0.8, 0.82, 0.83], **settings)]
    notes = [note for note in judge(arms).notes if "corrected as if it had started from 0" in note]
    assert len(notes) == told
    assert all(note.startswith("The second moment of [other] starts") for note in notes)


def test_equal_failures_and_smaller_spread():
    wide, narrow = arm("wide", normal(0.8, 0.06, 20)), arm("narrow", normal(0.8, 0.01, 20))
    found = judge([wide, narrow])
    assert found.leaders == ("narrow",)
    assert "its scores vary less (std 0.010 against 0.060)" in found.more_stable
    assert "the std of [wide] is larger by a factor of 6 (97.5% interval" in found.how_sure


def test_an_arm_that_does_not_vary_has_no_factor():
    found = judge([arm("flat", [0.8] * 20), arm("wide", normal(0.8, 0.06, 20))])
    assert found.leaders == ("flat",)
    assert found.how_sure.endswith("the scores of [flat] are all equal, those of [wide] vary.")


def test_a_small_std_of_failures_is_no_stability():
    """The spread differs beyond doubt and the failure rates do not: still no win."""
    alike = arm("alike", normal(0.55, 0.001, 24))
    failing = arm("failing", [*normal(0.5, 0.05, 22), 0.9, 0.8])
    found = judge([alike, failing])
    assert found.comparisons[0].spread.p < 0.05
    assert found.leaders == ()
    assert found.wins == ()
    assert "Every trial of [alike] failed, so a small std there means nothing" in found.text


def test_all_trials_of_all_arms_failed():
    off = arm("off", [0.6] * 12, bias_correction=False)
    found = judge([off, arm("low", normal(0.55, 0.01, 12), bias_correction=False)])
    assert found.more_stable.startswith(
        "Nothing here is stable in any useful sense: every trial of"
    )
    assert found.next_step.startswith("Change the recipe before adding seeds: bias_correction=true")
    assert found.findable == ()
    on = judge([arm("a", [0.6] * 12, bias_correction=True), off])
    assert "another learning rate" in on.next_step


def test_no_difference_is_not_called_equal():
    found = judge([arm("a", normal(0.8, 0.03, 16)), arm("b", normal(0.8, 0.031, 16))])
    assert found.leaders == ()
    assert "Neither [a] nor [b] was shown to be more stable than the other" in found.more_stable
    assert "does not make them equal" in found.more_stable
    assert found.how_sure.startswith(
        "Two equal recipes would differ as much in failure rate in more than 50 of 100 such sweeps,"
        " and in spread in more than 50 of 100 (p = 1, p = 1 after Holm over 2 tests); still"
    )
    assert "a failure rate of [a] from 24 points below to 24 points above that of [b]" in (
        found.how_sure
    )
    assert "(97.5% intervals)" in found.how_sure
    # A test that was rejected is held to another level than the one that was not; here the smaller
    # std is no win.
    alike = judge([arm("a", [*[0.5] * 13, 0.61, 0.62, 0.63]), arm("b", [0.5] * 8 + [0.9] * 8)])
    assert alike.leaders == ()
    assert "(95% and 97.5% intervals)" in alike.how_sure
    assert "32 seeds per arm find a failure rate 30 points higher or a std" in found.next_step
    assert "128 seeds per arm find a failure rate 12 points higher or a std" in found.next_step
    assert "No difference in the mean was shown" in found.text


def test_few_seeds_are_said_to_be_few():
    found = judge([arm("a", [0.71, 0.73, 0.7, 0.76]), arm("b", [0.72, 0.73, 0.72, 0.725])], 277)
    assert "The spread of fewer than 8 trials is not tested" in found.text
    assert "an interval needs at least 8 trials" in found.how_sure
    assert (
        "The seed std of [a] and [b] is within the standard error of a dev set of 277" in found.text
    )


def test_four_seeds_decide_where_all_fail_against_none():
    """Location has no part in the correction, so that 4 against 4 are enough."""
    found = judge([arm("a", [0.5] * 4), arm("b", normal(0.8, 0.02, 4))])
    assert found.leaders == ("b",)
    assert "p = 0.016 after Holm over 2 tests" in found.how_sure
    assert found.next_step.startswith("Use [b]; the best of these 4 scored 0.8")


def test_a_stable_arm_that_scores_lower_is_said_to():
    """Hardly above the floor of 0.527, and steady: no advice without its price."""
    steady = arm("steady", normal(0.531, 0.001, 16), trivial=0.527)
    better = arm("better", normal(0.719, 0.04, 16), trivial=0.527)
    found = judge([better, steady])
    assert found.leaders == ("steady",)
    assert found.more_stable.endswith(
        ", but it scores lower than [better] (mean 0.531 against 0.719)."
    )
    assert found.next_step.startswith(
        "Use [steady] if steadiness matters more to you than the score;"
    )
    assert "[better] scores higher than [steady]" in found.text
    assert "so here stability costs score" in found.text


def test_a_higher_best_is_said_where_means_are_alike():
    found = judge([arm("wide", normal(0.8, 0.06, 20)), arm("narrow", normal(0.8, 0.01, 20))])
    assert found.leaders == ("narrow",)
    assert "but the best of 5 seeds of [wide] is expected to score higher (0.8" in found.more_stable


def test_an_arm_that_fails_more_does_not_win_by_spread():
    """Its std is smaller beyond doubt, and more of its trials fail."""
    worse = arm("worse", [0.6] * 12 + [*normal(0.62, 0.002, 20)])
    better = arm("better", [0.6] * 8 + [*normal(0.85, 0.05, 24)])
    found = judge([worse, better])
    assert found.comparisons[0].spread.p < 0.05
    assert found.wins == ()
    assert (
        "but 12 of 32 trials failed against 8 of 32: failures are alike, which is no stability."
        in found.text
    )


def test_a_winner_whose_seeds_scatter_is_told_so():
    """22 trials about 0.9, and ten nearer to the floor of 0.6 than to the best."""
    on = arm("on", [*normal(0.9, 0.02, 22), *normal(0.66, 0.01, 10)])
    found = judge([arm("off", [0.6] * 25 + [*normal(0.65, 0.02, 7)]), on])
    assert found.leaders == ("on",)
    assert "one seed is not enough, for its seeds still scatter: 0.6" in found.next_step
    assert "10 of 32 nearer to the floor (0.600) than to the best." in found.next_step


def test_an_arm_that_still_fails_is_started_more_than_once():
    """2 of 32 failures leave a rate of 20% possible: of five trials all but never all fail; 30 of
    32 leave 98%.
    """
    often = arm("often", [0.5] * 24 + [*normal(0.8, 0.02, 8)])
    found = judge([often, arm("seldom", [0.5] * 2 + [*normal(0.8, 0.02, 30)])])
    assert found.leaders == ("seldom",)
    assert (
        "start 5 seeds, of which one or more succeed in 95 of 100 cases even if 20% fail, and"
        in (found.next_step)
    )
    assert found.next_step.count(" seeds") == 1
    rare = arm("rare", [0.5] * 24 + [*normal(0.8, 0.02, 8)])
    few = judge([rare, arm("never", [0.5] * 32)])
    assert few.next_step.count("start") == 1
    assert "start 22 seeds" in few.next_step


def test_most_trials_of_the_better_arm_may_still_fail():
    better = arm("better", [0.5] * 20 + [*normal(0.8, 0.02, 12)])
    found = judge([arm("worse", normal(0.5, 0.02, 32)), better])
    assert found.leaders == ("better",)
    assert found.next_step.startswith(
        "Use [better], and go on changing the recipe (another learning rate, more steps or a"
        " longer warm-up), for most trials still fail; start"
    )


def test_a_number_of_seeds_fixed_beforehand_is_asked_for():
    found = judge([arm("a", normal(0.8, 0.03, 12)), arm("b", normal(0.8, 0.05, 12))])
    assert "All of this holds for a number of seeds fixed beforehand" in found.text


def test_a_verdict_repeats_with_its_seed():
    arms = [arm("a", normal(0.8, 0.03, 12)), arm("b", normal(0.8, 0.05, 12))]
    assert judge(arms, seed=1).text == judge(arms, seed=1).text
    assert judge(arms, seed=1).comparisons != judge(arms, seed=2).comparisons


def test_a_single_failed_trial_is_one_trial():
    mixed = arm("mixed", [0.6, 0.9, 0.8, 0.85])
    assert (
        "[mixed] mixes 1 trial that failed (with one answer for every dev example) with 3"
        in judge([mixed]).text
    )


def test_an_accuracy_under_a_skewed_class_is_noted():
    """The floor of an accuracy is the largest class's share."""
    skewed = [made_up_arm([0.95, 0.96], name, trivial=0.9) for name in "ab"]
    (said,) = [note for note in judge(skewed).notes if "of one class" in note]
    assert said.startswith("Of the dev examples 90% are of one class, so accuracy says little")
    for more in ({"trivial": 0.79}, {"trivial": 0.9, "metric": "f1"}):
        arms = [made_up_arm([0.95, 0.96], name, **more) for name in "ab"]
        assert not [note for note in judge(arms).notes if "of one class" in note]


def test_of_errors_the_smaller_mean_is_the_better_one():
    error = {"metric": "mse", "higher_is_better": False, "trivial": 2.0}
    low, high = np.linspace(0.10, 0.12, 8), np.linspace(0.5, 0.9, 8)
    found = judge([made_up_arm(low, "low", **error), made_up_arm(high, "high", **error)])
    assert found.leaders == ("low",)
    assert "but" not in found.more_stable
    assert any("[low] scores better than [high] (mean 0.110" in note for note in found.notes)
    assert "the best to score 0.10" in found.next_step
    (pair,) = found.comparisons
    assert pair.effects.improvement.value == 1.0
    steady = np.linspace(1.0, 1.02, 8)
    found = judge([made_up_arm(steady, "steady", **error), made_up_arm(high, "high", **error)])
    assert found.leaders == ("steady",)
    assert "but it scores worse than [high] (mean 1.010 against 0.700)" in found.more_stable


def test_looks_count_every_p():
    """A look with a quarter of the level: p is four times that of one look, and what that shows may
    be open.
    """
    off = arm("off", [0.6] * 7 + [*normal(0.8, 0.05, 9)], bias_correction=False)
    on = arm("on", [0.6, *normal(0.8, 0.1, 15).clip(0.61)], bias_correction=True)
    once, one_of_four = judge([off, on]), judge([off, on], times=4.0)
    (pair,), (looked,) = once.comparisons, one_of_four.comparisons
    assert looked.tests.failures == pair.tests.failures
    # Near the level it is drawn again, by more resamples.
    assert looked.tests.spread.p == pytest.approx(pair.tests.spread.p, abs=0.02)
    assert looked.failures.p == pytest.approx(4 * pair.failures.p)
    assert looked.failures.level == pytest.approx(pair.failures.level / 4)
    assert 0.0125 < pair.failures.p <= 0.05
    assert once.leaders == ("on",)
    assert once.decided
    assert one_of_four.leaders == ()
    assert not one_of_four.decided
    assert "after Holm over 2 tests, times 4 for this look)" in one_of_four.how_sure
    # An interval at the level of four looks is wider.
    assert looked.effects.failures.high > pair.effects.failures.high
    (note,) = [n for n in one_of_four.notes if "Every p counts 4 times" in n]
    assert "the verdict at such a look is as sure as at a single one" in note
    assert note.startswith("Seeds are added while no arm is shown")  # none were, at a first look
    assert "hold in fewer than 95 of 100 cases, the fewer the smaller the true difference" in note
    assert "90 where 20% and 5% fail, 71 where 10% and 5% do" in note
    assert note not in once.notes
    assert "Go on to the sweep's next look; after its last one run" in one_of_four.next_step
    assert any("fixed beforehand: whoever adds seeds" in n for n in once.notes)


def test_a_chance_is_that_of_the_pair_and_no_corrected_p():
    """4 of 16 against none: Boschloo's p is 0.050, and 0.80 after two tests at the first of four
    looks, which is no number of sweeps.
    """
    fine = np.linspace(0.78, 0.82, 16)
    often, now, never = (arm(f"{k}", [0.5] * k + [*fine[k:]]) for k in (9, 4, 0))
    still_open = judge([now, never], times=8.0).how_sure
    assert "in failure rate in about 5 of 100 such sweeps, and in spread in about" in still_open
    assert "(p = 0.8, p = 0.8 after Holm over 2 tests, times 8 for this look)" in still_open
    shown = judge([often, never], times=8.0).how_sure
    assert "about 3 of 10,000 such sweeps (Boschloo's exact test, p = 0.0042 after Holm" in shown
