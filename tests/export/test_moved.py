"""An export of a sweep whose model and data lie elsewhere now, checked by their bytes."""

import os
import shutil

import numpy as np
import pytest
from exporting import export, torch_logits

import jaxtune
from jaxtune.sweep.__main__ import main as sweep

ANIMALS = ["dog", "chef", "wolf", "mouse"] * 3
ROWS = "text,label\n" + "".join(f"the {a} sleeps,{i % 2}\n" for i, a in enumerate(ANIMALS))


@pytest.fixture
def moved(tiny, tmp_path, monkeypatch):
    """A folder with a sweep by relative paths, whose files have all gone to `new` since."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    shutil.copytree(tiny, old / "model")
    for name in ("train.csv", "dev.csv"):
        (old / name).write_text(ROWS)
    monkeypatch.chdir(old)
    flags = ["--model", "model", "--task", "custom", "--train_file", "train.csv"]
    flags += ["--dev_file", "dev.csv", "--num_seeds", "1", "--max_steps", "2"]
    assert sweep([*flags, "--batch_size", "4", "--save_params", "final", "--out", "out"]) == 0
    os.rename(old, new)
    monkeypatch.chdir(tmp_path)
    return new


def now(new, **other):
    """The flags of where everything lies, some of it elsewhere."""
    places = {"model": "model", "train_file": "train.csv", "dev_file": "dev.csv"} | other
    return [word for name, path in places.items() for word in (f"--{name}", str(new / path))]


@pytest.mark.slow
def test_from_another_folder(moved, monkeypatch, tmp_path):
    os.rename(moved, tmp_path / "old")
    monkeypatch.chdir("/")
    assert export(tmp_path / "old" / "out", 0, tmp_path / "hf") == 0
    assert (tmp_path / "hf" / "model.safetensors").exists()


def test_each_file_that_is_not_there_is_asked_for(moved, capsys):
    for name, path in (("model", "model"), ("train_file", "train.csv"), ("dev_file", "dev.csv")):
        flags = now(moved)
        at = flags.index(f"--{name}")
        assert export("new/out", 0, "hf", *flags[:at], *flags[at + 2 :]) == 1
        assert capsys.readouterr().err == (
            f"error: new/out was made with the {name} {moved.parent}/old/{path}, which is not"
            f" there; say with --{name} where it lies now.\n"
        )


def test_with_their_places_given(moved):
    assert export("new/out", 0, "hf", *now(moved)) == 0
    texts = [f"the {a} sleeps" for a in ANIMALS]
    expected = jaxtune.load_results("new/out").predictions[0]
    np.testing.assert_allclose(torch_logits("hf", texts), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["model", "train_file", "dev_file"])
def test_other_bytes_are_refused(moved, capsys, name):
    (moved / "other.csv").write_text(ROWS.replace("wolf", "whale"))
    shutil.copytree(moved / "model", moved / "other")
    weights = moved / "other" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    given = {name: "other" if name == "model" else "other.csv"}
    assert export("new/out", 0, "hf", *now(moved, **given)) == 1
    error = capsys.readouterr().err
    found = weights if name == "model" else moved / "other.csv"
    assert f"new/out was made with other files ({found} is not {moved.parent}/old/" in error
    assert not os.path.exists("hf")


@pytest.mark.slow
def test_what_is_swept_stays(moved, capsys):
    flags = ["--model", str(moved / "model"), "--task", "custom", "--max_steps", "1"]
    files = [str(moved / name) for name in ("train.csv", "dev.csv")]
    flags += ["--train_file", files[0], "--dev_file", files[1], "--grid.train_file", *files]
    assert sweep([*flags, "--num_seeds", "1", "--batch_size", "4", "--out", "grid"]) == 0
    assert export("grid", 0, "hf", "--train_file", files[0]) == 1
    assert "grid sweeps train_file; leave it out" in capsys.readouterr().err
