"""Tables of runs as trackers export them: W&B's CSV, the one that its guide to `wandb.Api` makes,
MLflow's CSV, and the frame of `mlflow.search_runs` as CSV.

They call the columns otherwise, hold runs that have not finished, and much that is no setting.
"""

import ast
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxtune.core.errors import UserError
from jaxtune.core.words import listed, plural
from jaxtune.report.scores.runs import SEED
from jaxtune.report.scores.tables import Line, is_empty

DONE = ("finished",)
NO_TEXT = "-"  # in W&B's own tables
# Prefixes of an MLflow frame; its tags are no settings, but for the run's name.
FRAME = ("metrics.", "params.")
RUN_NAME = "tags.mlflow.runName"
# What a tracker notes of a run beside its settings and scores.
NOTED = {
    *("Agent", "Notes", "User", "Tags", "Created", "Runtime", "Sweep", "ID", "State", "Host"),
    *(
        "Updated",
        "Start Time",
        "Duration",
        "Run ID",
        "Source Type",
        "Source Name",
        "Source",
        "Version",
    ),
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
WANDB_FRAME = Export("W&B", "state", "name", ("group",))
# Its columns that hold a Python dict for each run; of a name in both the later counts.
DICTS = ("config", "summary")
MLFLOW = Export("MLflow", "Status", "Name", ())
MLFLOW_FRAME = Export("MLflow", "status", RUN_NAME, ())


def recognised(lines: Sequence[Line]) -> Export | None:
    """The tracker whose columns these are; None where a table is nobody's export."""
    columns = set(lines[0].cells)
    if {"run_id", "status", "artifact_uri"} <= columns:
        return MLFLOW_FRAME
    if {"Run ID", "Status"} <= columns:
        return MLFLOW
    if {*DICTS, "name"} <= columns:
        return WANDB_FRAME
    return WANDB if {"Name", "State"} <= columns else None


def finished_lines(lines: Sequence[Line], export: Export) -> tuple[list[Line], tuple[str, ...]]:
    """The runs that have finished, in columns as other tables have them; and what was left out.

    W&B's group stands for the arm. Where no column has seeds, a line has the run's name, which says
    nothing of a run of that name in another arm.

    Raises UserError for a line that stands twice, as where two exports were put together.
    """
    seen: dict[str, Line] = {}
    for line in lines:
        first = seen.setdefault(repr(line.cells), line)
        if first is not line:
            raise UserError(f"{line.where} is {first.where} once more; take one out.")
    kept = [line for line in lines if _state(line, export) in DONE]
    others = Counter(state for line in lines if (state := _state(line, export)) not in DONE)
    said = [f"The columns are {export.tracker}'s."]
    if others:
        counts = listed(f"{count} {state or 'without a state'}" for state, count in others.items())
        said.append(f"Left out: {plural(others.total(), 'run')} not finished ({counts}).")
    if logged := sum("/" in column for column in lines[0].cells):
        said.append(f"{plural(logged, 'column')} with a / in the name: logged, and no settings.")
    if export is WANDB_FRAME:
        kept = [Line(line.where, _unfolded(line)) for line in kept]
    return [_named(line, export) for line in kept], tuple(said)


def _named(line: Line, export: Export) -> Line:
    """In columns as other tables have them, with its name where there is no seed."""
    name = str(line.cells.get(export.name) or line.where)
    return Line(line.where, _plain(line.cells, export), None if SEED in line.cells else name)


def _state(line: Line, export: Export) -> str:
    if export is WANDB_FRAME and export.state not in line.cells:  # the guide leaves it out
        return DONE[0]
    return str(line.cells.get(export.state) or "").strip().lower()


def _unfolded(line: Line) -> dict[str, Any]:
    """The single values of the dicts beside the other columns."""
    found = {name: value for name, value in line.cells.items() if name not in DICTS}
    for name in DICTS:
        values = _dict_of(line.where, name, str(line.cells[name]))
        found |= {n: v for n, v in values.items() if not isinstance(v, dict | list | tuple)}
    return found


def _dict_of(where: str, column: str, text: str) -> dict[str, Any]:
    """A dict as Python writes it, with nan and inf, which are no literals; nothing is run."""
    try:
        found = ast.literal_eval(_NanAndInf().visit(ast.parse(text, mode="eval")))
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise UserError(
            f"{where} has no dict in the column {column}: write it as W&B's guide does, or a column"
            " for each value."
        ) from error
    return {str(name): value for name, value in found.items()} if isinstance(found, dict) else {}


class _NanAndInf(ast.NodeTransformer):
    """Makes them constants."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(float(node.id)) if node.id in ("nan", "inf") else node


def _plain(cells: Any, export: Export) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column, value in cells.items():
        if column in NOTED or column.startswith(("_", "tags.")) or column == export.name:
            continue
        for prefix in FRAME if export is MLFLOW_FRAME else ():
            column = column.removeprefix(prefix)
        found[column] = value
    if "arm" not in found:
        groups = [found.get(name) for name in export.arms]
        named = [group for group in groups if not is_empty(group) and group != NO_TEXT]
        found |= {"arm": named[0]} if named else {}
    for name in export.arms:
        found.pop(name, None)
    return found
