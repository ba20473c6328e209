"""Answers as texts: numbers lose nothing of what a model gives."""

import numpy as np

from jaxtune.core.answers import answer_rows, labels_of

NUMBERS = (1234567.0, 0.1, -3.0, 1 / 3, 16777215.0, 1e-10, 3.4e38)


def test_numbers_are_read_back_as_they_were():
    logits = np.array(NUMBERS, np.float32)[:, None]
    texts = labels_of(logits, None)
    np.testing.assert_array_equal(np.float32(texts), logits[:, 0])
    assert texts[:3] == ["1234567", "0.1", "-3"]


def test_several_trials_give_the_mean_to_the_same_digits():
    logits = [np.array([[number]], np.float32) for number in (1234567.0, 1234569.0)]
    assert answer_rows(["a"], logits, None) == [["a", "1234568"]]


def test_shares_of_classes_keep_their_six_digits():
    rows = answer_rows(["a"], [np.array([[0.0, 1.0]], np.float32)], ("no", "yes"))
    assert rows == [["a", "yes", "0.268941", "0.731059"]]
