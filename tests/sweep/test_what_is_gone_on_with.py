"""What a sweep goes on with is its own: checkpoints of other seeds and settings, and folders that
were taken away, are of other things, or were cut off while overwritten are told apart, or refused.
"""

import shutil
import signal
import subprocess
import sys

import jax
import pytest
from checkpointed_sweep import command
from cut_off import CutError
from same_results import assert_same_trials

import jaxtune
from jaxtune.core.signals import InterruptedRunError
from jaxtune.storage import out_folder
from jaxtune.storage.checkpoints import RunCheckpoints
from jaxtune.storage.trial_rows import read_rows
from jaxtune.sweep.__main__ import main
from jaxtune.training.plan import ProgramPlan


def cut_off(words, monkeypatch):
    """Ends the command after its first checkpoint."""
    save = RunCheckpoints.save

    def save_and_cut(self, step, *args):
        save(self, step, *args)
        self.close()
        raise CutError

    with monkeypatch.context() as patched:
        patched.setattr(RunCheckpoints, "save", save_and_cut)
        with pytest.raises(CutError):
            main(words)


@pytest.mark.slow
def test_a_checkpoint_of_other_seeds_is_not_gone_on_with(
    tiny, finished, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    cut_off(command(tiny, out, "--seeds", "0,1"), monkeypatch)
    capsys.readouterr()
    assert main(command(tiny, out, "--seeds", "10,11")) == 0
    assert "is of other seeds or settings, or of an" in capsys.readouterr().out
    assert_same_trials(finished, out)
    assert not (out / "checkpoints").exists()


@pytest.mark.parametrize("other", [False, True])
@pytest.mark.slow
def test_a_group_that_was_cut_off_keeps_its_size(tiny, tmp_path, monkeypatch, other):
    """Before the first row its checkpoint alone tells it; one of other seeds does not."""
    found = iter([2, 1])
    monkeypatch.setattr("jaxtune.training.plan.stacks_trials", lambda *_: True)
    monkeypatch.setattr(
        "jaxtune.sweep.reading.sized",
        lambda plan: plan if plan.chosen else plan.stacking(next(found)),
    )
    monkeypatch.setattr(ProgramPlan, "devices", jax.devices()[:1])
    cut_off(command(tiny, tmp_path / "out", "--seeds", "10,11"), monkeypatch)
    seeds = "11,10" if other else "10,11"
    assert main(command(tiny, tmp_path / "out", "--seeds", seeds)) == 0
    rows = read_rows(tmp_path / "out")
    assert [row["per_device"] for row in rows] == ([1, 1] if other else [2, 2])


@pytest.mark.parametrize("name", ["config.yaml", "params"])
@pytest.mark.slow
def test_an_overwriting_that_was_cut_off_is_begun_again(
    tiny, finished, tmp_path, monkeypatch, capsys, name
):
    """Wherever it ends, the same command works, and nothing of before is gone on with."""
    out = tmp_path / "out"
    before = ("--learning_rate", "1e-3", "--seeds", "10,11,12")
    cut_off(command(tiny, out, *before), monkeypatch)
    overwriting = command(tiny, out, "--seeds", "10,11", "--overwrite")

    def cut(path, **_):
        raise CutError

    with monkeypatch.context() as patched:
        if name == "params":
            patched.setattr(out_folder.shutil, "rmtree", cut)
        else:
            patched.setattr(out_folder, "write_text", lambda *_: cut(None))
        with pytest.raises(CutError):
            main(overwriting)
    if name == "config.yaml":  # without it, too: nothing of the old steps is left
        assert main(command(tiny, out, "--seeds", "10,11")) == 0
        assert_same_trials(finished, out)
    assert main(overwriting) == 0
    assert_same_trials(finished, out)


def test_an_overwriting_that_is_stopped_says_how_it_goes_on(tiny, tmp_path, monkeypatch, capsys):
    def stop(*_):
        raise InterruptedRunError(signal.SIGTERM)

    monkeypatch.setattr("jaxtune.sweep.run.train", stop)
    for flags, says in (
        ((), ": the same command goes on from here."),
        (("--overwrite",), ": the same command without --overwrite goes on from here."),
    ):
        assert main(command(tiny, tmp_path / "out", *flags)) == 143
        assert capsys.readouterr().err.endswith(f"stopped by SIGTERM{says}\n")


# A process of its own, as a user has it: orbax's threads may be writing into the folder at that
# moment, and pytest takes what their callbacks raise for a fault.
TAKE_AWAY = """
import sys
from pathlib import Path
from jaxtune.sweep.__main__ import main
from jaxtune.training.group_run import GroupRun

out = Path(sys.argv[sys.argv.index("--out") + 1])
results = GroupRun._results

def take_away(self, position):
    out.rename(out.with_name("elsewhere"))
    out.mkdir()
    for name in (".lock", "manifest.json"):  # another sweep has begun in its place
        (out / name).write_text("{}")
    return results(self, position)

GroupRun._results = take_away
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_folder_that_is_taken_away_ends_the_sweep(tiny, tmp_path, capsys):
    out = tmp_path / "out"
    flags = ("--num_seeds", "2", "--packing", "false")  # one row count, as this process has it
    words = [sys.executable, "-c", TAKE_AWAY, *command(tiny, out, *flags)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    *progress, sentence = done.stderr.splitlines()
    assert all(line.startswith("trial-steps ") for line in progress)
    assert "has been removed or moved while the sweep was writing to it" in sentence
    # orbax's threads may have been writing a checkpoint.
    assert {path.name for path in out.iterdir()} - {"checkpoints"} == {".lock", "manifest.json"}
    # Whatever is left of it, the advice works.
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    (out / "trials.jsonl").write_text("")
    assert main(command(tiny, out, *flags)) == 1
    assert "give another --out, or --overwrite true" in capsys.readouterr().err
    assert main(command(tiny, out, *flags, "--overwrite")) == 0


def test_checkpoints_of_a_process_that_was_killed_at_its_end_go(tiny, finished, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    (out / "checkpoints" / "00000-00001").mkdir(parents=True)
    assert main(command(tiny, out, "--seeds", "10,11")) == 0
    assert not (out / "checkpoints").exists()


@pytest.mark.slow
def test_an_extension_that_is_cut_off_has_no_summary_of_before(
    tiny, finished, tmp_path, monkeypatch
):
    out = shutil.copytree(finished, tmp_path / "out")
    cut_off(command(tiny, out, "--seeds", "10,11,12"), monkeypatch)
    assert jaxtune.load_results(out).summary == {}
    assert main(command(tiny, out, "--seeds", "10,11,12")) == 0
    summary = jaxtune.load_results(out).summary
    assert summary["arms"]["all"]["n"] == 3
    assert summary["data"]
    assert summary["throughput"]["trials"] == 1


def test_a_folder_of_other_things_stays_as_it_is(tiny, tmp_path, capsys):
    """What it holds under names of a sweep would be written over, or taken away."""
    out = tmp_path / "project"
    (out / "checkpoints").mkdir(parents=True)
    for name in ("checkpoints/mine", "summary.json"):
        (out / name).write_text("of a month")
    assert main(command(tiny, out, "--num_seeds", "2")) == 1
    assert capsys.readouterr().err == (
        f"error: {out} holds checkpoints, summary.json, and no sweep has begun there; give another"
        " --out.\n"
    )
    left = sorted(str(file.relative_to(out)) for file in out.rglob("*") if file.is_file())
    assert left == ["checkpoints/mine", "summary.json"]
