"""W&B: a run per trial, grouped by arm; offline in OUT/wandb unless WANDB_MODE is set."""

import os
import shutil
from pathlib import Path
from typing import Any

from jaxtune.core.errors import UserError
from jaxtune.core.words import as_typed
from jaxtune.track.project import place_at, project_of, without_secrets
from jaxtune.track.runs import TrackedRun

MODES = ("offline", "online")
RUNS = "wandb/offline-run-*"


class WandbTracker:
    """Each run is opened, filled and closed by itself."""

    def __init__(self, out: Path):
        # Before the import, which reads them.
        self.mode = os.environ.setdefault("WANDB_MODE", "offline")
        if self.mode not in MODES:
            raise UserError(f"WANDB_MODE is {self.mode!r}; give one of {', '.join(MODES)}.")
        os.environ.setdefault("WANDB_SILENT", "true")
        if self.mode == "offline":
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        os.environ.setdefault("WANDB_INIT_TIMEOUT", "30")  # a server that does not answer
        import wandb  # pyrefly: ignore[missing-import]

        self._wandb: Any = wandb
        self._own_folder = out.absolute()
        self._folder = Path(os.environ.get("WANDB_DIR") or out).absolute()
        self._folder.mkdir(parents=True, exist_ok=True)  # else W&B takes a temporary one
        self._project = os.environ.get("WANDB_PROJECT") or project_of(out)

    @property
    def place(self) -> str:
        """The mode, the project, and what else is set; OUT/wandb lies wherever OUT does."""
        place = place_at(f"wandb {self.mode}", self._project)
        entity, server = (os.environ.get(name) for name in ("WANDB_ENTITY", "WANDB_BASE_URL"))
        if entity:
            place += f" of {entity}"
        if self.mode == "online":
            return f"{place} at {without_secrets(server)}" if server else place
        return place if self._folder == self._own_folder else f"{place} in {self._folder}"

    @property
    def empty(self) -> bool:
        """Whether no offline run is left, in the folder's `wandb` or `.wandb`."""
        return self.mode == "offline" and not any(self._folder.glob(f"*{RUNS}"))

    @property
    def seen_with(self) -> str:
        """The folder and how to upload it, or the project."""
        if self.mode == "online":
            return f"W&B, project {self._project}."
        # The star outside of the quotes that a folder may need: a shell is to fill it in.
        return f"W&B, offline: wandb sync {as_typed(self._folder)}/{RUNS} uploads them."

    def _open(self, key: str, name: str, group: str, kind: str, config: dict[str, Any]) -> Any:
        return self._wandb.init(
            project=self._project,
            dir=str(self._folder),
            id=key,
            # The report of before stays beside. A trial that is sent again begins anew: one that is
            # resumed takes no step that it has had.
            resume="allow" if self.mode == "online" and kind == "report" else None,
            name=name,
            group=group,
            job_type=kind,
            config=config,
            reinit="create_new",
            # What the machine does now is nothing of a trial that has ended.
            settings=self._wandb.Settings(
                console="off", x_disable_stats=True, disable_git=True, save_code=False
            ),
        )

    def send(self, run: TrackedRun) -> None:
        """Curves by step, and what came out as the run's summary; a run of before is replaced."""
        if self.mode == "offline":
            for folder in self._folder.glob(f"*{RUNS}-{run.key}"):
                shutil.rmtree(folder)
        opened = self._open(run.key, run.name, run.arm, "trial", run.config)
        for step, values in run.points:
            opened.log(values, step=step)
        opened.summary.update(run.summary)
        opened.finish()

    def attach(self, report: Path, key: str, sweep: str) -> None:
        """As a panel of a run `report`, which is a file within the run's folder."""
        opened = self._open(key, "report", "report", "report", {"sweep": sweep})
        page = report.read_text(encoding="utf-8")
        opened.log({"report": self._wandb.Html(page, inject=False)})
        opened.finish()
