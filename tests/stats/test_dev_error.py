"""The luck of the dev examples, against the formulas that there are for it."""

import dataclasses
import math

import numpy as np
import pytest
from made_up import made_up_rows

from jaxtune.core.entities import Sentences
from jaxtune.core.metrics import METRICS, evaluate
from jaxtune.stats.arms import make_arms
from jaxtune.stats.dev_error import bootstrapped, dev_standard_error

# A std of 1,000 resamples has an error of 1 / sqrt(2,000), 2.2%.
CLOSE = pytest.approx


def arm_of(metric, logits, labels, floor=0.0, positive=1):
    """An arm of one trial with these logits."""
    final = evaluate([metric], logits, labels, positive)[metric]
    higher = METRICS[metric].higher_is_better
    rows = made_up_rows([final], trivial=floor, metric=metric, higher_is_better=higher)
    (arm,) = make_arms({"all": rows})
    return arm


def error_of(metric, logits, labels, positive=1, floor=0.0):
    arm = arm_of(metric, logits, labels, floor, positive)
    return bootstrapped(arm, [logits], labels, positive).value


@pytest.mark.parametrize("copies", [1, 9])
def test_the_words_of_a_sentence_are_no_examples_of_their_own(copies):
    """An accuracy over 200 sentences whose words are all right or all wrong has the error of 200
    examples, however many words a sentence has.
    """
    labels = np.arange(200) % 2
    logits = np.eye(2, dtype=np.float32)[np.where(np.arange(200) < 40, 1 - labels, labels)]
    words = np.repeat(np.arange(200), copies)
    sentences = Sentences(("A", "B"), np.full(200, copies))
    own, right = logits[words], labels[words]
    final = evaluate(["accuracy"], own, right, sentences=sentences)["accuracy"]
    assert final == 0.8
    rows = made_up_rows([final], trivial=0.0, token_classification=True)
    (arm,) = make_arms({"all": rows})
    error = bootstrapped(arm, [own], right, sentences=sentences)
    assert error.value == CLOSE(math.sqrt(0.8 * 0.2 / 200), rel=0.07)
    assert error.method == "bootstrap over the dev sentences"
    # No formula for it: that of independent words would be a third for nine words a sentence.
    assert dev_standard_error(arm, 200).value is None
    assert dev_standard_error(dataclasses.replace(arm, dev_error=error), 200) == error


def regression(n=400, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.normal(size=n).astype(np.float32)
    return (labels + noise * rng.normal(size=n))[:, None].astype(np.float32), labels


def classes(n=400, right=0.8, share=0.3, seed=0):
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < share).astype(np.int32)
    answers = np.where(rng.random(n) < right, labels, 1 - labels)
    return np.eye(2, dtype=np.float32)[answers], labels


def test_mse_has_the_error_of_a_mean():
    logits, labels = regression()
    squares = (logits[:, 0].astype(float) - labels) ** 2
    expected = squares.std() / math.sqrt(len(squares))
    assert error_of("mse", logits, labels, floor=99.0) == CLOSE(expected, rel=0.1)


def test_pearson_and_spearman_have_their_published_errors():
    """Of normal values: (1 - r^2) / sqrt(n), and Bonett and Wright's (2000) for ranks."""
    logits, labels = regression()
    for metric in ("pearson", "spearman"):
        r = evaluate([metric], logits, labels)[metric]
        widened = 1 if metric == "pearson" else math.sqrt(1 + r**2 / 2)
        expected = (1 - r**2) * widened / math.sqrt(len(labels))
        assert error_of(metric, logits, labels) == CLOSE(expected, rel=0.15)


