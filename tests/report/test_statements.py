"""A verdict in a notebook says all its sentences, and no name in them becomes part of the page."""

import numpy as np
from made_up import made_up_arm
from pages import Page

from jaxtune.report.statements import Comparison, Verdict
from jaxtune.stats.verdict import judge

NASTY = '<script>alert("x")</script>'


def test_a_verdict_is_escaped():
    found = judge([made_up_arm([0.9, 0.8], NASTY), made_up_arm([0.9, 0.5], "b")])
    text = Verdict(("unfinished <b>",), found)._repr_html_()
    page = Page(text)
    assert page.open == []
    assert "<script" not in text
    for sentence in ("unfinished <b>", *found.sentences, *found.notes):
        assert sentence in "".join(page.words)


def test_a_comparison_says_which_mean_is_higher_where_stability_stays_open():
    arms = {n: made_up_arm(np.linspace(0.7, 0.8, 16) + 0.05 * (n == "b"), n) for n in "ab"}
    (pair,) = judge(list(arms.values())).comparisons
    assert Comparison(pair, 2, arms).sentence == (
        "Neither [a] nor [b] was shown to be more stable than the other, which does not make them"
        " equal; but [b] scores higher than [a] (mean 0.800 against 0.750, p ≤ 0.0002)."
    )
