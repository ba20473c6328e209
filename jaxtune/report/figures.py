"""The figures of a report: numbers to inline SVG."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib.axes import Axes

from jaxtune.report.drawing import (
    FAILED,
    FAINT,
    INK,
    MOST_PER_CURVE,
    MOST_POINTS,
    SUCCEEDED,
    Style,
    block_means,
    count_axis,
    floor_line,
    log_axis,
    rate_axis,
    sketch,
    thinned,
    to_svg,
)
from jaxtune.report.findings import ArmFindings
from jaxtune.report.sources import LOSS, Curve, TrialRecord

LOSS_POINTS = 40
LABEL = 60  # characters that fit above an arm
# Below this a gradient is as good as gone, and a logarithm needs a bound.
SMALLEST_NORM = 1e-10

Limits = tuple[float, float]


def final_scores(arms: Sequence[ArmFindings], metric: str, trivial: float) -> str:
    """Per arm a box over all trials (whiskers to the extremes) and, below it, every trial."""
    everything = np.concatenate([arm.arm.final for arm in arms])
    low, high = padded([*everything, trivial])
    # A few arms fill a panel of the usual height; more make it longer.
    row_height = min(114.0, max(74.0, 228 / len(arms)))
    with sketch("scores", height=row_height * len(arms) + 52) as (figure, axes):
        floor_line(axes, trivial, vertical=True)
        for row, arm in enumerate(arms):
            _box(axes, arm.arm.final, -row + 0.08)
            _strip(axes, arm, -row - 0.26, (low, high))
            label = _in_two_lines(
                arm.arm.name, f"{int(arm.arm.failed.sum())} of {len(arm.arm)} failed"
            )
            # White, for the floor's line would run through the words.
            words = axes.text(0, -row + 0.25, label, transform=axes.get_yaxis_transform())
            words.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
        axes.set(xlim=(low, high), ylim=(-len(arms) + 0.42, 0.56), yticks=[], xlabel=metric)
        axes.spines["left"].set_visible(False)
        axes.grid(True, axis="x")
        return to_svg(figure)


def _in_two_lines(name: str, count: str) -> str:
    if len(name) + len(count) < LABEL:
        return f"{name}: {count}"
    rest = LABEL - len(count) - 6
    lines = textwrap.wrap(name, LABEL)
    second = lines[-1][-rest:] if len(lines) > 1 else ""
    cut = "... " if len(lines) > 2 or second != lines[-1] else ""
    return f"{lines[0]}\n{cut}{second}: {count}" if second else f"{lines[0]}\n{count}"


def _box(axes: Axes, scores: Float[np.ndarray, " trial"], y: float) -> None:
    low, first, median, third, high = np.quantile(scores, (0, 0.25, 0.5, 0.75, 1))
    axes.plot([low, high], [y, y], color=FAINT, linewidth=1.2)
    axes.barh(y, third - first, 0.2, first, facecolor="#e9edf2", edgecolor=FAINT, zorder=2)
    axes.plot([median, median], [y - 0.1, y + 0.1], color=INK, linewidth=2.5, zorder=3)
    axes.plot(scores.mean(), y, "D", markersize=5, color="white", markeredgecolor=INK, zorder=4)


def _strip(axes: Axes, arm: ArmFindings, y: float, limits: Limits) -> None:
    scores, failed = arm.arm.final, arm.arm.failed
    height = y + swarm(scores, limits)
    succeeded = axes.plot(
        scores[~failed], height[~failed], "o", color=SUCCEEDED.colour, markersize=5, alpha=0.75
    )
    others = axes.plot(scores[failed], height[failed], "x", color=FAILED.colour, markersize=5.5)
    for markers in (*succeeded, *others):
        markers.set(rasterized=scores.size > MOST_POINTS, clip_on=False, zorder=3, in_layout=False)


def swarm(
    scores: Float[np.ndarray, " trial"], limits: Limits, room: float = 0.4
) -> Float[np.ndarray, " trial"]:
    """Offsets within `room` that keep nearly equal scores apart, without chance in them."""
    low, high = limits
    places = np.floor((scores - low) / (high - low) * 64)
    offsets = np.zeros(scores.size)
    for place in np.unique(places):
        here = np.flatnonzero(places == place)
        here = here[np.argsort(scores[here], kind="stable")]
        apart = min(0.085, room / max(1, here.size - 1))
        offsets[here] = (np.arange(here.size) - (here.size - 1) / 2) * apart
    return offsets


def padded(values: Iterable[float]) -> Limits:
    """Limits with a little room around all finite values."""
    array = np.array([value for value in values if np.isfinite(value)])
    room = 0.04 * (np.ptp(array) or 1.0)
    return float(array.min() - room), float(array.max() + room)


def loss_limits(trials: Iterable[TrialRecord]) -> Limits:
    """From 0 to what nearly all losses stay under; a trial that diverges leaves the panel."""
    known = [trial for trial in trials if LOSS in trial.curves]
    steady = [trial for trial in known if not trial.row["diverged"]]
    points = [drawn(trial.curves[LOSS], LOSS)[1] for trial in steady]
    if not steady:
        points = [3 * trial.curves[LOSS].values[:1] for trial in known]
    values = np.concatenate([*points, [0.0]])
    return 0.0, 1.08 * float(np.quantile(values[np.isfinite(values)], 0.995)) or 1.0


def drawn(curve: Curve, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The points of a curve that are drawn: means over blocks of steps for the loss, single
    evaluations else.
    """
    if kind == LOSS:
        return block_means(curve.steps, curve.values, LOSS_POINTS)
    return thinned(curve.steps, curve.values, MOST_PER_CURVE)


