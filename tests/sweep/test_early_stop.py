"""Trials that are stopped after part of the training: the two rules on made-up trials, and whole
sweeps through the command.
"""

import json

import numpy as np
import pytest
from exporting import export
from same_results import curves
from small_groups import plans_for
from stopped_sweep import KEEP, STEPS, STOP, command, nobody

import jaxtune
from jaxtune.core.errors import UserError
from jaxtune.core.records import StepRecords
from jaxtune.export.choose import usable
from jaxtune.export.members import read_sweep
from jaxtune.storage.out_folder import locked
from jaxtune.storage.trial_rows import read_rows
from jaxtune.sweep.__main__ import main
from jaxtune.sweep.early_stop import has_learnt_nothing, outranked
from jaxtune.sweep.keep_trials import _stop
from jaxtune.sweep.meter import Meter
from jaxtune.sweep.progress import SweepProgress
from jaxtune.sweep.results import SweepResults
from jaxtune.training.plan_words import choosing


@pytest.mark.parametrize(
    ("loss", "norm", "stops"),
    [
        (0.69, 1e-4, True),  # as the failed runs of the paper
        (0.69, 1e-1, False),  # nothing learnt yet, but gradients arrive
        (0.40, 1e-4, False),  # small gradients of a trial that has learnt
        (np.nan, 1e-1, True),
    ],
)
def test_a_trial_that_has_learnt_nothing(loss, norm, stops):
    losses = np.concatenate([np.full(20, 0.7), np.full(10, loss)])
    norms = np.concatenate([np.full(3, 3e-2), np.full(27, norm)])
    assert has_learnt_nothing(losses, norms, constant=np.log(2)) == stops


@pytest.mark.parametrize("records", [1, 2, 3])
def test_with_fewer_records_than_show_it_nobody_has_learnt_nothing(records):
    """With one the first and the last are the same; a loss that is not finite is seen all the
    same.
    """
    norms = np.array([1.0, 1e-6, 1e-6])[:records]
    assert not has_learnt_nothing(np.full(30, 0.7), norms, constant=np.log(2))
    assert has_learnt_nothing(np.full(30, np.nan), norms, constant=np.log(2))


@pytest.mark.parametrize(("log_every", "warns"), [("3", False), ("4", True)])
def test_a_sweep_says_where_nobody_is_stopped_for_having_learnt_nothing(tiny, log_every, warns):
    (plan,) = plans_for(tiny, "--max_steps", "20", "--early_stop", "0.5", "--log_every", log_every)
    said = [line for line in choosing(plan) if "no trial is stopped" in line]
    assert bool(said) == warns
    if warns:
        assert "of the 10 steps after which early_stop looks, log_every 4 leaves fewer" in said[0]


def test_all_but_the_best_are_outranked():
    scores = {4: 0.5, 1: 0.7, 9: 0.7, 2: 0.1}
    assert outranked(scores, 2) == {4, 2}
    assert outranked(scores, 1) == {4, 2, 9}  # of equals the lower number
    assert outranked(scores, 4) == set()
    assert outranked(scores, -1) == set(scores)


def test_the_display_counts_what_is_run_twice(capsys):
    """Two trials of 10 steps: after 5 the second is stopped, and the first begins again."""

    def steps(trials, start, count):
        zeros = np.zeros((len(trials), count), np.float32)
        shown.steps(trials, start, StepRecords(zeros, zeros, zeros[..., None], ("all",)))

    with SweepProgress(num_trials=2, num_done=0, total_steps=20) as shown:
        steps([0, 1], 0, 5)
        shown.stopped(1, 10)
        shown.run_again([0])
        steps([0], 0, 10)
    assert "20/20" in capsys.readouterr().err


def expected_choice(unstopped):
    """From the whole runs: the two best of each arm by the best score up to the stop."""
    scores = unstopped.history[
        (unstopped.history["name"] == "dev/accuracy") & (unstopped.history["step"] <= STOP)
    ]
    best = scores.groupby("trial")["value"].max()
    arms = unstopped.trials.set_index("trial")["arm"]
    return {
        number
        for arm in arms.unique()
        for number in sorted(arms.index[arms == arm], key=lambda n: (-best[n], n))[:2]
    }


def test_the_best_of_each_arm_end_as_in_a_sweep_without_early_stopping(kept, unstopped):
    results = jaxtune.load_results(kept)
    trials, before = results.trials.set_index("trial"), unstopped.trials.set_index("trial")
    chosen = set(trials.index[trials["stopped_at"].isna()])
    assert chosen == expected_choice(unstopped)
    same = ["final", "best", "best_step", "train_loss", "failed", "num_steps"]
    for number in chosen:
        assert trials.loc[number, same].equals(before.loc[number, same])
        np.testing.assert_array_equal(results.predictions[number], unstopped.predictions[number])
        assert own(results, number).equals(own(unstopped, number))
        assert (kept / "params" / f"{number:05d}" / "final").exists()
    for number in set(trials.index) - chosen:
        assert trials.loc[number, "stopped_at"] == STOP
        assert_as_at_the_stop(results, unstopped, number)
        assert not (kept / "params" / f"{number:05d}").exists()
    assert not (kept / "first_leg").exists()
    tags = {
        run: points[-1][0]
        for (run, tag), points in curves(kept / "tb").items()
        if tag == "dev/accuracy"
    }
    assert sorted(tags.values()) == [STOP] * 8 + [STEPS] * 4


