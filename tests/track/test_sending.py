"""A trial is sent once to a place, and anew when it has run again or the place has changed; what
cannot be sent is a sentence.
"""

import importlib.util
import json
import re
import sys

import pytest
from small_sweep import EVERYTHING, command
from trackers import needs, ran_again

from jaxtune.core.errors import UserError
from jaxtune.storage.tensorboard import run_name, run_path
from jaxtune.storage.trial_rows import read_rows
from jaxtune.sweep.__main__ import main as sweep
from jaxtune.sweep.tracking import track as track_after_sweep
from jaxtune.track import sending
from jaxtune.track.__main__ import main as track

pytestmark = pytest.mark.usefixtures("undrawn")


class Noted:
    """A tracker that keeps what it is given, and breaks at a run."""

    seen_with, empty = "a list.", False

    def __init__(self, place="here, project a", breaks_at=None):
        self.place, self.breaks_at = place, breaks_at
        self.runs, self.reports = [], []

    def send(self, run):
        if len(self.runs) == self.breaks_at:
            raise ConnectionError("no http://me:secret@host:1/a?token=secret there\nand more")
        self.runs.append(run)

    def attach(self, report, key, sweep):
        # Without its minute, which may be another one at the next sending.
        self.reports.append((key, re.sub(r"\d\d:\d\d UTC", "", report.read_text())))


@pytest.mark.slow
def test_what_is_there_is_not_sent_again(out, keep_rows, monkeypatch, capsys):
    """After a failure the rest, after more seeds those; all of it to another place."""

    def send(tracker, status=0):
        monkeypatch.setattr(sending, "_open", lambda out, name: tracker)
        assert track([str(out), "--to", "wandb"]) == status
        said = capsys.readouterr()
        return said.err if status else said.out.splitlines()[-1]

    whole = keep_rows(4)
    first, rest, later, same, elsewhere = (
        Noted(breaks_at=3),
        Noted(),
        Noted(),
        Noted(),
        Noted("x, project a"),
    )
    assert send(first, status=1) == (
        "error: wandb did not take them (no http://host:1/a there); OUT has all trials, and"
        " `jaxtune track OUT --to wandb` sends what is not there.\n"
    )
    assert send(rest) == "Sent 1 trial (3 were there) to a list."
    (out / "trials.jsonl").write_text(whole)
    assert send(later) == "Sent 2 trials (4 were there) to a list."
    assert send(same) == "Sent 0 trials (6 were there) to a list."
    assert send(elsewhere) == "Sent 6 trials to a list."
    runs = [*first.runs, *rest.runs, *later.runs]
    names = [run_path(run_name(r["arm"]), r["seed"]) for r in read_rows(out)]
    assert [run.name for run in runs] == names
    assert len({run.key for run in runs}) == 6
    assert [run.key for run in elsewhere.runs] == [run.key for run in runs]
    assert [len(each.reports) for each in (first, rest, later, same, elsewhere)] == [0, 1, 1, 0, 1]
    assert rest.reports[0][1] != later.reports[0][1] == elsewhere.reports[0][1]


@pytest.mark.slow
def test_a_trial_that_was_run_again_is_sent_again(out, monkeypatch, capsys):
    first, again, same = Noted(), Noted(), Noted()
    for tracker, said in (
        (first, "Sent 6 trials to a list."),
        (again, "Sent 1 trial (5 were there) to a list."),
        (same, "Sent 0 trials (6 were there) to a list."),
    ):
        monkeypatch.setattr(sending, "_open", lambda out, name, own=tracker: own)
        assert track([str(out), "--to", "wandb"]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == said
        if tracker is first:
            ran_again(out, 3)
    (run,) = again.runs
    assert run.key == first.runs[3].key
    assert run.summary["seconds"] == 99.0
    assert [len(each.reports) for each in (first, again, same)] == [1, 1, 0]


def test_a_process_that_dies_is_said_as_an_error_of_the_library_is(tmp_path, monkeypatch, capsys):
    dies = [sys.executable, "-c", "raise SystemExit('no room')"]
    monkeypatch.setattr("jaxtune.sweep.tracking.command_line", lambda *_: dies)
    track_after_sweep(tmp_path, "wandb")
    said = capsys.readouterr().out.splitlines()[-1]

    def fails():
        raise OSError("no room")

    with pytest.raises(UserError) as caught:
        sending._guarded("wandb", fails)
    assert said == f"Warning: {caught.value}"


def test_what_is_not_installed_is_said_before_anything_starts(tiny, tmp_path, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "wandb" else find(name)
    )
    assert sweep(command(tiny, tmp_path / "out", "--track", "wandb")) == 1
    assert capsys.readouterr().err == (
        "error: wandb is to track the trials, and wandb is not installed; pip install"
        " 'jaxtune[wandb]', or leave it out.\n"
    )
    assert not (tmp_path / "out").exists()
    assert track([str(tmp_path / "out"), "--to", "wandb"]) == 1
    assert "pip install 'jaxtune[wandb]'" in capsys.readouterr().err


def test_what_cannot_be_sent_is_one_sentence(out, tmp_path, monkeypatch, capsys):
    needs("wandb")
    assert track([str(tmp_path), "--to", "wandb"]) == 1
    assert "holds no finished trial" in capsys.readouterr().err
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert track([str(out), "--to", "wandb"]) == 1
    expected = "error: WANDB_MODE is 'disabled'; give one of offline, online.\n"
    assert capsys.readouterr().err == expected
    damages = [{"sweep": "x"}, {"sweep": "x", "places": []}, {"sweep": 3, "places": {}}]
    damages += [{"sweep": "x", "places": {"here": there}} for there in (3, {"trials": 3}, {})]
    for damage in ("{", "[]", *map(json.dumps, damages)):
        (out / "tracked.json").write_text(damage)
        assert track([str(out), "--to", "wandb"]) == 1
        assert "tracked.json is damaged, and what has been sent is not known" in (
            capsys.readouterr().err
        )


def test_two_processes_do_not_send_the_same_trials(out, monkeypatch, capsys):
    sent = []

    class Tracker:
        place, seen_with, empty = "here, project a", "here", False

        def send(self, run):
            # A second process comes while the first one sends.
            assert track([str(out), "--to", "mlflow"]) == 1
            sent.append(run)

        def attach(self, page, key, sweep):
            pass

    monkeypatch.setattr(sending, "_open", lambda out, name: Tracker())
    assert track([str(out), "--to", "mlflow"]) == 0
    assert len(sent) == 6
    said = capsys.readouterr().err
    assert said.count(f"Another process sends the trials of {out}; wait for it.") == 6


@pytest.mark.slow
def test_overwritten_results_take_what_was_noted_of_them_away(out, tiny):
    for name in ("wandb", "mlruns"):
        (out / name).mkdir()
    (out / "mlflow.db").write_text("old")
    (out / "tracked.json").write_text('{"places": {"mlflow, project x": {}, "wandb offline": {}}}')
    assert sweep(command(tiny, out, *EVERYTHING, "--overwrite", "true")) == 0
    assert len(read_rows(out)) == 6
    left = {file.name for file in out.iterdir()}
    assert not left & {"wandb", "mlruns", "tracked.json", "mlflow.db"}
