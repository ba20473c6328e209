"""Metrics against scikit-learn and scipy, and on the degenerate inputs of failed trials."""

import math
import warnings

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jaxtune.core import metrics
from jaxtune.core.failure import (
    at_floor,
    is_constant_prediction,
    trivial_floor,
)
from jaxtune.core.metrics import (
    METRICS,
    auroc,
    evaluate,
    fitting,
    merit,
    predict,
    same_labels_words,
)

NAN, INF = math.nan, math.inf
NOT_FINITE = st.sampled_from([NAN, INF, -INF])


def pairs(elements: st.SearchStrategy, least: int = 1) -> st.SearchStrategy:
    """Predictions and labels of the same length; sides with a single value are drawn often."""
    constant = elements.map(lambda value: st.just(value))
    sides = st.tuples(st.just(elements) | constant, st.just(elements) | constant)
    return sides.flatmap(
        lambda side: st.lists(st.tuples(*side), min_size=least, max_size=40).map(
            lambda rows: tuple(np.array(rows).T)
        )
    )


def sklearn_scores(predictions: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The references, which warn about 0 / 0 and about a single class, and then give 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        f1 = sklearn.metrics.f1_score(
            labels, predictions, labels=[1], average="macro", zero_division=0
        )
        return {
            "accuracy": sklearn.metrics.accuracy_score(labels, predictions),
            "f1": f1,
            "macro_f1": sklearn.metrics.f1_score(
                labels, predictions, average="macro", zero_division=0
            ),
            "balanced_accuracy": sklearn.metrics.balanced_accuracy_score(labels, predictions),
            "matthews": sklearn.metrics.matthews_corrcoef(labels, predictions),
        }


@given(pairs(st.integers(0, 2)))
@pytest.mark.slow
def test_class_metrics_match_sklearn(sides: tuple[np.ndarray, np.ndarray]) -> None:
    for name, value in sklearn_scores(*sides).items():
        assert getattr(metrics, name)(*sides) == pytest.approx(value, abs=1e-12), name


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(6, 20), st.integers(2, 4)),
        elements=st.floats(-3, 3, width=16),
    ),
    st.randoms(),
)
def test_auroc_matches_sklearn(logits: np.ndarray, random) -> None:
    """Of two classes by their logits' difference, of more the mean of each against the rest."""
    num_labels = logits.shape[1]
    labels = [*range(num_labels), *random.choices(range(num_labels), k=len(logits) - num_labels)]
    labels = np.array(labels)
    probabilities = scipy.special.softmax(logits.astype(np.float64), axis=1)
    # Equal chances that come from different logits tie or not as they round: look at few digits.
    difference = (logits[:, 1].astype(np.float64) - logits[:, 0])[:, None]
    if num_labels == 2:
        expected = sklearn.metrics.roc_auc_score(labels, difference[:, 0])
    else:
        assume(all(_apart(column) for column in probabilities.T))
        expected = sklearn.metrics.roc_auc_score(labels, probabilities, multi_class="ovr")
    assert auroc(logits, labels) == pytest.approx(expected, abs=1e-12)


def _apart(column: np.ndarray) -> bool:
    return bool(np.diff(np.sort(column)).min() > 1e-9)


@given(pairs(st.integers(-20, 20) | st.floats(-10, 10, width=16), least=2))
def test_correlations_match_scipy(sides: tuple[np.ndarray, np.ndarray]) -> None:
    """Where a side has one value scipy gives nan, and a constant prediction is worth 0 here."""
    predictions, labels = sides
    spread = min(np.ptp(predictions), np.ptp(labels))
    assume(spread == 0 or spread > 1e-3)
    for name, reference in (
        ("pearson", scipy.stats.pearsonr),
        ("spearman", scipy.stats.spearmanr),
    ):
        expected = reference(predictions, labels)[0] if spread else 0
        assert getattr(metrics, name)(predictions, labels) == pytest.approx(expected, abs=1e-9)


