"""A sweep's model and data are the bytes, wherever they lie and however they are spelled."""

import json
import os
import shutil
from pathlib import Path

import pytest

import jaxtune
from jaxtune.storage.inputs import Input, changes, inputs_of, moves, one_spelling
from jaxtune.sweep.__main__ import main

ROWS = "text,label\n" + "".join(
    f"the {a} sleeps,{'ab'[i % 2]}\n" for i, a in enumerate(["dog", "cat"] * 4)
)


@pytest.fixture
def home(tiny, tmp_path, monkeypatch):
    """A folder to be in, with a model and data of a custom task."""
    shutil.copytree(tiny, tmp_path / "model")
    for name in ("train.csv", "dev.csv"):
        (tmp_path / name).write_text(ROWS)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sweep(out, seeds, model="model", train="train.csv", dev="dev.csv", *flags):
    return main(
        [
            *("--model", str(model), "--task", "custom", "--train_file", str(train)),
            *("--dev_file", str(dev), "--max_steps", "2", "--batch_size", "4", "--log_every", "1"),
            *("--num_seeds", str(seeds), "--out", str(out), *flags),
        ]
    )


@pytest.mark.storm
def test_other_spellings_and_copies_go_on(home, monkeypatch, capsys):
    assert sweep("out", 1) == 0
    whole = home / "whole"
    assert sweep(whole, 4) == 0
    capsys.readouterr()
    assert sweep("out", 2, "./model/", home / "train.csv", "elsewhere/../dev.csv") == 0
    assert "the same files" not in capsys.readouterr().out  # they lie where they lay
    monkeypatch.chdir(home / "elsewhere")
    assert sweep("../out", 3, "../model", "../train.csv", "../dev.csv") == 0
    assert "the same files" not in capsys.readouterr().out
    shutil.move(home / "model", home / "renamed")
    shutil.copy(home / "dev.csv", "d.csv")
    assert sweep(home / "out", 4, home / "renamed", "../train.csv", "d.csv") == 0
    said = capsys.readouterr().out
    assert f"model is {home}/renamed, and was {home}/model when {home}/out was begun" in said
    assert f"dev_file is {home}/elsewhere/d.csv, and was {home}/dev.csv when" in said
    assert "train_file is" not in said
    ours, theirs = (
        jaxtune.load_results(out).trials["final"].tolist() for out in (home / "out", whole)
    )
    assert ours == theirs


def changed(path):
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "seeds"),  # of a sweep that has finished with 1, and has not with 2
    [
        ("dev.csv", 1),
        ("model/tokenizer.json", 2),
        *(
            pytest.param(*each, marks=pytest.mark.storm)
            for each in (
                *(("model/model.safetensors", 1), ("model/model.safetensors", 2)),
                *(("model/tokenizer.json", 1), ("dev.csv", 2)),
            )
        ),
    ],
)
@pytest.mark.slow
def test_other_bytes_at_the_same_path_are_refused_by_name(home, capsys, name, seeds):
    assert sweep("out", 1) == 0
    path = home / name
    if name == "model/tokenizer.json":
        path.write_text(json.dumps(json.loads(path.read_text())))
    elif name == "dev.csv":
        path.write_text(ROWS.replace("cat", "wolf"))
    else:
        changed(path)
    capsys.readouterr()
    assert sweep("out", seeds) == 1
    assert capsys.readouterr().err == (
        f"error: out was begun with other files ({path} has changed); give another --out, or"
        " --overwrite true.\n"
    )
    assert sweep("out", seeds, "model", "train.csv", "dev.csv", "--overwrite", "true") == 0


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.slow
def test_another_model_and_files_that_change_places_are_refused(home, capsys, seeds):
    (home / "dev.csv").write_text(ROWS + "a wolf,b\n")
    assert sweep("out", 1) == 0
    shutil.copytree("model", "other")
    changed(home / "other" / "model.safetensors")
    assert sweep("out", seeds, "other") == 1
    sentence = f"{home}/other/model.safetensors is not {home}/model/model.safetensors as it was"
    assert sentence in capsys.readouterr().err
    assert sweep("out", seeds, "model", "dev.csv", "train.csv") == 1
    assert f"{home}/dev.csv is not {home}/train.csv as it was" in capsys.readouterr().err


def test_a_file_more_or_less_is_another_model(home, capsys):
    assert sweep("out", 1) == 0
    (home / "model" / "added_tokens.json").write_text("{}")
    assert sweep("out", 2) == 1
    assert f"({home}/model/added_tokens.json is new)" in capsys.readouterr().err


