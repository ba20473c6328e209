"""Rows to arms: what counts as failed, what enters a mean, what differs, and whose seeds match."""

import numpy as np
import pandas as pd
import pytest
from made_up import made_up_arm, made_up_rows

from jaxtune.core.errors import UserError
from jaxtune.stats.arms import (
    arms_of,
    check_comparable,
    differences,
    make_arms,
    matched_scores,
    readable,
)


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


def test_arms_of_a_frame_are_those_of_its_rows():
    """A frame has nan for null: a trial that was not stopped early stays such a trial."""
    rows = made_up_rows([0.9, None, 0.5], max_grad_norm=None)
    rows[2]["stopped_at"] = 10
    (arm,), (framed,) = make_arms({"all": rows}), arms_of(pd.DataFrame(rows))
    assert framed.stopped.tolist() == arm.stopped.tolist() == [False, False, True]
    assert framed.failed.tolist() == arm.failed.tolist()
    assert framed.final.tolist() == arm.final.tolist()
    assert differences(arm, framed) == {}


def test_differences_are_settings_as_typed_and_leave_out_how_it_was_run():
    on = made_up_arm([0.9], bias_correction=True, max_grad_norm=None, precision="float32")
    off = made_up_arm([0.9], bias_correction=False, max_grad_norm=float("nan"), log_every=1)
    assert differences(off, on) == {"bias_correction": ("false", "true")}
    assert readable(None) == readable(float("nan")) == "null"
    assert readable(2e-5) == "2e-05"


def test_scores_are_matched_by_seed():
    one = made_up_arm([0.1, 0.2, 0.3], seeds=[5, 6, 7])
    other = made_up_arm([0.9, 0.8, 0.7], seeds=[7, 5, 6])
    matched = matched_scores(one, other)
    assert matched is not None
    assert [side.tolist() for side in matched] == [[0.1, 0.2, 0.3], [0.8, 0.7, 0.9]]


@pytest.mark.parametrize("seeds", [[5, 6, 8], [5, 6, 6], [5, 6], [5, 6, 7, 7]])
def test_other_or_repeated_seeds_do_not_match(seeds):
    one = made_up_arm([0.1, 0.2, 0.3], seeds=[5, 6, 7])
    assert matched_scores(one, made_up_arm(np.ones(len(seeds)), seeds=seeds)) is None


@pytest.mark.parametrize("change", [{"metric": "f1"}, {"task": "mrpc"}])
def test_arms_of_other_tasks_or_metrics_are_refused(change):
    arms = [made_up_arm([0.9], "a"), made_up_arm([0.9], "b", **change)]
    with pytest.raises(UserError, match=r"\[a\] was scored by .* and \[b\] by"):
        check_comparable(arms)
