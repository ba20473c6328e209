"""Figures 7 and 13: contours with the three models and the training paths, and the straight lines
between trials.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxtune.report.drawing import FAILED, INK, SUCCEEDED, Style
from jaxtune.study.drawing.draw import new_figure

NUM_LEVELS = 13
PRETRAINED = Style(INK, ())
# Place, name, style, marker.
MODELS = (
    ((0, 0), "pre-trained", PRETRAINED, "D"),
    ((1, 0), "failed", FAILED, "X"),
    ((0, 1), "successful", SUCCEEDED, "o"),
)


def loss_surface(folder: Path) -> dict[str, Figure]:
    """`figure` is the plane, `figure_lines` the straight lines."""
    return {"figure": _plane(folder), "figure_lines": _lines(folder)}


def _plane(folder: Path) -> Figure:
    paths = pd.read_parquet(folder / "paths.parquet")
    figure = new_figure(9.6, 4.5)
    with np.load(folder / "surface.npz") as surface:
        panels = figure.subplots(1, 2, sharey=True)
        titles = ("training loss (nats)", "gradient norm (L2)")
        for axes, name, title in zip(panels, ("loss", "gradient_norm"), titles, strict=True):
            _contours(figure, axes, surface["axis"], surface[name], title)
            _ways(axes, paths)
            axes.set_xlabel("a, towards the failed weights")
    panels[0].set_ylabel("b, towards the successful weights")
    _legend(figure)
    return figure


def levels(values: np.ndarray) -> np.ndarray:
    """Evenly spaced on a logarithm, over all finite values."""
    known = values[np.isfinite(values) & (values > 0)]
    low, high = float(known.min()), float(known.max())
    if high <= low * (1 + 1e-6):
        low, high = low / 1.1, high * 1.1
    inside = np.geomspace(low, high, NUM_LEVELS)
    inside[[0, -1]] = low * (1 - 1e-6), high * (1 + 1e-6)
    return inside


def _contours(figure: Figure, axes: Axes, axis: np.ndarray, values: np.ndarray, title: str) -> None:
    shown = np.ma.masked_invalid(np.asarray(values, np.float64))
    steps = levels(values)
    norm = LogNorm(steps[0], steps[-1])
    drawn = axes.contourf(axis, axis, shown, levels=steps, norm=norm, cmap="cividis")
    axes.contour(axis, axis, shown, levels=steps, colors="white", linewidths=0.35)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.92, pad=0.02)
    bar.set_ticks(steps[::2].tolist(), labels=[_short(step) for step in steps[::2]])
    bar.ax.minorticks_off()
    axes.set(title=title, aspect="equal", xlim=axis[[0, -1]], ylim=axis[[0, -1]])
    axes.grid(False)


def _short(value: float) -> str:
    return f"{value:.2g}" if value < 99 or value >= 1e6 else f"{value:,.0f}"


def _ways(axes: Axes, paths: pd.DataFrame) -> None:
    for failed, style in ((True, FAILED), (False, SUCCEEDED)):
        path = paths[paths["failed"] == failed].sort_values("step")
        axes.plot(path["a"], path["b"], color="white", linewidth=3.4, zorder=3)
        axes.plot(
            path["a"],
            path["b"],
            color=style.colour,
            dashes=style.dashes or (None, None),
            linewidth=1.8,
            zorder=4,
        )
    for place, _, style, marker in MODELS:
        axes.plot(
            *place,
            marker,
            color=style.colour,
            markersize=9,
            markeredgecolor="white",
            markeredgewidth=1.3,
            zorder=5,
        )


def _legend(figure: Figure) -> None:
    marks = [
        Line2D(
            [],
            [],
            marker=marker,
            linestyle="",
            color=style.colour,
            markersize=8,
            markeredgecolor="white",
            label=name,
        )
        for _, name, style, marker in MODELS
    ]
    marks += [
        Line2D(
            [],
            [],
            color=style.colour,
            dashes=style.dashes or (None, None),
            linewidth=1.7,
            label=f"training path, {name}",
        )
        for _, name, style, _ in MODELS[1:]
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=5, frameon=False, fontsize=8)


def _lines(folder: Path) -> Figure:
    lines = pd.read_parquet(folder / "lines.parquet")
    figure = new_figure(5.6, 3.6)
    axes = figure.subplots()
    for number, (_, line) in enumerate(lines.groupby(["failed", "successful"], sort=True)):
        first = number == 0
        axes.plot(
            line["share"],
            line["loss"],
            color=INK if first else SUCCEEDED.colour,
            linewidth=2 if first else 1,
            alpha=1 if first else 0.55,
            zorder=3 if first else 2,
            label=_label(line, lines) if number < 2 else None,
        )
        axes.plot(0, line["loss"].iloc[0], "X", color=FAILED.colour, markersize=6, zorder=4)
        axes.plot(1, line["loss"].iloc[-1], "o", color=SUCCEEDED.colour, markersize=5, zorder=4)
    axes.set(
        xlabel="share of the way from a failed (cross) to a successful trial (dot)",
        ylabel="training loss (nats)",
        ylim=(0, None),
    )
    axes.legend(frameon=False, fontsize=8)
    return figure


def _label(line: pd.DataFrame, lines: pd.DataFrame) -> str:
    ends = (line["failed"].iloc[0], line["successful"].iloc[0])
    if ends == (lines["failed"].iloc[0], lines["successful"].iloc[0]):
        return f"trial {ends[0]} to {ends[1]}"
    return "other pairs"
