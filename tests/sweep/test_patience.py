"""Trials that end after some evaluations without a better score, on the dev set or on examples held
out of training: when they stop, what they keep, and that nothing else changes.
"""

import json

import jax
import numpy as np
import pytest
from cut_off import CutError
from same_results import assert_same, assert_same_trials

import jaxtune
from jaxtune.config.parse import parse
from jaxtune.config.trials import make_trials
from jaxtune.core.metrics import auroc
from jaxtune.data.reading import sentences
from jaxtune.export.__main__ import main as export
from jaxtune.storage.checkpoints import RunCheckpoints
from jaxtune.storage.kept_params import load_params
from jaxtune.sweep.__main__ import main
from jaxtune.sweep.keep_trials import _worst
from jaxtune.training.plan import ProgramPlan, make_plans
from jaxtune.training.plan_words import choosing, reading

STEPS, EVERY, PATIENCE = 12, 2, 2


def command(tiny, out, *flags):
    return [
        *("--model", tiny, "--task", "miniature", "--out", str(out), "--max_steps", str(STEPS)),
        *("--train_examples", "64", "--log_every", "2", "--eval_every", str(EVERY)),
        *("--num_seeds", "6", "--learning_rate", "3e-3", "--save_params", "best"),
        *("--packing", "false", "--metric", "auroc", *flags),
    ]


PATIENT = ("--patience", str(PATIENCE))


def swept(tiny, tmp_path_factory, *flags):
    out = tmp_path_factory.mktemp("patience") / "out"
    assert main(command(tiny, out, *flags)) == 0
    return out


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    return swept(tiny, tmp_path_factory)


@pytest.fixture(scope="module")
def patient(tiny, tmp_path_factory):
    return swept(tiny, tmp_path_factory, *PATIENT)


@pytest.fixture(scope="module")
def held_out(tiny, tmp_path_factory):
    return swept(tiny, tmp_path_factory, *PATIENT, "--dev_fraction", "0.25")


def curve(results, number, name):
    rows = results.history[(results.history["name"] == name) & (results.history["trial"] == number)]
    return rows.set_index("step")["value"]


def expected_stop(scores):
    """Of a curve by step: where the best is PATIENCE evaluations old, or None."""
    best = 0
    for i, score in enumerate(scores.to_numpy()):
        if score > scores.iloc[best]:
            best = i
        if i - best >= PATIENCE and scores.index[i] < STEPS:
            return int(scores.index[i])
    return None


def test_trials_stop_where_their_curve_says_and_are_until_then_as_ever(patient, whole):
    found, before = jaxtune.load_results(patient), jaxtune.load_results(whole)
    stopped = 0
    for row in found.trials.itertuples():
        scores = curve(before, row.trial, "dev/auroc")
        stop = expected_stop(scores)
        best = scores[scores.index <= (stop or STEPS)]
        assert (row.best_step, row.num_steps) == (best.idxmax(), STEPS)
        assert row.best == pytest.approx(best.max())
        if stop is None:
            assert np.isnan(row.stopped_at)
            assert row.stopped_by != "patience"
            np.testing.assert_array_equal(
                found.predictions[row.trial], before.predictions[row.trial]
            )
            continue
        stopped += 1
        assert (row.stopped_at, row.stopped_by) == (stop, "patience")
        assert row.final == pytest.approx(scores[stop])
        assert auroc(found.predictions[row.trial], found.labels) == row.final
        assert curve(found, row.trial, "dev/auroc").equals(best)
        losses = curve(before, row.trial, "loss").iloc[:stop]
        assert curve(found, row.trial, "loss").equals(losses)
        assert row.train_loss == pytest.approx(losses[-4:].mean())
    assert 0 < stopped < 6
    table = json.loads((patient / "summary.json").read_text())["arms"]["all"]
    assert table["stopped_early"] == stopped


def test_a_trial_that_stopped_keeps_the_parameters_of_its_best(patient, whole):
    """Of those whose best lies before the stop in the whole run too, to the bit."""
    rows = [jaxtune.load_results(out).trials.set_index("trial") for out in (patient, whole)]
    same = rows[0].index[rows[0]["best_step"] == rows[1]["best_step"]]
    assert rows[0].loc[same, "stopped_by"].notna().any()
    for number in same:
        one, other = (load_params(out / f"params/{number:05d}/best") for out in (patient, whole))
        for path, leaf in one.items():
            np.testing.assert_array_equal(leaf, other[path])
    assert len(list((patient / "params").glob("*/best"))) == 6


