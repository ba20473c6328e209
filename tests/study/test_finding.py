"""Protects what a reader sees of a finding: its rule in a sentence, the terminal, and the page."""

import numpy as np
import pandas as pd
import pytest

from jaxtune.stats.intervals import Estimate, share
from jaxtune.study.finding import Claim, Finding, plain, write_finding
from jaxtune.study.measures import failure_gap
from jaxtune.study.page import first_sentence, write_page
from jaxtune.study.running import say_finding, say_findings

CLAIMS = [
    Claim("it fails <more>", "9 of 12 against 0 of 12", True),
    Claim("it loses [layers]", "0.1", None),
]
FINDING = Finding(
    "Figure 0: a title",
    "It fails at 2e-5 and 0.15. More of it.",
    "It failed 9 times. And more.",
    CLAIMS,
    {"p": np.float64(0.5), "share": share(np.array([True, False]))},
    ["A note."],
)
ABOUT = {"command": ["python"], "settings": "num_seeds: 3\n", "seconds": 1.0}


def test_agreement_and_rule_come_from_the_claims():
    assert FINDING.agrees == "in part"
    assert FINDING.why == "The rule asks that all 2 claims hold: 1 do, 0 do not, 1 undecided."
    nothing = Finding("a title", "It fails.", "None of 3 trials failed.")
    assert nothing.agrees == "cannot say"
    assert nothing.why == "The trials that this study is about did not occur."


def test_the_terminal_has_a_table_and_two_sentences(capsys):
    say_finding(FINDING)
    said = capsys.readouterr().out
    words = " ".join(said.split())
    assert "it fails <more> 9 of 12 against 0 of 12 yes" in words
    assert "it loses [layers] 0.1 not decided" in words
    assert "The paper: It fails at 2e-5 and 0.15. Here: It failed 9 times. " in words
    assert f"The same? in part. {FINDING.why}" in words
    assert "More of it" not in said
    assert "A note" not in said
    assert len(said.splitlines()) < 12


def test_all_studies_end_with_one_table(capsys):
    say_findings({"depth": FINDING, "ablation": FINDING})
    words = " ".join(capsys.readouterr().out.split())
    assert "depth in part It failed 9 times." in words
    assert "ablation in part It failed 9 times." in words


def test_the_page_has_the_rest(tmp_path):
    (tmp_path / "depth").mkdir()
    write_finding(tmp_path / "depth", "depth", FINDING, ABOUT)
    page = write_page(tmp_path, ["baselines", "depth"]).read_text()
    assert "<td>it fails &lt;more&gt;</td><td>9 of 12 against 0 of 12</td>" in page
    assert '<span class="open">not decided</span>' in page
    for words in ("More of it.", "And more.", "A note.", "num_seeds: 3"):
        assert words in page
    assert "baselines" not in page


@pytest.mark.parametrize(
    ("text", "first"),
    [("One at 0.15, 2e-5. Two.", "One at 0.15, 2e-5."), ("One", "One."), ("One.", "One.")],
)
def test_first_sentence(text, first):
    assert first_sentence(text) == first


def test_plain_numbers():
    value = {1: np.float32(0.5), "x": (np.bool_(True), Estimate(0.1)), "none": None}
    estimate = {"value": 0.1, "low": None, "high": None, "method": "", "reason": ""}
    estimate["confidence"] = 0.95
    assert plain(value) == {"1": 0.5, "x": [True, estimate], "none": None}


def test_failures_of_two_groups():
    one, other = (pd.DataFrame({"failed": flags}) for flags in ([True] * 9, [False] * 8))
    gap = failure_gap(one, other)
    assert gap.fails_more is True
    assert failure_gap(other, one).fails_more is False
    assert failure_gap(one, one).fails_more is None
    assert gap.difference.value == 1
    assert gap.words.startswith("9 of 9 against 0 of 8 failed, +100 points (95% interval ")
    assert gap.words.endswith("; Boschloo's exact test, p < 0.0001)")
