"""Figure 2: perplexity by the number of layers put back, and what failed trials do in training."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxtune.report.drawing import (
    COLOURS,
    FAILED,
    INK,
    SUCCEEDED,
    Picture,
    Style,
    floor_line,
    line,
    log_axis,
    ribbon,
)
from jaxtune.report.legends import legend_below
from jaxtune.report.points import LOSS_POINTS, block_means
from jaxtune.study.drawing.curves import trials_label
from jaxtune.study.finding import MOST_LISTED

# What the trials are called -> how they look.
KINDS = {
    "failed": FAILED,
    "successful": SUCCEEDED,
    "successful, with correction": Style(COLOURS[2], (1.5, 1.2)),
}


def forgetting(folder: Path) -> dict[str, Figure]:
    """(a) perplexities, (b) loss and (c) dev metric of the failed trials."""
    curves = pd.read_parquet(folder / "curves.parquet")
    metric, trivial = curves["metric"].iloc[0], curves["trivial"].iloc[0]
    figure = Picture(11.2, 4.0)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.7, 1, 1))
    _perplexities(left, pd.read_parquet(folder / "perplexity.parquet"))
    _mean_and_std(middle, curves[curves["name"] == "loss"])
    _mean_and_std(right, curves[curves["name"] == f"dev/{metric}"])
    title = f"{trials_label(curves, True)}: mean and std"
    middle.set(ylabel="training loss (nats)", title=title, ylim=(0, None))
    right.set(ylabel=f"dev {metric}", title=title)
    floor_line(right, trivial)
    right.annotate(
        "best constant prediction",
        (1, trivial),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
    )
    low, high = right.get_ylim()
    right.set_ylim(min(low, high - 0.2), max(high, low + 0.2))
    return {"figure": legend_below(figure, left.get_legend_handles_labels()[0])}


def _perplexities(axes: Axes, table: pd.DataFrame) -> None:
    for kind, style in KINDS.items():
        own = table[table["kind"] == kind]
        label = f"{kind}: {_named(own['trial'].unique())}"
        for _, trial in own.groupby("trial", sort=True):
            known = trial["perplexity"].where(np.isfinite(trial["perplexity"]))
            curve = line(axes, trial["top"].to_numpy(), known.to_numpy(), style, label=label)
            curve.set(marker="o", markersize=2.5, linewidth=1.2)
            label = "_"  # matplotlib's for none
    depth = int(table["top"].max())
    pretrained = float(table.loc[table["top"] == depth, "perplexity"].iloc[0])
    axes.axhline(pretrained, color=INK, linewidth=1, zorder=1.5)
    axes.annotate(
        f"pre-trained: {pretrained:.2f}",
        (0, pretrained),
        xytext=(2, -4),
        textcoords="offset points",
        va="top",
        fontsize=8,
    )
    log_axis(axes)
    low, high = axes.get_ylim()
    axes.set(ylim=(low / 1.5, high), xlim=(-0.5, depth + 0.5))
    axes.set(xlabel=f"top layers put back (of {depth})", ylabel="masked-LM perplexity")


def _named(trials: np.ndarray) -> str:
    """Their numbers, or how many they are."""
    if len(trials) > MOST_LISTED:
        return f"{len(trials)} trials"
    return f"trial{'s' * (len(trials) > 1)} {', '.join(map(str, sorted(trials)))}"


def _mean_and_std(axes: Axes, curves: pd.DataFrame) -> None:
    """Over trials at each step."""
    table = curves.pivot_table(index="step", columns="trial", values="value", dropna=False)
    steps = table.index.to_numpy()
    at, mean = block_means(steps, table.mean(axis=1).to_numpy(), LOSS_POINTS)
    _, std = block_means(steps, table.std(axis=1, ddof=0).to_numpy(), LOSS_POINTS)
    ribbon(axes, at, mean - std, mean + std, FAILED, 0.22)
    axes.plot(at, mean, color=FAILED.colour, linewidth=1.6)
    axes.set_xlabel("step")
