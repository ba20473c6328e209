"""Figures 7 and 13: contours with the three models and the training paths, and the straight lines
between trials.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from jaxtune.report.drawing import FAILED, INK, SUCCEEDED, Picture, Style, line
from jaxtune.report.legends import legend_below

NUM_LEVELS = 13
# Place, name and look.
MODELS = (
    ((0, 0), "pre-trained", Style(INK, marker="D")),
    ((1, 0), "failed", FAILED._replace(marker="X")),
    ((0, 1), "successful", SUCCEEDED),
)


def loss_surface(folder: Path) -> dict[str, Figure]:
    """`figure` is the plane, `figure_lines` the straight lines."""
    return {"figure": _plane(folder), "figure_lines": _lines(folder)}


def _plane(folder: Path) -> Figure:
    paths = pd.read_parquet(folder / "paths.parquet")
    figure = Picture(9.6, 4.2)
    with np.load(folder / "surface.npz") as surface:
        left, right = figure.subplots(1, 2, sharey=True)
        _contours(figure, left, surface["axis"], surface["loss"])
        _contours(figure, right, surface["axis"], surface["gradient_norm"])
    for axes in (left, right):
        _models_and_paths(axes, paths)
        axes.set_xlabel("a, towards the failed weights")
    left.set(title="training loss (nats)", ylabel="b, towards the successful weights")
    right.set_title("gradient norm (L2)")
    return legend_below(figure, left.get_legend_handles_labels()[0])


def levels(values: np.ndarray) -> np.ndarray:
    """Evenly spaced on a logarithm, over all finite values."""
    known = values[np.isfinite(values) & (values > 0)]
    low, high = float(known.min()), float(known.max())
    if high <= low * (1 + 1e-6):
        low, high = low / 1.1, high * 1.1
    inside = np.geomspace(low, high, NUM_LEVELS)
    inside[[0, -1]] = low * (1 - 1e-6), high * (1 + 1e-6)
    return inside


def _contours(figure: Figure, axes: Axes, axis: np.ndarray, values: np.ndarray) -> None:
    shown = np.ma.masked_invalid(np.asarray(values, np.float64))
    steps = levels(values)
    norm = LogNorm(steps[0], steps[-1])
    drawn = axes.contourf(axis, axis, shown, levels=steps, norm=norm, cmap="cividis")
    axes.contour(axis, axis, shown, levels=steps, colors="white", linewidths=0.35)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.92, pad=0.02)
    bar.set_ticks(steps[::2].tolist(), labels=[_short(step) for step in steps[::2]])
    bar.ax.minorticks_off()
    axes.set(aspect="equal", xlim=axis[[0, -1]], ylim=axis[[0, -1]])
    axes.grid(False)


def _short(value: float) -> str:
    return f"{value:.2g}" if value < 99 or value >= 1e6 else f"{value:,.0f}"


def _models_and_paths(axes: Axes, paths: pd.DataFrame) -> None:
    """Edged in white, to stand out on any contour."""
    edge = {"markeredgecolor": "white", "markeredgewidth": 1.3, "markersize": 9, "zorder": 5}
    for place, name, style in MODELS:
        axes.plot(*place, style.marker, color=style.colour, linestyle="", label=name, **edge)
    for failed, (_, name, style) in zip((True, False), MODELS[1:], strict=True):
        path = paths[paths["failed"] == failed].sort_values("step")
        a, b = path["a"].to_numpy(), path["b"].to_numpy()
        axes.plot(a, b, color="white", linewidth=3.4, zorder=3)
        line(axes, a, b, style, linewidth=1.8, zorder=4, label=f"training path, {name}")


def _lines(folder: Path) -> Figure:
    lines = pd.read_parquet(folder / "lines.parquet")
    figure = Picture(5.6, 3.6)
    axes = figure.add_subplot()
    own = (lines["failed"].iloc[0], lines["successful"].iloc[0])  # the pair of the plane
    labels = {True: f"trial {own[0]} to {own[1]}", False: "other pairs"}
    for pair, way in lines.groupby(["failed", "successful"], sort=True):
        first = pair == own
        colour, width, alpha = (INK, 2, 1) if first else (SUCCEEDED.colour, 1, 0.55)
        (drawn,) = axes.plot(way["share"], way["loss"], color=colour, linewidth=width, alpha=alpha)
        drawn.set(zorder=3 if first else 2, label=labels.pop(first, None))
        axes.plot(0, way["loss"].iloc[0], "X", color=FAILED.colour, markersize=6, zorder=4)
        axes.plot(1, way["loss"].iloc[-1], "o", color=SUCCEEDED.colour, markersize=5, zorder=4)
    axes.set_xlabel("share of the way from a failed (cross) to a successful trial (dot)")
    axes.set(ylabel="training loss (nats)", ylim=(0, None))
    axes.legend()
    return figure