@pytest.mark.parametrize(
    "cut", [pytest.param(2, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.storm)]
)
def test_resumed_equals_undisturbed(tiny, patient, tmp_path, monkeypatch, cut):
    """Cut off in the first group, some of whose trials have stopped by then."""
    out, save, saved = tmp_path / "out", RunCheckpoints.save, []

    def save_and_cut(self, step, tree, arrays):
        save(self, step, tree, arrays)
        saved.append(len(arrays["out_of_patience"]))
        if len(saved) == cut:
            self.close()
            raise CutError

    monkeypatch.setattr(RunCheckpoints, "save", save_and_cut)
    flags = (*PATIENT, "--checkpoint_every", "5")
    with pytest.raises(CutError):
        main(command(tiny, out, *flags))
    assert saved[-1] > 0
    assert main(command(tiny, out, *flags)) == 0
    assert_same(patient, out)


@pytest.mark.storm
def test_one_device_gives_the_same_trials(tiny, patient, tmp_path, monkeypatch):
    """Each in a group of its own, which ends when it does."""
    monkeypatch.setattr(ProgramPlan, "devices", jax.devices()[:1])
    out = tmp_path / "out"
    assert main(command(tiny, out, *PATIENT)) == 0
    assert_same_trials(patient, out)


def test_with_held_out_examples_these_choose_and_the_dev_set_is_reported(held_out):
    results = jaxtune.load_results(held_out)
    stopped = differ = 0
    for row in results.trials.itertuples():
        chooser = curve(results, row.trial, "held_out/auroc")
        scores = curve(results, row.trial, "dev/auroc")
        assert (row.best_step, row.held_out_best) == (
            chooser.idxmax(),
            pytest.approx(chooser.max()),
        )
        assert row.best == pytest.approx(scores[row.best_step])
        stop = expected_stop(chooser)
        assert (None if np.isnan(row.stopped_at) else row.stopped_at) == stop
        assert row.final == pytest.approx(scores.iloc[-1])
        assert results.predictions[row.trial].shape == (len(results.labels), 2)
        stopped += stop is not None
        differ += row.best_step != scores.idxmax()
    assert stopped
    assert differ


def test_what_was_read_says_both_counts(held_out):
    (reading,) = json.loads((held_out / "manifest.json").read_text())["data"]
    assert reading["examples"] == {"train": 48, "dev": 300, "held_out": 16}
    trained, kept = reading["classes"], reading["held_out_classes"]
    assert sum(counts["train"] for counts in trained.values()) == 48
    assert sum(kept.values()) == 16
    for name, counts in trained.items():
        assert abs(kept[name] - counts["train"] / 3) <= 1


def test_the_best_parameters_give_the_dev_score_in_the_row(held_out, tmp_path, capsys):
    row = jaxtune.load_results(held_out).trials.iloc[0]
    words = ["--trial", "0", "--step", "best", "--to", str(tmp_path / "hf")]
    assert export([str(held_out), *words]) == 0
    said = capsys.readouterr().out
    assert f"after step {row.best_step}: auroc {row.best:.4f} on the dev set" in said
    assert "best evaluation on the examples held out of training" in said


def said_of(tiny, *flags):
    (plan,) = make_plans(make_trials(parse(command(tiny, "out", *flags))))
    return [*sentences([reading(plan)]), *choosing(plan)]


def test_what_is_said_at_the_start(tiny):
    best = said_of(tiny)
    assert best[-1].startswith("Warning: which parameters are its best is decided on the dev set")
    dev = said_of(tiny, *PATIENT)
    rule = "A trial stops after 2 evaluations in a row without a better auroc on the"
    assert dev[-2] == f"{rule} dev set."
    assert dev[-1].startswith("Warning: when a trial stops and which parameters are its best is")
    later = said_of(tiny, *PATIENT, "--train", "head_then_all", "--head_ratio", "0.2")
    assert later[-2] == f"{rule} dev set, counted from when more than the head is trained."
    fair = said_of(tiny, *PATIENT, "--dev_fraction", "0.25")
    assert fair[:2] == [
        "Read 48 of 1,000 training and 300 dev examples.",
        "Held out of training, to choose by: 16 training examples ('unacceptable' 6;"
        " 'acceptable' 10).",
    ]
    assert fair[-1] == f"{rule} held-out examples."
    assert not any("decided on the dev set" in line for line in fair)
    plain = said_of(tiny, "--save_params", "final")
    assert not any("stops" in line or "decided" in line for line in plain)


def test_trials_are_kept_by_the_held_out_score_where_there_is_one():
    def row(number, best, held_out_best, fraction):
        scores = {"best": best, "held_out_best": held_out_best, "dev_fraction": fraction}
        return {"trial": number, "arm": "a", "stopped_by": None, **scores}

    by_dev = {n: row(n, 0.5 + n, None, None) for n in range(3)}
    assert _worst(by_dev, "a", 1) == {0, 1}
    by_held_out = {n: row(n, 0.5 + n, 0.5 - n, 0.1) for n in range(3)}
    assert _worst(by_held_out, "a", 1) == {1, 2}
