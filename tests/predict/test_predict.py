"""Answers to new texts: those that the sweep recorded, from OUT, an exported folder and an
ensemble; refusals.
"""

import csv
import json
import shutil

import numpy as np
import pytest
from answering import CLASSES, command, further, write_csv, write_files
from exporting import export
from scipy import special

import jaxtune
from jaxtune.models.trained import read_trained
from jaxtune.predict.__main__ import main
from jaxtune.sweep.__main__ import main as sweep

ARM = "bias_correction=false"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def out(tiny, files, tmp_path_factory):
    out = tmp_path_factory.mktemp("answering") / "out"
    assert sweep(command(tiny, files, out, *further(files), "--save_params", "all")) == 0
    return out


def shares(path):
    """Labels and probabilities `[example, class]` of a table."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = np.array([[float(row[f"p({name})"]) for name in CLASSES] for row in rows])
    assert [row["label"] for row in rows] == [CLASSES[i] for i in found.argmax(axis=1)]
    return [row["id"] for row in rows], found


def recorded(out, *trials, name=""):
    """Mean probabilities of what the sweep left."""
    logits = [np.load(out / "predictions" / name / f"{n:05d}.npy") for n in trials]
    return np.mean([special.softmax(each.astype(np.float64), axis=1) for each in logits], axis=0)


def usable(out):
    trials = jaxtune.load_results(out).trials
    own = trials[(trials.arm == ARM) & ~trials.failed].trial.tolist()
    assert own, "the fixture must hold such"
    return own


@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_trial_answers_as_the_sweep_recorded(out, files, tmp_path, split):
    target = tmp_path / "answers.csv"
    flags = ["--file", str(files[split]), "--trial", "1", "--out", str(target)]
    assert main([str(out), *flags]) == 0
    ids, found = shares(target)
    expected = recorded(out, 1, name="test" if split == "test" else "")
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert ids[:2] == (["t0", "t1"] if split == "test" else ["0", "1"])


def test_an_ensemble_is_the_mean_of_probabilities(out, files, tmp_path):
    target = tmp_path / "answers.csv"
    flags = ["--file", str(files["dev"]), "--arm", ARM, "--out", str(target)]
    assert main([str(out), *flags]) == 0
    np.testing.assert_allclose(shares(target)[1], recorded(out, *usable(out)), atol=2e-6)


def test_the_data_need_not_be_there(out, files, tmp_path):
    """Nor is the table of the sweep's own folder taken where another place is given."""
    gone = tmp_path / "gone"
    gone.mkdir()
    texts = shutil.copy(files["test"], tmp_path / "texts.csv")
    for name in ("train", "dev", "ood", "test"):
        shutil.move(files[name], gone / files[name].name)
    try:
        assert main([str(out), "--file", str(texts), "--trial", "0"]) == 0
    finally:
        for name in ("train", "dev", "ood", "test"):
            shutil.move(gone / files[name].name, files[name])
    found = shares(tmp_path / "texts_predictions.csv")[1]
    np.testing.assert_allclose(found, recorded(out, 0, name="test"), atol=2e-6)


def test_an_exported_folder_answers_the_same(out, files, tmp_path):
    assert export(out, 2, tmp_path / "hf") == 0
    target = tmp_path / "answers.csv"
    assert main([str(tmp_path / "hf"), "--file", str(files["dev"]), "--out", str(target)]) == 0
    np.testing.assert_allclose(shares(target)[1], recorded(out, 2), atol=2e-6)


def test_an_exported_ensemble_answers_together(out, files, tmp_path):
    trials = usable(out)
    assert len(trials) > 1
    assert export(out, "ensemble", tmp_path / "hf", "--arm", ARM) == 0
    target = tmp_path / "answers.csv"
    assert main([str(tmp_path / "hf"), "--file", str(files["dev"]), "--out", str(target)]) == 0
    np.testing.assert_allclose(shares(target)[1], recorded(out, *trials), atol=2e-6)


def test_more_texts_than_one_call_takes(out, tmp_path, monkeypatch):
    """Parts of one shape, the last one padded, give what a single part gives."""
    texts = [f"the {name} sleeps" for name in ("dog", "chef and the wolf", "mouse")] * 60
    file = write_csv(tmp_path / "texts.csv", ["text"], texts)
    whole, parts = tmp_path / "whole.csv", tmp_path / "parts.csv"
    assert main([str(out), "--file", str(file), "--trial", "0", "--out", str(whole)]) == 0
    monkeypatch.setattr("jaxtune.predict.answering.BATCHES_PER_CALL", 2)
    assert main([str(out), "--file", str(file), "--trial", "0", "--out", str(parts)]) == 0
    np.testing.assert_allclose(shares(parts)[1], shares(whole)[1], atol=2e-6)