def trial_curves(
    name: str,
    trials: Sequence[TrialRecord],
    kind: str,
    label: str,
    limits: Limits,
    trivial: float | None = None,
) -> str:
    """One line per trial, the rarer of failed and successful ones on top."""
    shown = [trial for trial in trials if kind in trial.curves]
    points = [drawn(trial.curves[kind], kind) for trial in shown]
    many = sum(len(steps) for steps, _ in points) > MOST_POINTS
    rarer = 2 * sum(trial.failed for trial in shown) < len(shown)
    with sketch(name) as (figure, axes):
        if trivial is not None:
            floor_line(axes, trivial)
        for trial, (steps, values) in zip(shown, points, strict=True):
            style = FAILED if trial.failed else SUCCEEDED
            (line,) = axes.plot(steps, values, color=style.colour, dashes=style.dashes)
            over = trial.failed == rarer
            line.set(linewidth=1.1, alpha=0.6, rasterized=many, zorder=3 if over else 2)
            if len(steps) == 1:
                line.set(marker="o", markersize=4)
        last = max((int(steps[-1]) for steps, _ in points), default=0) or 1
        axes.set(xlim=(-0.03 * last, 1.03 * last), ylim=limits, ylabel=label)
        count_axis(axes, "step")
        return to_svg(figure)


class Band(NamedTuple):
    """Median and quartiles over trials at each logged step."""

    steps: Int[np.ndarray, " point"]
    low: Float[np.ndarray, " point"]
    median: Float[np.ndarray, " point"]
    high: Float[np.ndarray, " point"]


def band(trials: Iterable[TrialRecord], layer: str) -> Band | None:
    """Of a layer's gradient norms; norms that are no numbers are left out. None where there are
    none.
    """
    curves = [trial.curves[layer] for trial in trials if layer in trial.curves]
    if not curves:
        return None
    values = np.concatenate([curve.values for curve in curves])
    norms = pd.Series(values, np.concatenate([curve.steps for curve in curves]))
    norms = norms[np.isfinite(norms)].clip(lower=SMALLEST_NORM)
    if norms.empty:
        return None
    table = norms.groupby(level=0).quantile(np.array([0.25, 0.5, 0.75])).unstack()
    steps = table.index.to_numpy()
    kept, _ = thinned(steps, steps.astype(np.float64), MOST_PER_CURVE)
    table = table.loc[kept]
    return Band(kept, *(table[q].to_numpy() for q in (0.25, 0.5, 0.75)))


def gradient_norms(
    name: str, failed: Band | None, succeeded: Band | None, limits: Limits, width: float
) -> str:
    """Median and middle half of failed and of successful trials, on a logarithmic axis."""
    with sketch(name, width, 250.0) as (figure, axes):
        for found, style in ((succeeded, SUCCEEDED), (failed, FAILED)):
            if found is None:
                continue
            axes.fill_between(
                found.steps, found.low, found.high, color=style.colour, alpha=0.18, linewidth=0
            )
            axes.plot(
                found.steps, found.median, linewidth=2, color=style.colour, dashes=style.dashes
            )
        log_axis(axes)
        axes.set_ylim(limits)
        count_axis(axes, "step")
        return to_svg(figure)


def band_limits(bands: Iterable[Band | None]) -> Limits:
    """Limits of a logarithmic axis that hold every band, and at least two labels."""
    found = [part for each in bands if each for part in (each.low, each.high)]
    values = np.concatenate(found)
    low, high = 0.7 * float(values.min()), 1.4 * float(values.max())
    room = max(1.0, (100 * low / high) ** 0.5)
    return low / room, high * room


def expected_best(arms: Sequence[tuple[ArmFindings, Style]], metric: str, trivial: float) -> str:
    """Expected best score over the number of seeds, with a band of one std where few arms leave
    room for it.
    """
    with sketch("best") as (figure, axes):
        floor_line(axes, trivial)
        for arm, style in arms:
            best = arm.best
            if len(arms) <= 3:
                axes.fill_between(
                    best.num_trials,
                    best.low,
                    best.high,
                    color=style.colour,
                    alpha=0.13,
                    linewidth=0,
                )
            (line,) = axes.plot(
                best.num_trials, best.mean, linewidth=2, color=style.colour, dashes=style.dashes
            )
            if len(arm.arm) == 1:
                line.set(marker="o")
        axes.set(ylabel=f"expected best {metric}")
        axes.set_xlim(left=0)
        count_axis(axes, "seeds")
        return to_svg(figure)


def learning_rates(lines: Sequence[tuple[Float[np.ndarray, " step"], Style]]) -> str:
    """Effective learning rates over the steps, their peaks marked."""
    with sketch("rates") as (figure, axes):
        for rates, style in lines:
            peak = int(rates.argmax())
            steps, values = thinned(np.arange(rates.size), rates, 4 * MOST_PER_CURVE)
            axes.plot(steps, values, linewidth=2, color=style.colour, dashes=style.dashes)
            axes.plot(peak, rates[peak], "o", markersize=7, color=style.colour, mec="white")
        axes.set(ylabel="effective learning rate")
        rate_axis(axes)
        count_axis(axes, "step")
        return to_svg(figure)
