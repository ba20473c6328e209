"""What a verdict says of trials that are no plain sample: crossed, stopped, diverged, or of other
models and dev files.
"""

import pytest
from made_up import arm, made_up_arm, made_up_rows, normal

from jaxtune.core.errors import UserError
from jaxtune.stats.arms import make_arms
from jaxtune.stats.verdict import judge


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


def test_an_arm_of_which_nothing_was_kept_is_not_named_as_kept():
    chosen = with_stopped("few", [0.6] * 6 + [0.9, 0.8], 6, keep_trials=2, early_stop=0.3)
    gone = with_stopped("gone", [0.6] * 8, 8, keep_trials=2, early_stop=0.3)
    found = judge([chosen, gone])
    assert "kept the best trials of [few] and stopped 14 others" in found.more_stable


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
