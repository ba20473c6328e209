"""A folder belongs to one sweep and to one process at a time; what else lies in it stays."""

import json
import multiprocessing

import pytest

from jaxtune.config.parse import parse
from jaxtune.config.trials import make_trials
from jaxtune.core.errors import UserError
from jaxtune.storage.out_folder import begin, finished_trials, locked, out_folder


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


def test_the_summary_of_fewer_trials_goes_when_more_begin(tmp_path):
    (tmp_path / "summary.json").write_text("{}")
    begin(tmp_path, settings(), dict(RUN))
    assert not (tmp_path / "summary.json").exists()
