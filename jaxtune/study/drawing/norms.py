"""Figures 4 and 10 to 12: gradient norms over training."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxtune.config.settings import ADAPTED
from jaxtune.report.drawing import INK, Picture, Style, line, log_axis
from jaxtune.report.points import SMALLEST_NORM
from jaxtune.study.drawing.curves import trials_label

# Of 24 layers, those that the paper shows (counted from 1).
PAPER_LAYERS, PAPER_DEPTH = (1, 4, 8, 12, 16, 20), 24
HEADS = {"pooler": Style(INK, (4, 1.5)), "classifier": Style(INK, (1.5, 1.2))}


def gradient_norms(folder: Path) -> dict[str, Figure]:
    """Per model a picture of whole layers, and one of each tensor kind; the first model's are
    `figure` and `figure_kinds`.
    """
    norms = pd.read_parquet(folder / "norms.parquet")
    figures = {}
    for number, (model, own) in enumerate(norms.groupby("model", sort=False)):
        suffix = "" if number == 0 else f"_{model}"
        figures[f"figure{suffix}"] = _layers(own, str(model))
        figures[f"figure_kinds{suffix}"] = _kinds(own, str(model))
    return figures


def shown_layers(count: int) -> list[int]:
    """Layers to draw, from 0: the paper's of 24, at the same heights of another depth, and the
    topmost.
    """
    picked = {round((layer - 1) * (count - 1) / (PAPER_DEPTH - 1)) for layer in PAPER_LAYERS}
    return sorted({*picked, count - 1})


def _layers(norms: pd.DataFrame, model: str) -> Figure:
    """Figure 4: whole blocks, pooler and classifier."""
    figure = Picture(8.4, 3.7)
    panels = figure.subplots(1, 2, sharey=True)
    layers = shown_layers(int(norms["layer"].max()) + 1)
    for axes, failed in zip(panels, (True, False), strict=True):
        rows = norms[norms["failed"] == failed]
        _layer_lines(axes, rows[rows["kind"] == "layer"], layers)
        for kind, style in HEADS.items():
            _median(axes, rows[rows["kind"] == kind], style, kind)
        axes.set(xlabel="step", title=trials_label(rows, failed))
    panels[0].set_ylabel("L2 norm of the gradient\n(median over trials)")
    return _with_legend(figure, panels[0], model)


def _kinds(norms: pd.DataFrame, model: str) -> Figure:
    """Figures 10 to 12: every weight matrix."""
    kinds = [kind for kind in ADAPTED if kind in set(norms["kind"])]
    layers = shown_layers(int(norms["layer"].max()) + 1)
    figure = Picture(2.1 * len(kinds) + 1.2, 4.2)
    panels = figure.subplots(2, len(kinds), sharex=True, sharey=True, squeeze=False)
    for row, failed in zip(panels, (True, False), strict=True):
        rows = norms[norms["failed"] == failed]
        for axes, kind in zip(row, kinds, strict=True):
            _layer_lines(axes, rows[rows["kind"] == kind], layers)
        row[0].set_ylabel(f"{trials_label(rows, failed)}\nL2 norm (median)")
    for (top, bottom), kind in zip(panels.T, kinds, strict=True):
        top.set_title(kind.replace("_", " "))
        bottom.set_xlabel("step")
    return _with_legend(figure, panels[0, 0], model)


def _layer_lines(axes: Axes, norms: pd.DataFrame, layers: Sequence[int]) -> None:
    """From dark (lowest layer) to light (topmost), in even steps of lightness."""
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.9, len(layers)))
    for layer, colour in zip(layers, colours, strict=True):
        label = f"layer {layer + 1}" if len(layers) > 1 else "the block"  # ALBERT has but one
        style = Style(mpl.colors.to_hex(colour))
        _median(axes, norms[norms["layer"] == layer], style, label)
    log_axis(axes)


def _median(axes: Axes, norms: pd.DataFrame, style: Style, label: str) -> None:
    median = norms.groupby("step")["value"].median().clip(lower=SMALLEST_NORM)
    line(axes, median.index.to_numpy(), median.to_numpy(), style, linewidth=1.4, label=label)


def _with_legend(figure: Figure, axes: Axes, model: str) -> Figure:
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", title=model)
    return figure
