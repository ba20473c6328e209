"""Sweeps with early stopping that are cut off before, at and after the choice, or whose files are
damaged: they go on to the same one, and to the same bits.
"""

import shutil

import numpy as np
import pytest
from cut_off import CutError
from same_results import curves
from stopped_sweep import KEEP, STOP, command, nobody

import jaxtune
from jaxtune.storage.checkpoints import RunCheckpoints
from jaxtune.storage.sweep_checkpoints import SweepCheckpoints
from jaxtune.storage.trial_rows import append_rows
from jaxtune.sweep.__main__ import main


def assert_same_stopped(one, other):
    """Two sweeps' folders hold the same trials."""
    first, second = (jaxtune.load_results(folder) for folder in (one, other))
    assert first.trials.drop(columns="seconds").equals(second.trials.drop(columns="seconds"))
    assert first.history.equals(second.history)
    for number, logits in first.predictions.items():
        np.testing.assert_array_equal(logits, second.predictions[number])
    assert curves(one / "tb") == curves(other / "tb")
    assert not (other / "first_leg").exists()


STORM = pytest.mark.storm


@pytest.mark.parametrize(
    "cuts",
    [
        pytest.param([3], marks=STORM),
        pytest.param([7], marks=pytest.mark.slow),
        pytest.param([9], marks=STORM),
        pytest.param([5, 8, 10], marks=STORM),
    ],
)
def test_cut_off_in_either_leg(tiny, kept, tmp_path, monkeypatch, cuts):
    """Counted in checkpoints: two in each of three first groups, then two before the stop step and
    two after it.
    """
    out, save, left, saved = tmp_path / "out", RunCheckpoints.save, list(cuts), []

    def save_and_cut(self, step, *args):
        save(self, step, *args)
        saved.append(self)
        if left and len(saved) == left[0]:
            left.pop(0)
            self.close()  # a dead process does not go on writing
            raise CutError

    monkeypatch.setattr("jaxtune.sweep.early_stop.has_learnt_nothing", nobody)
    monkeypatch.setattr(RunCheckpoints, "save", save_and_cut)
    flags = (*KEEP, "--checkpoint_every", "4")
    for _ in cuts:
        with pytest.raises(CutError):
            main(command(tiny, out, *flags))
        for file in sorted((out / "first_leg" / "history").glob("*"))[:1]:  # that trial runs again
            file.write_bytes(file.read_bytes()[:-1])
    assert main(command(tiny, out, *flags)) == 0
    assert not left
    assert_same_stopped(kept, out)


@pytest.mark.parametrize(
    ("call", "share"),
    [
        pytest.param(3, 0.0, marks=STORM),
        pytest.param(3, 1.0, marks=STORM),
        pytest.param(4, 0.0, marks=STORM),
        pytest.param(4, 0.5, marks=pytest.mark.slow),
        pytest.param(4, 1.0, marks=STORM),
    ],
    ids=["before the last group's rows", "after them", "no loser's row", "half of them", "all"],
)
def test_cut_off_between_the_legs(tiny, kept, tmp_path, monkeypatch, call, share):
    """At a call that writes rows: three groups of the first leg, then those that are stopped."""
    out, calls = tmp_path / "out", []

    def append_and_cut(folder, rows):
        calls.append(len(rows))
        append_rows(folder, rows[: round(share * len(rows))] if len(calls) == call else rows)
        if len(calls) == call:
            raise CutError

    monkeypatch.setattr("jaxtune.sweep.early_stop.has_learnt_nothing", nobody)
    monkeypatch.setattr("jaxtune.sweep.keep_trials.append_rows", append_and_cut)
    with pytest.raises(CutError):
        main(command(tiny, out, *KEEP))
    assert calls == [4, 4, 4, 8][:call]
    assert main(command(tiny, out, *KEEP)) == 0
    # What had its rows is not run again.
    again = {(3, 0.0): [4, 8], (3, 1.0): [8], (4, 0.0): [8], (4, 0.5): [4], (4, 1.0): [0]}
    assert calls[call:] == again[call, share]
    assert_same_stopped(kept, out)


