"""Metrics against scikit-learn and scipy, and on the degenerate inputs of failed trials."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jaxtune.data.tasks import read_glue_folder
from jaxtune.metrics import (
    METRICS,
    evaluate,
    has_failed,
    is_constant_prediction,
    predict,
    trivial_floor,
)

DATA = Path(os.environ.get("JAXTUNE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
NAN, INF = math.nan, math.inf


def pairs(elements: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(st.tuples(elements, elements), min_size=2, max_size=40).map(
        lambda rows: tuple(np.array(rows).T)
    )


@settings(max_examples=100, deadline=None)
@given(pairs(st.integers(0, 2)))
def test_class_metrics_match_sklearn(sides: tuple[np.ndarray, np.ndarray]) -> None:
    predictions, labels = sides
    expected = {"accuracy": sklearn.metrics.accuracy_score(labels, predictions)}
    if 1 in sides[0] or 1 in sides[1]:  # scikit-learn warns about 0 / 0
        expected["f1"] = sklearn.metrics.f1_score(labels, predictions, labels=[1], average="macro")
    if len(np.union1d(labels, predictions)) > 1:  # and about a single class
        expected["matthews"] = sklearn.metrics.matthews_corrcoef(labels, predictions)
    for name, value in expected.items():
        assert METRICS[name](predictions, labels) == pytest.approx(value, abs=1e-12), name


@settings(max_examples=100, deadline=None)
@given(pairs(st.integers(-20, 20) | st.floats(-10, 10, width=16)))
def test_correlations_match_scipy(sides: tuple[np.ndarray, np.ndarray]) -> None:
    predictions, labels = sides
    assume(np.ptp(predictions) > 1e-3 and np.ptp(labels) > 1e-3)
    for name, reference in (
        ("pearson", scipy.stats.pearsonr),
        ("spearman", scipy.stats.spearmanr),
    ):
        expected = reference(predictions, labels)[0]
        assert METRICS[name](predictions, labels) == pytest.approx(expected, abs=1e-9), name


@pytest.mark.parametrize(
    ("name", "predictions", "labels", "expected"),
    [
        ("f1", [0, 0, 0], [0, 1, 1], 0),
        ("f1", [1, 0, 1], [0, 0, 0], 0),
        ("f1", [0, 0], [0, 0], 0),
        ("matthews", [1, 1, 1], [0, 1, 1], 0),
        ("matthews", [0, 1, 1], [1, 1, 1], 0),
        ("matthews", [1, 1], [1, 1], 0),
        ("matthews", [0, 1] * 100_000, [0, 1] * 100_000, 1),
        ("pearson", [2.5, 2.5, 2.5], [1, 2, 3], 0),
        ("pearson", [0.1] * 3, [1, 2, 3], 0),
        ("pearson", [1, 2, 3], [4, 4, 4], 0),
        ("pearson", [1, NAN, 3], [1, 2, 3], 0),
        ("pearson", [1, INF, 3], [1, 2, 3], 0),
        ("pearson", [0, 1e-200, 2e-200], [1, 2, 3], 1),
        ("pearson", [1e8, 1e8 + 1, 1e8 + 2], [3, 2, 1], -1),
        ("spearman", [1, 1, 1], [1, 2, 3], 0),
        ("spearman", [1, 2, 3], [1, 1, 1], 0),
        ("spearman", [1, 2, NAN], [1, 2, 3], 0),
        ("spearman", [1, 2, -INF], [1, 2, 3], 0),
        ("spearman", [1, 10, 100], [1, 2, 3], 1),
    ],
)
def test_degenerate_inputs(name: str, predictions: list, labels: list, expected: float) -> None:
    assert METRICS[name](np.array(predictions), np.array(labels)) == pytest.approx(expected)


def test_pearson_of_float32_is_computed_in_float64() -> None:
    values = (1000 + np.random.default_rng(0).normal(size=(2, 500))).astype(np.float32)
    expected = scipy.stats.pearsonr(*values.astype(np.float64))[0]
    assert METRICS["pearson"](*values) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([[0, 1], [1, 0], [2, 2]], [1, 0, 0]),
        ([[0, NAN], [NAN, 1], [-INF, INF], [NAN, NAN]], [0, 0, 1, 0]),
        ([[0, 1, 2], [INF, INF, 0]], [2, 0]),
        ([[0.5], [-1], [NAN]], [0.5, -1, NAN]),
    ],
)
def test_predict(logits: list, expected: list) -> None:
    np.testing.assert_array_equal(predict(np.array(logits, np.float32)), expected)


def test_evaluate_keeps_the_order_of_names() -> None:
    logits = np.array([[0, 1], [0, 1], [1, 0]], np.float32)
    scores = evaluate(("f1", "accuracy"), logits, np.array([1, 0, 0]))
    assert list(scores.items()) == [
        ("f1", pytest.approx(2 / 3)),
        ("accuracy", pytest.approx(2 / 3)),
    ]


@pytest.mark.parametrize(
    ("name", "labels", "num_labels", "expected"),
    [
        ("accuracy", [0, 0, 1, 2], 3, 0.5),
        ("accuracy", [0, 1, 2, 2, 2], 3, 0.6),
        ("f1", [0, 0, 0, 1], 2, 0.4),
        ("matthews", [0, 0, 1], 2, 0),
        ("pearson", [0.5, 2, 5], 1, 0),
        ("spearman", [0.5, 2, 5], 1, 0),
    ],
)
def test_trivial_floor(name: str, labels: list, num_labels: int, expected: float) -> None:
    assert trivial_floor(name, np.array(labels), num_labels) == pytest.approx(expected)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no GLUE data at {DATA} (JAXTUNE_TEST_DATA)")
@pytest.mark.parametrize(
    ("task", "expected"),
    [("mrpc", 0.8122), ("rte", 0.5271), ("cola", 0), ("qnli", 0.5054)],
)
def test_trivial_floor_of_real_dev_labels(task: str, expected: float) -> None:
    data = read_glue_folder(task, DATA / "glue")
    floor = trivial_floor(data.task.primary_metric, data.dev.labels, data.task.num_labels)
    assert floor == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([[0, 1], [0.2, 0.3], [-5, 5]], True),
        ([[0, 1], [1, 0]], False),
        ([[NAN, NAN], [NAN, 1]], True),
        ([[0.5], [0.5]], True),
        ([[0.5], [0.5000001]], False),
        ([[NAN], [NAN]], True),
        ([[NAN], [0.5]], False),
    ],
)
def test_is_constant_prediction(logits: list, expected: bool) -> None:
    assert is_constant_prediction(np.array(logits, np.float32)) is expected


@pytest.mark.parametrize(
    ("final", "floor", "expected"),
    [
        (146 / 277, 146 / 277, True),
        (float(np.float32(146 / 277)), 146 / 277, True),
        (147 / 277, 146 / 277, False),
        (0.3, 0.5, True),
        (-0.1, 0.0, True),
        (NAN, 0.0, True),
        (-INF, 0.0, True),
    ],
)
def test_has_failed(final: float, floor: float, expected: bool) -> None:
    assert has_failed(final, floor) is expected
