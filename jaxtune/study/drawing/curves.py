"""Figures 8 and 14: curves over training, and the final metric against the final loss."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from jaxtune.core.words import plural
from jaxtune.report.drawing import Picture, floor_line, kind_style, line, log_rate_axis
from jaxtune.report.points import LOSS_POINTS, block_means
from jaxtune.stats.intervals import share
from jaxtune.stats.wording import every


def training_curves(folder: Path) -> dict[str, Figure]:
    """Figure 14: every trial, loss on the left and the dev metric on the right."""
    curves = pd.read_parquet(folder / "curves.parquet")
    figure = Picture(8.4, 3.3)
    left, right = figure.subplots(1, 2)
    (metric,) = set(curves["name"]) - {"loss"}
    for failed in (True, False):
        kind, style = curves[curves["failed"] == failed], kind_style(failed)
        label = trials_label(kind, failed)
        for steps, values in _curves(kind, "loss"):
            points = block_means(steps, values, LOSS_POINTS)
            line(left, *points, style, linewidth=1.1, alpha=0.8, label=label)
            label = None  # once is enough
        for steps, values in _curves(kind, metric):
            line(right, steps, values, style, linewidth=1.1, alpha=0.8)
    floor_line(right, curves["trivial"].iloc[0])
    left.set(xlabel="step", ylabel="training loss (nats)")
    right.set(xlabel="step", ylabel=f"dev {metric.removeprefix('dev/')}")
    left.legend()
    return {"figure": figure}


def generalization(folder: Path) -> dict[str, Figure]:
    """Figure 8: (a) dev metric over training, (b) final dev metric against final training loss."""
    curves = pd.read_parquet(folder / "curves.parquet")
    trials = pd.read_parquet(folder / "trials.parquet")
    metric = trials["metric"].iloc[0]
    figure = Picture(8.4, 3.3)
    left, right = figure.subplots(1, 2)
    for steps, values in _curves(curves, f"dev/{metric}"):
        line(left, steps, values, kind_style(False), linewidth=1.1, alpha=0.7)
    for failed in (False, True):
        kind, style = trials[trials["failed"] == failed], kind_style(failed)
        label = f"{len(kind)} {'failed' if failed else 'successful'}"
        look = {"color": style.colour, "markersize": 4.5, "alpha": 0.75, "label": label}
        right.plot(kind["train_loss"], kind["final"], style.marker, **look)
    count = curves["trial"].nunique()
    left.set(xlabel="step", ylabel=f"dev {metric}")
    left.set_title(f"{plural(count, 'trial')} of the recommended recipe")
    right.set(ylabel=f"final dev {metric}", title=every(len(trials), "trial"))
    log_rate_axis(right, "final training loss (nats)")
    right.legend()
    for axes in (left, right):
        floor_line(axes, trials["trivial"].iloc[0])
    return {"figure": figure}


def trials_label(rows: pd.DataFrame, failed: bool) -> str:
    """Such as `3 failed trials`."""
    count = rows["trial"].nunique()
    return f"{count} {'failed' if failed else 'successful'} trial{'s' * (count != 1)}"


def failed_shares(rows: pd.DataFrame, column: str) -> np.ndarray:
    """The column's values, at each the share of failed trials, and Wilson's interval of it."""
    groups = rows.groupby(column)["failed"]
    shares = {at: share(flags.to_numpy(bool)) for at, flags in groups}
    found = [(at, s.value, s.wilson_low, s.wilson_high) for at, s in shares.items()]
    return np.array(found, float).T


def _curves(curves: pd.DataFrame, name: str) -> list[tuple[np.ndarray, np.ndarray]]:
    own = curves[curves["name"] == name].sort_values(["trial", "step"])
    return [
        (trial["step"].to_numpy(), trial["value"].to_numpy())
        for _, trial in own.groupby("trial", sort=True)
    ]
