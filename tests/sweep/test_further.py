"""A test file and another dev file: every trial answers them after its last step, as torch does
with its parameters, and nothing else of the sweep changes.
"""

import csv
import json
import shutil

import numpy as np
import pytest
from answering import CLASSES, STEPS, command, further, write_csv, write_files
from cut_off import CutError
from exporting import export, torch_logits
from same_results import assert_same, curves
from scipy import special

import jaxtune
from jaxtune.core.metrics import evaluate
from jaxtune.storage.checkpoints import RunCheckpoints
from jaxtune.storage.kept_params import load_params
from jaxtune.sweep.__main__ import main


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def out(tiny, files, tmp_path_factory):
    out = tmp_path_factory.mktemp("further") / "out"
    assert main(command(tiny, files, out, *further(files), "--save_params", "final")) == 0
    return out


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def logits(out, name, trial):
    return np.load(out / "predictions" / name / f"{trial:05d}.npy")


@pytest.mark.parametrize("name", ["test", "ood"])
def test_answers_are_those_of_the_trial_in_torch(out, files, tmp_path, name):
    """Words that training never met among them, which decay has shrunk."""
    assert export(out, 1, tmp_path / "hf") == 0
    texts = [row["text"] for row in read(files[name])]
    expected = torch_logits(tmp_path / "hf", texts)
    np.testing.assert_allclose(logits(out, name, 1), expected, rtol=0, atol=1e-5)


def test_nothing_else_of_the_sweep_changes(tiny, out, files, tmp_path):
    other = tmp_path / "out"
    assert main(command(tiny, files, other, "--save_params", "final")) == 0
    with_them, without = (jaxtune.load_results(folder) for folder in (out, other))
    for number, own in without.predictions.items():
        np.testing.assert_array_equal(own, with_them.predictions[number])
    for folder in sorted((other / "params").glob("*/*")):
        expected, actual = load_params(folder), load_params(out / folder.relative_to(other))
        for path, leaf in expected.items():
            np.testing.assert_array_equal(leaf, actual[path], err_msg=path)
    apart = ["seconds", "test_file", "more_dev_files"]
    assert without.trials.drop(columns=apart).equals(
        with_them.trials.drop(columns=apart)[without.trials.drop(columns=apart).columns]
    )
    assert curves(other / "tb") == curves(out / "tb")
    assert not list(other.glob("*_predictions.csv"))


def test_labels_there_are_scored(out, files):
    labels = np.array([CLASSES.index(row["label"]) for row in read(files["ood"])])
    results = jaxtune.load_results(out)
    np.testing.assert_array_equal(np.load(out / "predictions/ood/labels.npy"), labels)
    for row in results.trials.to_dict("records"):
        scores = evaluate(["accuracy", "f1"], logits(out, "ood", row["trial"]), labels)
        assert row["ood/accuracy"] == scores["accuracy"]
        own = results.history[results.history.trial == row["trial"]]
        own = own[own.name == "ood/f1"]
        assert own.step.tolist() == [STEPS]
        np.testing.assert_allclose(own["value"], scores["f1"], rtol=1e-6)
    assert not [name for name in results.trials.columns if name.startswith("test/")]
    (arms,) = {tuple(json.loads((out / "summary.json").read_text())["arms"])}
    summary = json.loads((out / "summary.json").read_text())["arms"][arms[0]]
    own = results.trials[results.trials.arm == arms[0]]["ood/accuracy"]
    assert summary["further"]["ood/accuracy"]["mean"] == pytest.approx(own.mean())


def test_of_one_label_only_what_says_something_is_scored(tiny, files, tmp_path):
    """Any model has an auroc of 0.5 there, and a Matthews correlation of 0."""
    rows = [row["text"] for row in read(files["ood"]) if row["label"] == "yes"]
    one = write_csv(tmp_path / "one.csv", ["text", "label"], rows, ["yes"] * len(rows))
    out = tmp_path / "out"
    assert main(command(tiny, files, out, "--more_dev_files", f"one={one}")) == 0
    columns = jaxtune.load_results(out).trials.columns
    assert [name for name in columns if name.startswith("one/")] == ["one/accuracy"]


def test_the_table_has_the_mean_probabilities_of_the_trials_that_did_not_fail(out, files):
    trials = jaxtune.load_results(out).trials
    table, texts = read(out / "test_predictions.csv"), read(files["test"])
    usable = trials[~trials.failed]
    assert len(usable), "the fixture must hold such"
    assert [row["arm"] for row in table] == [
        arm for arm in usable.arm.unique() for _ in range(len(texts))
    ]
    for arm in usable.arm.unique():
        own = [
            special.softmax(logits(out, "test", n), axis=1) for n in usable[usable.arm == arm].trial
        ]
        shares, rows = np.mean(own, axis=0), [row for row in table if row["arm"] == arm]
        assert [row["id"] for row in rows] == [f"t{i}" for i in range(70)]
        assert [row["label"] for row in rows] == [CLASSES[i] for i in shares.argmax(axis=1)]
        found = [[float(row[f"p({name})"]) for name in CLASSES] for row in rows]
        np.testing.assert_allclose(found, shares, atol=1e-6)
        if len(own) > 1:
            agreeing = (np.argmax(own, axis=2) == shares.argmax(axis=1)).mean(axis=0)
            np.testing.assert_allclose([float(row["agreement"]) for row in rows], agreeing)