def test_an_export_takes_none_that_was_stopped(kept, tmp_path, capsys):
    """They left no parameters, and to run the sweep again would leave none either."""
    sweep = read_sweep(kept, "final")
    members = [member._replace(row=member.row | {"failed": False}) for member in sweep.members]
    over = [member for member in members if member.row["stopped_at"] is not None]
    assert len(over) == 8
    assert usable(sweep, members, 2) == [each for each in members if each not in over]
    with pytest.raises(UserError, match=f"Of 9 trials only number {members[0].number}"):
        usable(sweep, [members[0], *over], 2)
    with pytest.raises(UserError, match="failed or ended early"):
        usable(sweep, over, 1)
    number = over[0].number
    assert export(kept, number, tmp_path / "hf") == 1
    assert f"Trial {number} was stopped early, at step {STOP} (keep_trials), and left no" in (
        capsys.readouterr().err
    )


def assert_as_at_the_stop(results, unstopped, number):
    """A stopped trial's curves are the beginning of those of the whole run."""
    until = own(unstopped, number)
    until = until[(until["step"] < STOP) | until["name"].astype(str).str.startswith("dev/")]
    until = until[until["step"] <= STOP].reset_index(drop=True)
    assert own(results, number)["value"].equals(until["value"])
    final = results.trials.set_index("trial").loc[number, "final"]
    assert final == pytest.approx(until[until["name"] == "dev/accuracy"]["value"].iloc[-1])


def own(results, number):
    return results.history[results.history["trial"] == number].reset_index(drop=True)


@pytest.mark.slow
def test_of_many_at_once_the_few_that_are_kept_run_in_small_groups(
    tiny, kept, tmp_path, monkeypatch
):
    """Twelve trials, three at once on each of four devices; then one on each, as ever on CPU."""
    out, words = tmp_path / "out", (*KEEP, "--trials_per_device", "3")
    monkeypatch.setattr("jaxtune.sweep.early_stop.has_learnt_nothing", nobody)
    assert main(command(tiny, out, *words)) == 0
    rows = read_rows(out)
    assert {row["per_device"] for row in rows if row["stopped_at"] is not None} == {3}
    whole = {row["trial"]: row for row in rows if row["stopped_at"] is None}
    assert {row["per_device"] for row in whole.values()} == {1}
    before = jaxtune.load_results(kept).predictions
    chosen = jaxtune.load_results(kept).trials.set_index("trial")["stopped_at"].isna()
    assert whole.keys() == set(chosen.index[chosen])
    for number in whole:
        np.testing.assert_array_equal(jaxtune.load_results(out).predictions[number], before[number])


def test_trials_that_have_learnt_nothing_stop_and_the_others_of_their_group_end_as_ever(
    early, unstopped
):
    results = jaxtune.load_results(early)
    trials, before = results.trials, unstopped.trials.set_index("trial")
    stopped = trials["stopped_at"].notna()
    assert trials.index[stopped].tolist() == [0, 1, 2, 3, 5, 8, 11]
    for row in trials[~stopped].itertuples():
        assert row.final == before.loc[row.trial, "final"]
        np.testing.assert_array_equal(
            results.predictions[row.trial], unstopped.predictions[row.trial]
        )
        assert (early / "params" / f"{row.trial:05d}" / "best").exists()
    for row in trials[stopped].itertuples():
        assert_as_at_the_stop(results, unstopped, row.trial)
        assert row.best_step <= row.stopped_at == STOP
        assert not (early / "params" / f"{row.trial:05d}").exists()
    summary = json.loads((early / "summary.json").read_text())
    assert [arm["stopped_early"] for arm in summary["arms"].values()] == [3, 4]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--early_stop", "0"], "early_stop is 0.0; give a share"),
        (["--early_stop", "1.5"], "early_stop is 1.5; give a share"),
        (["--keep_trials", "3"], "keep_trials is given without early_stop"),
        (["--early_stop", "0.5", "--keep_trials", "0"], "keep_trials is 0"),
        (["--early_stop", "0.5", "--max_steps", "1"], "a trial takes 1 step, and there is nothing"),
    ],
)
def test_refused(tiny, tmp_path, capsys, flags, sentence):
    assert main(command(tiny, tmp_path / "out", *flags)) == 1
    assert sentence in capsys.readouterr().err


def test_more_seeds_would_change_the_choice(tiny, kept, capsys):
    assert main([*command(tiny, kept, *KEEP), "--num_seeds", "8"]) == 1
    assert "holds the results of another config" in capsys.readouterr().err


def test_what_was_stopped_is_not_written_into_another_sweeps_folder(tmp_path):
    out = tmp_path / "out"
    results = SweepResults(out, (), {}, SweepProgress(1, 0, 1), Meter())
    with locked(out):
        out.rename(tmp_path / "moved")
        (out / "first_leg").mkdir(parents=True)
        with pytest.raises(UserError, match="has been removed or moved"):
            _stop(results, [], out / "first_leg")
    assert [path.name for path in out.rglob("*")] == ["first_leg"]
