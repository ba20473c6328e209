"""Tables of runs as trackers export them: W&B's CSV, MLflow's, and the frame of
`mlflow.search_runs` as CSV.

They call the columns otherwise, hold runs that have not finished, and much that is no setting.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxtune.core.words import listed, plural
from jaxtune.report.scores.tables import Line, is_missing

DONE = ("finished",)
# Prefixes of an MLflow frame; its tags are no settings, but for the run's name.
FRAME = ("metrics.", "params.")
RUN_NAME = "tags.mlflow.runName"
# What a tracker notes of a run beside its settings and scores.
NOTED = {
    *("Notes", "User", "Tags", "Created", "Runtime", "Sweep", "ID", "State", "Host", "Updated"),
    *("Start Time", "Duration", "Run ID", "Source Type", "Source Name", "Source", "Version"),
    *("Status", "Models", "Dataset", "Experiment ID"),
    *("run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time"),
}


class Export(NamedTuple):
    """Whose table it is, and what its columns are called."""

    tracker: str
    state: str
    name: str  # of a run
    arms: tuple[str, ...]  # columns that may name the recipe


WANDB = Export("W&B", "State", "Name", ("Group",))
MLFLOW = Export("MLflow", "Status", "Name", ())
MLFLOW_FRAME = Export("MLflow", "status", RUN_NAME, ())


def recognised(lines: Sequence[Line]) -> Export | None:
    """The tracker whose columns these are; None where a table is nobody's export."""
    columns = set(lines[0].cells)
    if {"run_id", "status", "artifact_uri"} <= columns:
        return MLFLOW_FRAME
    if {"Run ID", "Status"} <= columns:
        return MLFLOW
    return WANDB if {"Name", "State"} <= columns else None


def finished_lines(lines: Sequence[Line], export: Export) -> tuple[list[Line], tuple[str, ...]]:
    """The runs that have finished, in columns as other tables have them; and what was left out.

    A run's name stands for its seed where no column does, so that no two runs are taken for a pair;
    W&B's group for the arm.
    """
    kept = [line for line in lines if _state(line, export) in DONE]
    others = Counter(state for line in lines if (state := _state(line, export)) not in DONE)
    said = [f"The columns are {export.tracker}'s."]
    if others:
        counts = listed(f"{count} {state or 'without a state'}" for state, count in others.items())
        said.append(f"Left out: {plural(others.total(), 'run')} not finished ({counts}).")
    return [Line(line.where, _plain(line.cells, export)) for line in kept], tuple(said)


def _state(line: Line, export: Export) -> str:
    return str(line.cells.get(export.state) or "").strip().lower()


def _plain(cells: Any, export: Export) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column, value in cells.items():
        if column in NOTED or column.startswith(("_", "tags.")) or column == export.name:
            continue
        for prefix in FRAME if export is MLFLOW_FRAME else ():
            column = column.removeprefix(prefix)
        found[column] = value
    if "arm" not in found:
        named = [found[name] for name in export.arms if not is_missing(found.get(name))]
        found |= {"arm": named[0]} if named else {}
    for name in export.arms:
        found.pop(name, None)
    if "seed" not in found:
        found["seed"] = cells.get(export.name)
    return found
