"""Protects: the glossary has each word once, and none that nothing uses."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
USED_IN = [*ROOT.glob("jaxtune/**/*.py"), *ROOT.glob("docs/**/*.md")]
# Of a word with two meanings: behind these stands which of them, as in `row of a batch`.
APART = re.compile(r" (?:of|on) ")


def words() -> list[str]:
    """The first column of every table, a row of several words as several."""
    rows = re.findall(r"^\| (.+?) \| .+ \|$", GLOSSARY.read_text(encoding="utf-8"), re.M)
    return [word for row in rows if row != "word" for word in row.lower().split(", ")]


@pytest.fixture(scope="module")
def texts() -> str:
    """Code and pages, names in them taken apart: `StepRecords` and `step_records` are two words."""
    whole = "\n".join(f.read_text(encoding="utf-8") for f in USED_IN if f != GLOSSARY)
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_\s-]+", " ", whole).lower()


def test_no_word_has_two_rows():
    assert len(words()) > 150
    assert [word for word, count in Counter(words()).items() if count > 1] == []


def test_a_word_with_two_meanings_has_both_told_apart():
    """`row of a batch` beside a bare `row` would leave open which of them a page means."""
    qualified = {APART.split(word)[0] for word in words() if APART.search(word)}
    assert qualified.isdisjoint(words())


def test_every_word_is_used(texts):
    nouns = {re.sub(r"[_\s-]+", " ", APART.split(word)[0]) for word in words()}
    assert [noun for noun in sorted(nouns) if not re.search(rf"\b{re.escape(noun)}", texts)] == []
