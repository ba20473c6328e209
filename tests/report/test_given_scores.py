"""Scores that a Python program gives to `jaxtune.compare`."""

import re

import numpy as np
import pandas as pd
import pytest

import jaxtune
from jaxtune.core.errors import UserError
from jaxtune.report.scores.check_given import check_given
from jaxtune.report.scores.runs import Given


@pytest.mark.parametrize("lower", ["false", "", 0, None])
def test_which_way_is_better_is_true_or_false(lower):
    """Any text is true, and every sentence would be the other way round."""
    with pytest.raises(UserError, match=re.escape(f"lower_is_better is {lower!r}; give True")):
        check_given(Given(lower_is_better=lower), None)
    check_given(Given(lower_is_better=np.bool_(True)), None)


def test_what_may_be_meant_otherwise_is_said_as_the_command_says_it():
    found = jaxtune.compare(
        {"A": [0.5274, 0.5274, 0.71, 0.72], "B": [0.71, 0.72, 0.73, 0.7]}, floor=0.527
    )
    said = "A score of 0.5274 is the floor of 0.527 when it is rounded, so that 2 runs up to there"
    assert str(found).startswith(said)
    assert f"<p><b>{said}" in found._repr_html_()
    found = jaxtune.compare({"A": [71, 69, 0.73], "B": [72, 73, 72]})
    assert "A score of 0.73 stands among scores of 69 to 73: give all in one unit" in str(found)


def test_two_arms_of_one_name_are_not_put_together():
    with pytest.raises(UserError, match="Two arms are called '1'; give each a name of its own"):
        jaxtune.compare({1: [0.7, 0.71], "1": [0.72, 0.73]})


@pytest.mark.parametrize("score", [True, np.bool_(False), "1_0"])
def test_what_is_no_score(score):
    """Of whether a run was right a mean can be taken, and it is no score."""
    with pytest.raises(UserError, match=re.escape(f"score 2 of [A] is {score!r}; give a number")):
        jaxtune.compare({"A": [0.7, score], "B": [0.72, 0.73]})


def test_a_series_by_seed_is_paired():
    """Where pandas has counted its lines alone, they are no seeds."""
    frame = pd.DataFrame({"seed": range(8), "A": np.arange(8) / 100, "B": np.arange(8) / 99})
    by_seed = frame.set_index("seed")
    (pair,) = jaxtune.compare({"A": by_seed.A, "B": by_seed.B[::-1]}).numbers.comparisons
    assert (pair.paired, pair.num_shared) == (True, 8)
    (pair,) = jaxtune.compare({"A": frame.A, "B": frame.B}).numbers.comparisons
    assert not pair.paired
