"""Words for counts and lists, and what of a text nobody sees."""

import pytest

from jaxtune.core.unseen import bare
from jaxtune.core.words import listed, percent, plural, quoted


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [
        (0, "trial", "0 trials"),
        (1, "trial", "1 trial"),
        (2, "class", "2 classes"),
        (1, "class", "1 class"),
        (1000, "dev example", "1,000 dev examples"),
    ],
)
def test_counts(number, noun, words):
    assert plural(number, noun) == words


def test_only_long_lists_are_cut():
    assert listed("abc", "; ") == "a; b; c"
    assert quoted(map(str, range(10))).endswith("'8', '9'")
    assert listed(map(str, range(27))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 17 more"


@pytest.mark.parametrize("text", ["pos", "p\u200bos", "\U0001f468\u200d\U0001f469", "\u6b63"])
def test_only_ends_are_bared(text):
    assert bare(f"\ufeff \u200b{text}\u00a0\u2060\u200e\x7f\u00ad ") == text


def test_flags_stay_apart():
    """England and Scotland are told apart by tags alone, which are unseen elsewhere."""
    flags = [f"\U0001f3f4{''.join(chr(0xE0000 + ord(c)) for c in name)}" for name in ("eng", "sct")]
    assert [*map(bare, flags)] == flags


def test_nothing_is_left_of_what_nobody_sees():
    assert bare("\u200b\ufeff\u3164\u2800\t\n") == ""


@pytest.mark.parametrize(
    ("share", "places", "shown"),
    [
        (0.0, 0, "0%"),
        (1e-17, 0, "0%"),
        (1e-12, 1, "<0.1%"),
        (1 / 256, 0, "<1%"),
        (1 / 200, 0, "<1%"),
        (199 / 200, 0, ">99%"),
        (0.12, 0, "12%"),
        (255 / 256, 0, ">99%"),
        (1.0, 0, "100%"),
        (0.9999, 1, ">99.9%"),
        (0.9951, 1, "99.5%"),
    ],
)
def test_what_is_near_0_or_1_is_not_called_so(share, places, shown):
    assert percent(share, places) == shown