def test_metrics_of_classes_have_the_error_of_the_delta_method():
    """The multinomial counts of the confusion matrix, with numerical derivatives."""
    logits, labels = classes()
    predictions = logits.argmax(axis=1)
    table = np.zeros((2, 2))
    np.add.at(table, (labels, predictions), 1)
    shares = table.ravel() / table.sum()

    def score(metric, cells):
        (tn, fp), (fn, tp) = cells.reshape(2, 2)
        f1 = 2 * tp / (2 * tp + fp + fn)
        other = 2 * tn / (2 * tn + fp + fn)
        spread = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        return {
            "f1": f1,
            "macro_f1": (f1 + other) / 2,
            "balanced_accuracy": (tp / (tp + fn) + tn / (tn + fp)) / 2,
            "matthews": (tp * tn - fp * fn) / math.sqrt(spread),
        }[metric]

    for metric in ("f1", "macro_f1", "balanced_accuracy", "matthews"):
        small = 1e-6 * np.eye(4)
        slopes = [(score(metric, shares + d) - score(metric, shares - d)) / 2e-6 for d in small]
        slopes = np.array(slopes)
        variance = (shares @ slopes**2 - (shares @ slopes) ** 2) / len(labels)
        assert error_of(metric, logits, labels) == CLOSE(math.sqrt(variance), rel=0.1), metric


def test_auroc_has_delongs_error():
    rng = np.random.default_rng(1)
    labels = (rng.random(400) < 0.3).astype(np.int32)
    scores = rng.normal(size=400) + 1.2 * labels
    logits = np.stack([np.zeros(400), scores], axis=1).astype(np.float32)
    inside, outside = scores[labels == 1], scores[labels == 0]
    wins = (inside[:, None] > outside[None]).astype(float)
    variance = wins.mean(axis=1).var(ddof=1) / len(inside)
    variance += wins.mean(axis=0).var(ddof=1) / len(outside)
    assert error_of("auroc", logits, labels, floor=0.5) == CLOSE(math.sqrt(variance), rel=0.1)


def test_of_many_examples_a_part_is_drawn_for_the_error_of_all():
    logits, labels = regression(n=20_000)
    squares = (logits[:, 0].astype(float) - labels) ** 2
    expected = squares.std() / math.sqrt(len(squares))
    assert error_of("mse", logits, labels, floor=99.0) == CLOSE(expected, rel=0.1)


def test_f1_of_the_other_class_has_another_error():
    logits, labels = classes()
    one, other = (error_of("f1", logits, labels, positive) for positive in (1, 0))
    assert one > 1.5 * other > 0


def test_the_middle_trial_of_those_that_did_not_fail_stands_for_the_arm():
    logits, labels = classes()
    constant = np.tile(np.array([[1.0, 0.0]], np.float32), (len(labels), 1))
    stack = [constant, logits, constant, constant]
    finals = [evaluate(["matthews"], each, labels)["matthews"] for each in stack]
    (arm,) = make_arms({"all": made_up_rows(finals, trivial=0.0, metric="matthews")})
    alone = error_of("matthews", logits, labels)
    assert bootstrapped(arm, stack, labels).value == alone > 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda arm, logits, labels: (arm, [logits], None), "labels.npy) are not there"),
        (lambda arm, logits, labels: (arm, [None], labels), "has predictions"),
        (lambda arm, logits, labels: (arm, [logits], labels[:-1]), "do not give the trials'"),
        (lambda arm, logits, labels: (arm, [logits], 1 - labels), "do not give the trials'"),
    ],
)
def test_what_is_missing_is_said(change, reason):
    logits, labels = classes()
    found = bootstrapped(*change(arm_of("f1", logits, labels), logits, labels))
    assert found.value is None
    assert reason in found.reason


def test_no_mistake_is_no_error_of_zero():
    labels = np.array([0, 1] * 10, np.int32)
    logits = np.eye(2, dtype=np.float32)[labels]
    found = bootstrapped(arm_of("matthews", logits, labels), [logits], labels)
    assert (found.value, found.reason) == (
        None,
        "every resample of the dev examples gives the same score",
    )


def test_an_accuracy_has_its_formula():
    """Known answer: 277 examples at 70% leave 2.75 points."""
    (arm,) = make_arms({"all": made_up_rows([0.65, 0.75])})
    assert dev_standard_error(arm, 277).value == pytest.approx(0.0275, abs=5e-5)
    assert "size of the dev set is not known" in dev_standard_error(arm, None).reason


def test_other_metrics_without_labels_have_none():
    (arm,) = make_arms({"all": made_up_rows([0.65, 0.75], metric="f1")})
    found = dev_standard_error(arm, 277)
    assert (found.value, found.reason) == (None, "the dev labels were not looked at")
