"""A verdict in a notebook says all its sentences, and no name in them becomes part of the page."""

from made_up import made_up_arm
from pages import Page

from jaxtune.report.statements import Verdict
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
