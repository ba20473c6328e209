"""Trials that are stopped after part of the training: the two rules on made-up trials, and whole
sweeps through the command, killed anywhere.
"""

import json
import shutil

import numpy as np
import pytest
from exporting import export
from same_results import curves
from small_groups import plans_for

import jaxtune
from jaxtune.core.errors import UserError
from jaxtune.core.records import StepRecords
from jaxtune.export.choose import usable
from jaxtune.export.members import read_sweep
from jaxtune.storage.checkpoints import RunCheckpoints
from jaxtune.storage.out_folder import locked
from jaxtune.storage.sweep_checkpoints import SweepCheckpoints
from jaxtune.storage.trial_rows import append_rows, read_rows
from jaxtune.sweep.__main__ import main
from jaxtune.sweep.early_stop import has_learnt_nothing, outranked
from jaxtune.sweep.keep_trials import _stop
from jaxtune.sweep.meter import Meter
from jaxtune.sweep.progress import SweepProgress
from jaxtune.sweep.results import SweepResults
from jaxtune.training.plan_words import choosing

STEPS, STOP = 20, 10


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


def command(tiny, out, *flags):
    return [
        *("--model", tiny, "--task", "miniature", "--out", str(out), "--max_steps", str(STEPS)),
        *("--train_examples", "64", "--log_every", "2", "--eval_every", "5", "--num_seeds", "6"),
        *("--learning_rate", "1e-2", "--save_params", "all", "--grid.bias_correction"),
        *("true", "false", *flags),
    ]


KEEP = ("--early_stop", "0.5", "--keep_trials", "2")


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    assert main(command(tiny, out)) == 0
    return jaxtune.load_results(out)


@pytest.fixture(scope="module")
def kept(tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("kept") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxtune.sweep.early_stop.has_learnt_nothing", nobody)
        assert main(command(tiny, out, *KEEP)) == 0
    return out


def nobody(*_):
    """So that rank alone decides."""
    return False


def expected_choice(whole):
    """From the whole runs: the two best of each arm by the best score up to the stop."""
    scores = whole.history[
        (whole.history["name"] == "dev/accuracy") & (whole.history["step"] <= STOP)
    ]
    best = scores.groupby("trial")["value"].max()
    arms = whole.trials.set_index("trial")["arm"]
    return {
        number
        for arm in arms.unique()
        for number in sorted(arms.index[arms == arm], key=lambda n: (-best[n], n))[:2]
    }


def test_the_best_of_each_arm_end_as_in_a_sweep_without_early_stopping(kept, whole):
    results = jaxtune.load_results(kept)
    trials, before = results.trials.set_index("trial"), whole.trials.set_index("trial")
    chosen = set(trials.index[trials["stopped_at"].isna()])
    assert chosen == expected_choice(whole)
    same = ["final", "best", "best_step", "train_loss", "failed", "num_steps"]
    for number in chosen:
        assert trials.loc[number, same].equals(before.loc[number, same])
        np.testing.assert_array_equal(results.predictions[number], whole.predictions[number])
        assert own(results, number).equals(own(whole, number))
        assert (kept / "params" / f"{number:05d}" / "final").exists()
    for number in set(trials.index) - chosen:
        assert trials.loc[number, "stopped_at"] == STOP
        assert_as_at_the_stop(results, whole, number)
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


def assert_as_at_the_stop(results, whole, number):
    """A stopped trial's curves are the beginning of those of the whole run."""
    until = own(whole, number)
    until = until[(until["step"] < STOP) | until["name"].astype(str).str.startswith("dev/")]
    until = until[until["step"] <= STOP].reset_index(drop=True)
    assert own(results, number)["value"].equals(until["value"])
    final = results.trials.set_index("trial").loc[number, "final"]
    assert final == pytest.approx(until[until["name"] == "dev/accuracy"]["value"].iloc[-1])


def own(results, number):
    return results.history[results.history["trial"] == number].reset_index(drop=True)


class CutError(Exception):
    """The process ends here."""


def assert_same(one, other):
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
    assert_same(kept, out)


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
    assert_same(kept, out)


@pytest.mark.slow
def test_a_checkpoint_of_the_first_leg_is_not_in_the_way_of_the_whole_run(
    tiny, whole, tmp_path, monkeypatch, capsys
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
    before = whole.trials.set_index("trial")["final"]
    after = jaxtune.load_results(tmp_path / "out").trials.set_index("trial")["final"]
    assert after.equals(before)


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
    assert_same(kept, out)


@pytest.fixture(scope="module")
def early(tiny, tmp_path_factory):
    """A sweep whose rule stops trials 0 to 3, which are a group, and every third of the others."""
    asked = []

    def some(losses, norms, constant):
        assert len(losses) == STOP
        assert len(norms) == STOP // 2
        assert 0.6 < constant < np.log(2)
        asked.append(losses)
        return len(asked) <= 4 or len(asked) % 3 == 0

    out = tmp_path_factory.mktemp("early") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxtune.sweep.early_stop.has_learnt_nothing", some)
        assert main(command(tiny, out, "--early_stop", "0.5")) == 0
    return out


def test_trials_that_have_learnt_nothing_stop_and_the_others_of_their_group_end_as_ever(
    early, whole
):
    results = jaxtune.load_results(early)
    trials, before = results.trials, whole.trials.set_index("trial")
    stopped = trials["stopped_at"].notna()
    assert trials.index[stopped].tolist() == [0, 1, 2, 3, 5, 8, 11]
    for row in trials[~stopped].itertuples():
        assert row.final == before.loc[row.trial, "final"]
        np.testing.assert_array_equal(results.predictions[row.trial], whole.predictions[row.trial])
        assert (early / "params" / f"{row.trial:05d}" / "best").exists()
    for row in trials[stopped].itertuples():
        assert_as_at_the_stop(results, whole, row.trial)
        assert row.best_step <= row.stopped_at == STOP
        assert not (early / "params" / f"{row.trial:05d}").exists()
    summary = json.loads((early / "summary.json").read_text())
    assert [arm["stopped_early"] for arm in summary["arms"].values()] == [3, 4]


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
    assert_same(early, out)


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
