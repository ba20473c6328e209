"""MLflow: a run per trial in an experiment per sweep, tagged with its arm; OUT/mlflow.db unless
MLFLOW_TRACKING_URI is set.
"""

import contextlib
import functools
import os
import sqlite3
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jaxtune.core.errors import UserError
from jaxtune.core.words import as_typed
from jaxtune.stats.arms import readable
from jaxtune.storage.paths import MLFLOW_DATABASE, MLFLOW_FILES
from jaxtune.track.project import place_at, project_of
from jaxtune.track.runs import TrackedRun

KEY = "jaxtune.run"  # the tag that tells a run from all others
# MLflow's limits for one call.
MOST_METRICS, MOST_PARAMS = 1000, 100
# Of the first question alone: half a minute. MLflow's own takes minutes of silence, which suits a
# server that is there and busy.
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "8"}


class MlflowTracker:
    """Through the client alone: nothing of MLflow's own state is set."""

    def __init__(self, out: Path):
        # Before the import, which reads it. Only who has set a server up wants calls to anywhere.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
        # It prints the server's address at every run, with the password that is in it.
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        import mlflow.entities  # pyrefly: ignore[missing-import]

        self._entities: Any = mlflow.entities
        self._given = os.environ.get("MLFLOW_TRACKING_URI")
        self._database = (out / MLFLOW_DATABASE).absolute()
        self._uri = self._given or _uri_of(self._database)
        self._client: Any = mlflow.MlflowClient(tracking_uri=self._uri)
        self._name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or project_of(out)
        self._files = None if self._given else (out / MLFLOW_FILES).absolute().as_uri()
        with _patient():
            self._found: Any = self._client.get_experiment_by_name(self._name)
        if self._found is not None and self._found.lifecycle_stage == "deleted":
            raise UserError(self._deleted())

    @functools.cached_property
    def _experiment(self) -> str:
        """Its id; it is made when the first run comes."""
        if self._found is None:
            try:
                return self._client.create_experiment(self._name, artifact_location=self._files)
            except Exception:  # another shard of the sweep may have made it meanwhile
                self._found = self._client.get_experiment_by_name(self._name)
                if self._found is None:
                    raise
        if self._files:
            _follow(self._database, self._found, self._files)
        return self._found.experiment_id

    @property
    def place(self) -> str:
        """The server and the experiment."""
        return place_at(place_of(self._given), self._name)

    @property
    def empty(self) -> bool:
        """Whether the experiment is not there."""
        return self._found is None

    @property
    def seen_with(self) -> str:
        """The experiment, and what shows it."""
        if self._given:
            return f"MLflow, experiment {self._name}."
        database = f"sqlite:///{as_typed(self._database)}"
        return f"MLflow: mlflow ui --backend-store-uri {database} shows them."

    def _deleted(self) -> str:
        """What to do: who has deleted an experiment may not want its runs back."""
        number = self._found.experiment_id
        where = "" if self._given else f"MLFLOW_TRACKING_URI=sqlite:///{as_typed(self._database)} "
        return (
            f"MLflow's experiment {self._name} has been deleted, and takes no run; {where}mlflow"
            f" experiments restore --experiment-id {number} brings it back, and with"
            " MLFLOW_EXPERIMENT_NAME set the runs go to another one."
        )

    def send(self, run: TrackedRun) -> None:
        """Settings as params, curves and scores as metrics, what is a text as a tag."""
        texts = {name: v for name, v in run.summary.items() if isinstance(v, str)}
        tags = {"arm": run.arm, "sweep": run.config["sweep"], **texts}
        own = self._new_run(run.key, run.name, tags)
        settings = [self._entities.Param(k, readable(v)) for k, v in run.config.items()]
        for part in _parts(settings, MOST_PARAMS):
            self._client.log_batch(own, params=part)
        now = int(time.time() * 1000)
        last = run.points[-1][0] if run.points else 0
        numbers = {name: v for name, v in run.summary.items() if name not in texts}
        metrics = [
            self._entities.Metric(name, float(value), now, step)
            for step, values in [*run.points, (last, numbers)]
            for name, value in values.items()
        ]
        for part in _parts(metrics, MOST_METRICS):
            self._client.log_batch(own, metrics=part)
        self._client.set_terminated(own, "FINISHED")

    def attach(self, report: Path, key: str, sweep: str) -> None:
        """As an artifact of a run `report`."""
        own = self._new_run(key, "report", {"sweep": sweep})
        self._client.log_artifact(own, str(report))
        self._client.set_terminated(own, "FINISHED")

    def _new_run(self, key: str, name: str, tags: dict[str, str]) -> str:
        """The id of a run that is empty; one that was begun under this key before is deleted."""
        before = self._client.search_runs([self._experiment], f"tags.`{KEY}` = '{key}'")
        for run in before:
            self._client.delete_run(run.info.run_id)
        run = self._client.create_run(self._experiment, run_name=name, tags={KEY: key, **tags})
        return run.info.run_id


def place_of(uri: str | None) -> str:
    """A server without who logs in there; the local database lies wherever OUT does."""
    if not uri:
        return "mlflow"
    parts = urlsplit(uri)
    return f"mlflow {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _uri_of(database: Path) -> str:
    """Raises UserError for a path that is another one as a part of a URI. Escaped, MLflow finds the
    database, and makes a folder of the escaped name beside.
    """
    from sqlalchemy.engine import make_url  # pyrefly: ignore[missing-import]

    uri = f"sqlite:///{database}"
    if make_url(uri).database != str(database):
        raise UserError(
            f"MLflow cannot open {database}, whose path has a ? or a % in it; rename that folder,"
            " or set MLFLOW_TRACKING_URI."
        )
    return uri


@contextlib.contextmanager
def _patient() -> Generator[None]:
    """Has PATIENCE in the environment, for a while; who has set one of these keeps it."""
    own = PATIENCE.keys() - os.environ.keys()
    os.environ.update({name: PATIENCE[name] for name in own})
    try:
        yield
    finally:
        for name in own:
            del os.environ[name]


def _follow(database: Path, experiment: Any, files: str) -> None:
    """Has OUT/mlflow.db look for files where OUT is now: MLflow notes from the root on where they
    are, and has no call that alters it.
    """
    before, own = experiment.artifact_location, experiment.experiment_id
    # Others are of who made this experiment elsewhere.
    if before == files or not (before.startswith("file:") and before.endswith(f"/{MLFLOW_FILES}")):
        return
    with contextlib.closing(sqlite3.connect(database)) as opened, opened:
        opened.execute(
            "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (files, own)
        )
        opened.execute(
            "UPDATE runs SET artifact_uri = replace(artifact_uri, ?, ?) WHERE experiment_id = ?",
            (f"{before}/", f"{files}/", own),
        )


def _parts(items: Sequence[Any], most: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + most] for start in range(0, len(items), most))
