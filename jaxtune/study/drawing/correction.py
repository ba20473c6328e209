"""Figures 5 and 6, failures against the effective peak learning rate, and every schedule at its
best learning rate.
"""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxtune.core.schedules import show_rate
from jaxtune.report.drawing import COLOURS, FAINT, Picture, log_rate_axis
from jaxtune.report.legends import legend_below
from jaxtune.study.drawing.curves import failed_shares
from jaxtune.study.drawing.scores import by, rate_panels, score_panels

MARKERS = ("o", "s", "^", "D", "v", "P")
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
    titles = [f"{row.model}, b2 = {row.adam_b2:g}" for row in trials.itertuples()]
    rates = sorted(trials["learning_rate"].unique())
    return rate_panels(by(trials.assign(panel=titles), "panel"), rates, width=4.2)


def _held_out(trials: pd.DataFrame) -> Figure:
    """Every schedule at the learning rate chosen on other seeds."""

    def name(schedule: str, rows: pd.DataFrame) -> str:
        rate = show_rate(rows["learning_rate"].iloc[0])
        return f"{schedule.replace(', ', f',{chr(10)}')}\nat {rate}"

    title = "each at its own best learning rate, held-out seeds"
    return score_panels({title: trials}, "schedule", name, width=6.6)


def _factor(factors: pd.DataFrame) -> Figure:
    """Figure 6: the correction's factor over steps."""
    figure = Picture(5.2, 3.2)
    axes = figure.add_subplot()
    for (b2, own), colour in zip(factors.groupby("adam_b2", sort=False), COLOURS, strict=False):
        axes.plot(own["step"], own["factor"], color=colour, linewidth=1.8, label=f"b2 = {b2:g}")
    axes.axhline(1, color=FAINT, linewidth=1, linestyle=(0, (3, 2)))
    axes.set(xlabel="step t (log scale)", ylabel="factor on the learning rate", xscale="log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(0, None)
    axes.legend()
    axes.set_title("sqrt(1 - b2^t) / (1 - b1^t), b1 = 0.9")
    return figure


def _peaks(trials: pd.DataFrame) -> Figure:
    """Failure rate of each arm against its learning rate as set, and as in effect at its
    highest.
    """
    figure = Picture(8.6, 3.2)
    left, right = figure.subplots(1, 2, sharey=True)
    trials = trials.assign(kind=[_kind(row) for row in trials.to_dict("records")])
    for axes, column in ((left, "learning_rate"), (right, "peak")):
        for number, (kind, own) in enumerate(trials.groupby("kind", sort=False)):
            _shares(axes, own, column, number, str(kind))
        axes.set(ylim=(-0.03, 1.03))
    log_rate_axis(left, "peak learning rate as set")
    log_rate_axis(right, "highest effective learning rate")
    left.set_ylabel("share of failed trials\n(95% Wilson interval)")
    return legend_below(figure, left.get_legend_handles_labels()[0])


def _shares(axes: Axes, rows: pd.DataFrame, column: str, number: int, label: str) -> None:
    """The arms of a kind, a little apart from other kinds' at the same learning rate."""
    rates, value, low, high = failed_shares(rows, column)
    look = {"color": COLOURS[number % 6], "marker": MARKERS[number % 6], "label": label}
    places, spread = rates * APART**number, [value - low, high - value]
    axes.errorbar(places, value, spread, **look, markersize=5, linewidth=1.2, elinewidth=0.8)


def _kind(row: dict) -> str:
    if row["role"] == "warmup":
        return "no correction, longer warm-up"
    correction = "correction" if row["bias_correction"] else "no correction"
    return f"{row['model']}, b2 {row['adam_b2']:g}, {correction}"
