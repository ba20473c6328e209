"""What each class counts in the loss, and what is refused."""

import numpy as np
import pytest

from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError
from jaxtune.data.class_weights import class_weights_of

LABELS = np.array([0] * 6 + [1] * 3 + [2], np.int32)
CLASSES = ("a", "b", "c")


def weights(text, labels=LABELS, classes=CLASSES, **more):
    return class_weights_of(SweepConfig(task="t", class_weights=text, **more), labels, classes)


def test_balanced_classes_have_the_same_sum_and_a_mean_of_one():
    found = weights("balanced")
    np.testing.assert_allclose(found, [10 / 18, 10 / 9, 10 / 3], rtol=1e-6)
    np.testing.assert_allclose(found * np.bincount(LABELS), 10 / 3, rtol=1e-6)
    assert found[LABELS].mean() == pytest.approx(1)


def test_numbers_are_in_the_order_of_the_logits_and_none_is_one():
    assert weights("0.7, 1.3,2").tolist() == pytest.approx([0.7, 1.3, 2])
    assert weights(None).tolist() == [1, 1, 1]
    assert weights(None, LABELS.astype(np.float32), None).tolist() == [1]
    assert weights("balanced").dtype == weights("1,1,1").dtype == weights(None).dtype == np.float32


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0.7,1.3", r"'0.7,1.3', but there are 3 classes \('a', 'b', 'c'\); give a number for"),
        ("balanced", "no training example has the class 'c', whose weight would be infinite"),
    ],
)
def test_what_does_not_fit_is_refused(text, sentence):
    with pytest.raises(UserError, match=sentence):
        weights(text, LABELS[:9])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"class_weights": "balanced"}, "class_weights is 'balanced', but task t predicts a num"),
        ({"class_weights": "1"}, "class_weights is '1', but task t predicts a number"),
        ({"label_smoothing": 0.1}, "label_smoothing is 0.1, but task t predicts a number"),
    ],
)
def test_numbers_have_no_classes(settings, sentence):
    with pytest.raises(UserError, match=sentence):
        class_weights_of(SweepConfig(task="t", **settings), np.ones(3, np.float32), None)
