"""Resumed equals undisturbed, bit for bit: results, curves, predictions, parameters, TensorBoard;
what would make it another sweep is refused.
"""

import contextlib
import json
import re
import shutil

import jax
import numpy as np
import pytest
from cut_off import CutError
from resumed_sweep import command
from same_results import assert_same, assert_same_trials

import jaxtune
from jaxtune.storage.checkpoints import RunCheckpoints
from jaxtune.sweep.__main__ import main
from jaxtune.training.group_run import GroupRun
from jaxtune.training.plan import ProgramPlan


@pytest.mark.parametrize(
    "at",
    [
        pytest.param([4], marks=pytest.mark.storm),
        pytest.param([5, 11], marks=pytest.mark.slow),
        pytest.param([5, 10, 11], marks=pytest.mark.storm),
        pytest.param([22], marks=pytest.mark.storm),
    ],
)
def test_cut_off_after_a_checkpoint(tiny, undisturbed, tmp_path, monkeypatch, at):
    """Cuts at evaluations and between, also twice in a run; four trials at once on four devices."""
    out = tmp_path / "out"
    cut_and_go_on(command(tiny, out, "--checkpoint_every", "1"), out, monkeypatch, at)
    assert_same(undisturbed, out)
    # Trials that went on count whole in the throughput, and so does what they took before.
    results = jaxtune.load_results(out)
    speed = results.summary["throughput"]
    took = results.trials["seconds"].sum() * speed["trials"] / len(results.trials)
    assert speed["seconds"] > 0.99 * took


@pytest.mark.storm
@pytest.mark.parametrize(
    ("flags", "at"),
    [
        (("--grid.lora_rank", "2", "4", "--lora_dropout", "0.1"), [7]),
        (("--lora_rank", "2", "--lora_init", "pissa"), [7]),
        # The head alone for 9 steps, or for 2.
        (("--train", "head_then_all", "--grid.head_ratio", "0.4", "0.1"), [4, 9, 16]),
    ],
)
def test_less_than_all_that_is_cut_off_goes_on(tiny, tmp_path, monkeypatch, flags, at):
    """Checkpoints hold what is trained, and the base is read anew."""
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert main(command(tiny, whole, *flags)) == 0
    cut_and_go_on(command(tiny, out, *flags, "--checkpoint_every", "1"), out, monkeypatch, at)
    assert_same(whole, out)


def cut_and_go_on(words, out, monkeypatch, at):
    """Runs the command until it is cut off after each of these steps, and then to its end."""
    save, cuts = RunCheckpoints.save, list(at)

    def save_and_cut(self, step, *args):
        save(self, step, *args)
        if cuts and step == cuts[0]:
            cuts.pop(0)
            self.close()
            raise CutError

    monkeypatch.setattr(RunCheckpoints, "save", save_and_cut)
    for _ in at:
        with pytest.raises(CutError):
            main(words)
        assert (out / "checkpoints").exists()
    assert main(words) == 0


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    tiny, undisturbed, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    save = RunCheckpoints.save

    def save_and_cut(self, step, *args):
        save(self, step, *args)
        if step == 12:
            self.close()
            raise CutError

    with monkeypatch.context() as patched:
        patched.setattr(RunCheckpoints, "save", save_and_cut)
        with pytest.raises(CutError):
            main(command(tiny, out, "--checkpoint_every", "6"))
    (journal,) = (out / "checkpoints").glob("*/12.npz")
    journal.write_bytes(journal.read_bytes()[:-7])
    assert main(command(tiny, out)) == 0
    assert "checkpoint of step 12 cannot be used (12.npz has changed" in capsys.readouterr().out
    assert_same(undisturbed, out)


def stop(monkeypatch, devices, at=None):
    """Sweeps run on so many devices; `at` is the step after whose checkpoint the process ends."""
    save = RunCheckpoints.save

    def save_and_cut(self, step, *args):
        save(self, step, *args)
        if step == at:
            self.close()
            raise CutError

    monkeypatch.setattr(RunCheckpoints, "save", save_and_cut)
    monkeypatch.setattr(ProgramPlan, "devices", jax.devices()[:devices])


