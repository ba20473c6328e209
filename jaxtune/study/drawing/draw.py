"""Pictures from the files of DIR/FIGURE alone; nothing here, nor in the drawing files, imports
jax.
"""

import importlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from PIL import Image

from jaxtune.core.schedules import show_rate
from jaxtune.report.drawing import FAILED, FAINT, INK, STYLE, SUCCEEDED

# A study -> the file that draws it: a function of the study's name, from its folder to pictures by
# name.
DRAWINGS = {
    "baselines": "scores",
    "forgetting": "forgetting",
    "small_data": "scores",
    "gradient_norms": "norms",
    "bias_correction": "correction",
    "depth": "scores",
    "loss_surface": "surface",
    "generalization": "curves",
    "ablation": "ablation",
    "training_curves": "curves",
}
PNG_DPI = 110
# Inches below which a legend takes two rows.
NARROW = 8
# Okabe and Ito's, dark enough for lines on white: told apart with every kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8a6d00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")


def draw(folder: Path) -> list[Path]:
    """Writes NAME.png and NAME.svg for each picture of the study in this folder; `figure` is the
    first.
    """
    module = importlib.import_module(f"jaxtune.study.drawing.{DRAWINGS[folder.name]}")
    written = []
    with style():
        for name, figure in getattr(module, folder.name)(folder).items():
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
            _save_png(figure, folder / f"{name}.png")
            written += [folder / f"{name}.png", folder / f"{name}.svg"]
    return written


def _save_png(figure: Figure, file: Path) -> None:
    """A PNG with a palette, a third of the size: these pictures have few colours."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=PNG_DPI)
    picture = Image.open(buffer).convert("RGB")
    # The octree keeps the colours of few pixels, such as a cross.
    few = picture.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(file, optimize=True)


@contextmanager
def style() -> Iterator[None]:
    """The look of the report, with text as shapes: a picture that stands alone finds its fonts
    nowhere.
    """
    own = {"svg.fonttype": "path", "svg.hashsalt": "study", "font.size": 10, "axes.titlesize": 10}
    with mpl.rc_context(STYLE | own):
        yield


def new_figure(width: float, height: float) -> Figure:
    """A figure of so many inches whose parts make room for each other."""
    return Figure(figsize=(width, height), layout="constrained")


def box(
    axes: Axes,
    place: int | float,
    scores: np.ndarray,
    failed: np.ndarray,
    colour: str,
    size: float = 1.0,
) -> None:
    """A box over all trials (whiskers to the extremes, diamond: mean) with every trial to its
    right; crosses have failed.

    Args:
        size: of the box and the trials together, in units of the x axis.
    """
    if not scores.size:
        return
    axes.use_sticky_edges = False  # a bar would nail the axis to the lower quartile
    half = 0.17 * size
    low, first, median, third, high = np.quantile(scores, (0, 0.25, 0.5, 0.75, 1))
    axes.plot([place, place], [low, high], color=FAINT, linewidth=1)
    axes.bar(
        place,
        third - first,
        2 * half,
        first,
        facecolor=colour,
        alpha=0.4,
        edgecolor=INK,
        linewidth=0.8,
        zorder=2,
    )
    axes.plot([place - half, place + half], [median, median], color=INK, linewidth=2, zorder=3)
    axes.plot(
        place, scores.mean(), "D", markersize=4.5, color="white", markeredgecolor=INK, zorder=4
    )
    order = np.argsort(scores, kind="stable")
    x = np.empty(scores.size)
    x[order] = place + size * (0.29 + 0.07 * ((np.arange(scores.size) % 3) - 1))
    axes.plot(x[~failed], scores[~failed], "o", color=SUCCEEDED.colour, markersize=3.2, alpha=0.8)
    axes.plot(x[failed], scores[failed], "x", color=FAILED.colour, markersize=4)


def trial_marks(figure: Figure, correction: bool = False) -> None:
    """A legend below: what marks and boxes mean."""
    marks = [
        Line2D([], [], marker="o", linestyle="", color=SUCCEEDED.colour, markersize=4),
        Line2D([], [], marker="x", linestyle="", color=FAILED.colour, markersize=5),
        Line2D([], [], color=INK, linewidth=1, linestyle=(0, (3, 2))),
        Line2D([], [], marker="D", linestyle="", color="white", markeredgecolor=INK, markersize=5),
    ]
    words = ["trial", "failed trial (counted on top)", "best constant prediction", "mean"]
    if correction:
        marks += [Patch(facecolor=colour, alpha=0.4, edgecolor=INK) for colour in COLOURS[1::-1]]
        words += ["without correction", "with correction"]
    columns = 6 if figure.get_figwidth() > NARROW else 2 if not correction else 3
    place = "outside lower center"
    figure.legend(marks, words, loc=place, ncols=columns, frameon=False, fontsize=8)


def floor(axes: Axes, trivial: float) -> None:
    """The score of the best constant prediction; at or below it a trial has failed."""
    axes.axhline(trivial, color=INK, linewidth=1, linestyle=(0, (3, 2)), zorder=1.5)


def rate_ticks(axes: Axes) -> None:
    """A logarithmic x axis with labels such as 2e-4."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: show_rate(value)))


__all__ = [
    "COLOURS",
    "MARKERS",
    "box",
    "draw",
    "floor",
    "new_figure",
    "rate_ticks",
    "show_rate",
    "trial_marks",
]