def test_what_was_read_is_said_and_kept(tiny, out, files, tmp_path, capsys):
    assert main(command(tiny, files, tmp_path / "out", *further(files), "--dry_run")) == 0
    said = capsys.readouterr().out
    assert "Every trial answers 70 test examples after its last step, which have no labels." in said
    assert "Every trial answers 20 ood examples after its last step, and is scored by their" in said
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["data"][0]["examples"] == {"train": 48, "dev": 30, "ood": 20, "test": 70}
    assert manifest["inputs"]["test_file"] == str(files["test"])
    assert manifest["inputs"]["more_dev_files/ood"] == str(files["ood"])


@pytest.mark.slow
def test_other_bytes_are_refused_and_other_places_are_not(tiny, out, files, tmp_path, capsys):
    moved = dict(files) | {"test": tmp_path / "moved.csv"}
    moved["test"].write_bytes(files["test"].read_bytes())
    again = [*further(moved), "--save_params", "final"]
    assert main(command(tiny, files, out, *again)) == 0
    assert f"test_file is {moved['test']}, and was {files['test']}" in capsys.readouterr().out
    moved["test"].write_text("text\nthe wolf sleeps\n")
    assert main(command(tiny, files, out, *again, "--num_seeds", "4")) == 1
    assert "was begun with other files" in capsys.readouterr().err
    assert main(command(tiny, files, out, *further(files), "--save_params", "final")) == 0


@pytest.mark.parametrize("cut", [4, 5])
@pytest.mark.storm
def test_resumed_equals_undisturbed_where_trials_were_stopped(
    tiny, files, out, tmp_path, monkeypatch, cut
):
    """At step 3 some end and answer; the process ends while the others go on."""
    stopping = ["--early_stop", "0.5", *further(files), "--checkpoint_every", "1"]
    limit = middle_of_first_losses(out)
    monkeypatch.setattr(
        "jaxtune.sweep.groups.stop_rule",
        lambda task: lambda trial, losses, norms: losses[0] > limit,
    )
    undisturbed = tmp_path / "undisturbed"
    assert main(command(tiny, files, undisturbed, *stopping)) == 0
    stopped = jaxtune.load_results(undisturbed).trials.stopped_at
    assert 0 < stopped.notna().sum() < len(stopped)
    resumed, save = tmp_path / "out", RunCheckpoints.save

    def save_and_cut(self, step, *args):
        save(self, step, *args)
        if step == cut:
            self.close()
            raise CutError

    with monkeypatch.context() as patched:
        patched.setattr(RunCheckpoints, "save", save_and_cut)
        with pytest.raises(CutError):
            main(command(tiny, files, resumed, *stopping))
    assert main(command(tiny, files, resumed, *stopping)) == 0
    assert_same(undisturbed, resumed)
    for name in ("test", "ood"):
        for number in stopped.index:
            np.testing.assert_array_equal(
                logits(undisturbed, name, number), logits(resumed, name, number)
            )
    assert (undisturbed / "test_predictions.csv").read_bytes() == (
        resumed / "test_predictions.csv"
    ).read_bytes()


def middle_of_first_losses(out):
    """A loss of the first step between the smallest and the largest."""
    history = jaxtune.load_results(out).history
    losses = history[(history.name == "loss") & (history.step == 0)]["value"]
    return float(losses.min() + losses.max()) / 2


def test_a_damaged_answer_is_named_and_its_trial_run_again(tiny, out, files, tmp_path, capsys):
    again = tmp_path / "out"
    shutil.copytree(out, again)
    file = again / "predictions" / "test" / "00001.npy"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert main(command(tiny, files, again, *further(files), "--save_params", "final")) == 0
    assert "predictions/test/00001.npy has changed" in capsys.readouterr().out
    assert file.read_bytes() == whole


def test_all_but_the_kept_trials_answer_too(tiny, files, tmp_path):
    """With `keep_trials` they answer at the stop step."""
    out = tmp_path / "out"
    keep = ["--early_stop", "0.5", "--keep_trials", "1", *further(files)]
    assert main(command(tiny, files, out, *keep)) == 0
    trials = jaxtune.load_results(out).trials
    assert trials.stopped_at.notna().sum() == 4
    for number in trials.trial:
        assert logits(out, "test", number).shape == (70, 2)
    assert trials["ood/accuracy"].notna().all()
    whole = trials[trials.stopped_at.isna() & ~trials.failed]
    assert len(whole), "the fixture must hold such"
    table = read(out / "test_predictions.csv")
    assert [*dict.fromkeys(row["arm"] for row in table)] == whole.arm.tolist()
    expected = [special.softmax(logits(out, "test", n), axis=1) for n in whole.trial]
    found = [[float(row[f"p({name})"]) for name in CLASSES] for row in table]
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-6)
    assert "agreement" not in table[0]  # of an arm one trial alone


def test_a_trial_out_of_patience_answers_where_it_ended(tiny, files, tmp_path):
    """The dev set given as a test file, too: its answers are the predictions, stopped or not."""
    own = [f"--test_file={files['dev']}", "--patience", "1", "--eval_every", "1"]
    out = tmp_path / "out"
    assert main(command(tiny, files, out, *own, "--num_seeds", "4")) == 0
    results = jaxtune.load_results(out)
    assert (results.trials["stopped_by"] == "patience").any()
    for trial, expected in results.predictions.items():
        np.testing.assert_allclose(logits(out, "test", trial), expected, rtol=0, atol=1e-5)
