"""Scores of texts with any number of labels against scikit-learn, and their floor against every
constant prediction there is.
"""

import itertools
import math
import warnings

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jaxtune.core.failure import at_floor, constant_loss, is_constant_prediction, trivial_floor
from jaxtune.core.label_sets import auroc, best_constants
from jaxtune.core.metrics import evaluate, fitting, predict

NAMES = fitting(3, several_labels=True)
NOT_FINITE = st.sampled_from([math.nan, math.inf, -math.inf])
SHAPES = st.tuples(st.integers(1, 12), st.integers(2, 4))


def of(shape, numbers):
    elements = st.floats(-3, 3, width=16) if numbers else st.integers(0, 1)
    return arrays(np.float32 if numbers else np.int32, shape, elements=elements)


def test_which_metrics_fit():
    assert set(NAMES) == {"micro_f1", "macro_f1", "auroc", "accuracy"}
    assert "micro_f1" not in fitting(3)


@given(SHAPES.flatmap(lambda shape: st.tuples(of(shape, True), of(shape, False))))
def test_scores_are_those_of_scikit_learn(pair):
    logits, labels = pair
    predictions, found = predict(logits, True), evaluate(NAMES, logits, labels)
    f1 = sklearn.metrics.f1_score
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        micro = f1(labels, predictions, average="micro", zero_division=0)
        each = f1(labels, predictions, average=None, zero_division=math.nan)
        assert found["micro_f1"] == pytest.approx(micro, abs=1e-12)
        macro = 0.0 if np.isnan(each).all() else np.nanmean(each)
        assert found["macro_f1"] == pytest.approx(macro, abs=1e-12)
    assert found["accuracy"] == sklearn.metrics.accuracy_score(labels, predictions)
    varied = np.ptp(labels, axis=0) > 0
    area = 0.5
    if varied.any():
        area = sklearn.metrics.roc_auc_score(labels[:, varied], logits[:, varied])
    assert found["auroc"] == pytest.approx(area, abs=1e-12)


@given(SHAPES.flatmap(lambda shape: of(shape, False)))
def test_the_floor_is_the_best_of_all_constant_predictions(labels):
    every = itertools.product([-1.0, 1.0], repeat=labels.shape[1])
    scores = [evaluate(NAMES, np.tile(one, (len(labels), 1)), labels) for one in every]
    for name in NAMES:
        best = max(each[name] for each in scores)
        assert trivial_floor(name, labels, labels.shape[1]) == best


def test_the_best_constants_of_an_example():
    """Rare labels do not pay under micro F1, and do under macro F1."""
    labels = np.array([[1, 0, 0, 0]] * 8 + [[1, 1, 0, 0], [0, 0, 1, 0]], np.int32)
    micro, macro, exact = best_constants(labels).tolist()
    assert micro == [True, False, False, False]
    assert macro == [True, True, True, False]
    assert exact == [True, False, False, False]
    floors = {name: trivial_floor(name, labels, 4) for name in NAMES}
    assert floors == {
        "micro_f1": pytest.approx(18 / 21),  # 9 of 10 texts, and 2 labels are missed
        "macro_f1": pytest.approx((18 / 19 + 2 / 11 + 2 / 11) / 3),
        "accuracy": 0.8,
        "auroc": 0.5,
    }


@given(
    st.tuples(st.integers(2, 12), st.integers(2, 3)).flatmap(
        lambda shape: arrays(np.float32, shape, elements=st.floats(-1, 1, width=32) | NOT_FINITE)
    )
)
@pytest.mark.filterwarnings("error")
def test_scores_of_any_logits_are_numbers_in_their_range(logits):
    """A diverged trial has scores too, without a warning."""
    labels = (np.arange(logits.size).reshape(logits.shape) % 3 > 0).astype(np.int32)
    for score in evaluate(NAMES, logits, labels).values():
        assert 0 <= score <= 1


def test_what_is_not_a_number():
    """A nan gives no label, and nothing is ranked where there is one."""
    logits = np.array([[math.nan, 2.0], [math.inf, -math.inf]], np.float32)
    assert predict(logits, True).tolist() == [[False, True], [True, False]]
    assert auroc(logits, np.array([[0, 1], [1, 0]])) == 0.5


def test_a_label_that_all_have_or_none_is_left_out_of_auroc():
    labels = np.array([[1, 0, 0], [1, 0, 1], [1, 0, 1]], np.int32)
    assert auroc(np.array([[9, 9, 0.0], [0, 0, 1], [5, 5, 2]]), labels) == 1
    assert auroc(np.array([[9, 9, 3.0], [0, 0, 1], [5, 5, 2]]), labels) == 0
    assert auroc(np.zeros((3, 2)), labels[:, :2]) == 0.5


def test_a_prediction_is_constant_where_all_texts_get_the_same_labels():
    same = np.array([[1, -1, 2], [3, -2, 1]], np.float32)
    assert is_constant_prediction(same, True)
    # The largest logit is another, and the labels are the same; and the other way round.
    assert not is_constant_prediction(same)
    other = np.array([[1, -1, 2], [1, 0.5, 2]], np.float32)
    assert is_constant_prediction(other)
    assert not is_constant_prediction(other, True)


@given(of((7, 3), False))
def test_every_constant_prediction_has_failed(labels):
    for one in ([-1.0, 2.0, 0.5], [math.nan, 1.0, math.inf], [-1.0, -1.0, -1.0]):
        logits = np.tile(np.array(one, np.float32), (7, 1))
        assert is_constant_prediction(logits, True)
        for name, score in evaluate(NAMES, logits, labels).items():
            assert at_floor(score, trivial_floor(name, labels, 3))


def test_the_constant_loss_is_the_least_that_a_constant_output_has():
    labels = np.array([[1, 0], [1, 0], [1, 1], [0, 0]], np.int32)
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert constant_loss(labels) == pytest.approx(entropy)
    shares = np.linspace(0.01, 0.99, 99)
    losses = [
        -np.mean(labels * np.log([p, q]) + (1 - labels) * np.log([1 - p, 1 - q]))
        for p in shares
        for q in shares
    ]
    assert min(losses) == pytest.approx(constant_loss(labels), abs=1e-9)
    assert constant_loss(np.array([[1, 0], [1, 1]], np.int32)) == pytest.approx(np.log(2) / 2)
