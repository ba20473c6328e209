"""Figure 2: perplexity by the number of layers put back, and what failed trials do in training."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxtune.report.drawing import FAILED, INK, SUCCEEDED, Style, block_means, log_axis
from jaxtune.study.drawing.draw import COLOURS, floor, new_figure
from jaxtune.study.finding import MOST_LISTED

LOSS_POINTS = 60
# What the trials are called -> how they look. The third is Okabe and Ito's green.
KINDS = {
    "failed": FAILED,
    "successful": SUCCEEDED,
    "successful, with correction": Style(COLOURS[2], (1.5, 1.2)),
}


def forgetting(folder: Path) -> dict[str, Figure]:
    """(a) perplexities, (b) loss and (c) dev metric of the failed trials."""
    perplexity = pd.read_parquet(folder / "perplexity.parquet")
    curves = pd.read_parquet(folder / "curves.parquet")
    figure = new_figure(11.2, 4.4)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.7, 1, 1))
    _perplexities(left, perplexity)
    metric = curves["metric"].iloc[0]
    _band(middle, curves[curves["name"] == "loss"])
    _band(right, curves[curves["name"] == f"dev/{metric}"])
    floor(right, curves["trivial"].iloc[0])
    count = curves["trial"].nunique()
    title = f"{count} failed trial{'s' * (count != 1)}: mean and std"
    middle.set(xlabel="step", ylabel="training loss (nats)", title=title, ylim=(0, None))
    right.set(xlabel="step", ylabel=f"dev {metric}", title=title)
    right.annotate(
        "best constant prediction",
        (1, curves["trivial"].iloc[0]),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
    )
    low, high = right.get_ylim()
    right.set_ylim(min(low, high - 0.2), max(high, low + 0.2))
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return {"figure": figure}


def _perplexities(axes: Axes, table: pd.DataFrame) -> None:
    for kind, style in KINDS.items():
        own = table[table["kind"] == kind]
        for number, (_, line) in enumerate(own.groupby("trial", sort=True)):
            axes.plot(
                line["top"],
                line["perplexity"].where(np.isfinite(line["perplexity"])),
                color=style.colour,
                dashes=style.dashes or (None, None),
                marker="o",
                markersize=2.5,
                linewidth=1.2,
                label="_" if number else f"{kind}: {_named(own['trial'].unique())}",
            )
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
    axes.set_ylim(low / 1.5, high)
    axes.set(
        xlabel=f"top layers put back (of {depth})",
        ylabel="masked-LM perplexity",
        xlim=(-0.5, depth + 0.5),
    )


def _named(trials: np.ndarray) -> str:
    """Their numbers, or how many they are."""
    if len(trials) > MOST_LISTED:
        return f"{len(trials)} trials"
    return f"trial{'s' * (len(trials) > 1)} {', '.join(map(str, sorted(trials)))}"


def _band(axes: Axes, curves: pd.DataFrame) -> None:
    """Mean over trials at each step, and one standard deviation."""
    table = curves.pivot_table(index="step", columns="trial", values="value", dropna=False)
    mean = table.mean(axis=1).to_numpy()
    spread = table.std(axis=1, ddof=0).to_numpy()
    steps = table.index.to_numpy()
    parts = [block_means(steps, values, LOSS_POINTS) for values in (mean, spread)]
    (at, middle), (_, width) = parts
    axes.fill_between(
        at, middle - width, middle + width, color=FAILED.colour, alpha=0.22, linewidth=0
    )
    axes.plot(at, middle, color=FAILED.colour, linewidth=1.6)
