"""Where runs go, how that is noted, and what tells one sweep's runs from another's there."""

import json
import os
import shutil
from types import SimpleNamespace

import pytest

from jaxtune.core.errors import UserError
from jaxtune.track import sending
from jaxtune.track.__main__ import main as track
from jaxtune.track.project import project_of, without_secrets
from jaxtune.track.sending import Sent
from jaxtune.track.to_mlflow import place_of
from jaxtune.track.to_wandb import WandbTracker

pytestmark = pytest.mark.usefixtures("undrawn")


class Noted:
    """A tracker that keeps which sweep it is told of."""

    seen_with = "a list."

    def __init__(self, place="here, project a", empty=False):
        self.place, self.empty, self.sweeps = place, empty, []

    def send(self, run):
        self.sweeps.append(run.config["sweep"])

    def attach(self, report, key, sweep):
        self.sweeps.append(sweep)


@pytest.fixture
def send(out, monkeypatch, capsys):
    """Sends OUT to a tracker, and gives what is said."""

    def act(tracker):
        monkeypatch.setattr(sending, "_open", lambda out, name: tracker)
        assert track([str(out), "--to", "wandb"]) == 0
        return capsys.readouterr().out.splitlines()[-1]

    return act


def files(folder):
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def mlflow_runs(out, experiment):
    """Runs of OUT's own database, by name; in a client of the database as it is now."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{out / 'mlflow.db'}")
    number = client.get_experiment_by_name(experiment).experiment_id
    return {run.info.run_name: run for run in client.search_runs([number])}


@pytest.mark.slow
def test_mlflow_sends_to_another_experiment_and_writes_where_a_copied_sweep_lies(
    out, keep_rows, tmp_path, monkeypatch, capsys
):
    for module in ("mlflow", "sqlalchemy", "alembic"):
        pytest.importorskip(module)

    def sends(out):
        assert track([str(out), "--to", "mlflow"]) == 0
        return capsys.readouterr().out.splitlines()[-1].partition(" to ")[0]

    whole = keep_rows(1)
    assert sends(out) == "Sent 1 trial"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "other")
    assert sends(out) == "Sent 1 trial"
    assert len(mlflow_runs(out, "other")) == len(mlflow_runs(out, "sweep")) == 2
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    noted = json.loads((out / "tracked.json").read_text())["places"]
    assert noted.keys() == {"mlflow, project sweep", "mlflow, project other"}
    before = files(out / "mlruns")
    copy = shutil.copytree(out, tmp_path / "copies" / "sweep")
    shutil.move(out, tmp_path / "old")
    (copy / "trials.jsonl").write_text("".join(whole.splitlines(keepends=True)[:2]))
    assert sends(copy) == "Sent 1 trial (1 were there)"
    assert not out.exists()
    assert [file.name for file in files(copy / "mlruns") - before] == ["report.html"]
    uris = {run.info.artifact_uri for run in mlflow_runs(copy, "sweep").values()}
    assert len(uris) == 3  # of before and now; a new report takes the place of the one before
    assert all(uri.startswith(f"{(copy / 'mlruns').as_uri()}/") for uri in uris)


@pytest.mark.parametrize("found", [None, SimpleNamespace(lifecycle_stage="active")])
def test_an_experiment_that_is_not_there_holds_nothing(out, monkeypatch, found):
    """Such as in a database that is new, since the one of before was taken away."""
    mlflow = pytest.importorskip("mlflow")
    from jaxtune.track.to_mlflow import MlflowTracker

    monkeypatch.setattr(mlflow.MlflowClient, "get_experiment_by_name", lambda client, name: found)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@host")
    assert MlflowTracker(out).empty == (found is None)
    assert MlflowTracker(out).place == "mlflow http://host, project sweep"


def test_an_experiment_that_was_deleted_is_not_brought_back(out, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    from jaxtune.track.to_mlflow import MlflowTracker

    found = SimpleNamespace(lifecycle_stage="deleted", experiment_id="7")
    monkeypatch.setattr(mlflow.MlflowClient, "get_experiment_by_name", lambda client, name: found)
    says = f"MLFLOW_TRACKING_URI=sqlite:///{out}/mlflow.db mlflow experiments restore --experiment"
    with pytest.raises(UserError, match=f"experiment sweep has been deleted.*{says}-id 7 brings"):
        MlflowTracker(out)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@host")
    with pytest.raises(UserError, match="no run; mlflow experiments restore --experiment-id 7"):
        MlflowTracker(out)


def test_what_decides_where_runs_of_wandb_go_is_in_the_place(out, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    assert WandbTracker(out).place == "wandb offline, project sweep"
    places = {WandbTracker(out).place}
    for name, value in (
        ("WANDB_PROJECT", "other"),
        ("WANDB_DIR", str(tmp_path / "dir")),
        ("WANDB_ENTITY", "team"),
        ("WANDB_MODE", "online"),
        ("WANDB_BASE_URL", "https://me:secret@host:8080?token=secret"),
    ):
        monkeypatch.setenv(name, value)
        places.add(WandbTracker(out).place)
    assert len(places) == 6
    assert "wandb online, project other of team at https://host:8080" in places
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(out))
    assert WandbTracker(out).place == "wandb offline, project other of team"


def test_a_folder_without_offline_runs_holds_nothing(out, monkeypatch):
    pytest.importorskip("wandb")
    assert WandbTracker(out).empty
    (out / "wandb" / "offline-run-1-x").mkdir(parents=True)
    assert not WandbTracker(out).empty
    monkeypatch.setenv("WANDB_DIR", str(out / "elsewhere"))
    assert WandbTracker(out).empty
    monkeypatch.setenv("WANDB_MODE", "online")
    assert not WandbTracker(out).empty


def test_what_was_noted_of_a_place_that_is_gone_is_not_there(out, send):
    assert send(Noted()) == "Sent 6 trials to a list."
    assert send(Noted()) == "Sent 0 trials (6 were there) to a list."
    gone = Noted(empty=True)
    assert send(gone) == "Sent 6 trials to a list."
    assert len(gone.sweeps) == 7  # the report, too


def test_notes_of_before_are_of_the_sweeps_own_project(tmp_path):
    """They named no project. Else the sweep would be sent twice."""
    noted = {"trials": [0, 1], "report_of": "x"}  # without checksums, too
    there = {"trials": {"0": None, "1": None}, "report_of": "x"}
    places = dict.fromkeys(("mlflow", "wandb online", "mlflow http://host"), noted)
    file = tmp_path / "sweep" / "tracked.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"sweep": "abc", "places": places}))
    for place in places:
        assert Sent(file).of(f"{place}, project sweep", False) == there
        assert Sent(file).of(f"{place}, project other", False)["trials"] == {}
    sent = Sent(file)
    sent.save()
    file.parent.rename(tmp_path / "renamed")
    renamed = Sent(tmp_path / "renamed" / "tracked.json")
    assert renamed.of("mlflow, project sweep", False) == there
    assert renamed.of("mlflow, project renamed", False)["trials"] == {}


def test_what_was_noted_without_checksums_is_sent(out, send):
    assert send(Noted()) == "Sent 6 trials to a list."
    file = out / "tracked.json"
    noted = json.loads(file.read_text())
    for there in noted["places"].values():
        there["trials"] = [int(number) for number in there["trials"]]
    file.write_text(json.dumps(noted))
    assert send(Noted()) == "Sent 0 trials (6 were there) to a list."


def test_commands_can_be_pasted_where_a_folder_has_a_space(tmp_path, monkeypatch):
    for name in ("wandb", "mlflow", "sqlalchemy"):
        pytest.importorskip(name)
    from jaxtune.track.to_mlflow import MlflowTracker

    for name in ("WANDB_MODE", "WANDB_DIR", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    place = tmp_path / "a b"
    place.mkdir()
    wandb, mlflow = WandbTracker(place).seen_with, MlflowTracker(place).seen_with
    assert f" wandb sync '{place}'/wandb/offline-run-* uploads" in wandb
    assert f" --backend-store-uri sqlite:///'{place}/mlflow.db' shows" in mlflow


@pytest.mark.parametrize("name", ["a?b", "a%20b"])
def test_a_folder_that_mlflow_would_take_for_another_is_refused(tmp_path, monkeypatch, name):
    for module in ("mlflow", "sqlalchemy"):
        pytest.importorskip(module)
    from jaxtune.track.to_mlflow import MlflowTracker

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=r"whose path has a \? or a % in it; rename"):
        MlflowTracker(tmp_path / name)
    assert [path.name for path in tmp_path.rglob("*")] == [name]


def test_secrets_of_an_address_are_not_noted():
    assert place_of("https://me:secret@host:5000/x?y=1") == "mlflow https://host:5000/x"
    assert place_of(None) == "mlflow"
    told = "no postgresql://me:s@cret@host/db nor http://me:secret@host:1/a?token=secret there"
    assert without_secrets(told) == "no postgresql://host/db nor http://host:1/a there"


def test_shards_of_a_sweep_share_its_project(tmp_path):
    assert project_of(tmp_path / "first" / "shard-1-of-2") == "first"
    assert project_of(tmp_path / "first" / "shard-2-of-2") == "first"
    assert project_of(tmp_path / "other" / "shard-1-of-2") == "other"
    assert project_of(tmp_path / "a sweep, shard-1-of-2") == "a-sweep--shard-1-of-2"


def test_every_run_and_report_says_which_sweep_it_is_of(out, send):
    first, second = Noted(), Noted()
    send(first)
    (name,) = set(first.sweeps)
    assert len(first.sweeps) == 7
    noted = json.loads((out / "tracked.json").read_text())["sweep"]
    assert name == f"{out} ({noted})"
    (out / "tracked.json").unlink()  # as --overwrite does
    send(second)
    assert not set(first.sweeps) & set(second.sweeps)


def test_only_the_first_question_to_mlflow_is_given_up_early(out, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    from jaxtune.track.to_mlflow import PATIENCE, MlflowTracker

    asked = []
    monkeypatch.setattr(
        mlflow.MlflowClient,
        "get_experiment_by_name",
        lambda client, name: asked.append([os.environ.get(name) for name in PATIENCE]),
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    MlflowTracker(out)
    assert not PATIENCE.keys() & os.environ.keys()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5")
    MlflowTracker(out)
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "5"
    assert asked == [["2", "8"], ["5", "8"]]


def test_wandb_is_given_half_a_minute_to_answer(out):
    wandb = pytest.importorskip("wandb")
    WandbTracker(out)
    settings = wandb.Settings()
    settings.update_from_env_vars(os.environ)
    assert settings.init_timeout == 30


def test_the_lock_of_senders_stays(out, send):
    """Who has opened one that is taken away would lock it while another locks the next one."""
    send(Noted())
    before = (out / ".tracked.json.lock").stat().st_ino
    send(Noted())
    assert (out / ".tracked.json.lock").stat().st_ino == before
