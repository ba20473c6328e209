"""Texts with any number of labels, from the files to the report, the export and new texts."""

import csv
import json

import numpy as np
import pytest
from exporting import export, torch_logits
from scipy import special
from several_labels import (
    LABELS,
    STEPS,
    command,
    texts_and_sets,
    write_cells,
    write_columns,
    write_lists,
)

import jaxtune
from jaxtune.core.failure import trivial_floor
from jaxtune.core.metrics import evaluate
from jaxtune.predict.__main__ import main as predict
from jaxtune.report.__main__ import main as report
from jaxtune.sweep.__main__ import main

METRICS = ("micro_f1", "macro_f1", "auroc", "accuracy")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    return {
        "train": write_cells(folder / "train.csv", *texts_and_sets(96, 1)),
        "dev": write_lists(folder / "dev.jsonl", *texts_and_sets(40, 2)),
        "test": write_cells(folder / "test.csv", *texts_and_sets(20, 3)),
    }


@pytest.fixture(scope="module")
def out(tiny, files, tmp_path_factory):
    out = tmp_path_factory.mktemp("several") / "out"
    flags = ["--save_params", "final", "--test_file", str(files["test"])]
    assert main(command(tiny, files["train"], files["dev"], out, *flags)) == 0
    return out


def right(number, seed):
    sets = texts_and_sets(number, seed)[1]
    return np.array([[name in own for name in LABELS] for own in sets], np.int32)


def test_rows_are_scored_against_what_stands_beside_them(out):
    results = jaxtune.load_results(out)
    np.testing.assert_array_equal(results.labels, right(40, 2))
    assert results.labels.dtype == np.int32
    assert results.classes == LABELS
    floor = trivial_floor("micro_f1", results.labels, 3)
    for row in results.trials.to_dict("records"):
        scores = evaluate(METRICS, results.predictions[row["trial"]], results.labels)
        assert row["metric"] == "micro_f1"
        assert row["final"] == scores["micro_f1"]
        assert row["trivial"] == floor
        assert row["positive_class"] is None
        own = results.history[results.history.trial == row["trial"]]
        last = own[own.step == STEPS].set_index("name")["value"]
        for name in METRICS:
            assert last[f"dev/{name}"] == pytest.approx(scores[name], rel=1e-6)
    # The words decide it, and two seeds find that out.
    assert not results.trials["failed"].any()


def test_the_test_file_is_answered_and_scored(out, files):
    labels = right(20, 3)
    np.testing.assert_array_equal(np.load(out / "predictions/test/labels.npy"), labels)
    logits = [np.load(out / f"predictions/test/{n:05d}.npy") for n in (0, 1)]
    for row, own in zip(jaxtune.load_results(out).trials.to_dict("records"), logits, strict=True):
        assert row["test/macro_f1"] == evaluate(["macro_f1"], own, labels)["macro_f1"]
    mean = np.mean([special.expit(each.astype(np.float64)) for each in logits], axis=0)
    assert_table(out / "test_predictions.csv", mean)
    with (out / "test_predictions.csv").open(newline="") as file:
        agreement = [float(row["agreement"]) for row in csv.DictReader(file)]
    same = [((each > 0) == (mean > 0.5)).all(axis=1) for each in logits]
    np.testing.assert_allclose(agreement, np.mean(same, axis=0))


