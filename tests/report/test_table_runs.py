"""Tables and words whose scores could be meant otherwise than they would be read."""

import re

import pandas as pd
import pytest

import jaxtune
from jaxtune.core.errors import UserError
from jaxtune.report.findings import find
from jaxtune.report.scores.read import places_source, word_source
from jaxtune.report.scores.runs import Given

SHARES, PERCENTS = "A=0.71,0.72,0.73", "B=75,76,77"


@pytest.mark.parametrize(
    ("words", "floor", "score"),
    [
        ((SHARES, PERCENTS), 0.527, 77),
        (("A=71.2,0.0,72", "B=52.7,52.7,52.7"), 0.527, 72),
        ((SHARES, PERCENTS), 52.7, 0.73),
    ],
)
def test_an_arm_in_another_unit_than_the_floor_is_refused(words, floor, score):
    sentence = f"The floor is {floor} and a score is {score}: give both in one unit"
    with pytest.raises(UserError, match=re.escape(sentence)):
        word_source(words, Given(floor=floor))


def test_an_arm_in_another_unit_than_the_other_is_doubted():
    said = " ".join(word_source([SHARES, PERCENTS], Given()).reading)
    assert "A score of 0.73 stands among scores of 75 to 77: give all in one unit" in said
    said = " ".join(word_source(["A=0.71,1.5,0.73", "B=5.2,6,7"], Given()).reading)
    assert "one unit" not in said


@pytest.mark.parametrize(
    "metric",
    [
        *("eval_loss", "rmse", "mean_error", "perplexity", "eval/wer"),
        *("error_rate", "word_error_rate", "mse_1"),
        *("eval_logloss", "cross_entropy", "brier_score", "MAPE", "smape", "msle", "EER"),
        *("hamming_loss", "val_loss_epoch", "loss/test", "negative_log_likelihood"),
    ],
)
def test_an_error_by_its_name_must_be_said_to_be_one(metric):
    scores = {"A": [0.3, 0.31], "B": [0.9, 0.91]}
    with pytest.raises(UserError, match=re.escape("is an error by its name: say that lower")):
        jaxtune.compare(scores, metric=metric)
    found = jaxtune.compare(scores, metric=metric, lower_is_better=True)
    assert "lower is better" in str(found)


def test_other_names_are_scores():
    scores = {"A": [0.3, 0.31], "B": [0.9, 0.91]}
    for metric in ("accuracy", "test_neg_mean_squared_error", "neg_log_loss", "lossless"):
        assert "lower is better" not in str(jaxtune.compare(scores, metric=metric))
    for metric in ("hamming_score", "log_likelihood", "error_reduction", "f1_per", "rate"):
        assert "lower is better" not in str(jaxtune.compare(scores, metric=metric))
    with pytest.raises(UserError, match="The accuracy is better when higher, and it is said"):
        jaxtune.compare(scores, metric="accuracy", lower_is_better=True)
    assert "lower is better" in str(jaxtune.compare(scores, metric="mse", lower_is_better=True))


def read(folder, rows, **given):
    file = folder / "scores.csv"
    pd.DataFrame(rows).to_csv(file, index=False)
    return places_source([file], Given(**given))


def rows(arm, scores, **more):
    return [{"arm": arm, "seed": i, "score": score, **more} for i, score in enumerate(scores)]


def test_what_a_table_says_of_its_scores_is_read(tmp_path):
    """Which way is better, and which runs diverged; the other results of a sweep are named."""
    lines = rows("A", (0.6, 0.61), metric="rmse", higher_is_better="false", diverged="", best=0.5)
    lines += rows("B", (0.5, 0.51), metric="rmse", higher_is_better=False, diverged=True, best=0.4)
    source = read(tmp_path, lines, floor=0.7)
    assert [row["failed"] for row in source.rows] == [False, False, True, True]
    assert [row["diverged"] for row in source.rows] == [False, False, True, True]
    assert "rmse, of which lower is better" in source.reading[0]
    assert "Not read, for they say what came of a run: best." in source.reading
    with pytest.raises(UserError, match="line 4 has diverged; such a run has failed and counts"):
        read(tmp_path, lines)
    with pytest.raises(UserError, match="line 2 has 'maybe' as diverged: give true or false"):
        read(tmp_path, rows("A", (0.6, 0.61), diverged="maybe"))
    with pytest.raises(UserError, match="The accuracy is better when higher, and it is said"):
        read(tmp_path, rows("A", (0.6, 0.61), metric="accuracy", higher_is_better=False))


