"""Labels and predictions of other trainers' runs as people save them."""

import re

import numpy as np
import pandas as pd
import pytest

from jaxtune.core.errors import UserError
from jaxtune.report.scores.predictions import labels_in, read_logits
from jaxtune.report.scores.read import places_source
from jaxtune.report.scores.runs import Given

LABELS = np.array([1] * 35 + [0] * 15)  # the best constant prediction is right in 0.7 of them


def constant_runs(folder, labels=LABELS, metric="accuracy", **given):
    """Four runs, each of which predicts one class for all examples."""
    np.save(folder / "labels.npy", labels)
    lines = []
    for seed in range(4):
        answers = np.full(len(LABELS), seed % 2)
        np.save(folder / f"{seed}.npy", answers)
        score = float((answers == LABELS).mean())
        lines.append({"arm": "A", "seed": seed, "score": score, "predictions": f"{seed}.npy"})
    pd.DataFrame(lines).to_csv(folder / "scores.csv", index=False)
    return places_source([folder / "scores.csv"], Given(metric=metric, **given))


@pytest.mark.parametrize("kind", [np.int64, np.float64, np.bool_])
def test_a_metric_of_classes_has_the_floor_of_its_largest_class(kind, tmp_path):
    """Whole numbers of a float column are classes: read as numbers they had the floor 0, at which
    no run fails.
    """
    rows = constant_runs(tmp_path, LABELS.astype(kind)).rows
    assert {row["trivial"] for row in rows} == {0.7}
    assert [row["failed"] for row in rows] == [True] * 4
    assert [row["constant_prediction"] for row in rows] == [True] * 4


def test_classes_may_be_written_as_floats_on_both_sides(tmp_path):
    np.save(tmp_path / "p.npy", np.array([0.0, 1.0, 1.0]))
    logits = read_logits(tmp_path / "p.npy", np.array([0.0, 1.0, 0.0]), "accuracy")
    assert logits.argmax(axis=1).tolist() == [0, 1, 1]


def test_a_metric_of_numbers_takes_whole_ones_as_numbers(tmp_path):
    """Ratings from 0 to 5 are no classes where their correlation or error is measured."""
    ratings = np.array([0, 1, 2, 3, 4, 5])
    np.save(tmp_path / "labels.npy", ratings)
    np.save(tmp_path / "p.npy", ratings + 0.5)
    lines = [{"arm": "A", "seed": seed, "mse": 0.25, "predictions": "p.npy"} for seed in range(2)]
    pd.DataFrame(lines).to_csv(tmp_path / "scores.csv", index=False)
    rows = places_source([tmp_path / "scores.csv"], Given(metric="mse")).rows
    assert rows[0]["trivial"] == pytest.approx(np.var(ratings))
    assert [row["failed"] for row in rows] == [False, False]


def test_float_labels_of_an_unknown_metric_are_numbers(tmp_path):
    np.save(tmp_path / "p.npy", np.array([0.5, 1.0, 1.0]))
    assert read_logits(tmp_path / "p.npy", np.array([0.0, 1.0, 2.0]), None).shape == (3, 1)


def test_labels_alone_know_all_their_classes(tmp_path):
    """Beside folders without predictions the largest class, the third, is the floor."""
    np.save(tmp_path / "labels.npy", np.array([0, 1, 2, 2]))
    for seed in range(2):
        folder = tmp_path / "A" / str(seed)
        folder.mkdir(parents=True)
        (folder / "all_results.json").write_text('{"eval_accuracy": 0.75}')
    rows = places_source([tmp_path], Given()).rows
    assert {row["trivial"] for row in rows} == {0.5}


@pytest.mark.parametrize(
    ("labels", "metric", "sentence"),
    [
        (LABELS + 0.5, "accuracy", "The accuracy is of classes, and the labels are not 0, 1, ..."),
        (LABELS - 1, "accuracy", "The accuracy is of classes, and the labels are not 0, 1, ..."),
        (LABELS, "micro_f1", "are of 2 classes, and the micro_f1 is not: give --metric the name"),
        (LABELS + 1, "f1", "are of 3 classes, and the f1 is not: give --metric the name"),
        (np.array(["a"] * 50), "accuracy", "labels.npy is no table of numbers"),
    ],
)
def test_labels_that_the_metric_is_not_of_are_refused(labels, metric, sentence, tmp_path):
    with pytest.raises(UserError, match=re.escape(sentence)):
        constant_runs(tmp_path, labels, metric)


