"""Figures 4 and 10 to 12: gradient norms over training."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxtune.report.drawing import INK, log_axis
from jaxtune.study.drawing.draw import new_figure

# Of 24 layers, those that the paper shows (counted from 1).
PAPER_LAYERS, PAPER_DEPTH = (1, 4, 8, 12, 16, 20), 24
KINDS = ("query", "key", "value", "attention_output", "intermediate", "output")
# Below this a gradient is as good as gone, and a logarithm needs a bound.
SMALLEST = 1e-10


def gradient_norms(folder: Path) -> dict[str, Figure]:
    """Per model a picture of whole layers, and one of each tensor kind; the first model's are
    `figure` and `figure_kinds`.
    """
    norms = pd.read_parquet(folder / "norms.parquet")
    figures = {}
    for number, model in enumerate(norms["model"].unique()):
        own = norms[norms["model"] == model]
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
    figure = new_figure(8.4, 3.7)
    panels = figure.subplots(1, 2, sharey=True)
    layers = shown_layers(int(norms["layer"].max()) + 1)
    for axes, failed in zip(panels, (True, False), strict=True):
        rows = norms[norms["failed"] == failed]
        whole = rows[rows["kind"] == "layer"]
        for layer, colour in zip(layers, _colours(len(layers)), strict=True):
            _curve(axes, whole[whole["layer"] == layer], colour, _called(layer, layers))
        for kind, dashes in (("pooler", (4, 1.5)), ("classifier", (1.5, 1.2))):
            _curve(axes, rows[rows["kind"] == kind], INK, kind, dashes)
        count = rows["trial"].nunique()
        axes.set(xlabel="step", title=_title(count, failed))
        log_axis(axes)
    panels[0].set_ylabel("L2 norm of the gradient\n(median over trials)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside right center", frameon=False, fontsize=8, title=model
    )
    return figure


def _kinds(norms: pd.DataFrame, model: str) -> Figure:
    """Figures 10 to 12: every weight matrix."""
    kinds = [kind for kind in KINDS if kind in set(norms["kind"])]
    layers = shown_layers(int(norms["layer"].max()) + 1)
    figure = new_figure(2.1 * len(kinds) + 1.2, 4.2)
    panels = figure.subplots(2, len(kinds), sharex=True, sharey=True, squeeze=False)
    for row, failed in zip(panels, (True, False), strict=True):
        rows = norms[norms["failed"] == failed]
        for axes, kind in zip(row, kinds, strict=True):
            own = rows[rows["kind"] == kind]
            for layer, colour in zip(layers, _colours(len(layers)), strict=True):
                _curve(axes, own[own["layer"] == layer], colour, _called(layer, layers))
            log_axis(axes)
            if failed:
                axes.set_title(kind.replace("_", " "))
            else:
                axes.set_xlabel("step")
        row[0].set_ylabel(f"{_title(rows['trial'].nunique(), failed)}\nL2 norm (median)")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside right center", frameon=False, fontsize=8, title=model
    )
    return figure


def _called(layer: int, layers: Sequence[int]) -> str:
    """ALBERT has but one."""
    return f"layer {layer + 1}" if len(layers) > 1 else "the block"


def _curve(
    axes: Axes,
    norms: pd.DataFrame,
    colour: str,
    label: str,
    dashes: Sequence[int | float] = (),
) -> None:
    median = norms.groupby("step")["value"].median().clip(lower=SMALLEST)
    (line,) = axes.plot(median.index, median, color=colour, linewidth=1.4, label=label)
    if dashes:
        line.set_dashes([float(dash) for dash in dashes])


def _colours(count: int) -> list[str]:
    """From dark (lowest layer) to light (topmost), in even steps of lightness."""
    return [mpl.colors.to_hex(c) for c in mpl.colormaps["viridis"](np.linspace(0, 0.9, count))]


def _title(count: int, failed: bool) -> str:
    return f"{count} {'failed' if failed else 'successful'} trial{'s' * (count != 1)}"
