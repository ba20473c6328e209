"""Trials as runs of trackers, written by the real libraries to a folder or a local database, and
read back.
"""

import subprocess
import sys

import pytest
from small_sweep import EVERYTHING, command
from trackers import needs, ran_again

import jaxtune
from jaxtune.storage.tensorboard import run_name, run_path
from jaxtune.storage.trial_rows import read_rows
from jaxtune.sweep.__main__ import main as sweep
from jaxtune.sweep.tracking import track as track_after_sweep
from jaxtune.track.__main__ import main as track

pytestmark = pytest.mark.usefixtures("undrawn")

# Read by every Python that a test starts: it notes who is called outside the machine.
WATCHED = """
import sys

def watch(event, values):
    address = values[-1] if event == "socket.connect" else None
    if event == "socket.getaddrinfo" or isinstance(address, tuple):  # a path is this machine's
        with open({file!r}, "a") as opened:
            print(event, values, file=opened)

sys.addaudithook(watch)
"""


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """The file in which calls by Python to other machines are noted."""
    file = tmp_path / "calls.txt"
    (tmp_path / "watched").mkdir()
    (tmp_path / "watched" / "sitecustomize.py").write_text(WATCHED.format(file=str(file)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "watched"))
    # A watch that has an error would note nothing, and no test would fail.
    call = "import socket; socket.getaddrinfo('localhost', 80)"
    subprocess.run([sys.executable, "-c", call], check=True)
    assert "localhost" in file.read_text()
    file.unlink()
    return file


def check_curves(out, row, found):
    """`found` has, by tag, the values by step that the history has and TensorBoard shows."""
    history = jaxtune.load_results(out).history
    own = history[history.trial == row["trial"]]
    expected = {
        name: part.set_index("step").value.to_dict()
        for name, part in own.groupby("name", observed=True)
    }
    losses = {step: loss for step, loss in expected["loss"].items() if step % 2 == 0}
    assert found["train/loss"] == pytest.approx(losses)
    assert found["train/learning_rate"] == pytest.approx(expected["learning_rate"])
    assert found["dev/accuracy"] == pytest.approx(expected["dev/accuracy"])
    assert found["grad_norm/layer_01"] == pytest.approx(expected["grad_norm/layer_01/layer"])
    assert not any("attention" in tag for tag in found)  # kinds of tensors stay in the history


