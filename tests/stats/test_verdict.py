"""The words: what they claim, and what they must not claim."""

import numpy as np
import pytest
from made_up import made_up_arm, made_up_rows

from jaxtune.core.errors import UserError
from jaxtune.stats.arms import make_arms
from jaxtune.stats.verdict import judge

RNG = np.random.default_rng(0)


def normal(mean, std, n):
    """Scores with exactly this mean and std."""
    if n < 2:
        return np.full(n, mean)
    x = RNG.normal(size=n)
    return mean + std * (x - x.mean()) / x.std(ddof=1)


def arm(name, scores, **settings):
    return made_up_arm(scores, name, **settings)


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


def test_one_of_three_arms_leads():
    bad = [arm(f"lr={i}", [0.5] * 20 + [*normal(0.8, 0.02, 4)], learning_rate=i) for i in (1, 2)]
    good = arm("lr=3", normal(0.8, 0.02, 24), learning_rate=3)
    found = judge([bad[0], good, bad[1]])
    assert found.leaders == ("lr=3",)
    assert found.more_stable == (
        "[lr=3] is more stable than every other arm: 0 of 24 failed against 20 of 24."
    )
    assert "as the least certain pair here in fewer than 1 of 10,000 such sweeps" in found.how_sure
    assert "after Holm over 6 tests" in found.how_sure
    assert found.next_step.startswith("Use learning_rate=3;")
    same = judge([bad[0], good, arm("twin", normal(0.8, 0.02, 24), learning_rate=4)])
    assert same.leaders == ("lr=3", "twin")
    assert same.more_stable == (
        "[lr=3] and [twin] are each more stable than [lr=1] (0 of 24 failed against 20"
        " of 24); between them no difference was shown, which does not make them equal."
    )
    assert same.next_step.startswith("Use either [lr=3] or [twin]: choose by")


def test_ten_arms_have_a_short_headline_with_their_failures():
    arms = [
        arm(f"lr={i}", [0.5] * k + [*normal(0.8, 0.02, 16 - k)], learning_rate=i)
        for i, k in enumerate([0, 3, 16, 16, 15, 16, 16, 3, 16, 14])
    ]
    found = judge(arms)
    assert found.leaders == ("lr=0", "lr=1", "lr=7")
    assert found.more_stable == (
        "[lr=0], [lr=1] and [lr=7] are each more stable than 7 other arms (0 to 3 of 16"
        " failed against 14 to 16 of 16); between them no difference was shown, which does not make"
        " them equal."
    )


def test_a_setting_is_judged_over_the_whole_grid():
    """Five learning rates: 28 of 80 failed against 5 of 80, and no pair of cells shows it."""
    counts = [(8, 2), (6, 1), (6, 1), (5, 1), (3, 0)]
    arms = [
        arm(
            f"{rate} {correction}",
            [0.5] * pair[correction] + [*normal(0.8, 0.02, 16 - pair[correction])],
            learning_rate=rate,
            bias_correction=bool(correction),
        )
        for rate, pair in enumerate(counts)
        for correction in (0, 1)
    ]
    found = judge(arms)
    (said,) = found.over_grid
    assert said.startswith(
        "Over all 5 settings of the rest of the grid bias_correction=true fails less often than"
        " bias_correction=false: 5 of 80 trials against 28 of 80. Equal values would differ this"
        " much in fewer than 1 of 10,000 such sweeps (exact stratified test, p = 0.00018 after Holm"
    )
    assert said in found.text
    assert not any(win.by_failures for win in found.wins)
    (effect,) = (e for e in found.main_effects if e.setting == "bias_correction")
    assert [part.count for part in effect.failed] == [28, 5]
    assert effect.num_strata == 5


def test_many_arms_share_sentences():
    arms = [arm(f"{i}", [0.6, 0.5, *normal(0.8, 0.02, 6)]) for i in range(6)]
    found = judge(arms)
    assert found.more_stable.startswith(
        "None of 6 arms was shown to be more stable than another (2"
    )
    assert "as the nearest pair, [" in found.how_sure
    assert (
        "[0], [1], [2] and 3 more mix trials that failed (6 of them with one answer for every dev"
        " example) with trials that did not: their mean" in found.text
    )


