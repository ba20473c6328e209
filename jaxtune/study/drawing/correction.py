"""Figures 5 and 6, failures against the effective peak learning rate, and every schedule at its
best learning rate.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from jaxtune.stats.intervals import share
from jaxtune.study.drawing.draw import (
    COLOURS,
    MARKERS,
    box,
    floor,
    new_figure,
    rate_ticks,
    show_rate,
    trial_marks,
)
from jaxtune.study.drawing.scores import correction_boxes, count_failed

# Factor between neighbouring kinds of arms on a logarithmic axis.
APART = 1.02


def bias_correction(folder: Path) -> dict[str, Figure]:
    """Four pictures; `figure` is the paper's figure 5."""
    trials = pd.read_parquet(folder / "trials.parquet")
    return {
        "figure": _rates(trials[trials["role"].isin(["grid", "b2"])]),
        "figure_factor": _factor(pd.read_parquet(folder / "factor.parquet")),
        "figure_held_out": _held_out(trials[trials["role"] == "held out"]),
        "figure_peak": _peaks(trials[trials["role"] != "held out"]),
    }


def _rates(trials: pd.DataFrame) -> Figure:
    """A panel per model and b2, two boxes per learning rate."""
    panels = trials[["model", "adam_b2", "role"]].drop_duplicates().to_dict("records")
    figure = new_figure(4.2 * len(panels), 3.7)
    rates = np.sort(trials["learning_rate"].unique())
    for axes, panel in zip(
        figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels, strict=True
    ):
        own = (trials["model"] == panel["model"]) & (trials["role"] == panel["role"])
        correction_boxes(axes, trials[own], "learning_rate", list(rates))
        axes.set_xticks(range(len(rates)), [show_rate(rate) for rate in rates])
        axes.set_xlabel("peak learning rate")
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel(f"final dev {trials['metric'].iloc[0]}")
        axes.set_title(f"{panel['model']}, b2 = {panel['adam_b2']:g}", pad=16)
        floor(axes, trials["trivial"].iloc[0])
    trial_marks(figure, correction=True)
    return figure


def _factor(factors: pd.DataFrame) -> Figure:
    """Figure 6: the correction's factor over steps."""
    figure = new_figure(5.2, 3.2)
    axes = figure.subplots()
    for (b2, own), colour in zip(factors.groupby("adam_b2", sort=False), COLOURS, strict=False):
        axes.plot(own["step"], own["factor"], color=colour, linewidth=1.8, label=f"b2 = {b2:g}")
    axes.axhline(1, color="#5f6670", linewidth=1, linestyle=(0, (3, 2)))
    axes.set(xlabel="step t (log scale)", ylabel="factor on the learning rate", xscale="log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(0, None)
    axes.legend(frameon=False)
    axes.set_title("sqrt(1 - b2^t) / (1 - b1^t), b1 = 0.9")
    return figure


def _peaks(trials: pd.DataFrame) -> Figure:
    """Failure rate of each arm against its learning rate as set, and as in effect at its
    highest.
    """
    figure = new_figure(8.6, 3.6)
    panels = figure.subplots(1, 2, sharey=True)
    kinds = trials.assign(kind=[_kind(row) for row in trials.to_dict("records")])
    for axes, column, label in zip(
        panels,
        ("learning_rate", "peak"),
        ("peak learning rate as set", "highest effective learning rate"),
        strict=True,
    ):
        groups = zip(kinds.groupby("kind", sort=False), COLOURS, MARKERS, strict=False)
        for number, ((kind, own), colour, marker) in enumerate(groups):
            arms = own.groupby(column, sort=True)["failed"]
            shares = [share(flags.to_numpy(bool)) for _, flags in arms]
            # A little apart, so that arms at one learning rate do not hide each other.
            rates = [float(str(rate)) * APART**number for rate, _ in arms]
            axes.errorbar(
                rates,
                [part.value for part in shares],
                [
                    [part.value - part.wilson_low for part in shares],
                    [part.wilson_high - part.value for part in shares],
                ],
                color=colour,
                marker=marker,
                markersize=5,
                linewidth=1.2,
                elinewidth=0.8,
                label=str(kind),
            )
        rate_ticks(axes)
        axes.set(xlabel=label, ylim=(-0.03, 1.03))
    panels[0].set_ylabel("share of failed trials\n(95 % Wilson interval)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure


def _kind(row: dict) -> str:
    correction = "correction" if row["bias_correction"] else "no correction"
    return (
        "no correction, longer warm-up"
        if row["role"] == "warmup"
        else f"{row['model']}, b2 {row['adam_b2']:g}, {correction}"
    )


def _held_out(trials: pd.DataFrame) -> Figure:
    """Every schedule at the learning rate chosen on other seeds."""
    schedules = list(trials["schedule"].unique())
    figure = new_figure(6.6, 3.6)
    axes = figure.subplots()
    names = []
    for place, schedule in enumerate(schedules):
        own = trials[trials["schedule"] == schedule]
        box(axes, place, own["final"].to_numpy(), own["failed"].to_numpy(), COLOURS[place])
        count_failed(axes, place, own)
        broken = schedule.replace(", ", ",\n")
        names.append(f"{broken}\nat {show_rate(own['learning_rate'].iloc[0])}")
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel(f"final dev {trials['metric'].iloc[0]}")
    axes.set_title("each at its own best learning rate, held-out seeds", pad=16)
    floor(axes, trials["trivial"].iloc[0])
    trial_marks(figure)
    return figure
