"""What a run of the Hugging Face Trainer leaves: `trainer_state.json`, in its folder or in its
checkpoints', and `all_results.json`.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxtune.core.errors import UserError
from jaxtune.core.files import read_json
from jaxtune.report.scores.logged import Logged
from jaxtune.report.sources import Curve

STATE, RESULTS, EVALUATION = "trainer_state.json", "all_results.json", "eval_results.json"
CHECKPOINT = re.compile(r"checkpoint-(\d+)")


def files_of(folder: Path) -> list[Path]:
    """The files of a run in this folder, what is read last last; empty where it is no run's."""
    checkpoints = sorted(
        (int(found[1]), path)
        for path in folder.glob(f"checkpoint-*/{STATE}")
        if (found := CHECKPOINT.fullmatch(path.parent.name))
    )
    state = [folder / STATE] if (folder / STATE).is_file() else []
    # The state of the last checkpoint stands for that of the end where nobody saved it.
    state = state or [path for _, path in checkpoints[-1:]]
    results = [folder / name for name in (EVALUATION, RESULTS) if (folder / name).is_file()]
    return [*state, *results]


def logged(folder: Path, files: list[Path]) -> Logged:
    """The last value of every number, and curves over the steps."""
    last: dict[str, float | None] = {}
    curves: dict[str, Curve] = {}
    planned = None
    for file in files:
        content = read_json(file)
        if not isinstance(content, dict):
            raise UserError(f"{file} is none of the Trainer's: it holds no JSON object.")
        for entry in [content, *(content.get("log_history") or [])]:
            _check_scores(file, entry)
        if file.name == STATE:
            curves = _curves(content)
            last |= {name: float(curve.values[-1]) for name, curve in curves.items()}
            planned = _planned(content)
        else:
            last |= {name: _number(value) for name, value in content.items() if _is_number(value)}
            planned = None  # results are of the end
    return Logged(str(folder), last, curves, planned)


def _planned(state: Mapping[str, Any]) -> int | None:
    """How many steps the training was to take, of a state from before its end."""
    done, planned = state.get("global_step"), state.get("max_steps")
    known = isinstance(done, int) and isinstance(planned, int)
    return planned if known and done < planned else None


def _curves(state: Mapping[str, Any]) -> dict[str, Curve]:
    points: dict[str, list[tuple[int, float]]] = {}
    for entry in state.get("log_history") or []:
        step = entry.get("step", 0)
        for name, value in entry.items():
            if name != "step" and _is_number(value):
                points.setdefault(name, []).append((int(step), _number(value)))
    return {
        name: Curve(np.array([s for s, _ in own]), np.array([v for _, v in own], np.float64))
        for name, own in points.items()
    }


def _check_scores(file: Path, entry: Mapping[str, Any]) -> None:
    """Raises UserError for an evaluation's result that is a text: left out, the run would seem to
    have none.
    """
    for name, value in entry.items():
        if name.startswith("eval_") and isinstance(value, str):
            raise UserError(f"{file} has {value!r} as {name}: give a number such as 0.712.")


def _is_number(value: Any) -> bool:
    """Or null, which stands for nan: left out, an evaluation before it would count."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _number(value: int | float | None) -> float:
    return math.nan if value is None else float(value)