@pytest.mark.slow
def test_wandb_offline(out, calls, capsys):
    """A run per trial, grouped by arm, and the report as a page."""
    needs("wandb")
    from wandb_files import run_of

    track_after_sweep(out, "wandb")
    assert "Sent 6 trials to W&B, offline: wandb sync" in capsys.readouterr().out
    assert not calls.exists()
    found = [run_of(folder) for folder in sorted((out / "wandb").glob("offline-run-*"))]
    runs = {run["name"]: run for run in found if run["kind"] == "trial"}
    rows = read_rows(out)
    assert len(runs) == 6
    for row in rows:
        run = runs[run_path(run_name(row["arm"]), row["seed"])]
        assert run["group"] == row["arm"]
        assert run["project"] == "sweep"
        assert run["ended"]
        for name in ("seed", "init_seed", "learning_rate", "bias_correction", "task", "metric"):
            assert run["config"][name] == row[name], name
        for name in ("final", "best", "failed", "diverged", "trivial", "train_loss"):
            assert run["summary"][name] == row[name], name
        tags = {tag for values in run["history"].values() for tag in values}
        steps = run["history"].items()
        curves = {tag: {s: float(v[tag]) for s, v in steps if tag in v} for tag in tags}
        check_curves(out, row, curves)
    assert len({run["id"] for run in runs.values()}) == 6
    (sweep_name,) = {run["config"]["sweep"] for run in found}  # the report's, too
    assert sweep_name.startswith(f"{out} (")
    (page,) = (out / "wandb").glob("offline-run-*-report/files/media/html/*.html")
    assert "bias_correction=true" in page.read_text()


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
@pytest.mark.slow
def test_a_run_that_is_sent_again_takes_the_place_of_the_one_before(out, keep_rows, name):
    needs(name, *(("sqlalchemy", "alembic") if name == "mlflow" else ()))
    keep_rows(1)
    assert track([str(out), "--to", name]) == 0
    ran_again(out, 0)
    assert track([str(out), "--to", name]) == 0
    (row,) = read_rows(out)
    if name == "wandb":
        from wandb_files import run_of

        found = [run_of(folder) for folder in (out / "wandb").glob("offline-run-*")]
        assert [r["summary"]["seconds"] for r in found if r["kind"] == "trial"] == [99.0]
        return
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{out / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("sweep").experiment_id
    runs = [r for r in client.search_runs([experiment]) if r.data.tags.get("arm") == row["arm"]]
    assert [run.data.metrics["seconds"] for run in runs] == [99.0]


@pytest.mark.slow
def test_mlflow_in_a_local_database(out, calls, tiny, capsys):
    """By the sweep's own command, which has nothing to train here."""
    needs("mlflow", "sqlalchemy", "alembic")
    from mlflow import MlflowClient

    assert sweep(command(tiny, out, *EVERYTHING, "--track", "mlflow")) == 0
    assert "Sent 6 trials to MLflow: mlflow ui --backend-store-uri" in capsys.readouterr().out
    assert not calls.exists()
    client = MlflowClient(tracking_uri=f"sqlite:///{out / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("sweep")
    found = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert len(found) == 7
    (sweep_name,) = {run.data.tags["sweep"] for run in found.values()}
    assert sweep_name.startswith(f"{out} (")
    for row in read_rows(out):
        run = found[run_path(run_name(row["arm"]), row["seed"])]
        assert run.info.status == "FINISHED"
        assert run.data.tags["arm"] == row["arm"]
        assert run.data.params["seed"] == str(row["seed"])
        assert run.data.params["bias_correction"] == str(row["bias_correction"]).lower()
        assert run.data.params["dropout"] == "null"
        for name in ("final", "best", "failed", "diverged", "trivial"):
            assert run.data.metrics[name] == row[name], name
        tags = ("train/loss", "train/learning_rate", "dev/accuracy", "grad_norm/layer_01")
        own = run.info.run_id
        points = {tag: client.get_metric_history(own, tag) for tag in tags}
        check_curves(out, row, {t: {p.step: p.value for p in own} for t, own in points.items()})
    (page,) = (out / "mlruns").glob(f"{found['report'].info.run_id}/artifacts/report.html")
    assert "bias_correction=true" in page.read_text()
    assert "track" not in (out / "config.yaml").read_text()


def test_trackio_in_its_own_folder(out, calls, tmp_path, monkeypatch, capsys):
    needs("trackio")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("HF_TOKEN", "hf_none")  # of which trackio would ask the hub whose it is
    track_after_sweep(out, "trackio")
    assert f"Sent 6 trials to trackio, in {tmp_path / 'trackio'}" in capsys.readouterr().out
    assert not calls.exists()
    import trackio

    storage = trackio.sqlite_storage
    monkeypatch.setattr(trackio.utils, "TRACKIO_DIR", tmp_path / "trackio")
    monkeypatch.setattr(storage, "TRACKIO_DIR", tmp_path / "trackio")
    assert len(storage.SQLiteStorage.get_runs("sweep")) == 7
    for row in read_rows(out):
        name = run_path(run_name(row["arm"]), row["seed"])
        config = storage.SQLiteStorage.get_run_config("sweep", name)
        assert config["_Group"] == row["arm"]
        assert config["sweep"].startswith(f"{out} (")
        assert config["bias_correction"] == row["bias_correction"]
        logs = storage.SQLiteStorage.get_logs("sweep", name)
        tags = {tag for values in logs for tag in values}
        curves = {tag: {v["step"]: v[tag] for v in logs if tag in v} for tag in tags}
        check_curves(out, row, curves)
        assert curves["final"] == {5: row["final"]}
        assert curves["failed"] == {5: row["failed"]}


@pytest.mark.slow
def test_a_tracker_that_fails_is_a_sentence_and_the_sweep_is_done(
    out, tiny, tmp_path, monkeypatch, capsys
):
    needs("wandb")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "a_file"))
    (tmp_path / "a_file").write_text("")
    assert sweep(command(tiny, out, *EVERYTHING, "--track", "wandb")) == 0
    said = capsys.readouterr().out
    assert "Warning: wandb did not take them (" in said
    assert "`jaxtune track OUT --to wandb` sends what is not there." in said
    assert not (out / "tracked.json").exists()