def test_a_finished_sweep_is_shown_where_its_files_are_not(home, capsys):
    length = ("train.csv", "dev.csv", "--max_length", "16")  # no more than the model had
    assert sweep("out", 1) == 0
    shutil.rmtree("model")
    (home / "train.csv").unlink()
    assert sweep("out", 1, home / "model", *length) == 0
    assert "Results: out" in capsys.readouterr().out
    assert sweep("out", 2) == 1
    assert sweep("out", 1, "nowhere") == 1  # another name, and no file that says it is the same


def test_the_config_repeats_the_sweep_from_anywhere(home, monkeypatch):
    assert sweep("out", 1) == 0
    monkeypatch.chdir(home / "elsewhere")
    assert main(["--config", "../out/config.yaml", "--out", "again"]) == 0
    one, other = (jaxtune.load_results(out).trials["final"] for out in ("../out", "again"))
    assert one.equals(other)
    assert not Path("model").exists()


def test_a_manifest_of_0_1_tells_as_much_as_it_can(home, capsys):
    """It has no roles, and paths as they were typed; the config too."""
    assert sweep("out", 1) == 0
    manifest = json.loads((home / "out" / "manifest.json").read_text())
    del manifest["inputs"]
    manifest["sha256"] = {os.path.relpath(p): sha for p, sha in manifest["sha256"].items()}
    (home / "out" / "manifest.json").write_text(json.dumps(manifest))
    config = (home / "out" / "config.yaml").read_text().replace(f"{home}/", "")
    (home / "out" / "config.yaml").write_text(config)
    assert "model: model\n" in config
    assert sweep("out", 2, home / "model") == 0
    (home / "out" / "config.yaml").write_text(config)
    changed(home / "model" / "model.safetensors")
    assert sweep("out", 3) == 1
    assert "model.safetensors has changed" in capsys.readouterr().err


def test_without_a_manifest_the_places_count(home, capsys):
    assert sweep("out", 1) == 0
    (home / "out" / "manifest.json").unlink()
    shutil.copytree("model", "copy")
    assert sweep("out", 2, "copy") == 1
    assert f"-model: {home}/model; +model: {home}/copy" in capsys.readouterr().err
    assert sweep("out", 2, "./model/") == 0


@pytest.mark.slow
def test_arms_of_swept_files_are_called_by_the_end_of_their_paths(home, monkeypatch, capsys):
    (home / "more.csv").write_text(ROWS + "a wolf,b\n")
    grid = ("--grid.train_file", "train.csv", "more.csv")
    assert sweep("out", 1, "model", "train.csv", "dev.csv", *grid, "./more.csv") == 1
    assert f"train_file has {home}/more.csv twice; give each once" in capsys.readouterr().err
    assert sweep("out", 1, "model", "train.csv", "dev.csv", *grid) == 0
    assert inputs_of(home / "out").keys() >= {"train_file=train.csv", "train_file=more.csv"}
    monkeypatch.chdir(home / "elsewhere")
    grid = ("--grid.train_file", str(home / "train.csv"), "../more.csv")
    assert sweep("../out", 2, "../model", "../train.csv", "../dev.csv", *grid) == 0
    arms = jaxtune.load_results("../out").arms
    assert arms.index.tolist() == ["train_file=train.csv", "train_file=more.csv"]
    assert arms["n"].tolist() == [2, 2]


A, B = Input("/a", "1" * 64), Input("/b", "2" * 64)


def test_changes_and_moves():
    before = {"model/w": A, "train_file": B}
    assert changes(before, before, whole=True) == []
    assert changes(before, {"model/w": A}, whole=True) == ["/b is gone"]
    assert changes(before, {"model/w": A}, whole=False) == []
    both = {"train_file": B._replace(sha256="3" * 64), "dev_file": B._replace(sha256="3" * 64)}
    named_twice = {"train_file": B, "dev_file": B}
    assert changes(named_twice, both, whole=True) == ["/b has changed"]
    moved = {"model/w": A._replace(path="/x/w"), "train_file": B._replace(path="/y")}
    assert changes(before, moved, whole=True) == []
    assert moves(before, moved) == {"model": ("/", "/x"), "train_file": ("/b", "/y")}


def test_settings_of_several_sweeps_are_the_same_where_their_files_are():
    rows = [[{"model": name, "train_file": "t"}] for name in ("m", "/abs/m", "m")]
    own = ({"model/w": A}, {"model/w": A}, {"model/w": B})
    one_spelling(list(zip(rows, own, strict=True)))
    first, second, third = (row[0]["model"] for row in rows)
    assert first == second == "m"
    assert third.startswith("m (files ")
    assert [row[0]["train_file"] for row in rows] == ["t"] * 3  # of which nothing is known
