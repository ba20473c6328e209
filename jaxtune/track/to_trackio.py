"""trackio: a run per trial, grouped by arm, in a project per sweep; in trackio's own folder unless
its variables say otherwise.
"""

import contextlib
import io
import os
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any

from jaxtune.core.errors import UserError
from jaxtune.track.project import place_at, project_of, without_secrets
from jaxtune.track.runs import TrackedRun

REMOTE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL")


class TrackioTracker:
    """Each run is opened, filled and closed by itself."""

    def __init__(self, out: Path):
        self._remote = next((os.environ[name] for name in REMOTE if os.environ.get(name)), None)
        if self._remote is None:
            # Before the import, which reads it: trackio asks the hub who is logged in.
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
        import trackio  # pyrefly: ignore[missing-import]

        self._trackio: Any = trackio
        self._folder: Path = trackio.utils.TRACKIO_DIR
        self._where = without_secrets(self._remote or str(self._folder))
        self._project = project_of(out)

    @property
    def place(self) -> str:
        """The space or server without who logs in there, or the folder; and the project."""
        return place_at(f"trackio {self._where}", self._project)

    @property
    def empty(self) -> bool:
        """Whether trackio's own folder has no such project."""
        storage = self._trackio.sqlite_storage.SQLiteStorage
        return self._remote is None and not storage.get_project_db_path(self._project).exists()

    @property
    def seen_with(self) -> str:
        """The folder, and what shows it."""
        return f"trackio, in {self._where}: trackio show --project {self._project} shows them."

    def send(self, run: TrackedRun) -> None:
        """Curves by step; what came out stands with the last step."""
        with self._opened(run.name, run.arm, run.config) as opened:
            points = dict(run.points)
            last = max(points, default=0)
            points[last] = points.get(last, {}) | {
                name: value for name, value in run.summary.items() if not isinstance(value, str)
            }
            for step, values in points.items():
                opened.log(values, step=step)

    def attach(self, report: Path, key: str, sweep: str) -> None:
        """As an artifact of a run `report`; a later one is its next version."""
        with self._opened("report", "report", {"sweep": sweep}) as opened:
            opened.log_artifact(str(report), name="report", type="report")
            opened.log({"report": 1})  # a run without a value is not shown

    @contextlib.contextmanager
    def _opened(self, name: str, group: str, config: dict[str, Any]) -> Generator[Any]:
        # It says on stdout what it does, and of what it could not keep it only warns.
        with (
            contextlib.redirect_stdout(io.StringIO()),
            warnings.catch_warnings(record=True) as warned,
        ):
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UserWarning)
            opened = self._trackio.init(
                project=self._project,
                name=name,
                group=group,
                config=config,
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
            try:
                yield opened
            finally:
                self._trackio.finish()
        own = [w for w in warned if "trackio" in str(w.message).lower()]
        if own:
            raise UserError(f"trackio warns of {name}: {own[0].message}")
