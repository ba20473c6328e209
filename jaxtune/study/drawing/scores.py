"""Final scores of every trial as boxes: figures 1, 3 and 9, and depth."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxtune.core.schedules import show_rate
from jaxtune.report.drawing import (
    COLOURS,
    FAILED,
    INK,
    SUCCEEDED,
    Picture,
    Style,
    box,
    floor_line,
    trial_marks,
)
from jaxtune.report.legends import FLOOR_KEY, MEAN_KEY, Key, handle, legend_below
from jaxtune.report.points import Limits, padded

TRIAL_KEYS = (
    Key("trial", "dot", SUCCEEDED),
    Key("failed trial (counted on top)", "cross", FAILED),
    FLOOR_KEY,
    MEAN_KEY,
)
PAIR_KEYS = (
    Key("without correction", "box", Style(COLOURS[1])),
    Key("with correction", "box", Style(COLOURS[0])),
)
# From the middle of a pair to its boxes, and their size beside that of a lone box.
BESIDE, PAIRED = 0.23, 0.62


def baselines(folder: Path) -> dict[str, Figure]:
    """Figure 1: a panel per task, a box per recipe."""

    def name(recipe: str, rows: pd.DataFrame) -> str:
        first = rows.iloc[0]
        return f"{recipe}\n{show_rate(first['learning_rate'])}, {first['num_epochs']} epochs"

    trials = pd.read_parquet(folder / "trials.parquet")
    return {"figure": score_panels(by(trials, "task"), "recipe", name)}


def small_data(folder: Path) -> dict[str, Figure]:
    """Figure 3: a panel per task and arm, a box per training set."""
    trials = pd.read_parquet(folder / "trials.parquet")
    trials = trials.sort_values(["task", "bias_correction"], kind="stable")
    arm = trials["bias_correction"].map({False: "without correction", True: "with correction"})
    panels = by(trials.assign(panel=trials["task"] + ", " + arm), "panel")

    def name(part: str, rows: pd.DataFrame) -> str:
        return f"{part}\n{rows['num_steps'].iloc[0]} steps"

    return {"figure": score_panels(panels, "set", name, width=3.9)}


def depth(folder: Path) -> dict[str, Figure]:
    """Two boxes per depth, without and with correction."""
    trials = pd.read_parquet(folder / "trials.parquet")
    values = list(trials["model"].unique())
    return {"figure": score_panels({"": trials}, "model", pair_values=values, width=6.4)}


def ablation(folder: Path) -> dict[str, Figure]:
    """Figure 9, learning rate x epochs x bias correction: a panel per number of epochs, two boxes
    per learning rate; a star at the recommended recipe.
    """
    trials = pd.read_parquet(folder / "trials.parquet").sort_values("num_epochs", kind="stable")
    panels = by(trials, "num_epochs", lambda count: f"{count} epoch{'s' * (count > 1)}")
    rates = sorted(trials["learning_rate"].unique())
    figure = rate_panels(panels, rates, width=3.1)
    for axes, rows in zip(figure.axes, panels.values(), strict=True):
        starred = rows[rows["recommended"]]
        if len(starred):
            place = int(np.searchsorted(rates, starred["learning_rate"].iloc[0])) + BESIDE
            above = axes.get_xaxis_transform()
            axes.plot(place, 0.03, "*", color=INK, markersize=11, transform=above)
    return {"figure": figure}


def by(
    trials: pd.DataFrame, column: str, title: Callable[[Any], str] = str
) -> dict[str, pd.DataFrame]:
    """Panels for the values of a column, in order of appearance."""
    return {title(value): rows for value, rows in trials.groupby(column, sort=False)}


def rate_panels(panels: Mapping[str, pd.DataFrame], rates: Sequence[float], width: float) -> Figure:
    """At each learning rate a box without correction and one with it."""
    figure = score_panels(panels, "learning_rate", pair_values=rates, width=width)
    for axes in figure.axes:
        axes.set_xlabel("peak learning rate")
        axes.set_xticks(range(len(rates)), list(map(show_rate, rates)))
    return figure


def score_panels(
    panels: Mapping[str, pd.DataFrame],
    column: str,
    name: Callable[[Any, pd.DataFrame], str] | None = None,
    *,
    pair_values: Sequence[Any] = (),
    width: float = 3.4,
) -> Figure:
    """A panel of boxes per title, with failures counted on top.

    Args:
        column: whose values are side by side.
        name: of a value and its trials; without it the value.
        pair_values: where given, each has a box without correction and, to its right, one with it.
        width: of a panel, in inches.
    """
    everything = pd.concat(panels.values())
    shared = everything["metric"].nunique() == 1
    figure = Picture(max(5.0, width * len(panels)), 3.2)
    columns = figure.subplots(1, len(panels), sharey=shared, squeeze=False)[0]
    for axes, (title, rows) in zip(columns, panels.items(), strict=True):
        scored = everything if shared else rows
        limits = padded([*scored["final"], *scored["trivial"]])
        values = list(pair_values or rows[column].unique())
        parts = [rows[rows[column] == value] for value in values]
        for place, own in enumerate(parts):
            if not pair_values:
                _boxed(axes, place, own, COLOURS[place], limits)
            for on in (False, True) if pair_values else ():
                kind, at = own[own["bias_correction"] == on], place + (BESIDE if on else -BESIDE)
                _boxed(axes, at, kind, COLOURS[not on], limits, PAIRED)
        names = [name(*each) for each in zip(values, parts, strict=True)] if name else values
        axes.set_xticks(range(len(values)), names)
        axes.set(ylim=limits)
        axes.set_title(title, pad=16)
        floor_line(axes, rows["trivial"].iloc[0])
        if axes is columns[0] or not shared:
            axes.set_ylabel(f"final dev {rows['metric'].iloc[0]}")
    keys = (*TRIAL_KEYS, *PAIR_KEYS) if pair_values else TRIAL_KEYS
    return legend_below(figure, list(map(handle, keys)))


def _boxed(
    axes: Axes,
    place: int | float,
    rows: pd.DataFrame,
    colour: str,
    limits: Limits,
    size: float = 1.0,
) -> None:
    """A box with its trials to the right, and such as 12/16 failed at the upper edge."""
    if rows.empty:
        return
    scores, failed = rows["final"].to_numpy(), rows["failed"].to_numpy()
    box(axes, place, scores, (colour, 0.4), 0.34 * size)
    trial_marks(axes, place + 0.36 * size, scores, failed, limits, 0.3 * size, 3.5)
    counted, above = f"{failed.sum()}/{failed.size}", ("data", "axes fraction")
    axes.annotate(counted, (place, 1.01), xycoords=above, ha="center", va="bottom", fontsize=7.5)
