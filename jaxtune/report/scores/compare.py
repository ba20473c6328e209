"""The verdict on scores that a Python program holds."""

from typing import Any

from jaxtune.report.scores.check_given import check_given
from jaxtune.report.scores.read import given_rows
from jaxtune.report.scores.runs import Given
from jaxtune.report.statements import Verdict
from jaxtune.stats.arms import by_arm, make_arms
from jaxtune.stats.verdict import judge


def verdict_of(scores: Any, given: Given, margin: float | None) -> Verdict:
    """What `jaxtune.compare` returns."""
    check_given(given, margin)
    rows, doubts = given_rows(scores, given)
    arms = make_arms(by_arm(rows))
    return Verdict(tuple(doubts), judge(arms, given.dev_examples, margin=margin))
