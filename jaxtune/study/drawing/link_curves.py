"""What the correction does: failures of every link over the learning rate as set and over the
largest effective step, scores at the best rates, and depth.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxtune.report.drawing import (
    Picture,
    arm_style,
    box,
    floor_line,
    line,
    log_rate_axis,
    trial_marks,
)
from jaxtune.report.points import padded
from jaxtune.study.drawing.curves import failed_shares
from jaxtune.study.link_arms import ARMS

LEGEND_COLUMNS = 5
OVER = {"learning_rate": "learning rate as set", "bin": "largest effective step over weights"}


def correction(folder: Path) -> dict[str, Figure]:
    """Three pictures; `figure` has one curve per link."""
    trials = pd.read_parquet(folder / "trials.parquet")
    deep = trials[trials["layers"] == trials["layers"].max()]
    return {
        "figure": _curves(deep),
        "figure_best": _best(pd.read_parquet(folder / "best.parquet")),
        "figure_depth": _depths(trials[trials["adam_b2"] == trials["adam_b2"].max()]),
    }


def _curves(trials: pd.DataFrame) -> Figure:
    """A column per place of the norms; above the rate as set, below the effective step."""
    groups = list(trials.groupby("norms", sort=False))
    figure = Picture(4.4 * len(groups), 5.6)
    grid = figure.subplots(len(OVER), len(groups), sharey=True, squeeze=False)
    for panels, (column, label) in zip(grid, OVER.items(), strict=True):
        for axes, (norms, rows) in zip(panels, groups, strict=True):
            for arm, own in _in_order(rows):
                _line(axes, own, column, ARMS.index(arm), arm)
            axes.set_title(str(norms))
            log_rate_axis(axes, label)
        panels[0].set_ylabel("share of failed trials")
    return _with_legend(figure, grid[0])


def _depths(trials: pd.DataFrame) -> Figure:
    """A panel per family that has several depths, a curve per depth and arm."""
    several = trials.groupby("family")["layers"].transform("nunique") > 1
    families = list(trials[several].groupby("family", sort=False))
    figure = Picture(max(4.4, 4.4 * len(families)), 3.2)
    panels = figure.subplots(1, max(1, len(families)), sharey=True, squeeze=False)[0]
    for axes, (family, rows) in zip(panels, families, strict=False):
        shared = set(rows.loc[rows["layers"] == rows["layers"].min(), "arm"])
        parts = rows[rows["arm"].isin(shared)].groupby(["layers", "arm"], sort=False)
        for number, ((layers, arm), own) in enumerate(parts):
            _line(axes, own, "learning_rate", number, f"{layers} layers, {arm}")
        axes.set_title(str(family))
        log_rate_axis(axes, OVER["learning_rate"])
    panels[0].set_ylabel("share of failed trials")
    return _with_legend(figure, panels)


def _best(trials: pd.DataFrame) -> Figure:
    """Fresh trials of every arm at its best rates."""
    groups = list(trials.groupby("norms", sort=False))
    figure = Picture(4.4 * len(groups), 3.9)
    panels = figure.subplots(1, len(groups), squeeze=False)[0]
    limits = padded([*trials["final"], *trials["trivial"]])
    for axes, (norms, rows) in zip(panels, groups, strict=True):
        arms = _in_order(rows)
        for place, (_, own) in enumerate(arms):
            scores, failed = own["final"].to_numpy(float), own["failed"].to_numpy(bool)
            box(axes, place, scores, "none", 0.3, upright=False)
            trial_marks(axes, place + 0.32, scores, failed, limits, 0.25, 3.0, upright=False)
        axes.set_yticks(range(len(arms)), [arm for arm, _ in arms])
        axes.invert_yaxis()
        axes.set(xlim=limits, title=str(norms), xlabel=f"final dev {rows['metric'].iloc[0]}")
        axes.grid(True, axis="x")
        floor_line(axes, rows["trivial"].iloc[0], vertical=True)
    return figure


def _line(axes: Axes, rows: pd.DataFrame, column: str, number: int, label: str) -> None:
    """Shares of failed trials by value, with Wilson's intervals as thin bars."""
    values, share, low, high = failed_shares(rows, column)
    # A hair apart, so that bars of several arms at one rate can be told from each other.
    places = values * 1.015**number
    style = arm_style(number)
    line(axes, places, share, style, label=label, marker="o", markersize=3.5, linewidth=1.3)
    axes.vlines(places, low, high, color=style.colour, linewidth=0.5, alpha=0.6)
    axes.set_ylim(-0.03, 1.03)


def _in_order(trials: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The arms that have trials, as the study lists them."""
    parts = {str(arm): rows for arm, rows in trials.groupby("arm")}
    return [(arm, parts[arm]) for arm in ARMS if arm in parts]


def _with_legend(figure: Figure, panels: np.ndarray) -> Figure:
    """The figure, made higher for each label once, whichever panel has it."""
    found = {}
    for axes in panels:
        found |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    rows = -(-len(found) // LEGEND_COLUMNS)
    figure.set_figheight(figure.get_figheight() + 0.1 + 0.2 * rows)
    figure.legend(handles=[*found.values()], loc="outside lower center", ncols=LEGEND_COLUMNS)
    return figure
