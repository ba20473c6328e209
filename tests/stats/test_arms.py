"""Rows to arms: what counts as failed, what enters a mean, what differs, and whose seeds match."""

import pytest
from made_up import made_up_arm, made_up_rows

from jaxtune.core.errors import UserError
from jaxtune.stats.arms import (
    check_comparable,
    differences,
    make_arms,
    matched_scores,
    readable,
)
from jaxtune.storage.trial_rows import CHECKSUMS


def test_a_trial_without_a_score_failed_and_enters_with_the_trivial_one():
    arm = made_up_arm([0.9, None, float("nan"), 0.5])
    assert arm.final.tolist() == [0.9, 0.6, 0.6, 0.5]
    assert arm.failed.tolist() == [False, True, True, True]
    assert arm.diverged.tolist() == [False, True, False, False]
    assert arm.num_unscored == 2


def test_a_diverged_trial_failed_whatever_its_score():
    rows = made_up_rows([0.9, 0.8])
    rows[1]["diverged"] = True
    (arm,) = make_arms({"all": rows})
    assert arm.final.tolist() == [0.9, 0.8]
    assert arm.failed.tolist() == [False, True]


def test_differences_are_settings_as_typed_and_leave_out_how_it_was_run():
    on = made_up_arm([0.9], bias_correction=True, max_grad_norm=None, precision="float32")
    off = made_up_arm([0.9], bias_correction=False, max_grad_norm=float("nan"), log_every=1)
    assert differences(off, on) == {"bias_correction": ("false", "true")}
    assert readable(None) == readable(float("nan")) == "null"
    assert readable(2e-5) == "2e-05"


def test_checksums_of_a_row_are_no_settings():
    """A sweep's own rows have them, and its last words would recommend them."""
    rows = made_up_rows([0.9], learning_rate=2e-5)
    rows[0] |= dict.fromkeys(CHECKSUMS, "c8996f")
    (arm,) = make_arms({"all": rows})
    assert not set(CHECKSUMS) & set(arm.settings)
    assert arm.settings["learning_rate"] == 2e-5


def test_scores_are_matched_by_seed():
    one = made_up_arm([0.1, 0.2, 0.3], seeds=[5, 6, 7])
    other = made_up_arm([0.9, 0.8, 0.7], seeds=[7, 5, 6])
    matched = matched_scores(one, other)
    assert [side.tolist() for side in matched] == [[0.1, 0.2, 0.3], [0.8, 0.7, 0.9]]


def test_only_shared_seeds_are_matched():
    one = made_up_arm([0.1, 0.2, 0.3], seeds=[5, 6, 7])
    matched = matched_scores(one, made_up_arm([0.7, 0.8, 0.9], seeds=[8, 7, 5]))
    assert [side.tolist() for side in matched] == [[0.1, 0.3], [0.9, 0.8]]
    assert matched_scores(one, made_up_arm([0.7], seeds=[8]))[0].size == 0


def test_an_arm_knows_whether_its_trials_share_seeds():
    assert not made_up_arm([0.1, 0.2, 0.3], seeds=[5, 6, 7]).shares_seeds
    assert made_up_arm([0.1, 0.2, 0.3], seeds=[5, 6, 6]).shares_seeds


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metric": "f1"}, r"\[a\] was scored by accuracy and \[b\] by f1; compare arms of one"),
        ({"task": "mrpc"}, r"\[a\] was trained on rte and \[b\] on mrpc; compare arms of one task"),
    ],
)
def test_arms_of_other_tasks_or_metrics_are_refused(change, says):
    arms = [made_up_arm([0.9], "a"), made_up_arm([0.9], "b", **change)]
    with pytest.raises(UserError, match=says):
        check_comparable(arms)


def test_f1_of_another_class_is_another_score():
    arms = [made_up_arm([0.9], name, metric="f1", positive_class=name) for name in ("ham", "spam")]
    with pytest.raises(
        UserError, match=r"\[ham\] was scored by F1 of the class 'ham' and \[spam\]"
    ):
        check_comparable(arms)
    # A row of version 0.1 names none.
    check_comparable([arms[0], made_up_arm([0.9], metric="f1")])
    accuracies = [made_up_arm([0.9], name, positive_class=name) for name in ("ham", "spam")]
    check_comparable(accuracies)
