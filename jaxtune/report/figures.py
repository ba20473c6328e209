"""The figures of a report: a page has them as SVG with legends of its own, a notebook as
`plot_scores`, `plot_expected_best` and `plot_gradient_norms`.

All but these draw in the look that is in force.
"""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxtune.core.errors import UserError
from jaxtune.core.folding import fold
from jaxtune.core.schedules import Peak
from jaxtune.report.drawing import (
    FAILED,
    STYLE,
    SUCCEEDED,
    Picture,
    Style,
    arm_style,
    count_axis,
    floor_line,
    kind_style,
    line,
    log_axis,
    rate_axis,
    ribbon,
)
from jaxtune.report.final_scores import SIZE, final_scores, floor_in_view, floor_keys, score_keys
from jaxtune.report.findings import ArmFindings, Findings, ranked
from jaxtune.report.legends import Key, handle, legend_below
from jaxtune.report.points import (
    MOST_PER_CURVE,
    MOST_POINTS,
    Band,
    Limits,
    band,
    band_limits,
    drawn,
    thinned,
)
from jaxtune.report.sources import DEV, LOSS, TrialRecord

# Inches; in a page 72 pixels each.
SMALL = 4.7, 3.5
# Whose curves are drawn, in the order of the sweep; every arm is in the tables and in the plot of
# final scores.
MOST_ARMS = 8
MOST_BANDS = 3  # more of them would cover each other
MOST_GRADIENT_ARMS = 4
TITLE = 34  # characters that fit above a panel of a notebook

KIND_KEYS = (
    Key("successful trials", "line", SUCCEEDED),
    Key("failed trials", "line", FAILED),
)


@mpl.rc_context(STYLE)
def plot_scores(found: Findings) -> Figure:
    """Final scores of every trial, arm by arm."""
    figure = final_scores(ranked(found), found.metric, floor_in_view(found), found.verdict.leaders)
    return legend_below(figure, [handle(key) for key in score_keys(found)])


@mpl.rc_context(STYLE)
def plot_expected_best(found: Findings) -> Figure:
    """What the best of so many seeds is expected to score, of the first `MOST_ARMS` arms."""
    arms = ranked(found)[:MOST_ARMS]
    figure = expected_best(arms, found.metric, floor_in_view(found))
    keys = [*arm_keys(arms), *floor_keys(found)]
    return legend_below(figure, [handle(key) for key in keys])


@mpl.rc_context(STYLE)
def plot_gradient_norms(found: Findings) -> Figure:
    """Norms of the first, a middle and the last layer over the steps, a row of panels per arm.

    Raises UserError where no trial's history holds norms.
    """
    rows = norm_rows(found.arms)
    if not rows:
        raise UserError(
            "None of these trials has gradient norms in its history; give a sweep whose history"
            " folder is whole."
        )
    columns = max(map(len, rows))
    lines = max(len(fold(row[0].arm, TITLE)) for row in rows)
    figure = Picture(3.3 * columns, (2.4 + 0.2 * lines) * len(rows))
    panels = figure.subplots(len(rows), columns, sharex=True, sharey=True, squeeze=False)
    limits = norm_limits(rows)
    for row, norms in zip(panels, rows, strict=True):
        for axes in row[len(norms) :]:
            axes.set_visible(False)
        for axes, each in zip(row, norms, strict=False):
            draw_norms(axes, each, limits)
            axes.set_title("\n".join([*fold(each.arm, TITLE), each.layer]), loc="left")
            axes.label_outer()
        row[0].set_ylabel("L2 norm of the gradient")
    return legend_below(figure, [handle(key) for key in kind_keys(found)])


def kind_keys(found: Findings) -> tuple[Key, ...]:
    """Of the trials' curves; without a floor nothing is said to have succeeded."""
    return KIND_KEYS if found.arms[0].arm.judged else (Key("trials", "line", SUCCEEDED),)


def arm_keys(arms: Sequence[ArmFindings]) -> list[Key]:
    """A line of its own style for each arm."""
    return [Key(arm.arm.name, "line", arm_style(index)) for index, arm in enumerate(arms)]