@given(st.integers(1, 4), st.data())
@pytest.mark.slow
def test_every_constant_prediction_has_failed(num_labels: int, data: st.DataObject) -> None:
    """The floor is the best score of any constant prediction, by the references too; none counts as
    success.
    """
    if num_labels == 1:
        labels = data.draw(
            arrays(np.float32, st.integers(2, 30), elements=st.floats(0, 5, width=16))
        )
        names = ("pearson", "spearman", "mse")
        assume(np.ptp(labels) > 0)  # else no data set is read
    else:
        labels = data.draw(
            arrays(np.int32, st.integers(2, 30), elements=st.integers(0, num_labels - 1))
        )
        names = ("accuracy", "f1", "macro_f1", "balanced_accuracy", "matthews", "auroc")
    row = data.draw(
        arrays(np.float32, num_labels, elements=st.floats(-1e4, 1e4, width=32) | NOT_FINITE)
    )
    logits = np.tile(row, (len(labels), 1))
    assert is_constant_prediction(logits)
    for name, score in evaluate(names, logits, labels).items():
        floor = trivial_floor(name, labels, num_labels)
        higher = METRICS[name].higher_is_better
        assert at_floor(score, floor, higher)
        assert at_floor(float(np.float32(score)), floor, higher)
        if name == "auroc":
            assert floor == 0.5
        elif num_labels > 1:
            constants = (np.full(len(labels), constant) for constant in range(num_labels))
            expected = max(sklearn_scores(constant, labels)[name] for constant in constants)
            assert floor == pytest.approx(expected, abs=1e-12)


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(2, 20), st.integers(1, 3)),
        elements=st.floats(-1, 1, width=32) | NOT_FINITE,
    )
)
@pytest.mark.filterwarnings("error")
def test_scores_of_any_logits_are_numbers_in_their_range(logits: np.ndarray) -> None:
    """A diverged trial has scores too, without a warning."""
    labels = np.arange(len(logits)) % 2
    scores = evaluate(fitting(logits.shape[1]), logits, labels)
    error = scores.pop("mse", 0.0)
    assert error >= 0 or not np.isfinite(logits).all()
    for score in scores.values():
        assert -1 <= score <= 1


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
        ("mse", [1, 2, 3], [1, 2, 5], 4 / 3),
        ("macro_f1", [0, 0, 0, 0], [0, 0, 0, 1], (6 / 7) / 2),
        ("balanced_accuracy", [0, 0, 0, 0], [0, 0, 0, 1], 0.5),
        ("balanced_accuracy", [0, 2, 1], [0, 0, 1], 0.75),
    ],
)
def test_degenerate_inputs(name: str, predictions: list, labels: list, expected: float) -> None:
    score = getattr(metrics, name)
    assert score(np.array(predictions), np.array(labels)) == pytest.approx(expected)


def test_pearson_of_float32_is_computed_in_float64() -> None:
    values = (1000 + np.random.default_rng(0).normal(size=(2, 500))).astype(np.float32)
    expected = scipy.stats.pearsonr(*values.astype(np.float64))[0]
    assert metrics.pearson(*values) == pytest.approx(expected, abs=1e-12)


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


def test_f1_is_of_the_class_that_is_asked_for() -> None:
    """18 ham and 2 spam of which one is found, with 2 false alarms: the issue's own example."""
    labels = np.array([0] * 18 + [1] * 2)
    predictions = np.array([0] * 16 + [1] * 2 + [0, 1])
    logits = np.eye(2)[predictions]
    assert evaluate(["f1"], logits, labels)["f1"] == pytest.approx(0.4)
    assert evaluate(["f1"], logits, labels, positive=0)["f1"] == pytest.approx(32 / 35)
    assert evaluate(["accuracy"], logits, labels)["accuracy"] == pytest.approx(0.85)
    assert trivial_floor("f1", labels, 2) == pytest.approx(4 / 22)
    assert trivial_floor("f1", labels, 2, positive=0) == pytest.approx(36 / 38)
    scores = evaluate(["f1", "accuracy"], logits, labels)
    floors = {name: trivial_floor(name, labels, 2) for name in scores}
    assert not at_floor(scores["f1"], floors["f1"])
    assert at_floor(scores["accuracy"], floors["accuracy"])


def test_auroc_of_what_cannot_be_ranked_is_that_of_a_constant() -> None:
    labels = np.array([0, 1, 1])
    good = np.array([[1.0, -1], [0, 3], [0, 4]], np.float32)
    assert auroc(good, labels) == 1
    assert auroc(-good, labels) == 0
    for spoilt in (NAN, [INF, INF], [-INF, -INF]):
        logits = good.copy()
        logits[0] = spoilt
        assert auroc(logits, labels) == 0.5
    assert auroc(good, np.array([1, 1, 1])) == 0.5
    assert auroc(np.array([[1, -INF], [0, INF], [0, 4.0]]), labels) == 1
    # Chances that round to 0 and 1 in float64 still rank.
    assert auroc(np.array([[0, 400.0], [0, 500], [0, 600]]), np.array([0, 0, 1])) == 1


def test_larger_merit_is_better_and_no_score_is_worst() -> None:
    assert merit(np.array([0.2, NAN, 0.5]), True).tolist() == [0.2, -INF, 0.5]
    assert merit(np.array([0.2, NAN, 0.5]), False).tolist() == [-0.2, -INF, -0.5]
    assert float(merit(None, False)) == -INF


def test_which_metrics_fit() -> None:
    assert fitting(1) == ["pearson", "spearman", "mse"]
    assert "f1" in fitting(2)
    assert set(fitting(2)) - set(fitting(3)) == {"f1"}


def test_what_an_accuracy_of_label_sets_hides():
    assert same_labels_words(0.834) == (
        "Of the dev examples 83% have the same labels, so accuracy says little about the rest:"
        " think of --metric micro_f1, macro_f1 or auroc."
    )
