"""What a sweep goes on with is its own: checkpoints of other seeds and settings, folders that were
taken away or cut while they were overwritten, and damaged notes are told apart, or refused.
"""

import json
import shutil
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest
from same_results import assert_same_trials

import jaxtune
from jaxtune.config.parse import from_settings, parse
from jaxtune.core.errors import UserError
from jaxtune.core.signals import InterruptedRunError, Interruption, sigint_remembered
from jaxtune.storage import out_folder
from jaxtune.storage.checkpoints import RunCheckpoints
from jaxtune.storage.trial_rows import read_rows, respelled, rewrite_rows
from jaxtune.sweep.__main__ import main
from jaxtune.sweep.conclude import is_decided
from jaxtune.training.plan import ProgramPlan


class CutError(Exception):
    """The process ends here."""


def command(tiny, out, *flags):
    return [
        *("--model", tiny, "--task", "miniature", "--out", str(out), "--max_steps", "8"),
        *("--train_examples", "48", "--eval_every", "4", "--checkpoint_every", "2", *flags),
    ]


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


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    """Seeds 10 and 11, undisturbed."""
    out = tmp_path_factory.mktemp("finished") / "out"
    assert main(command(tiny, out, "--seeds", "10,11")) == 0
    return out


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


@pytest.mark.parametrize("damage", [b"\xff\xfe\x00", b"", b"model: [", b"\x00" * 50])
def test_a_damaged_config_is_said_to_be_damaged(tiny, finished, tmp_path, capsys, damage):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    (out / "config.yaml").write_bytes(damage)
    capsys.readouterr()
    assert main(command(tiny, out, "--seeds", "10,11")) == 1
    error = capsys.readouterr().err
    assert "config.yaml is damaged, so that it is not known whether this is the same" in error
    assert error.count("\n") == 1
    assert main(command(tiny, out, "--seeds", "10,11", "--overwrite")) == 0
    assert_same_trials(finished, out)


