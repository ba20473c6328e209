"""A metric that is asked for decides everything: floor, failure, best, who goes on, what is
exported, what the report says.
"""

import json

import numpy as np
import pytest
from exporting import export, write_jsonl
from made_up import write_made_up_sweep

import jaxtune
from jaxtune.core.metrics import evaluate
from jaxtune.export.members import Member
from jaxtune.report.__main__ import main as report
from jaxtune.storage.trial_rows import read_rows
from jaxtune.sweep.__main__ import main
from jaxtune.training.group_records import GroupRecords

ANIMALS = ("dog", "chef", "wolf", "drummer", "fisherman", "captain", "mouse", "whale")


def write_data(folder, number, seed, label):
    """The animal decides the label."""
    animals = np.random.default_rng(seed).integers(0, len(ANIMALS), number).tolist()
    texts = [f"the {ANIMALS[i]} sleeps" for i in animals]
    return write_jsonl(folder / f"{seed}.jsonl", texts, [label(i) for i in animals])


def command(tiny, folder, label, *flags):
    """A sweep of files whose labels `label` makes of the animal's number."""
    return [
        *("--model", tiny, "--task", "custom", "--out", str(folder / "out")),
        *("--train_file", write_data(folder, 64, 1, label)),
        *("--dev_file", write_data(folder, 40, 2, label)),
        *("--eval_every", "25", *flags),
    ]


def rows_of(out):
    return [json.loads(line) for line in (out / "trials.jsonl").read_text().splitlines()]


def labels_of(folder, number=2):
    lines = (folder / f"{number}.jsonl").read_text().splitlines()
    return [json.loads(line)["label"] for line in lines]


@pytest.fixture(scope="module")
def errors(tiny, tmp_path_factory):
    """A sweep by mean squared error: two arms of four seeds, one that learns and one that does not;
    parameters kept.
    """
    folder = tmp_path_factory.mktemp("errors")
    flags = ["--regression", "--metric", "mse", "--num_seeds", "4", "--max_steps", "150"]
    grid = ["--grid.learning_rate", "3e-3", "1e-8", "--save_params", "all"]
    assert main(command(tiny, folder, lambda i: i % 4 - 1.5, *flags, *grid)) == 0
    labels = np.array(labels_of(folder), np.float32)
    np.save(folder / "out" / "predictions" / "labels.npy", labels)
    return folder / "out"


LEARNS = "learning_rate=0.003"


def test_the_smallest_error_is_the_best_and_the_variance_is_the_floor(errors):
    labels = np.array(labels_of(errors.parent), np.float32)
    results = jaxtune.load_results(errors)
    history = results.history[results.history["name"] == "dev/mse"]
    for row in rows_of(errors):
        own = history[history["trial"] == row["trial"]]
        assert row["higher_is_better"] is False
        assert row["trivial"] == pytest.approx(np.var(labels.astype(float)))
        assert row["final"] == evaluate(["mse"], results.predictions[row["trial"]], labels)["mse"]
        assert row["best"] == pytest.approx(own["value"].min(), rel=1e-6)
        # Of float32, which the history keeps, two may be the smallest.
        assert own.set_index("step")["value"][row["best_step"]] == own["value"].min()
        assert row["failed"] == (row["final"] >= row["trivial"])
    assert [row["failed"] for row in rows_of(errors)] == [False, True] * 4
    assert set(results.history["name"]) >= {"dev/mse", "dev/pearson", "dev/spearman"}


