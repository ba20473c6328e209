"""A folder belongs to one sweep and to one process at a time; what else lies in it stays."""

import errno
import fcntl
import json
import multiprocessing
import warnings

import pytest

from jaxtune.config.parse import parse
from jaxtune.config.trials import make_trials
from jaxtune.core.errors import UserError
from jaxtune.storage.out_folder import (
    begin,
    check_held,
    check_trial,
    finished_trials,
    locked,
    out_folder,
)
from jaxtune.storage.sweep_checkpoints import SweepCheckpoints


def settings(*flags):
    return parse(["--model", "m", "--task", "rte", *flags])


def test_the_lock_keeps_others_out_and_leaves_nothing(tmp_path):
    out = tmp_path / "a" / "out"
    with locked(out):
        holder = json.loads((out / ".lock.json").read_text())
        refused = pytest.raises(UserError, match=f"in use by process {holder['process']} on")
        with refused, locked(out):
            pass
    assert not out.exists()  # it was made for the lock alone
    with locked(out):
        (out / "config.yaml").touch()
    assert [path.name for path in out.iterdir()] == ["config.yaml"]


def hold_and_die(out):
    import os

    with locked(out):
        os._exit(1)


@pytest.mark.slow
def test_the_lock_of_a_dead_process_is_none(tmp_path):
    out = tmp_path / "out"
    process = multiprocessing.get_context("spawn").Process(target=hold_and_die, args=(out,))
    process.start()
    process.join()
    assert (out / ".lock.json").exists()
    with locked(out):
        pass


def test_the_default_folder_stays_under_runs():
    assert str(out_folder(settings("--model", "google/bert"))) == "runs/rte-bert"
    for model in ("../../x", "..", "/", "a/.."):
        folder = out_folder(settings("--model", model))
        assert folder.parts[0] == "runs"
        assert ".." not in folder.parts
        assert len(folder.parts) == 2


def test_an_empty_folder_holds_nothing(tmp_path):
    assert finished_trials(tmp_path, make_trials(settings())) == {}


def test_a_manifest_that_cannot_be_read_is_written_anew(tmp_path, capsys):
    (tmp_path / "manifest.json").write_text('{"sha256": ')
    (tmp_path / "config.yaml").write_text(settings().as_yaml())
    run = {"sha256": {"a": "1"}, "packages": {}}
    begin(tmp_path, settings(), run)
    assert "manifest.json is damaged, and is left aside" in capsys.readouterr().out
    assert json.loads((tmp_path / "manifest.json").read_text()) == run


def test_what_orbax_left_half_written_goes(tmp_path):
    left = tmp_path / "params" / "00003" / "final.orbax-checkpoint-tmp-7"
    kept = tmp_path / "params" / "00002" / "final"
    for folder in (left, kept):
        folder.mkdir(parents=True)
        (folder / "data").touch()
    begin(tmp_path, settings(), {"sha256": {}, "packages": {}})
    assert not left.exists()
    assert (kept / "data").exists()


RUN = {"sha256": {}, "packages": {}}


def test_a_manifest_without_its_config_is_of_no_run(tmp_path):
    """A process was killed between the two, and nothing has run."""
    (tmp_path / "manifest.json").write_text(json.dumps(RUN | {"command": ["of before"]}))
    begin(tmp_path, settings(), dict(RUN))
    assert json.loads((tmp_path / "manifest.json").read_text()) == RUN


def test_overwriting_takes_the_answers_to_its_own_sets_alone(tmp_path):
    (tmp_path / "predictions" / "ood").mkdir(parents=True)
    for name in ("ood", "my"):
        (tmp_path / f"{name}_predictions.csv").touch()
    begin(tmp_path, settings("--overwrite", "true"), RUN)
    assert not (tmp_path / "ood_predictions.csv").exists()
    assert (tmp_path / "my_predictions.csv").exists()