def test_one_arm_has_nothing_to_compare():
    found = judge([arm("all", [0.5, *normal(0.8, 0.02, 9)])])
    assert "nothing to compare it with" in found.more_stable
    assert (
        "1 of 10 trials failed, which leaves a failure rate of 2% to 40% possible" in found.how_sure
    )
    assert found.comparisons == ()


def test_diverged_and_unscored_trials_are_named():
    found = judge([arm("a", [None, *normal(0.8, 0.02, 9)]), arm("b", normal(0.8, 0.02, 10))])
    assert (
        "Trials that diverged (1 of 10 in [a]) count as failed and enter the mean with the score of"
        " their last predictions, where they have one." in found.notes
    )
    assert (
        "Trials without a finite score (1 of 10 in [a]) count as failed and enter the mean with the"
        " score of the best constant prediction." in found.notes
    )


def test_most_trials_of_the_better_arm_may_still_fail():
    better = arm("better", [0.5] * 20 + [*normal(0.8, 0.02, 12)])
    found = judge([arm("worse", normal(0.5, 0.02, 32)), better])
    assert found.leaders == ("better",)
    assert found.next_step.startswith(
        "Use [better], and go on changing the recipe (another learning rate, more steps or a"
        " longer warm-up), for most trials still fail; start"
    )


def test_crossed_seeds_get_no_verdict():
    arms = []
    for name, mean in (("a", 0.8), ("b", 0.5)):
        rows = made_up_rows([*normal(mean, 0.02, 9)], name)
        for number, row in enumerate(rows):
            row["init_seed"], row["order_seed"] = divmod(number, 3)
        arms += make_arms({name: rows})
    found = judge(arms)
    assert found.more_stable == (
        "There is no verdict about stability: the trials of [a] and [b] share seeds (a crossed"
        " design) and are not independent."
    )
    assert (found.leaders, found.comparisons) == ((), ())
    assert "give every trial seeds of its own" in found.next_step


def crossed_arm(name, init_seeds, order_seeds):
    """A trial for each pair of seeds."""
    rows = made_up_rows([*normal(0.8, 0.02, len(init_seeds))], name)
    for row, init, order in zip(rows, init_seeds, order_seeds, strict=True):
        row["init_seed"], row["order_seed"], row["dropout_seed"] = init, order, order
    return make_arms({name: rows})[0]


def test_crossed_seeds_whose_variance_cannot_be_split_say_why():
    whole = crossed_arm("whole", [0, 0, 0, 1, 1, 1], [0, 1, 2] * 2)
    missing = crossed_arm("missing", [0, 0, 0, 1, 1], [0, 1, 2, 0, 1])
    one = crossed_arm("one", [42] * 5, range(5))
    read = "Read here how much of the variance comes from which seed"
    independent = arm("independent", normal(0.8, 0.02, 8))
    assert judge([whole, independent]).next_step.startswith(f"{read}; to compare")
    found = judge([whole, missing]).next_step
    assert found.startswith(f"{read} (but not of [missing]: 1 of the 6 combinations of seeds have")
    found = judge([missing, one]).next_step
    assert found.startswith("Which seed the variance comes from cannot be told ([missing]: 1 of")
    assert "; [one]: the seeds are not crossed" in found


def test_other_seeds_are_mentioned():
    one = arm("a", normal(0.8, 0.02, 10))
    other = made_up_arm(normal(0.8, 0.02, 10), "b", seeds=range(10, 20))
    assert "too few seeds in common" in judge([one, other]).text
    assert "seeds in common" not in judge([one, arm("b", one.final)]).text
    most = made_up_arm(normal(0.8, 0.02, 10), "b", seeds=range(2, 12))
    assert "[a] and [b] share 8 of 10 seeds; their means were compared over those." in (
        judge([one, most]).notes
    )


def test_two_models_are_not_called_one():
    one, other = (
        arm("a", normal(0.8, 0.02, 8), model="x"),
        arm("b", normal(0.8, 0.02, 8), model="y"),
    )
    assert "on these 2 models, one task" in judge([one, other]).notes[-1]
    assert "on one model, one task" in judge([one]).notes[-1]


