"""What a task is scored by: its own metric, or one that fits, and what is said of it."""

from dataclasses import replace

import numpy as np
import pytest

from jaxtune.core.errors import UserError
from jaxtune.core.failure import trivial_floor
from jaxtune.data.glue import GLUE_TASKS
from jaxtune.data.scoring import scored_by, scoring_words

RTE, MRPC, MNLI, STSB = (GLUE_TASKS[name] for name in ("rte", "mrpc", "mnli", "stsb"))
CUSTOM = replace(RTE, name="custom", label_names=("ham", "spam"))


@pytest.mark.parametrize(
    ("task", "metric", "expected"),
    [
        (RTE, None, ("accuracy", "macro_f1", "matthews")),
        (RTE, "f1", ("f1", "accuracy", "macro_f1", "matthews")),
        (MRPC, None, ("f1", "accuracy", "macro_f1", "matthews")),
        (MRPC, "auroc", ("auroc", "f1", "accuracy", "macro_f1", "matthews")),
        (MNLI, "balanced_accuracy", ("balanced_accuracy", "accuracy", "macro_f1", "matthews")),
        (STSB, None, ("pearson", "spearman")),
        (STSB, "mse", ("mse", "pearson", "spearman")),
    ],
)
def test_the_asked_metric_is_first_and_others_stand_beside_it(task, metric, expected):
    assert scored_by(task, metric, None).metrics == expected


@pytest.mark.parametrize(
    ("task", "metric", "message"),
    [
        (
            MNLI,
            "f1",
            "The metric 'f1' does not fit task mnli, which predicts 3 classes; give accuracy,"
            " macro_f1, balanced_accuracy, matthews or auroc.",
        ),
        (
            RTE,
            "pearson",
            "The metric 'pearson' does not fit task rte, which predicts 2 classes; give accuracy,"
            " f1, macro_f1, balanced_accuracy, matthews or auroc.",
        ),
        (
            STSB,
            "accuracy",
            "The metric 'accuracy' does not fit task stsb, which predicts a number; give pearson,"
            " spearman or mse.",
        ),
    ],
)
def test_a_metric_that_does_not_fit_is_refused(task, metric, message):
    with pytest.raises(UserError) as error:
        scored_by(task, metric, None)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (CUSTOM, "positive_class is 'eggs', which is no class; give 'ham' or 'spam'."),
        (MNLI, "positive_class is 'eggs', but task mnli predicts 3 classes, and F1 is of one of"),
        (STSB, "positive_class is 'eggs', but task stsb predicts a number, and F1 is of one of"),
    ],
)
def test_a_positive_class_that_is_none_is_refused(task, message):
    with pytest.raises(UserError) as error:
        scored_by(task, None, "eggs")
    assert str(error.value).startswith(message)


def test_the_positive_class_is_the_second_or_the_one_that_is_named():
    assert scored_by(MRPC, None, None).positive == 1
    assert scored_by(MRPC, None, "not_equivalent").positive == 0
    assert scored_by(CUSTOM, None, "spam").positive == 1


def words(task, labels, metric=None, positive=None):
    task = scored_by(task, metric, positive)
    labels = np.array(labels)
    floor = trivial_floor(task.metrics[0], labels, task.num_labels, task.positive)
    return scoring_words(task.metrics, task.positive, task.label_names, labels, floor)


def test_what_is_said_of_skewed_classes():
    skewed = words(CUSTOM, [0] * 18 + [1] * 2)
    assert skewed == (
        "Scored by accuracy; the best constant prediction scores 0.900. Of the dev examples 90% are"
        " 'ham', so accuracy says little about the rest: think of --metric macro_f1, matthews or"
        " balanced_accuracy."
    )
    assert "Of the dev examples" not in words(CUSTOM, [0] * 15 + [1] * 5)
    assert "Of the dev examples" not in words(CUSTOM, [0] * 18 + [1] * 2, "matthews")


def test_the_class_of_f1_is_named():
    labels = [0] * 18 + [1] * 2
    assert words(CUSTOM, labels, "f1") == (
        "Scored by f1; the best constant prediction scores 0.182. F1 is of the class 'spam'"
        " (--positive_class)."
    )
    assert "scores 0.947. F1 is of the class 'ham'" in words(CUSTOM, labels, "f1", "ham")


def test_regression_has_no_classes():
    said = words(STSB, np.array([0, 1, 5], np.float32), "mse")
    assert said == ("Scored by mse (lower is better); the best constant prediction scores 4.667.")