def test_tasks_may_be_of_scores_and_of_errors(tmp_path):
    lines = rows("A", (0.6, 0.61), task="t1", metric="rmse", higher_is_better=False)
    lines += rows("A", (0.6, 0.61), task="t2", metric="exact_match", higher_is_better=True)
    found = read(tmp_path, lines).rows
    assert [row["higher_is_better"] for row in found] == [False, False, True, True]
    lines = rows("A", (0.6, 0.61), task="t1", metric="rmse")
    lines += rows("A", (0.6, 0.61), task="t2", metric="accuracy")
    found = read(tmp_path, lines, lower_is_better=True).rows
    assert [row["higher_is_better"] for row in found] == [False, False, True, True]


def test_trials_of_different_dev_sets_are_refused(tmp_path):
    """Also within an arm, and where the first arm's is not known."""
    lines = rows("A", (0.7, 0.71), dev_examples=100) + rows("B", (0.7, 0.71), dev_examples=277)
    lines[1]["dev_examples"] = 277
    sentence = r"on different dev sets \(\[A\] 100 examples, \[A\] 277 examples\); compare"
    with pytest.raises(UserError, match=sentence):
        find([read(tmp_path, lines, metric="accuracy")])


def test_one_recipe_spelled_twice_is_one(tmp_path):
    spelled = [("2e-5", "0.1"), ("0.00002", "0.10"), ("2.0E-05", ".1"), ("1", "none")]
    lines = [
        {"learning_rate": rate, "warmup": warmup, "seed": 2 * i + j, "score": 0.7}
        for i, (rate, warmup) in enumerate([*spelled, ("1.0", "none")])
        for j in (0, 1)
    ]
    found = read(tmp_path, lines, arm_column=("learning_rate", "warmup")).rows
    names = ["learning_rate=2e-05 warmup=0.1", "learning_rate=1 warmup=none"]
    assert [row["arm"] for row in found] == [names[0]] * 6 + [names[1]] * 4
    found = read(tmp_path, lines, arm_column=("learning_rate",)).rows
    assert {row["arm"] for row in found} == {"learning_rate=2e-05", "learning_rate=1"}


def test_seeds_of_a_dict_are_one_however_their_numbers_are_written():
    """pandas makes floats of a column of seeds as soon as one is missing."""
    one = {i: 0.7 + 0.01 * i for i in range(8)}
    other = {float(i): 0.702 + 0.01 * i for i in range(8)}
    (pair,) = jaxtune.compare({"A": one, "B": other}, floor=0.53).numbers.comparisons
    assert (pair.paired, pair.num_shared) == (True, 8)
    assert pair.tests.location.p == pytest.approx(2 / 2**8)


def test_the_column_metric_is_read_as_the_flag_is(tmp_path):
    """Accuracy is the accuracy: 71.29 was taken for a share of nothing known."""
    with pytest.raises(UserError, match=r"line 2 has the accuracy 71\.29, which is above 1"):
        read(tmp_path, rows("A", (71.29, 71.45), metric="Accuracy"))
    lines = rows("A", (0.71, 0.72), metric="acc")
    for given in ({}, {"metric": "acc"}, {"metric": "eval_accuracy"}):
        assert read(tmp_path, lines, **given).rows[0]["metric"] == "accuracy"
    with pytest.raises(UserError, match="line 2 was scored by acc, and --metric is f1; leave one"):
        read(tmp_path, lines, metric="f1")


@pytest.mark.parametrize(
    ("column", "more", "metric"),
    [
        ("final", {"metric": "accuracy"}, "accuracy"),  # as a sweep's trials.jsonl has it
        ("f1", {"metric": "accuracy"}, "f1"),
        ("eval_acc", {"metric": "f1"}, "accuracy"),
        ("final", {"metric": "accuracy", "score": 0.1}, "final"),
        ("final", {}, "final"),
    ],
)
def test_the_column_metric_says_what_another_columns_scores_are(column, more, metric, tmp_path):
    """Unless that has a metric's name, or the column score is there to be meant."""
    lines = [{"arm": "A", "seed": i, column: 0.7, **more} for i in range(2)]
    found = read(tmp_path, lines, metric=column).rows
    assert (found[0]["metric"], found[0]["final"]) == (metric, 0.7)