@pytest.mark.parametrize(
    ("devices", "begun"),
    [
        pytest.param(
            (1, 3, 4),
            [([0], 0), ([0], 10), ([0], 16), ([1, 2, 3], 0)],
            marks=pytest.mark.storm,
        ),
        pytest.param(
            (4, 1, 2),
            [([0, 1, 2, 3], 0), ([0], 10), ([0], 16), ([1, 2], 10), ([3], 10)],
            marks=pytest.mark.storm,
        ),
        pytest.param(
            (3, 2, 1),
            [([0, 1, 2], 0), ([0, 1], 10), ([0], 16), ([1], 16), ([2], 10), ([3], 0)],
            marks=pytest.mark.storm,
        ),
        pytest.param(
            (2, 4, 4),
            [([0, 1], 0), ([0, 1], 10), ([0, 1], 16), ([2, 3], 0)],
            marks=pytest.mark.storm,
        ),
    ],
)
def test_on_another_number_of_devices(
    tiny, undisturbed, tmp_path, monkeypatch, capsys, devices, begun
):
    """Cut off after step 10 and after step 16; `begun` are the groups, each with the step that it
    goes on from.
    """
    out, found, begin = tmp_path / "out", [], GroupRun._begin

    def noted(self, checkpoints):
        position = begin(self, checkpoints)
        found.append((self.numbers, position.step))
        return position

    monkeypatch.setattr(GroupRun, "_begin", noted)
    for number, at in zip(devices, (10, 16, None), strict=True):
        with monkeypatch.context() as patched:
            stop(patched, number, at)
            ends = contextlib.nullcontext() if at is None else pytest.raises(CutError)
            with ends:
                main(command(tiny, out, "--checkpoint_every", "2"))
    assert found == begun
    assert "cannot be used" not in capsys.readouterr().out
    assert not (out / "checkpoints").exists()
    assert_same_trials(undisturbed, out)


def test_more_seeds_extend_the_sweep(tiny, undisturbed, tmp_path):
    out = tmp_path / "out"
    assert main(command(tiny, out, "--num_seeds", "1")) == 0
    rows = (out / "trials.jsonl").read_bytes()
    assert main(command(tiny, out)) == 0
    assert (out / "trials.jsonl").read_bytes().startswith(rows)
    assert_same_trials(undisturbed, out)


def test_other_seeds_are_refused(tiny, undisturbed, capsys):
    words = command(tiny, undisturbed)
    where = words.index("--num_seeds")
    words[where : where + 2] = ["--seeds", "7,8"]
    assert main(words) == 1
    assert "holds trial 0 with seed 0" in capsys.readouterr().err
    assert main(command(tiny, undisturbed, "--num_seeds", "1")) == 1
    assert "add seeds at the end" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("begun", "now", "do"),
    [
        (
            [],
            ["--trials_per_device", "2"],
            "begun with trials_per_device null, .*; leave it out, or",
        ),
        (["--trials_per_device", "1"], [], "begun with trials_per_device 1, .*; give 1 again, or"),
    ],
)
def test_another_group_size_is_refused(tiny, undisturbed, tmp_path, capsys, begun, now, do):
    """It changes the rounding alone, which is what the sentence says."""
    out = undisturbed
    if begun:
        out = tmp_path / "out"
        shutil.copytree(undisturbed, out)
        config = out / "config.yaml"
        text = config.read_text()
        assert "trials_per_device: null" in text
        config.write_text(text.replace("trials_per_device: null", "trials_per_device: 1"))
    assert main(command(tiny, out, *now)) == 1
    error = capsys.readouterr().err
    assert re.search(do, error)
    assert "and how many trials run at once decides how they round" in error
    assert main(command(tiny, out, *now, "--max_steps", "24")) == 1
    assert "holds the results of another config" in capsys.readouterr().err


@pytest.mark.slow
def test_a_damaged_result_is_run_again(tiny, undisturbed, tmp_path, capsys):
    import shutil

    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    file = out / "predictions" / "00002.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"\x00")
    (out / "history" / "00001.parquet").unlink()
    (out / "summary.json").write_text('{"arms"')
    assert main(command(tiny, out)) == 0
    said = capsys.readouterr().out
    assert "predictions/00002.npy has changed" in said
    assert "history/00001.parquet has gone" in said
    first, second = (jaxtune.load_results(folder) for folder in (undisturbed, out))
    apart = ["seconds", "group_size"]
    assert first.trials.drop(columns=apart).equals(second.trials.drop(columns=apart))
    np.testing.assert_array_equal(first.predictions[2], second.predictions[2])
    assert second.summary["arms"] == first.summary["arms"]
    (out / "summary.json").write_text("\x00")
    assert main(command(tiny, out)) == 0  # nothing left to run
    assert jaxtune.load_results(out).summary["arms"] == first.summary["arms"]


def test_changed_data_is_refused_and_another_version_warned_of(tiny, undisturbed, tmp_path, capsys):
    import shutil

    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    path = out / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["packages"]["jax"] = "0.1"
    path.write_text(json.dumps(manifest))
    more = ["--num_seeds", "3"]
    assert main(command(tiny, out, *more)) == 0
    assert "was begun with jax 0.1, now" in capsys.readouterr().out
    weights = next(name for name in manifest["sha256"] if name.endswith("safetensors"))
    manifest["sha256"][weights] = "0" * 64
    path.write_text(json.dumps(manifest))
    assert main(command(tiny, out, "--num_seeds", "4")) == 1
    assert f"({weights} has changed)" in capsys.readouterr().err