def expected_best(arms: Sequence[ArmFindings], metric: str, trivial: float | None) -> Figure:
    """Expected best score over the number of seeds; where few arms leave room for it, a band of
    one std.
    """
    figure = Picture(*SIZE)
    axes = figure.add_subplot()
    floor_line(axes, trivial)
    for index, arm in enumerate(arms):
        best, style = arm.best, arm_style(index)
        if len(arms) <= MOST_BANDS:
            ribbon(axes, best.num_trials, best.low, best.high, style, 0.13)
        marker = "o" if len(arm.arm) == 1 else ""
        line(axes, best.num_trials, best.mean, style, linewidth=2, marker=marker)
    axes.set_ylabel(f"expected best {metric}")
    axes.set_xlim(left=0)
    count_axis(axes, "seeds")
    return figure


def trial_curves(
    trials: Sequence[TrialRecord],
    kind: str,
    label: str,
    limits: Limits,
    trivial: float | None = None,
) -> Figure:
    """One line per trial, the rarer of failed and successful ones on top."""
    shown = [trial for trial in trials if kind in trial.curves]
    points = [drawn(trial.curves[kind], kind) for trial in shown]
    many = sum(len(steps) for steps, _ in points) > MOST_POINTS
    rarer = 2 * sum(trial.failed for trial in shown) < len(shown)
    figure = Picture(*SIZE)
    axes = figure.add_subplot()
    floor_line(axes, trivial)
    for trial, (steps, values) in zip(shown, points, strict=True):
        curve = line(axes, steps, values, kind_style(trial.failed), linewidth=1.1, alpha=0.6)
        curve.set(rasterized=many, zorder=3 if trial.failed == rarer else 2)
        if len(steps) == 1:
            curve.set(marker="o", markersize=4)
    last = max((int(steps[-1]) for steps, _ in points), default=0) or 1
    axes.set(xlim=(-0.03 * last, 1.03 * last), ylim=limits, ylabel=label)
    count_axis(axes, "step")
    return figure


class Norms(NamedTuple):
    """What is drawn of a layer's gradient norms."""

    arm: str
    layer: str
    failed: Band | None
    succeeded: Band | None


def norm_rows(arms: Sequence[ArmFindings]) -> list[list[Norms]]:
    """Of at most `MOST_GRADIENT_ARMS` arms that have norms the first, a middle and the last
    layer's.
    """
    # Arms in which trials of both kinds can be compared come first.
    mixed = sorted(arms, key=lambda arm: not 0 < arm.description.failed.count < len(arm.arm))
    chosen = {arm.arm.name for arm in mixed[:MOST_GRADIENT_ARMS]}
    rows = []
    for arm in (arm for arm in arms if arm.arm.name in chosen):
        names = {name for trial in arm.trials for name in trial.curves} - {LOSS, DEV}
        kinds = [[t for t in arm.trials if t.failed == failed] for failed in (True, False)]
        layers = sorted(names, key=lambda name: int(name.split()[1]))
        found = [Norms(arm.arm.name, at, *(band(kind, at) for kind in kinds)) for at in layers]
        rows += [found] if any(each.failed or each.succeeded for each in found) else []
    return rows


def norm_limits(rows: Sequence[Sequence[Norms]]) -> Limits:
    """Of all panels."""
    return band_limits(part for row in rows for each in row for part in each[2:])


def layer_norms(norms: Norms, limits: Limits, size: tuple[float, float]) -> Figure:
    """A figure of one layer."""
    figure = Picture(*size)
    draw_norms(figure.add_subplot(), norms, limits)
    return figure


def draw_norms(axes: Axes, norms: Norms, limits: Limits) -> None:
    """Median and middle half of failed and of successful trials, on a logarithmic axis."""
    for failed, found in ((False, norms.succeeded), (True, norms.failed)):
        if found is not None:
            ribbon(axes, found.steps, found.low, found.high, kind_style(failed), 0.18)
            line(axes, found.steps, found.median, kind_style(failed), linewidth=2)
    log_axis(axes)
    axes.set_ylim(limits)
    count_axis(axes, "step")


class RateLine(NamedTuple):
    """An effective learning rate, and the arms that have it."""

    rates: Float[np.ndarray, " step"]
    peak: Peak
    style: Style
    arms: list[str]


def learning_rates(lines: Sequence[RateLine]) -> Figure:
    """Effective learning rates over the steps, those of their peaks marked."""
    figure = Picture(*SIZE)
    axes = figure.add_subplot()
    for rates, peak, style, _ in lines:
        line(axes, *thinned(np.arange(rates.size), rates, 4 * MOST_PER_CURVE), style, linewidth=2)
        axes.plot(peak.step, rates[peak.step], "o", markersize=7, color=style.colour, mec="white")
    axes.set_ylabel("effective learning rate")
    rate_axis(axes)
    count_axis(axes, "step")
    return figure
