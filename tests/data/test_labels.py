"""Labels to classes: their order, and what is refused as a slip or as no class at all."""

import random
import re

import numpy as np
import pytest

from jaxtune.core.errors import UserError
from jaxtune.data.labels import Label, check_apart, classes_of, in_order, number


def labelled(*texts: object) -> list[Label]:
    return [Label(f"some.csv, line {line}", str(text)) for line, text in enumerate(texts, 2)]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (range(12), "0 1 2 3 4 5 6 7 8 9 10 11"),
        ((10, -1, 9, 0), "-1 0 9 10"),
        (("2.0", "10.0", "1.0"), "1.0 2.0 10.0"),
        (("pos", "neg", "10", "9"), "10 9 neg pos"),
        (("b", "a"), "a b"),
    ],
)
def test_numbers_by_value_and_words_by_spelling(labels, expected):
    assert in_order(map(str, labels)) == tuple(expected.split())
    train = labelled(*labels)
    assert classes_of(train, train[:1]) == tuple(expected.split())


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1.0), (" 1e3 ", 1000.0), ("-0.5", -0.5), *((t, None) for t in ("nan", "inf", "1_5"))],
)
def test_numbers(text, value):
    assert number(text) == value


@pytest.mark.parametrize("scores", [[1700000000, 1700000010, 1700000100], [2**24, 2**24 + 1]])
def test_scores_that_float32_makes_equal_are_refused(scores):
    one, other, *_ = scores
    says = f"a.csv has the scores {one} and {other}, which are one number in float32: take the same"
    with pytest.raises(UserError, match=f"{says} constant, such as {one}, from all scores"):
        check_apart("a.csv", list(map(float, scores)))
    apart = [float(score - one) for score in scores]
    check_apart("a.csv", apart)
    assert len(np.unique(np.float32(apart))) == len(scores)


def test_scores_whose_last_digits_float32_leaves_out_are_read():
    """Of many with long fractions, or of prices, some are equal, and next to nothing is lost."""
    drawn = np.random.default_rng(0).random(20_000)
    assert len(np.unique(drawn.astype(np.float32))) < len(drawn)
    for scores in (
        drawn.tolist(),
        [5.0, 17_000_001.0, 17_000_002.0, 500_000_000.0],
        [3.0, 3.0],
        [],
    ):
        check_apart("a.csv", scores)


@pytest.mark.parametrize("missing", ["", "nan", "NaN", "None", "null", "NA", "N/A", "<NA>"])
@pytest.mark.parametrize("split", [0, 1])
def test_a_missing_label_is_named_with_its_line(missing, split):
    splits = [labelled("a", "b"), labelled("a", "b")]
    splits[split] = labelled("a", "b", missing)
    with pytest.raises(UserError, match=r"line 4 has the label '.*', which stands for a missing"):
        classes_of(*splits)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pos", "Pos"),
        ("not so", "notso"),
        ("1", "1.0"),
        ("0", "-0"),
        ("1", "01"),
        ("1000", "1e3"),
        ("straße", "STRASSE"),
        ("é", "e\u0301"),
        ("pos", "po\u200bs"),
        ("pos", "po\u00ads"),
        ("pos", "'pos'"),
        ("\u2764", "\u2764\ufe0f"),
    ],
)
def test_labels_that_a_reader_takes_for_one(one, other):
    """Also where one of them is in the dev file alone."""
    with pytest.raises(
        UserError, match=f"line 3 has the label {re.escape(repr(other))} and .*, line 2 has"
    ):
        classes_of(labelled(one, other, "x"), labelled(one))
    with pytest.raises(UserError, match="write them alike, or name every class with --classes"):
        classes_of(labelled(one, "x"), labelled(other))


@pytest.mark.parametrize("scores", [[n / 5 for n in range(26)] * 4, [*range(21), "1e-1"] * 2])
def test_numbers_with_fractions_are_no_classes(scores):
    """However often each occurs."""
    sentence = (
        r"^some\.csv has 2\d distinct numbers as labels, such as '(0\.2', '0\.4', '0\.6|1e-1)',"
        " which are not whole: say --regression true to predict a number, or name every class with"
        " --classes$"
    )
    with pytest.raises(UserError, match=sentence):
        classes_of(labelled(*scores), [])


def test_whole_numbers_with_a_point_are_classes():
    """As pandas writes a column of numbers with a gap in it."""
    assert len(
        classes_of(labelled(*(f"{n}.0" for n in range(25)), *(f"{n}.0" for n in range(25))), [])
    )


def test_scores_are_no_classes():
    scores = [random.Random(n).randrange(51) for n in range(40)]
    sentence = (
        r"^some\.csv has \d\d distinct numbers as labels, such as '.*', and \d+ of them occur once:"
        " say --regression true to predict a number, or name every class with --classes$"
    )
    with pytest.raises(UserError, match=sentence):
        classes_of(labelled(*scores), [])


def test_texts_are_no_classes():
    with pytest.raises(UserError, match=r"60 distinct texts as labels.*with --label_column"):
        classes_of(labelled(*(f"sentence {n}" for n in range(60))), [])


@pytest.mark.parametrize(
    "labels",
    [
        [n % 150 for n in range(450)],  # many classes, three examples of each
        [*range(20)],  # few classes, however rare
        [*(n % 30 for n in range(60)), *range(30, 37)],  # 7 of 37 numbers once
        [f"{n % 30} a" for n in range(46)],  # 14 of 30 words once
    ],
)
def test_many_classes_are_classes(labels):
    assert len(classes_of(labelled(*labels), [])) == len(set(labels))
