"""Arms that answer alike, bit for bit, are said; those that only diverged alike are not."""

import pytest
from made_up import made_up_rows

from jaxtune.stats.arms import make_arms
from jaxtune.stats.equal_answers import equal_answers
from jaxtune.stats.verdict import judge

SCORES = [0.7, 0.8, 0.75]


def arm(name, checksums, scores=SCORES, seeds=None):
    rows = made_up_rows(scores, name, seeds=seeds)
    own = zip(rows, checksums, strict=True)
    (made,) = make_arms({name: [row | {"predictions_sha256": sha} for row, sha in own]})
    return made


def test_equal_answers_come_first_in_the_notes():
    arms = [arm("dropout=null", "abc"), arm("dropout=0.1", "abc"), arm("dropout=0.2", "xyz")]
    assert judge(arms).notes[0] == (
        "The trials of [dropout=null] and [dropout=0.1] give the same answers, bit for bit, with"
        " every seed that both ran: what these arms differ in changed nothing, and more seeds will"
        " not tell them apart."
    )


@pytest.mark.parametrize(
    "other",
    [
        arm("b", "abd"),
        arm("b", [None] * 3),  # from before rows had checksums
        arm("b", "abc", seeds=[7, 8, 9]),
    ],
)
def test_other_arms_are_not_said(other):
    assert not [*equal_answers([arm("a", "abc"), other])]


def test_seeds_that_one_arm_lacks_do_not_count():
    assert [*equal_answers([arm("a", "abc"), arm("b", "ab", SCORES[:2])])]


def test_trials_that_diverged_are_alike_whatever_the_recipe():
    nan = [None, None, None]
    assert not [*equal_answers([arm("a", "xxx", nan), arm("b", "xxx", nan)])]
    one = [None, 0.8, None]
    assert [*equal_answers([arm("a", "xyx", one), arm("b", "xyx", one)])]