def assert_table(path, probabilities):
    """Labels joined by |, and each one's probability."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = np.array([[float(row[f"p({name})"]) for name in LABELS] for row in rows])
    np.testing.assert_allclose(found, probabilities, atol=2e-6)
    for row, own in zip(rows, found, strict=True):
        given = [name for name, p in zip(LABELS, own, strict=True) if p > 0.5]
        assert row["label"] == "|".join(given)


def test_an_export_gives_the_same_logits_in_torch(out, files, tmp_path):
    assert export(out, 0, tmp_path / "hf") == 0
    logits = torch_logits(tmp_path / "hf", texts_and_sets(40, 2)[0])
    expected = jaxtune.load_results(out).predictions[0]
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    assert config["problem_type"] == "multi_label_classification"
    assert config["id2label"] == dict(zip("012", LABELS, strict=True))
    card = (tmp_path / "hf" / "README.md").read_text()
    assert "a head for 3 labels, any number of them for a text (cook, sail, sing)" in card
    assert "A text has the labels whose logit is above 0" in card
    target = tmp_path / "answers.csv"
    assert predict([str(tmp_path / "hf"), "--file", str(files["test"]), "--out", str(target)]) == 0
    assert_table(target, special.expit(np.load(out / "predictions/test/00000.npy")))


def test_an_ensemble_and_new_texts(out, files, tmp_path):
    assert export(out, "ensemble", tmp_path / "hf") == 0
    card = (tmp_path / "hf" / "README.md").read_text()
    assert "mean of the logits instead" in card
    assert "logits.sigmoid() for model in models]).mean(0).logit()" in card
    logits = [np.load(out / f"predictions/test/{n:05d}.npy") for n in (0, 1)]
    mean = np.mean([special.expit(each.astype(np.float64)) for each in logits], axis=0)
    for source in (out, tmp_path / "hf"):
        target = tmp_path / f"{source.name}.csv"
        assert predict([str(source), "--file", str(files["test"]), "--out", str(target)]) == 0
        assert_table(target, mean)


@pytest.mark.usefixtures("undrawn")
def test_the_report_counts_each_label_of_each_text(out, tmp_path):
    assert report([str(out), "--to", str(tmp_path / "report")]) == 0
    page = (tmp_path / "report" / "report.md").read_text()
    assert "Every label of every example counts as an example here: yes or no." in page
    assert "3 labels (train, dev)" in page
    given = [jaxtune.load_results(out).predictions[n] > 0 for n in (0, 1)]
    with (tmp_path / "report" / "arms.csv").open(newline="") as file:
        (arm,) = csv.DictReader(file)
    assert float(arm["disagreement"]) == pytest.approx(np.mean(given[0] != given[1]))
    assert float(arm["dev_standard_error"]) > 0


@pytest.mark.parametrize("write", [write_lists, write_columns])
def test_all_ways_to_write_the_labels_are_one(tiny, out, files, tmp_path, write):
    """Lists in JSON, and a column for each: what the cells of the fixture give, to the bit."""
    suffix = ".jsonl" if write is write_lists else ".csv"
    train = write(tmp_path / f"train{suffix}", *texts_and_sets(96, 1))
    dev = write(tmp_path / f"dev{suffix}", *texts_and_sets(40, 2))
    flags = ["--label_columns", *LABELS] if write is write_columns else []
    assert main(command(tiny, train, dev, tmp_path / "out", *flags)) == 0
    expected, found = (
        jaxtune.load_results(folder).predictions for folder in (out, tmp_path / "out")
    )
    for number, logits in expected.items():
        np.testing.assert_array_equal(found[number], logits)


@pytest.mark.storm
def test_patience_held_out_examples_and_early_stopping(tiny, files, tmp_path):
    """Each goes by what label sets have of it: scores, examples drawn at random, the entropy."""
    how = ["--dev_fraction", "0.25", "--patience", "1", "--early_stop", "0.5", "--save_params"]
    flags = [*how, "best", "--grid.learning_rate", "1e-2", "1e-9", "--eval_every", "5"]
    assert main(command(tiny, files["train"], files["dev"], tmp_path / "out", *flags)) == 0
    trials = jaxtune.load_results(tmp_path / "out").trials
    still = trials[trials["learning_rate"] == 1e-9]
    assert (still["stopped_by"] == "patience").all()
    assert trials["held_out_best"].notna().all()
    read = json.loads((tmp_path / "out" / "manifest.json").read_text())["data"][0]
    assert read["examples"]["held_out"] == 24
    assert sum(read["held_out_classes"].values()) > 0
    assert export(tmp_path / "out", 0, tmp_path / "hf", "--step", "best") == 0
