"""What GLUE's leaderboard takes, of a small sweep with a test split: files, header, words, and what
is missing.
"""

import json
import shutil
import zipfile

import numpy as np
import pytest
import yaml
from scipy import special

import jaxtune
from jaxtune.data.glue import GLUE_TASKS
from jaxtune.predict.__main__ import main
from jaxtune.predict.glue_submission import FILES, _labels
from jaxtune.storage.trial_rows import append_rows
from jaxtune.sweep.__main__ import main as sweep

HEADER = "index\tsentence1\tsentence2"
ROWS = [("the dog sleeps", "a cat sings"), ("a wolf sings", "the dog sleeps"), ("a cat", "it")]


@pytest.fixture(scope="module")
def out(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("glue")
    (folder / "RTE").mkdir()
    labels = ["entailment", "not_entailment"]
    lines = [f"{i}\t{a}\t{b}\t{labels[i % 3 > 0]}" for i, (a, b) in enumerate(ROWS * 4)]
    for split in ("train", "dev"):
        (folder / "RTE" / f"{split}.tsv").write_text("\n".join([f"{HEADER}\tlabel", *lines]))
    tests = [f"{i}\t{a}\t{b}" for i, (a, b) in enumerate(ROWS)]
    (folder / "RTE" / "test.tsv").write_text("\n".join([HEADER, *tests]))
    out = folder / "out"
    data = ["--task", "rte", "--data_dir", str(folder), "--predict_test"]
    few = ["--num_seeds", "4", "--max_steps", "2", "--batch_size", "4", "--learning_rate", "1e-3"]
    # By ranks, of which a model that has hardly learnt anything has some right.
    assert sweep(["--model", tiny, *data, *few, "--metric", "auroc", "--out", str(out)]) == 0
    return out


def write(out, target, *flags):
    return main([str(out), "--glue", str(target), *flags])


def content(target):
    with zipfile.ZipFile(target) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


@pytest.fixture
def usable(out):
    trials = jaxtune.load_results(out).trials
    own = trials[~trials.failed].trial.tolist()
    assert len(own) > 1, "the fixture must hold such"
    return own


def answers(out, trials):
    logits = [np.load(out / "predictions/test" / f"{n:05d}.npy") for n in trials]
    shares = np.mean([special.softmax(each.astype(np.float64), axis=1) for each in logits], axis=0)
    return [("entailment", "not_entailment")[i] for i in shares.argmax(axis=1)]


def test_one_trial(out, tmp_path, capsys):
    assert write(out, tmp_path / "glue.zip", "--trial", "1") == 0
    lines = [f"{i}\t{label}\n" for i, label in enumerate(answers(out, [1]))]
    assert content(tmp_path / "glue.zip") == {"RTE.tsv": "".join(["index\tprediction\n", *lines])}
    said = capsys.readouterr().out
    assert "Warning: RTE.tsv has 3 examples, and GLUE's test split 3,000." in said
    assert "GLUE takes eleven files; missing are CoLA.tsv, SST-2.tsv, MRPC.tsv" in said


def test_trials_answer_together(out, usable, tmp_path):
    assert write(out, tmp_path / "glue.zip") == 0
    found = content(tmp_path / "glue.zip")["RTE.tsv"].splitlines()[1:]
    assert [line.split("\t")[1] for line in found] == answers(out, usable)


def test_several_tasks(out, tmp_path, capsys):
    """QNLI has the same classes, so that a copy may stand for a sweep of it."""
    other = tmp_path / "qnli"
    shutil.copytree(out, other)
    config = yaml.safe_load((other / "config.yaml").read_text())
    (other / "config.yaml").write_text(yaml.safe_dump(config | {"task": "qnli"}))
    target = tmp_path / "glue.zip"
    assert main([str(out), str(other), "--glue", str(target), "--trial", "0"]) == 0
    assert sorted(content(target)) == ["QNLI.tsv", "RTE.tsv"]
    first = target.read_bytes()
    assert main([str(out), "--glue", str(target)]) == 1
    assert "exists; give another --glue" in capsys.readouterr().err
    target.unlink()
    assert main([str(other), str(out), "--glue", str(target), "--trial", "0"]) == 0
    assert target.read_bytes() == first
    again = [str(out), str(out), "--glue", str(tmp_path / "b.zip"), "--trial", "0"]
    assert main(again) == 1
    assert "is the second folder that gives RTE.tsv" in capsys.readouterr().err
    assert not (tmp_path / "b.zip").exists()


def test_what_is_no_submission(swept, out, tmp_path, capsys):
    target = tmp_path / "glue.zip"
    assert write(swept, target, "--trial", "0") == 1
    assert "is of task miniature, which is none of GLUE's" in capsys.readouterr().err
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    (copy / "predictions/test/ids.json").write_text('["0", "2", "1"]')
    assert write(copy, target, "--trial", "0") == 1
    assert "are not numbered from 0 on" in capsys.readouterr().err
    shutil.rmtree(copy / "predictions/test")
    assert write(copy, target, "--trial", "0") == 1
    assert "has no answers to GLUE's test split (predictions/test)" in capsys.readouterr().err
    assert not target.exists()


def test_answers_that_are_no_numbers_are_refused(out, tmp_path, capsys):
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    file = copy / "predictions/test/00001.npy"
    np.save(file, np.load(file) * np.float32("nan"))
    assert write(copy, tmp_path / "glue.zip", "--trial", "1") == 1
    assert "00001.npy is missing or damaged" in capsys.readouterr().err
    rows = [json.loads(line) for line in (copy / "trials.jsonl").read_text().splitlines()]
    (copy / "trials.jsonl").unlink()
    append_rows(copy, rows)  # that vouch for it, as where a trial has diverged
    assert write(copy, tmp_path / "glue.zip", "--trial", "1") == 1
    assert "trial 1 gives logits that are not finite; give another --trial." in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "glue.zip").exists()


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("cola", ["0", "1"]),
        ("sst2", ["0", "1"]),
        ("mrpc", ["0", "1"]),
        ("qqp", ["0", "1"]),
        ("wnli", ["0", "1"]),
        ("rte", ["entailment", "not_entailment"]),
        ("qnli", ["entailment", "not_entailment"]),
        ("mnli", ["entailment", "neutral", "contradiction"]),
    ],
)
def test_words_of_the_leaderboard(task, expected):
    assert _labels(task, np.eye(GLUE_TASKS[task].num_labels)) == expected


def test_scores_of_the_leaderboard():
    assert _labels("stsb", np.array([[-0.2], [2.25], [5.4]])) == ["0.000", "2.250", "5.000"]


def test_the_files_of_the_leaderboard():
    files = {w.name: w.examples for wanted in FILES.values() for w in wanted.values()}
    assert sorted(files) == [
        *("AX.tsv", "CoLA.tsv", "MNLI-m.tsv", "MNLI-mm.tsv", "MRPC.tsv", "QNLI.tsv", "QQP.tsv"),
        *("RTE.tsv", "SST-2.tsv", "STS-B.tsv", "WNLI.tsv"),
    ]