def refused(capsys, *words):
    capsys.readouterr()
    assert main([str(word) for word in words]) == 1
    said, error = capsys.readouterr()
    assert said == ""
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


def test_refusals(out, files, tmp_path, capsys):
    texts = files["test"]
    there = tmp_path / "there.csv"
    there.write_text("mine")
    adapters = tmp_path / "adapters"
    (adapters / "member_0").mkdir(parents=True)
    (adapters / "member_0" / "adapter_config.json").write_text("{}")
    for words, says in [
        ([out], "One of --file, --glue and --representations is wanted"),
        (
            [out, "--file", texts, "--glue", "x.zip"],
            "One of --file, --glue and --representations is wanted",
        ),
        ([out, out, "--file", texts], "2 folders are given"),
        (
            [out, "--representations", "--arm", "learning_rate=0.001"],
            "--arm is given, which --representations does not use; leave it out.",
        ),
        ([out, "--glue", "x.zip", "--step", "best"], "--step is given, which --glue does not use"),
        ([tmp_path, "--file", texts], "is no sweep's folder"),
        ([adapters, "--file", texts], "holds adapters without their base, which are not read here"),
        ([out, "--file", texts, "--out", there], f"{there} exists; give another --out"),
        ([out, "--file", tmp_path / "no.csv", "--trial", "0"], "cannot read"),
        ([out, "--file", texts, "--trial", "9"], "holds no finished trial 9"),
        ([out, "--file", texts, "--trial", "soup"], "A soup is a model of its own"),
        ([out, "--file", texts], "give --arm"),
        ([out, "--file", texts, "--trial", "0", "--text_columns", "words"], "no column 'words'"),
    ]:
        assert says in refused(capsys, *words)
    assert there.read_text() == "mine"
    assert not list(texts.parent.glob("*_predictions.csv"))


def test_damaged_parameters_are_refused(out, files, tmp_path, capsys):
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    row = json.loads((copy / "trials.jsonl").read_text().splitlines()[0])
    (copy / "params" / f"{row['trial']:05d}" / "final" / "more").write_text("x")
    words = [copy, "--file", files["test"], "--trial", row["trial"], "--out", tmp_path / "a.csv"]
    assert main([str(word) for word in words]) == 1
    assert f"params/{row['trial']:05d} has changed since it was written" in capsys.readouterr().err
    assert not (tmp_path / "a.csv").exists()


def test_folders_that_are_no_classifiers(tiny, out, files, tmp_path, capsys):
    assert "names no classes (id2label)" in refused(capsys, tiny, "--file", files["test"])
    for names, classes in (
        ({}, ("LABEL_0", "LABEL_1")),
        ({"num_labels": 3}, ("LABEL_0", "LABEL_1", "LABEL_2")),
        ({"id2label": {"0": "LABEL_0"}}, None),  # a number, as transformers has it
        ({"id2label": {"0": "a", "1": "b"}}, ("a", "b")),
    ):
        of_another_program = shutil.copytree(
            tiny, tmp_path / f"other{len(classes or ())}{len(names)}"
        )
        config = json.loads((of_another_program / "config.json").read_text())
        config |= {"architectures": ["BertForSequenceClassification"]} | names
        (of_another_program / "config.json").write_text(json.dumps(config))
        assert read_trained(of_another_program).classes == classes
    assert export(out, 0, tmp_path / "hf") == 0
    config = json.loads((tmp_path / "hf" / "config.json").read_text())

    def with_config(**changes):
        (tmp_path / "hf" / "config.json").write_text(json.dumps(config | changes))
        return refused(capsys, tmp_path / "hf", "--file", files["test"])

    assert "has no class '1' in id2label" in with_config(id2label={"0": "a", "7": "b"})
    three = {"id2label": {"0": "a", "1": "b", "2": "c"}}
    (tmp_path / "hf" / "config.json").write_text(json.dumps(config | three))
    target = tmp_path / "answers.csv"
    assert main([str(tmp_path / "hf"), "--file", str(files["test"]), "--out", str(target)]) == 1
    assert "classifier" in capsys.readouterr().err
    assert not target.exists()