def test_other_dev_files_are_said_for_only_their_labels_have_been_compared():
    one, other = (arm(name, [0.8, 0.9], dev_file=name) for name in ("dv.csv", "dv2.csv"))
    notes = judge([one, other]).notes
    said = "The arms have different dev_file (dv.csv and dv2.csv), of which only the dev labels"
    assert any(note.startswith(said) for note in notes)
    assert "one task and these 2 dev files" in notes[-1]
    assert not any(
        "dev_file" in note for note in judge([one, arm("x", [0.8, 0.9], dev_file="dv.csv")]).notes
    )


def test_a_number_of_seeds_fixed_beforehand_is_asked_for():
    found = judge([arm("a", normal(0.8, 0.03, 12)), arm("b", normal(0.8, 0.05, 12))])
    assert "All of this holds for a number of seeds fixed beforehand" in found.text


def test_arms_of_two_tasks_are_refused():
    with pytest.raises(UserError, match="compare arms of one task"):
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
    assert found.leaders == ()
    assert "kept the best trials of [few] and stopped 6 others" in found.more_stable
    assert "had learnt nothing (6 of 8 in [few]), count with the score they had" in found.notes[0]
    assert "run the sweep without keep_trials" in found.next_step


@pytest.mark.parametrize(("trivial", "next_step"), [(0.4, "Export the"), (0.55, "Change the")])
def test_where_no_trial_went_on_there_is_no_best_score(trivial, next_step):
    """Each had learnt nothing by the stop step, whatever number were to be kept."""
    settings = {"keep_trials": 2, "early_stop": 0.3, "trivial": trivial}
    arms = [
        with_stopped(name, [score] * 6, 6, **settings) for name, score in (("a", 0.5), ("b", 0.52))
    ]
    found = judge(arms)
    assert found.more_stable.endswith("early stopping stopped every trial of [a] and [b].")
    assert found.how_sure.startswith("No trial went on: each had learnt nothing")
    assert found.next_step.startswith(next_step)
    # One arm of them went on.
    arms[1] = with_stopped("b", [0.5] * 5 + [0.8], 5, **settings)
    assert judge(arms).how_sure == "The best of those that went on scores 0.800 ([b])."


def test_trials_that_were_stopped_for_learning_nothing_are_named():
    failing = with_stopped("failing", [0.6] * 20 + [0.9, 0.8], 15, keep_trials=None)
    found = judge([failing, arm("fine", normal(0.8, 0.05, 22))])
    assert found.leaders == ("fine",)
    assert "because they had learnt nothing (15 of 22 in [failing]) count" in found.notes[0]


def patient(**settings):
    rows = made_up_rows([0.7, 0.8, 0.9, 0.8], "patient", **settings)
    for row in rows:
        row["best"] = row["final"] + 0.05
    rows[0] |= {"stopped_at": 10, "stopped_by": "patience"}
    (made,) = make_arms({"patient": rows})
    return made


def test_trials_that_patience_ended_are_named_with_what_they_count_with():
    said = judge([patient(dev_fraction=None), arm("fine", [0.8, 0.82, 0.81, 0.83])]).notes
    assert said[0] == (
        "Trials that patience ended (1 of 4 in [patient], whose mean is 0.800, and 0.850 at the"
        " best evaluations) count with the score that they had when they stopped, not with their"
        " best."
    )
    assert said[1].startswith("When they stopped was decided on the dev set that these scores are")
    assert not any("learnt nothing" in note for note in said)
    fair = judge([patient(dev_fraction=0.1)]).notes
    assert fair[0] == said[0]
    assert not any("When they stopped" in note for note in fair)


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
    assert one_of_four.next_step.startswith(
        "Go on to the sweep's next look; after its last one run"
    )
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


def test_a_lead_over_some_decides_nothing():
    """Of three arms two are alike: more seeds may tell them apart."""
    bad = arm("bad", [0.6] * 20, bias_correction=False)
    one, other = arm("one", normal(0.8, 0.02, 20)), arm("other", normal(0.8, 0.02, 20))
    assert not judge([bad, one, other]).decided
    assert judge([bad, one]).decided
