"""Reports on what is half there, hostile, or does not compare."""

import csv
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from made_up import write_made_up_sweep
from pages import Page

import jaxtune
from jaxtune.report.__main__ import main
from jaxtune.report.sources import read_sources
from jaxtune.storage.trial_rows import CHECKSUMS, read_rows, respelled, rewrite_rows

NASTY = '=<script>alert("x")</script>|`*a*](http://evil.example) & $x$'
CONFIG = "num_seeds: 3\ngrid:\n  learning_rate: [1e-3, 1e4]\n"


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Two arms, three seeds."""
    arms = {"learning_rate=0.001": [0.7, 0.8, 0.9], "learning_rate=10000.0": [0.5, 0.6, None]}
    out = write_made_up_sweep(tmp_path_factory.mktemp("sweep") / "out", arms)
    (out / "config.yaml").write_text(CONFIG)
    (out / "manifest.json").write_text(json.dumps({"command": ["python"], "sha256": {}}))
    (out / "summary.json").write_text(json.dumps({"throughput": {"trials": 6, "seconds": 6.0}}))
    return out


def copied(out, tmp_path, name="copy"):
    """Another sweep, of the same scores."""
    other = shutil.copytree(out, tmp_path / name)
    rewritten(other, lambda row: row)
    return other


def rewritten(out, change):
    """Every row of trials.jsonl, changed, and without what tells that it is."""
    path = out / "trials.jsonl"
    rows = [change(json.loads(line)) for line in path.read_text().splitlines()]
    plain = [{k: v for k, v in row.items() if k not in CHECKSUMS} for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in plain))


def test_names_from_data_are_only_text(swept, tmp_path):
    """An arm, a model and a task that are markup, formula and mathematics at once."""
    out = copied(swept, tmp_path)
    rewritten(out, lambda row: row | {"arm": f"{NASTY}{row['arm']}\x1b[2J", "model": NASTY})
    manifest = json.loads((out / "manifest.json").read_text())
    manifest |= {"command": [NASTY], "sha256": {NASTY: NASTY}, "devices": [NASTY]}
    (out / "manifest.json").write_text(json.dumps(manifest))
    (out / "config.yaml").write_text(f"# {NASTY}\n" + (out / "config.yaml").read_text())
    assert main([str(out)]) == 0
    text = (out / "report.html").read_text()
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert "<script" not in text
    assert "\x1b" not in text
    assert all(value.startswith(("#", "data:")) for value in page.loaded)
    assert 'alert("x")' in "".join(page.words)
    markdown = (out / "report.md").read_text()
    assert "<script" not in markdown
    assert "](http" not in markdown.replace("\\](http", "")
    with (out / "trials.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert any(cell.startswith("'=<script>") for cell in cells)
    texts = [cell for cell in cells if not re.fullmatch(r"-?[\d.e+-]+", cell)]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in texts)


def test_a_sweep_that_was_cut_off(swept, tmp_path, capsys):
    """Five of six rows, the last half-written; no summary; one history and one prediction gone, one
    damaged.
    """
    out = copied(swept, tmp_path)
    lines = (out / "trials.jsonl").read_text().splitlines(keepends=True)
    (out / "trials.jsonl").write_text("".join(lines[:5]) + lines[5][:40])
    (out / "summary.json").unlink()
    (out / "history" / "00000.parquet").unlink()
    (out / "history" / "00001.parquet").write_bytes(b"PAR1 and no more")
    (out / "predictions" / "00002.npy").unlink()
    (out / "predictions" / "00003.npy").write_bytes(b"\x93NUMPY")
    assert main([str(out)]) == 0
    sentence = "copy: 5 of 6 trials have finished. The sweep still runs or was cut off"
    assert sentence in capsys.readouterr().out
    page = (out / "report.html").read_text()
    assert sentence in page
    assert "The history of 2 of 5 trials is not there." in page
    assert sentence in (out / "report.md").read_text()
    assert len(pd.read_csv(out / "trials.csv")) == 5


def test_a_single_finished_trial_is_one_trial(swept, tmp_path, capsys):
    out = copied(swept, tmp_path)
    (out / "trials.jsonl").write_text((out / "trials.jsonl").read_text().split("\n")[0] + "\n")
    assert main([str(out)]) == 0
    said = capsys.readouterr().out.replace("\n", " ")
    assert "copy: 1 of 6 trials has finished; 1 of 2 arms has none yet." in said
    assert "1 trial in 1 arm, scored by accuracy" in (out / "report.md").read_text()
    (out / "config.yaml").unlink()
    assert main([str(out)]) == 0
    assert "copy: 1 trial has finished, of how many is not known" in capsys.readouterr().out


def test_a_sweep_with_rows_alone(swept, tmp_path):
    """Nothing but trials.jsonl still gives arms, scores, pairs and learning rates."""
    (tmp_path / "out").mkdir()
    shutil.copy(swept / "trials.jsonl", tmp_path / "out")
    assert main([str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "6 trials have finished, of how many is not known" in page
    assert "<h2>Effective learning rate</h2>" in page
    assert "<h2>Training</h2>" not in page
    assert "<h2>Gradient norms</h2>" not in page
    assert Page(page).open == []


@pytest.mark.usefixtures("undrawn")
def test_several_sweeps(swept, tmp_path, capsys):
    """Arms of one name get the folder's name; a sweep's only arm is called by it."""
    again = copied(swept, tmp_path, "again")
    other = write_made_up_sweep(tmp_path / "third", {"all": [0.7, 0.8, 0.7, 0.9]})
    assert main([str(again), str(swept), str(other), "--to", str(tmp_path / "to")]) == 0
    assert "None of 5 arms" in capsys.readouterr().out
    arms = pd.read_csv(tmp_path / "to" / "arms.csv")
    assert arms.arm.tolist() == [
        *("again: learning_rate=0.001", "again: learning_rate=10000.0"),
        *("out: learning_rate=0.001", "out: learning_rate=10000.0", "third"),
    ]
    trials = pd.read_csv(tmp_path / "to" / "trials.csv")
    assert trials.folder.value_counts().to_dict() == {"again": 6, "out": 6, "third": 4}
    assert not (again / "report.html").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"metric": "f1"}, "scored by accuracy and"),
        ({"trivial": 0.5}, "were scored on different dev sets"),
    ],
)
def test_what_does_not_compare_is_refused(swept, tmp_path, capsys, change, sentence):
    other = copied(swept, tmp_path)
    rewritten(other, lambda row: row | change)
    assert main([str(swept), str(other), "--to", str(tmp_path / "to")]) == 1
    assert_one_sentence(capsys, sentence)
    assert not (tmp_path / "to").exists()


def test_dev_sets_of_other_sizes_are_refused(swept, tmp_path, capsys):
    other = copied(swept, tmp_path)
    for file in (other / "predictions").iterdir():
        np.save(file, np.load(file)[:30])
    assert main([str(swept), str(other)]) == 1
    sizes = r"\(\[out: .*\] 50 examples, \[copy: .*\] 30 examples\)"
    error = capsys.readouterr().err
    assert re.search(f"^error: Trials were scored on different dev sets {sizes}; ", error)


def with_answers(out, labels, classes):
    """As every sweep leaves them beside its predictions."""
    np.save(out / "predictions" / "labels.npy", labels)
    (out / "classes.json").write_text(json.dumps(classes))
    return out


@pytest.mark.usefixtures("undrawn")
def test_other_dev_labels_or_classes_are_refused(swept, tmp_path, capsys):
    """Of the same size and floor: the examples in another order, or other classes."""
    labels = np.arange(50, dtype=np.int32) % 2
    first = with_answers(copied(swept, tmp_path, "first"), labels, ["no", "yes"])
    for name, answers, classes, what in (
        ("turned", labels[::-1], ["no", "yes"], "dev labels"),
        ("renamed", labels, ["yes", "no"], "classes"),
        ("regression", labels.astype(np.float32) + 0.5, None, "dev labels"),
    ):
        other = with_answers(copied(swept, tmp_path, name), answers, classes)
        assert main([str(first), str(other), "--to", str(tmp_path / "to")]) == 1
        assert_one_sentence(
            capsys,
            f"first and {name} have different {what}, and their scores do not compare; report on"
            " each by itself, or give sweeps of one dev set with the same classes and its examples"
            " in the same order.",
        )
    assert not (tmp_path / "to").exists()
    same = with_answers(copied(swept, tmp_path, "same"), labels, ["no", "yes"])
    # A sweep of version 0.1 has left neither.
    assert main([str(first), str(same), str(swept), "--to", str(tmp_path / "to")]) == 0
    # Tables of sweeps that do not compare may be read together all the same.
    assert set(jaxtune.load_results(first, other).trials.folder) == {"first", "regression"}


def assert_one_sentence(capsys, part):
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert part in error
    assert error.count("\n") == 1


def test_mistakes_are_one_sentence(swept, tmp_path, capsys):
    assert main([str(tmp_path)]) == 1
    assert_one_sentence(capsys, f"{tmp_path} holds neither a sweep's trials")
    assert main([str(swept), str(swept / ".." / swept.name)]) == 1
    assert_one_sentence(capsys, "is given twice")
    (tmp_path / "file").write_text("")
    assert main([str(swept), "--to", str(tmp_path / "file")]) == 1
    assert_one_sentence(capsys, "give another folder with --to")
    (tmp_path / "trials.jsonl").write_text('{"trial": 0, "mine": true}\n')
    assert main([str(tmp_path)]) == 1
    assert_one_sentence(capsys, "holds rows without arm, constant_prediction")


def test_wrong_usage_is_status_2(swept, capsys):
    assert main([]) == 2
    assert "OUT is not given" in capsys.readouterr().err
    assert main([str(swept), "--too", "there"]) == 2
    assert_one_sentence(capsys, "--too is no flag; did you mean --to?")


def test_a_row_that_was_altered_is_not_reported(swept, tmp_path, capsys):
    out = shutil.copytree(swept, tmp_path / "out")
    text = (out / "trials.jsonl").read_text()
    (out / "trials.jsonl").write_text(text.replace('"final": 0.7', '"final": 0.95'))
    assert main([str(out)]) == 1
    assert_one_sentence(capsys, "trials.jsonl:1 is damaged; give the sweep's command again")


def only(out, trials, config=CONFIG):
    """OUT as a part of its sweep."""
    rewrite_rows(out, [row for row in read_rows(out) if row["trial"] in trials])
    (out / "config.yaml").write_text(config)
    return out


@pytest.mark.parametrize(("seeds", "do"), [(3, ""), (6, "give all parts the same seeds, and ")])
def test_parts_of_a_sweep_are_no_recipes(swept, tmp_path, capsys, seeds, do):
    """Nor where one of them was extended: its seeds are others, and its trials are not."""
    one = only(shutil.copytree(swept, tmp_path / "one"), {0, 1, 2})
    config = CONFIG.replace("num_seeds: 3", f"num_seeds: {seeds}")
    other = only(shutil.copytree(swept, tmp_path / "other"), {3, 4, 5}, config)
    assert main([str(one), str(other), "--to", str(tmp_path / "to")]) == 1
    assert_one_sentence(
        capsys,
        f"{one} and {other} hold parts of one sweep; {do}join them first, with `jaxtune merge {one}"
        f" {other} ... --out OUT`.",
    )


def test_a_copy_is_no_other_recipe(swept, tmp_path, capsys):
    """Nor what was joined of it and another part, with the places of model and data respelled."""
    copy = shutil.copytree(swept, tmp_path / "copy")
    assert main([str(swept), str(copy), "--to", str(tmp_path / "to")]) == 1
    assert_one_sentence(capsys, f"{swept} and {copy} hold the same trials; give one of them.")
    part = only(copy, {0, 1})
    rewrite_rows(part, [respelled(row, {"test_file": "/elsewhere"}) for row in read_rows(part)])
    with pytest.raises(jaxtune.UserError, match="hold the same trials"):
        jaxtune.load_results(swept, part)
    # Of another grid that shares an arm: its other arm is what is to be compared.
    (part / "config.yaml").write_text(CONFIG.replace("1e4", "1e2"))
    assert len(jaxtune.load_results(swept, part).trials) == 8
    (part / "config.yaml").write_text(CONFIG)
    # Another rate with the same curves: no setting of a trial is left out.
    rewrite_rows(part, [respelled(row, {"learning_rate": 1e-5}) for row in read_rows(part)])
    assert len(jaxtune.load_results(swept, part).trials) == 8


def test_files_of_another_trial_are_not_read_as_its_own(swept, tmp_path):
    """Whole files, such as of another sweep's backup: the rows know their checksums."""
    out = shutil.copytree(swept, tmp_path / "out")
    for folder, suffix in (("history", "parquet"), ("predictions", "npy")):
        shutil.copy(out / folder / f"00003.{suffix}", out / folder / f"00000.{suffix}")
    (source,) = read_sources([out])
    first, second, *_ = source.trials
    assert (first.curves, first.logits) == ({}, None)
    assert second.curves
    assert second.logits is not None
    results = jaxtune.load_results(out)
    for name, file in (("history", "00000.parquet"), ("predictions", "00000.npy")):
        with pytest.raises(jaxtune.UserError, match=f"{file} is missing or damaged"):
            getattr(results, name)