@pytest.mark.parametrize(
    ("noted", "kept"),
    [
        (None, {"wandb", "mlruns", "mlflow.db"}),
        ("{", {"wandb", "mlruns", "mlflow.db"}),
        ('{"places": {"wandb offline, project x": {}}}', {"mlruns", "mlflow.db"}),
        ('{"places": {"mlflow": {}, "wandb offline": {}}}', set()),
        (
            '{"places": {"mlflow http://there, project x": {}, "wandb offline in /there": {}}}',
            {"wandb", "mlruns", "mlflow.db"},
        ),
    ],
)
def test_overwriting_leaves_other_programs_trackers(tmp_path, noted, kept):
    """Only what tracked.json says that this sweep has sent goes with it."""
    for name in ("wandb", "mlruns"):
        (tmp_path / name).mkdir()
    (tmp_path / "mlflow.db").touch()
    if noted is not None:
        (tmp_path / "tracked.json").write_text(noted)
    begin(tmp_path, settings("--overwrite", "true"), RUN)
    assert {name for name in ("wandb", "mlruns", "mlflow.db") if (tmp_path / name).exists()} == kept
    assert not (tmp_path / "tracked.json").exists()


def test_the_summary_of_fewer_trials_goes_when_more_begin(tmp_path):
    (tmp_path / "summary.json").write_text("{}")
    begin(tmp_path, settings(), dict(RUN))
    assert not (tmp_path / "summary.json").exists()


def of_another_sweep(out):
    """OUT is moved away, and another sweep begins in its place."""
    out.rename(out.with_name("moved"))
    out.mkdir()
    for name in (".lock", ".lock.json"):
        (out / name).write_text("{}")


def test_a_folder_whose_lock_is_another_sweeps_is_left_alone(tmp_path):
    out = tmp_path / "out"
    with locked(out):
        check_held(out)
        checkpoints = SweepCheckpoints(out / "checkpoints", print)
        with checkpoints.of([0]) as begun:
            of_another_sweep(out)
            (out / "checkpoints" / "00000-00000").mkdir(parents=True)
            for act in (
                lambda: check_held(out),
                lambda: begun.save(1, {}),
                begun.discard,
                lambda: checkpoints.of([0]),
                lambda: checkpoints.drop([0], []),
                checkpoints.leave_out_others,
                checkpoints.discard,
            ):
                with pytest.raises(UserError, match=r"removed or moved .* \(\.lock is missing"):
                    act()
    assert {path.name for path in out.iterdir()} == {".lock", ".lock.json", "checkpoints"}
    assert not list((out / "checkpoints" / "00000-00000").iterdir())


def test_a_folder_that_is_put_back_is_gone_on_with(tmp_path):
    out = tmp_path / "out"
    with locked(out):
        out.rename(tmp_path / "moved")
        with pytest.raises(UserError, match="has been removed or moved"):
            check_held(out)
        (tmp_path / "moved").rename(out)
        check_held(out)
    assert not out.exists()


def test_a_lock_of_another_machine_may_be_taken_away_by_hand(tmp_path):
    """Where a file system has no locks, nobody there can tell whether its process still runs."""
    with locked(tmp_path):
        with pytest.raises(UserError) as refused, locked(tmp_path):
            pass
        assert str(refused.value).endswith("; wait for it, or give another --out.")
        holder = json.loads((tmp_path / ".lock.json").read_text())
        (tmp_path / ".lock.json").write_text(json.dumps(holder | {"host": "another"}))
        with pytest.raises(UserError) as refused, locked(tmp_path):
            pass
    says = f"--out, or, if that process is over, remove {tmp_path / '.lock'}."
    assert str(refused.value).endswith(says)


def test_a_file_system_without_locks_is_not_warned_of(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with locked(tmp_path):
            check_held(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_row_of_another_config_is_refused(tmp_path):
    trial = make_trials(settings("--learning_rate", "1e-5"))[0]
    own = {"trial": 0, "arm": "all", **vars(trial.seeds)}
    row = json.loads(json.dumps(own | trial.settings))
    check_trial(tmp_path, row, trial)
    check_trial(tmp_path, row | {"data_dir": "elsewhere", "predict_test": True}, trial)
    check_trial(tmp_path, {name: row[name] for name in row if name != "weight_decay"}, trial)
    for name, value, says in (
        ("learning_rate", 0.001, "learning_rate 0.001, and here it is 1e-05; give another --out"),
        ("bias_correction", False, "bias_correction false, and here it is true;"),
    ):
        with pytest.raises(UserError, match=f"holds trial 0 with {says}"):
            check_trial(tmp_path, row | {name: value}, trial)