def test_a_config_with_a_number_that_is_none_costs_no_score(finished, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    text = (out / "config.yaml").read_text()
    (out / "config.yaml").write_text(
        text.replace("num_seeds: 32", "num_seeds: x").replace("seeds: 10,11", "seeds: null")
    )
    assert len(jaxtune.load_results(out).trials) == 2


@pytest.mark.parametrize("manifest", ["{", "[]", '{"sha256": {}, "inputs": []}', '{"sha256": 1}'])
def test_a_damaged_manifest_costs_no_note_of_what_was_read(
    tiny, finished, tmp_path, capsys, manifest
):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    (out / "manifest.json").write_text(manifest)
    before = json.loads((out / "summary.json").read_text())
    assert before["data"]
    assert main(command(tiny, out, "--seeds", "10,11")) == 0
    assert "manifest.json is damaged" in capsys.readouterr().out
    assert json.loads((out / "summary.json").read_text()) == before
    assert len(jaxtune.load_results(out).trials) == 2


@pytest.mark.parametrize("refused", [("--seeds", "12,13"), ("--learning_rate", "1e-3"), ("data",)])
@pytest.mark.slow
def test_a_command_that_is_refused_takes_no_row_away(tiny, finished, tmp_path, capsys, refused):
    """A row of a trial whose curves are damaged is all that tells what it scored."""
    out, model = shutil.copytree(finished, tmp_path / "out"), tiny
    (out / "history" / "00001.parquet").write_bytes(b"x")
    rows = (out / "trials.jsonl").read_bytes()
    if refused == ("data",):
        model, refused = str(shutil.copytree(tiny, tmp_path / "tiny")), ()
        (tmp_path / "tiny" / "vocab.txt").open("a").write("\n")
    words = command(model, out, "--seeds", "10,11", *refused)
    assert main(words) == 1
    assert "give another --out" in capsys.readouterr().err
    assert (out / "trials.jsonl").read_bytes() == rows
    assert main([*command(tiny, out, "--seeds", "10,11"), "--dry_run", "true"]) == 0
    assert (out / "trials.jsonl").read_bytes() == rows
    assert main(command(tiny, out, "--seeds", "10,11")) == 0
    assert_same_trials(finished, out)
    assert (out / "trials.jsonl.damaged").read_bytes() == rows.splitlines(keepends=True)[1]


def test_a_look_is_taken_before_damaged_rows_are_taken_out(finished, tmp_path):
    """Else a damaged row would keep the command from mending it."""
    out = shutil.copytree(finished, tmp_path / "out")
    config = parse(["--until_decided", "--num_seeds", "2", "--max_seeds", "4"]).base
    before = is_decided(out, config, 2)
    with (out / "trials.jsonl").open("a") as file:
        file.write("damaged\n")
    assert is_decided(out, config, 2) == before


def test_a_trial_that_stands_there_twice_is_taken_out_once(tiny, finished, tmp_path, capsys):
    """Also where nothing is left to run."""
    out = shutil.copytree(finished, tmp_path / "out")
    rows = read_rows(out)
    rewrite_rows(out, [*rows, respelled(rows[0], {"seconds": 9.0})])
    assert len(jaxtune.load_results(out).trials) == 2
    assert main(command(tiny, out, "--seeds", "10,11")) == 0
    assert "trials.jsonl:3 holds trial 0 once more; the last sound line" in capsys.readouterr().out
    assert len((out / "trials.jsonl").read_text().splitlines()) == 2
    assert_same_trials(finished, out)


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


def test_a_row_that_was_cut_off_is_named(tiny, finished, tmp_path, capsys):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    rows = (out / "trials.jsonl").read_bytes()
    (out / "trials.jsonl").write_bytes(rows[:-20])
    assert main(command(tiny, out, "--seeds", "10,11")) == 0
    assert "trials.jsonl:2 was cut off; that trial runs again" in capsys.readouterr().out
    assert_same_trials(finished, out)


def test_a_score_that_is_a_text_is_damage(finished, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    rows = [json.loads(line) for line in (out / "trials.jsonl").read_text().splitlines()]
    rows[0]["final"] = "good"
    (out / "trials.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=r"trials.jsonl:1 is damaged"):
        jaxtune.load_results(out).trials  # noqa: B018


@pytest.fixture
def usual_sigint():
    """A test's worker may have been told to leave SIGINT alone."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interruption_that_a_library_swallowed_is_known_to_the_next(usual_sigint):
    """JAX lets nothing out of its hooks of the garbage collector."""
    with sigint_remembered():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(InterruptedRunError) as stop, Interruption() as asked:
            asked.stop_here()
        assert stop.value.status == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with sigint_remembered():  # of another command
        assert not Interruption()


def test_texts_are_recorded_as_they_are():
    """A class may be called True, and a child process would be given another one."""
    flags = jaxtune._as_flags({"classes": ["None", "True"], "packing": np.bool_(False)})
    assert flags == ["--classes=None", "--classes=True", "--packing=false"]


def test_flags_carry_all_that_a_call_accepts():
    """As to a process of its own: words that look like flags, and lists without an entry."""
    custom = {"model": "m", "task": "custom", "train_file": "-a.csv", "dev_file": "b.csv"}
    settings = custom | {"classes": ["-LRB-", "NN"], "config": [], "grid": {"remat": ["none"]}}
    assert parse(jaxtune._as_flags(dict(settings))) == from_settings(settings)


def test_numbers_of_numpy_and_jax_are_settings(tiny, tmp_path):
    import jax.numpy as jnp

    for rate in (np.array(2e-5), np.float32(2e-5), jnp.float32(2e-5)):
        flags = jaxtune._as_flags({"learning_rate": rate, "grid": {"adam_b2": np.array([0.9])}})
        assert float(flags[0].removeprefix("--learning_rate=")) == pytest.approx(2e-5)
        assert flags[1:] == ["--grid.adam_b2=0.9"]
    with pytest.raises(UserError, match="grid is no mapping"):
        jaxtune.run_sweep(model=tiny, task="miniature", grid=[1], out=tmp_path / "x")
