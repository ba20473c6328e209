"""Final scores of every trial as boxes: figures 1 and 3, and depth."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxtune.study.drawing.draw import COLOURS, box, floor, new_figure, show_rate, trial_marks

# Without and with bias correction.
CORRECTION = {False: COLOURS[1], True: COLOURS[0]}
BESIDE = 0.46


def baselines(folder: Path) -> dict[str, Figure]:
    """Figure 1: a panel per task, a box per recipe."""
    trials = pd.read_parquet(folder / "trials.parquet")
    figure, panels = _panels(trials, "task", 3.4)
    for axes, (task, rows) in panels:
        recipes = list(rows["recipe"].unique())
        for place, recipe in enumerate(recipes):
            own = rows[rows["recipe"] == recipe]
            box(axes, place, own["final"].to_numpy(), own["failed"].to_numpy(), COLOURS[place])
        parts = [rows[rows["recipe"] == recipe] for recipe in recipes]
        _ticks(axes, [_recipe(own) for own in parts], parts)
        _label(axes, rows, str(task))
    trial_marks(figure)
    return {"figure": figure}


def small_data(folder: Path) -> dict[str, Figure]:
    """Figure 3: a panel per task and arm, a box per training set."""
    trials = pd.read_parquet(folder / "trials.parquet")
    arm = trials["bias_correction"].map({False: "without correction", True: "with correction"})
    trials = trials.assign(panel=trials["task"] + ", " + arm).sort_values(
        ["task", "bias_correction"], kind="stable"
    )
    figure, panels = _panels(trials, "panel", 3.9)
    for axes, (panel, rows) in panels:
        sets = list(rows["set"].unique())
        parts = [rows[rows["set"] == name] for name in sets]
        for place, own in enumerate(parts):
            box(axes, place, own["final"].to_numpy(), own["failed"].to_numpy(), COLOURS[place])
        names = [
            f"{name}\n{own['num_steps'].iloc[0]} steps"
            for name, own in zip(sets, parts, strict=True)
        ]
        _ticks(axes, names, parts)
        _label(axes, rows, str(panel))
    trial_marks(figure)
    return {"figure": figure}


def depth(folder: Path) -> dict[str, Figure]:
    """Two boxes per depth, without and with correction."""
    trials = pd.read_parquet(folder / "trials.parquet")
    models = list(trials["model"].unique())
    figure = new_figure(6.4, 3.5)
    axes = figure.subplots()
    correction_boxes(axes, trials, "model", models)
    axes.set_xticks(range(len(models)), models)
    _label(axes, trials, "")
    trial_marks(figure, correction=True)
    return {"figure": figure}


def correction_boxes(
    axes: Axes, trials: pd.DataFrame, column: str, values: Sequence[object]
) -> None:
    """At each value of a column a box without correction, and one with it to its right; failures
    above the axis.
    """
    for place, value in enumerate(values):
        for on in (False, True):
            own = trials[(trials[column] == value) & (trials["bias_correction"] == on)]
            at = place + (BESIDE if on else -BESIDE) / 2
            box(axes, at, own["final"].to_numpy(), own["failed"].to_numpy(), CORRECTION[on], 0.62)
            if len(own):
                count_failed(axes, at, own)


def count_failed(axes: Axes, place: int | float, rows: pd.DataFrame) -> None:
    """Such as 12/16, at the upper edge."""
    axes.annotate(
        f"{int(rows['failed'].sum())}/{len(rows)}",
        (place, 1.01),
        xycoords=("data", "axes fraction"),
        ha="center",
        va="bottom",
        fontsize=7.5,
    )


def _recipe(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    return f"{first['recipe']}\n{show_rate(first['learning_rate'])}, {first['num_epochs']} epochs"


def _panels(trials: pd.DataFrame, column: str, width: float):
    """A figure with a panel for each value of a column, in order of appearance."""
    groups = [(value, trials[trials[column] == value]) for value in trials[column].unique()]
    figure = new_figure(max(5.0, width * len(groups)), 3.5)
    panels = figure.subplots(1, len(groups), squeeze=False, sharey=trials["metric"].nunique() == 1)[
        0
    ]
    return figure, list(zip(panels, groups, strict=True))


def _ticks(axes: Axes, names: Sequence[str], parts: Sequence[pd.DataFrame]) -> None:
    axes.set_xticks(range(len(names)), names)
    for place, rows in enumerate(parts):
        count_failed(axes, place, rows)


def _label(axes: Axes, rows: pd.DataFrame, title: str) -> None:
    axes.set_ylabel(f"final dev {rows['metric'].iloc[0]}")
    axes.set_title(title, pad=16)
    floor(axes, rows["trivial"].iloc[0])