def test_the_trial_with_the_smallest_error_is_exported(errors, tmp_path, capsys):
    rows = [row for row in rows_of(errors) if not row["failed"]]
    best = min(rows, key=lambda row: row["final"])
    assert export(errors, "best", tmp_path / "best", "--arm", LEARNS) == 0
    assert capsys.readouterr().out.startswith(f"Trial {best['trial']}, after the last step")
    assert export(errors, "soup", tmp_path / "soup", "--arm", LEARNS) == 0
    greedy = float(capsys.readouterr().out.split("greedy ")[1].split(" ")[0])
    assert greedy <= round(best["final"], 4)
    card = (tmp_path / "soup" / "README.md").read_text()
    assert f"| best single trial ({best['trial']}) | {best['final']:.4f} |" in card
    assert ". mse: lower is better.\n" in card
    (line,) = [line for line in card.splitlines() if line.startswith("| expected best")]
    means = [float(cell) for cell in line.split("|")[2:-1]]
    assert means == sorted(means, reverse=True)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.slow
def test_the_report_takes_the_smaller_error_for_the_better_one(errors, tmp_path):
    assert report([str(errors), "--to", str(tmp_path)]) == 0
    text = (tmp_path / "report.md").read_text()
    assert "8 trials in 2 arms, scored by mse (lower is better) on 40 dev examples" in text
    assert "Final mse on the dev set (lower is better)" in text
    assert "One standard error of a dev set of 40 examples is 0." in text
    found = jaxtune.load_results(errors).findings
    one, other = found.arms
    assert (one.description.failed.count, other.description.failed.count) == (0, 4)
    assert one.best.mean[3] < one.best.mean[0]
    assert one.best.mean[0] == pytest.approx(one.arm.final.mean())
    (pair,) = found.verdict.comparisons
    assert pair.effects.improvement.value == 1.0  # every trial that learns beats every other
    assert pair.effects.mean.value < 0
    assert found.verdict.leaders in ((LEARNS,), ())


def test_the_trials_with_the_smallest_errors_go_on(tiny, errors, tmp_path):
    flags = ["--regression", "--metric", "mse", "--num_seeds", "4", "--max_steps", "150"]
    stop = ["--learning_rate", "3e-3", "--early_stop", "0.5", "--keep_trials", "2"]
    assert main(command(tiny, tmp_path, lambda i: i % 4 - 1.5, *flags, *stop)) == 0
    rows = rows_of(tmp_path / "out")
    kept = {row["seed"] for row in rows if row["stopped_at"] is None}
    history = jaxtune.load_results(errors).history
    early = history[(history["name"] == "dev/mse") & (history["step"] <= 75)]
    best = early.groupby("trial")["value"].min()
    whole = [row for row in rows_of(errors) if row["arm"] == LEARNS]
    ranked = sorted(whole, key=lambda row: best[row["trial"]])
    assert kept == {row["seed"] for row in ranked[:2]}


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("name", "number"), [("pet", 1), ("other", 0)])
@pytest.mark.slow
def test_f1_is_of_the_named_class(tiny, tmp_path, capsys, name, number):
    flags = ["--metric", "f1", "--positive_class", name, "--num_seeds", "1", "--max_steps", "3"]
    flags += ["--save_params", "final"]
    label = lambda i: "pet" if i == 0 else "other"  # noqa: E731
    assert main(command(tiny, tmp_path, label, *flags)) == 0
    assert f"F1 is of the class {name!r} (--positive_class)." in capsys.readouterr().out
    (row,) = rows_of(tmp_path / "out")
    assert (row["metric"], row["positive_class"], row["positive_label"]) == ("f1", name, number)
    labels = np.array(labels_of(tmp_path))
    share = np.mean(labels == name)
    assert row["trivial"] == pytest.approx(2 * share / (1 + share))
    assert report([str(tmp_path / "out")]) == 0
    said = f"scored by f1 of the class '{name}' on 40 dev examples"
    assert said in (tmp_path / "out" / "report.md").read_text()
    results = jaxtune.load_results(tmp_path / "out")
    classes = (labels == "pet").astype(np.int32)
    scores = evaluate(["f1", "macro_f1", "matthews"], results.predictions[0], classes, number)
    assert row["final"] == scores["f1"]
    last = results.history[results.history["step"] == 3].set_index("name")["value"]
    assert last["dev/macro_f1"] == pytest.approx(scores["macro_f1"], abs=1e-6)
    assert last["dev/matthews"] == pytest.approx(scores["matthews"], abs=1e-6)
    assert "dev/accuracy" in last
    capsys.readouterr()
    assert export(tmp_path / "out", 0, tmp_path / "hf") == 0
    card = (tmp_path / "hf" / "README.md").read_text()
    assert f"has f1 {row['trivial']:.4f}. f1: of the class {name}.\n" in card
    assert "\nThe only trial of the sweep; f1 after the last step.\n" in card


