"""What was read is said and kept, and OUT alone is enough to compute every score again."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

import jaxtune
from jaxtune.core.metrics import evaluate
from jaxtune.report.__main__ import main as report
from jaxtune.storage.paths import CLASSES, LABELS
from jaxtune.sweep.__main__ import main

NUM_CLASSES = 12


def command(tiny: str, folder: Path, *flags: str) -> list[str]:
    files = ("--train_file", str(folder / "train.csv"), "--dev_file", str(folder / "dev.csv"))
    small = ("--max_steps", "2", "--batch_size", "4", "--max_length", "1024", "--num_seeds", "1")
    out = ("--out", str(folder / "out"))
    return ["--model", tiny, "--task", "custom", *files, *small, *out, *flags]


def write_data(folder: Path, num_classes: int = NUM_CLASSES) -> None:
    """Two examples of each class; every other text is longer than the model."""
    folder.mkdir(exist_ok=True)
    for split, shift in (("train", 0), ("dev", 5)):
        rows = [f"{'the dog ' * (n % 2 * 20 + 1)}{shift},{n // 2}" for n in range(2 * num_classes)]
        text = "\n".join(["text,label", *rows, f"a,{shift}"])
        (folder / f"{split}.csv").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def read(tiny, tmp_path_factory) -> Path:
    """A folder with data and a finished sweep of one trial."""
    folder = tmp_path_factory.mktemp("read") / "folder"
    write_data(folder)
    assert main(command(tiny, folder)) == 0
    return folder


@pytest.fixture
def copied(read, tmp_path, monkeypatch) -> Path:
    """A copy of its OUT that may be changed; the data stay where they are."""
    shutil.copytree(read / "out", tmp_path / "out")
    return tmp_path / "out"


def test_scores_can_be_computed_from_out_alone(read, swept):
    for out in (read / "out", swept):
        results = jaxtune.load_results(out)
        for row in results.trials.to_dict("records"):
            logits = results.predictions[row["trial"]]
            assert logits.shape == (len(results.labels), len(results.classes))
            assert evaluate([row["metric"]], logits, results.labels) == {
                row["metric"]: row["final"]
            }


def test_classes_and_labels_lie_in_out(read, swept):
    own = jaxtune.load_results(read / "out")
    assert own.classes == tuple(map(str, range(NUM_CLASSES)))
    assert own.labels.dtype == np.int32
    assert own.labels.tolist() == [*(n // 2 for n in range(2 * NUM_CLASSES)), 5]
    both = jaxtune.load_results(read / "out", swept)
    assert list(both.classes.values()) == [own.classes, ("unacceptable", "acceptable")]


def test_the_length_in_use_is_recorded(read):
    config = yaml.safe_load((read / "out" / "config.yaml").read_text())
    (row,) = jaxtune.load_results(read / "out").trials.to_dict("records")
    manifest = json.loads((read / "out" / "manifest.json").read_text())
    assert config["max_length"] == row["max_length"] == manifest["data"][0]["max_length"] == 16


@pytest.mark.parametrize("length", ["1024", "16"])
@pytest.mark.slow
def test_the_same_command_goes_on(tiny, read, copied, capsys, length):
    """What was asked for and what it came to are one sweep; another length is another."""
    here = ("--out", str(copied), "--num_seeds", "2")
    assert main(command(tiny, read, *here, "--max_length", length)) == 0
    assert len(jaxtune.load_results(copied).trials) == 2
    assert main(command(tiny, read, *here, "--max_length", "15")) == 1
    assert "-max_length: 16; +max_length: 15" in capsys.readouterr().err


@pytest.mark.usefixtures("undrawn")
def test_what_was_read_is_said_and_kept(tiny, read, tmp_path, capsys):
    says = [
        "Read 25 training and 25 dev examples.",
        "12 classes (train, dev): '0' 3, 2; '1' 2, 2; '2' 2, 2; '3' 2, 2; '4' 2, 2; '5' 2, 3;"
        " '6' 2, 2; '7' 2, 2; '8' 2, 2; '9' 2, 2; and 2 more.",
        "The most frequent class has 12.0% of the dev examples.",
        "Cut at 16 tokens: 12 of 25 train and 12 of 25 dev texts.",
        "Warning: 1 of 25 dev examples is a training example too.",
        "Warning: 24 of 25 train and 24 of 25 dev texts stand there again with another label.",
    ]
    capsys.readouterr()
    assert main(command(tiny, read, "--dry_run", "--out", str(tmp_path / "new"))) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[: len(says)] == says
    assert said[len(says)] == ("max_length 1024 is more than the model's 16 positions: 16 is used.")
    out = read / "out"
    (kept,) = json.loads((out / "summary.json").read_text())["data"]
    assert [kept] == json.loads((out / "manifest.json").read_text())["data"]
    assert kept["classes"]["11"] == {"train": 2, "dev": 2}
    assert report([str(out), "--to", str(tmp_path)]) == 0
    assert " ".join(says) in (tmp_path / "report.md").read_text()


def test_an_out_of_0_1_0_with_other_columns_is_not_continued(tiny, read, copied, capsys):
    """It took 0, 1, 10, 11, 2 for the order of twelve classes."""
    (copied / CLASSES).unlink()
    (copied / LABELS).unlink()
    assert main(command(tiny, read, "--out", str(copied), "--num_seeds", "2")) == 1
    assert (
        "holds predictions for the classes ('0', '1', '10', '11', '2'," in capsys.readouterr().err
    )


@pytest.mark.slow
def test_an_out_of_0_1_0_is_continued(tiny, tmp_path, capsys):
    """With max_length as it was given, and the same columns."""
    write_data(tmp_path / "data", 6)
    here = command(tiny, tmp_path / "data")
    out = tmp_path / "data" / "out"
    assert main(here) == 0
    config = out / "config.yaml"
    config.write_text(config.read_text().replace("max_length: 16", "max_length: 1024"))
    (out / CLASSES).unlink()
    (out / LABELS).unlink()
    assert "missing, as sweeps of jaxtune 0.1.0 lack it" in refusal(out)
    assert main([*here, "--num_seeds", "2"]) == 0
    assert jaxtune.load_results(out).classes == tuple("012345")
    assert "max_length: 16" in config.read_text()


def refusal(out: Path) -> str:
    with pytest.raises(jaxtune.UserError) as error:
        _ = jaxtune.load_results(out).classes
    return str(error.value)


def test_changed_labels_are_noticed(tiny, read, copied, capsys):
    labels = np.load(copied / LABELS)
    np.save(copied / LABELS, labels[::-1])
    assert main(command(tiny, read, "--out", str(copied), "--num_seeds", "2")) == 1
    assert "or for other dev labels" in capsys.readouterr().err


def test_arms_with_other_classes_do_not_compare(tiny, read, tmp_path, capsys):
    write_data(tmp_path, 13)
    grid = ("--grid.train_file", str(read / "train.csv"), str(tmp_path / "train.csv"))
    assert main(command(tiny, read, *grid, "--out", str(tmp_path / "out"))) == 1
    assert "The arms have different classes or dev labels" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_subset_without_a_class_is_said(tiny, read, tmp_path, capsys):
    few = ("--train_examples", "12", "--out", str(tmp_path / "out"), "--dry_run")
    assert main(command(tiny, read, *few)) == 0
    assert "Warning: no train example has the classes '" in capsys.readouterr().out
    assert main(command(tiny, read, *few, "--stratify")) == 0
    assert "Warning: no train example" not in capsys.readouterr().out