@pytest.mark.parametrize("metric", ["accuracy", "auroc", None])
def test_a_class_without_a_column_is_said(metric, tmp_path):
    """An AUROC of it ended in an assertion, and once left its examples out without a word."""
    np.save(tmp_path / "p.npy", np.array([[0.2, 0.8], [0.7, 0.3], [0.6, 0.4]]))
    with pytest.raises(UserError, match="has 2 columns, and the labels go up to class 2; give a"):
        read_logits(tmp_path / "p.npy", np.array([1, 0, 2]), metric)


def test_one_column_is_of_no_classes(tmp_path):
    """As a sigmoid's: its threshold is not known."""
    np.save(tmp_path / "labels.npy", LABELS)
    np.save(tmp_path / "p.npy", np.linspace(0, 1, 50)[:, None])
    lines = [{"arm": "A", "seed": i, "accuracy": 0.7, "predictions": "p.npy"} for i in range(2)]
    pd.DataFrame(lines).to_csv(tmp_path / "scores.csv", index=False)
    with pytest.raises(UserError, match="are of numbers in one column, and the accuracy is not"):
        places_source([tmp_path / "scores.csv"], Given(metric="accuracy"))


ANSWERS = [1, 0, 0, 1]


@pytest.mark.parametrize(
    "text",
    [
        "id,prediction\n0,1\n1,0\n2,0\n3,1\n",
        "text,pred,prob\na,1,0.9\nb,0,0.2\nc,0,0.1\nd,1,0.8\n",
        ",label\n7,1\n8,0\n9,0\n10,1\n",
        "label,prediction\n1,1\n1,0\n1,0\n1,1\n",
        "index,no,yes\n0,0.1,0.9\n1,0.8,0.2\n2,0.7,0.3\n3,0.4,0.6\n",
        "1\n0\n0\n1\n",
        "answer\n1\n0\n0\n1\n",
    ],
)
def test_the_column_of_predictions_is_found_by_its_name(text, tmp_path):
    """Examples' numbers beside the classes were read as logits of a first class."""
    file = tmp_path / "p.csv"
    file.write_text(text)
    logits = read_logits(file, np.array([1, 0, 1, 1]), "accuracy")
    assert logits.shape == (4, 2)
    assert logits.argmax(axis=1).tolist() == ANSWERS


@pytest.mark.parametrize("header", ["", "a,b\n"])
def test_a_first_column_that_counts_is_no_logit(header, tmp_path):
    file = tmp_path / "p.csv"
    file.write_text(header + "5,1\n6,0\n7,0\n8,1\n")
    with pytest.raises(UserError, match=r"p\.csv counts the examples in its first column"):
        read_logits(file, np.array([1, 0, 1, 1]), "accuracy")


def test_labels_beside_numbers_of_examples(tmp_path):
    (tmp_path / "labels.csv").write_text("id,label\n5,1\n6,0\n7,0\n")
    assert labels_in(tmp_path).tolist() == [1, 0, 0]


def test_runs_of_which_the_first_has_no_predictions(tmp_path):
    """JSON lines may leave a column out where it has nothing."""
    constant_runs(tmp_path)
    frame = pd.read_csv(tmp_path / "scores.csv")
    file = tmp_path / "scores.jsonl"
    lines = [row.dropna().to_json() for _, row in frame.iterrows()]
    lines[0] = frame.iloc[0].drop("predictions").to_json()
    file.write_text("\n".join(lines))
    rows = places_source([file], Given(metric="accuracy")).rows
    assert {row["trivial"] for row in rows} == {0.7}
    assert [row["constant_prediction"] for row in rows] == [None, True, True, True]
