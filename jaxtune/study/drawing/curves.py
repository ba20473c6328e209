"""Figures 8 and 14: curves over training, and the final metric against the final loss."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxtune.report.drawing import FAILED, SUCCEEDED
from jaxtune.report.points import block_means
from jaxtune.study.drawing.draw import floor, new_figure, rate_ticks

LOSS_POINTS = 60


def training_curves(folder: Path) -> dict[str, Figure]:
    """Figure 14: every trial, loss on the left and the dev metric on the right."""
    curves = pd.read_parquet(folder / "curves.parquet")
    figure = new_figure(8.4, 3.3)
    left, right = figure.subplots(1, 2)
    (metric,) = [name for name in curves["name"].unique() if name != "loss"]
    for failed, style in ((True, FAILED), (False, SUCCEEDED)):
        kind = curves[curves["failed"] == failed]
        count = kind["trial"].nunique()
        label = f"{count} {'failed' if failed else 'successful'} trial{'s' * (count != 1)}"
        for axes, name in ((left, "loss"), (right, metric)):
            for number, curve in enumerate(_curves(kind, name)):
                steps, values = curve
                if name == "loss":
                    steps, values = block_means(steps, values, LOSS_POINTS)
                axes.plot(
                    steps,
                    values,
                    color=style.colour,
                    dashes=style.dashes or (None, None),
                    linewidth=1.1,
                    alpha=0.8,
                    label=label if number == 0 else None,
                )
    floor(right, curves["trivial"].iloc[0])
    left.set(xlabel="step", ylabel="training loss (nats)")
    right.set(xlabel="step", ylabel=f"dev {metric.removeprefix('dev/')}")
    left.legend(fontsize=8, frameon=False)
    return {"figure": figure}


def _curves(curves: pd.DataFrame, name: str) -> list[tuple[np.ndarray, np.ndarray]]:
    own = curves[curves["name"] == name].sort_values(["trial", "step"])
    return [
        (trial["step"].to_numpy(), trial["value"].to_numpy())
        for _, trial in own.groupby("trial", sort=True)
    ]


def generalization(folder: Path) -> dict[str, Figure]:
    """Figure 8: (a) dev metric over training, (b) final dev metric against final training loss."""
    curves = pd.read_parquet(folder / "curves.parquet")
    trials = pd.read_parquet(folder / "trials.parquet")
    figure = new_figure(8.4, 3.3)
    left, right = figure.subplots(1, 2)
    metric = trials["metric"].iloc[0]
    for steps, values in _curves(curves, f"dev/{metric}"):
        left.plot(steps, values, color=SUCCEEDED.colour, linewidth=1.1, alpha=0.7)
    count = curves["trial"].nunique()
    left.set(
        xlabel="step", ylabel=f"dev {metric}", title=f"{count} trials of the recommended recipe"
    )
    _scatter(right, trials)
    right.set(
        xlabel="final training loss (nats)",
        ylabel=f"final dev {metric}",
        title=f"all {len(trials)} trials",
    )
    for axes in (left, right):
        floor(axes, trials["trivial"].iloc[0])
    return {"figure": figure}


def _scatter(axes: Axes, trials: pd.DataFrame) -> None:
    for failed, style, marker in ((False, SUCCEEDED, "o"), (True, FAILED, "x")):
        kind = trials[trials["failed"] == failed]
        label = f"{len(kind)} {'failed' if failed else 'successful'}"
        axes.plot(
            kind["train_loss"],
            kind["final"],
            marker,
            color=style.colour,
            markersize=4.5,
            alpha=0.75,
            label=label,
        )
    rate_ticks(axes)
    axes.legend(fontsize=8, frameon=False)
