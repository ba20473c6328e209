"""Who is stopped after part of the training: the two rules on made-up trials, and whole sweeps
through the command.
"""

import json

import numpy as np
import pytest
from same_results import curves

import jaxtune
from jaxtune.storage.checkpoints import RunCheckpoints
from jaxtune.sweep.__main__ import main
from jaxtune.sweep.early_stop import constant_loss, has_learnt_nothing, outranked, stop_step

STEPS, STOP = 20, 10


@pytest.mark.parametrize(
    ("share", "steps", "stop"),
    [
        (0.5, 20, 10),
        (0.3, 189, 57),
        (0.01, 20, 1),
        (0.99, 20, 19),
        (None, 20, None),
        (0.5, 1, None),
    ],
)
def test_stop_step(share, steps, stop):
    assert stop_step(share, steps) == stop


def test_loss_of_the_best_constant_output():
    assert constant_loss(np.array([0, 1, 2, 3])) == pytest.approx(np.log(4))
    assert constant_loss(np.array([0] * 6 + [1] * 4)) == pytest.approx(0.6730, abs=1e-4)
    assert constant_loss(np.array([1.0, 3.0], np.float32)) == pytest.approx(1.0)


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


def test_the_best_go_on_and_whoever_is_outranked_stays_so():
    scores = {4: 0.5, 1: 0.7, 9: 0.7, 2: 0.1}
    assert outranked(scores, 2) == {4, 2}
    assert outranked(scores, 1) == {4, 2, 9}  # of equals the lower number
    assert outranked(scores, 4) == set()
    assert outranked(scores, -1) == set(scores)
    assert outranked(scores | {7: 0.6}, 2) >= outranked(scores, 2)


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
        patch.setattr("jaxtune.sweep.legs.has_learnt_nothing", nobody)
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


def test_the_best_of_each_arm_go_on_as_if_they_had_not_been_paused(kept, whole):
    results = jaxtune.load_results(kept)
    trials, before = results.trials.set_index("trial"), whole.trials.set_index("trial")
    went_on = set(trials.index[trials["stopped_at"].isna()])
    assert went_on == expected_choice(whole)
    same = ["final", "best", "best_step", "train_loss", "failed", "num_steps"]
    for number in went_on:
        assert trials.loc[number, same].equals(before.loc[number, same])
        np.testing.assert_array_equal(results.predictions[number], whole.predictions[number])
        assert own(results, number).equals(own(whole, number))
        assert (kept / "params" / f"{number:05d}" / "final").exists()
    for number in set(trials.index) - went_on:
        assert trials.loc[number, "stopped_at"] == STOP
        until = own(whole, number)
        until = until[(until["step"] < STOP) | until["name"].astype(str).str.startswith("dev/")]
        until = until[until["step"] <= STOP].reset_index(drop=True)
        assert own(results, number)["value"].equals(until["value"])
        assert trials.loc[number, "final"] == pytest.approx(
            until[until["name"] == "dev/accuracy"]["value"].iloc[-1]
        )
        assert not (kept / "params" / f"{number:05d}").exists()
    assert not (kept / "waiting").exists()
    tags = {
        run: points[-1][0]
        for (run, tag), points in curves(kept / "tb").items()
        if tag == "dev/accuracy"
    }
    assert sorted(tags.values()) == [STOP] * 8 + [STEPS] * 4


def own(results, number):
    return results.history[results.history["trial"] == number].reset_index(drop=True)


class CutError(Exception):
    """The process ends here."""


@pytest.mark.parametrize("cuts", [[3], [8], [11], [5, 8, 12]])
def test_cut_off_in_either_leg(tiny, kept, tmp_path, monkeypatch, cuts):
    """Counted in saves: of checkpoints within a group, and of trials that wait."""
    out, save, left, saved = tmp_path / "out", RunCheckpoints.save, list(cuts), []

    def save_and_cut(self, step, *args):
        save(self, step, *args)
        saved.append(self)
        if left and len(saved) == left[0]:
            left.pop(0)
            for checkpoints in saved:  # a dead process does not go on writing
                checkpoints.close()
            raise CutError

    monkeypatch.setattr("jaxtune.sweep.legs.has_learnt_nothing", nobody)
    monkeypatch.setattr(RunCheckpoints, "save", save_and_cut)
    flags = (*KEEP, "--checkpoint_every", "4")
    for _ in cuts:
        with pytest.raises(CutError):
            main(command(tiny, out, *flags))
        for file in sorted((out / "waiting").glob("*/*.npz"))[:1]:  # a damaged one begins again
            file.write_bytes(file.read_bytes()[:-1])
    assert main(command(tiny, out, *flags)) == 0
    first, second = (jaxtune.load_results(folder) for folder in (kept, out))
    assert first.trials.drop(columns="seconds").equals(second.trials.drop(columns="seconds"))
    assert first.history.equals(second.history)
    for number, logits in first.predictions.items():
        np.testing.assert_array_equal(logits, second.predictions[number])


def test_trials_that_have_learnt_nothing_stop_and_the_others_are_regrouped(
    tiny, whole, tmp_path, monkeypatch
):
    asked = []

    def every_third(losses, norms, constant):
        assert len(losses) == STOP
        assert len(norms) == STOP // 2
        assert 0.6 < constant < np.log(2)
        asked.append(losses)
        return len(asked) % 3 == 0

    monkeypatch.setattr("jaxtune.sweep.legs.has_learnt_nothing", every_third)
    out = tmp_path / "out"
    assert main(command(tiny, out, "--early_stop", "0.5")) == 0
    results = jaxtune.load_results(out)
    stopped = results.trials["stopped_at"].notna()
    assert results.trials.index[stopped].tolist() == [2, 5, 8, 11]
    before = whole.trials.set_index("trial")
    for row in results.trials[~stopped].itertuples():
        assert row.final == before.loc[row.trial, "final"]
        np.testing.assert_array_equal(results.predictions[row.trial], whole.predictions[row.trial])
    summary = json.loads((out / "summary.json").read_text())
    assert [arm["stopped_early"] for arm in summary["arms"].values()] == [2, 2]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--early_stop", "0"], "early_stop is 0.0; give a share"),
        (["--early_stop", "1.5"], "early_stop is 1.5; give a share"),
        (["--keep_trials", "3"], "keep_trials is given without early_stop"),
        (["--early_stop", "0.5", "--keep_trials", "0"], "keep_trials is 0"),
    ],
)
def test_refused(tiny, tmp_path, capsys, flags, sentence):
    assert main(command(tiny, tmp_path / "out", *flags)) == 1
    assert sentence in capsys.readouterr().err


def test_more_seeds_would_change_who_goes_on(tiny, kept, capsys):
    assert main([*command(tiny, kept, *KEEP), "--num_seeds", "8"]) == 1
    assert "holds the results of another config" in capsys.readouterr().err