def test_macro_f1_and_matthews_stand_beside_the_accuracy_of_three_classes(tiny, tmp_path, capsys):
    flags = ["--metric", "auroc", "--num_seeds", "1", "--max_steps", "3"]
    assert main(command(tiny, tmp_path, lambda i: "abc"[i % 3], *flags)) == 0
    assert "Scored by auroc; the best constant prediction scores 0.500." in capsys.readouterr().out
    names = set(jaxtune.load_results(tmp_path / "out").history["name"])
    assert names >= {"dev/auroc", "dev/accuracy", "dev/macro_f1", "dev/matthews"}
    assert rows_of(tmp_path / "out")[0]["positive_class"] is None


def test_what_does_not_fit_is_refused_before_anything_is_written(tiny, tmp_path, capsys):
    assert main(command(tiny, tmp_path, lambda i: "abc"[i % 3], "--metric", "f1")) == 1
    assert capsys.readouterr().err == (
        "error: The metric 'f1' does not fit task custom, which predicts 3 classes; give accuracy,"
        " macro_f1, balanced_accuracy, matthews or auroc.\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("undrawn")
@pytest.mark.slow
def test_a_trial_that_diverged_above_the_floor_failed_everywhere(tiny, tmp_path, monkeypatch):
    """Its first loss was infinite, and it came back."""
    whole = GroupRecords.all_losses

    def spoilt(records):
        losses = whole(records).copy()
        losses[0, 0] = np.inf
        return losses

    monkeypatch.setattr(GroupRecords, "all_losses", spoilt)
    flags = ["--num_seeds", "1", "--max_steps", "100", "--learning_rate", "3e-3"]
    assert main(command(tiny, tmp_path, lambda i: "ab"[i % 2], *flags)) == 0
    out = tmp_path / "out"
    (row,) = rows_of(out)
    assert row["final"] > row["trivial"]
    assert (row["failed"], row["diverged"]) == (True, True)
    summary = json.loads((out / "summary.json").read_text())["arms"]["all"]
    assert (summary["failed"], summary["diverged"]) == (1, 1)
    assert report([str(out)]) == 0
    assert "| all | 1 of 1 (" in (out / "report.md").read_text()


def test_everything_counts_the_failures_of_an_older_sweep_alike(tmp_path):
    """Version 0.1 wrote no failure where a trial diverged above the floor."""
    out = write_made_up_sweep(tmp_path / "out", {"all": [0.9, 0.8, 0.7, 0.5]}, failed=False)
    for row in read_rows(out):  # the upgrade asks the scores, not the column
        assert row["failed"] == (row["final"] == 0.5)
    other = write_made_up_sweep(
        tmp_path / "diverged", {"all": [0.9, 0.8, 0.7, 0.5]}, failed=False, diverged=True
    )
    results = jaxtune.load_results(other)
    assert results.arms["failed"].tolist() == [4]
    assert results.trials["failed"].tolist() == [True] * 4
    assert results.findings.arms[0].description.failed.count == 4
    assert [trial.failed for trial in results.findings.arms[0].trials] == [True] * 4
    for row in read_rows(other):
        assert not Member(None, row, other, other).usable


def test_the_dev_labels_of_an_older_sweep_are_missed(tmp_path):
    out = write_made_up_sweep(tmp_path / "out", {"all": [0.9, 0.8, 0.7]}, metric="f1")
    assert report([str(out)]) == 0
    text = (out / "report.md").read_text()
    assert "The dev set's own standard error is not known: the dev labels" in text