@pytest.mark.slow
def test_a_checkpoint_of_the_first_leg_is_not_in_the_way_of_the_whole_run(
    tiny, unstopped, tmp_path, monkeypatch, capsys
):
    """A process that ends before it is dropped leaves later steps than the whole run's first ones,
    of the same trials where all are kept.
    """

    def cut(*_):
        raise CutError

    words = command(tiny, tmp_path / "out", "--early_stop", "0.5", "--keep_trials", "6")
    words += ["--checkpoint_every", "5"]
    monkeypatch.setattr("jaxtune.sweep.early_stop.has_learnt_nothing", nobody)
    with monkeypatch.context() as patched:
        patched.setattr(SweepCheckpoints, "drop", cut)
        with pytest.raises(CutError):
            main(words)
    assert main(words) == 0
    assert "No checkpoint could be written" not in capsys.readouterr().out
    before = unstopped.trials.set_index("trial")["final"]
    after = jaxtune.load_results(tmp_path / "out").trials.set_index("trial")["final"]
    assert after.equals(before)


@pytest.mark.slow
def test_a_first_leg_that_was_cut_off_keeps_its_size(tiny, tmp_path, monkeypatch):
    out, calls, found = tmp_path / "out", [], iter([2, 1])

    def append_and_cut(folder, rows):
        append_rows(folder, rows)
        calls.append(len(rows))
        if len(calls) == 1:
            raise CutError

    monkeypatch.setattr("jaxtune.sweep.early_stop.has_learnt_nothing", nobody)
    monkeypatch.setattr("jaxtune.training.plan.stacks_trials", lambda *_: True)
    monkeypatch.setattr(
        "jaxtune.sweep.reading.sized",
        lambda plan: plan if plan.chosen else plan.stacking(next(found)),
    )
    monkeypatch.setattr("jaxtune.sweep.keep_trials.append_rows", append_and_cut)
    with pytest.raises(CutError):
        main(command(tiny, out, *KEEP))
    assert main(command(tiny, out, *KEEP)) == 0
    assert calls == [8, 4, 8]


@pytest.mark.slow
def test_a_damaged_trial_is_chosen_or_stopped_as_before(tiny, kept, tmp_path, monkeypatch):
    """The file of one that was kept, and of one of each arm that was not."""
    out = tmp_path / "out"
    shutil.copytree(kept, out)
    trials = jaxtune.load_results(kept).trials
    chosen = trials["stopped_at"].isna()
    over = trials[~chosen].groupby("arm")["trial"].first().tolist()
    for number in (trials["trial"][chosen].iloc[0], *over):
        (out / "predictions" / f"{number:05d}.npy").unlink()
    monkeypatch.setattr("jaxtune.sweep.early_stop.has_learnt_nothing", nobody)
    assert main(command(tiny, out, *KEEP)) == 0
    assert_same_stopped(kept, out)


@pytest.mark.parametrize("cut", [2, 4, 6])
@STORM
def test_cut_off_before_and_after_trials_have_stopped(tiny, early, tmp_path, monkeypatch, cut):
    """In checkpoints: the first group ends at the stop step after two, the others have four."""
    out, save, saved = tmp_path / "out", RunCheckpoints.save, []
    over = {0, 1, 2, 3, 5, 8, 11}
    table = jaxtune.load_results(early).history
    table = table[(table["name"] == "loss") & (table["step"] < STOP)]
    losses = {number: part["value"].to_numpy() for number, part in table.groupby("trial")}

    def rule(seen, norms, constant):
        # The first loss alone is that of a trial in the other arm, too.
        (number,) = (n for n, known in losses.items() if np.array_equal(known, seen))
        return number in over

    def save_and_cut(self, step, *args):
        save(self, step, *args)
        saved.append(step)
        if len(saved) == cut:
            self.close()
            raise CutError

    monkeypatch.setattr("jaxtune.sweep.early_stop.has_learnt_nothing", rule)
    monkeypatch.setattr(RunCheckpoints, "save", save_and_cut)
    flags = ("--early_stop", "0.5", "--checkpoint_every", "4")
    with pytest.raises(CutError):
        main(command(tiny, out, *flags))
    assert saved == [4, 8, 4, 8, 12, 16][:cut]
    assert main(command(tiny, out, *flags)) == 0
    assert_same_stopped(early, out)
