"""What a loss surface says, by a rule."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from jaxtune.stats.intervals import Estimate, bootstrap
from jaxtune.study.finding import Finding, above, agreement
from jaxtune.study.plane import Values

TITLE = "Figures 7 and 13: the loss between failed and successful weights"
PAPER = (
    "In the plane through the pre-trained, a failed and a successful BERT-large (RTE, MRPC, CoLA),"
    " the failed one lies in a valley of its own, with a loss near that of the start and small"
    " gradients, and a barrier separates it from the successful one."
)
# The least rise that is called a barrier, as a share of the failed trial's loss.
BARRIER = 0.05
RULE = (
    "The rule: (1) on the straight line from a failed to a successful trial the loss first rises,"
    f" at its highest point by at least {BARRIER:.0%} of the failed one's loss and with a 95 %"
    " interval above 0 (over the examples), for more than half of the pairs; (2) every failed"
    " trial's gradient norm is below the pre-trained point's and below every successful trial's."
)


class Line(NamedTuple):
    """From a failed to a successful trial."""

    failed: int
    successful: int
    share: Float[np.ndarray, " point"]  # of the way
    losses: Float[np.ndarray, "point example"]


class Barrier(NamedTuple):
    """The highest point between the ends of a line, against the failed end."""

    failed: int
    successful: int
    share: float  # of the way
    height: Estimate  # nats
    relative: float  # to the failed one's loss
    stands: bool
    plateau: float  # share of the way before the loss falls by `BARRIER` below the failed one's


class Surveyed(NamedTuple):
    """All that was measured."""

    corners: Values  # pre-trained, failed, successful
    ends: pd.DataFrame  # trial failed loss gradient_norm
    lines: Sequence[Line]
    paths: pd.DataFrame  # trial failed step a b distance outside


def barrier(line: Line) -> Barrier:
    """How far the loss rises over the failed trial's."""
    mean = line.losses.mean(axis=1, dtype=np.float64)
    place = int(np.argmax(mean[1:-1])) + 1
    rises = (line.losses[place] - line.losses[0]).astype(np.float64)
    height = bootstrap((rises,), np.mean)
    relative = float(mean[place] - mean[0]) / float(mean[0])
    stands = above(height) is True and relative >= BARRIER
    share = float(line.share[place])
    lower = np.flatnonzero(mean < (1 - BARRIER) * mean[0])
    plateau = float(line.share[lower[0]]) if lower.size else 1.0
    return Barrier(line.failed, line.successful, share, height, relative, stands, plateau)


def judge(surveyed: Surveyed) -> Finding:
    """What the numbers say, by `RULE`."""
    barriers = [barrier(line) for line in surveyed.lines]
    standing = sum(each.stands for each in barriers)
    ends = surveyed.ends
    norms = {
        failed: ends.loc[ends["failed"] == failed, "gradient_norm"] for failed in (True, False)
    }
    start = float(surveyed.corners.gradient_norm[0])
    flat = bool(norms[True].max() < min(start, norms[False].min()))
    parts = {"barrier": 2 * standing > len(barriers), "small_gradients": flat}
    low, high = (end(each.relative for each in barriers) for end in (min, max))
    plateaus = [each.plateau for each in barriers]
    (plane,) = barriers[:1]
    loss = [float(value) for value in surveyed.corners.loss]
    here = (
        f"Loss at the pre-trained point {loss[0]:.3f}, failed {loss[1]:.3f}, successful"
        f" {loss[2]:.3f}. A barrier stands on {standing} of {len(barriers)} straight lines between"
        f" failed and successful trials; the highest point between the ends is {_percent(low)} to"
        f" {_percent(high)} of the failed one's loss above it (from trial {plane.failed} to"
        f" {plane.successful}: {_rise(plane.height)}), and the loss stays above {1 - BARRIER:.0%}"
        f" of it for the first {min(plateaus):.0%} to {max(plateaus):.0%} of the way. Gradient norm"
        f" at the pre-trained point {start:.3f}, at the failed trials {_range(norms[True])}, at the"
        f" successful {_range(norms[False])} (of one set of examples, no interval)."
        f" {_paths(surveyed.paths)}"
    )
    said = "; ".join(f"({i}) {'yes' if part else 'no'}" for i, part in enumerate(parts.values(), 1))
    numbers = {
        "parts": parts,
        "corners": {
            name: dict(zip(("pretrained", "failed", "successful"), map(float, values), strict=True))
            for name, values in surveyed.corners._asdict().items()
        },
        "barriers": [each._asdict() | {"height": each.height._asdict()} for each in barriers],
        "trials": ends.to_dict("records"),
        "most_outside_the_plane": _outside(surveyed.paths),
    }
    why = f"{RULE} Here: {said}."
    return Finding(TITLE, PAPER, here, agreement([*parts.values()]), why, numbers)


def _paths(paths: pd.DataFrame) -> str:
    shares = _outside(paths)
    return (
        f"On its way the failed trial has up to {shares['failed']:.0%} of its distance from the"
        f" pre-trained point outside the plane, the successful one {shares['successful']:.0%}"
        " (after the first tenth of the steps)."
    )


def _outside(paths: pd.DataFrame) -> dict[str, float]:
    """The largest share per trial; the first steps' is left out, for a start that has hardly moved
    lies anywhere.
    """
    later = paths[paths["step"] >= 0.1 * paths["step"].max()]
    return {
        name: float(later.loc[later["failed"] == failed, "outside"].max())
        for name, failed in (("failed", True), ("successful", False))
    }


def _percent(share: float) -> str:
    return f"{share:+.0%}"


def _rise(height: Estimate) -> str:
    if height.value is None or height.low is None or height.high is None:
        return f"no interval, {height.reason}"
    return f"{height.value:+.3f} nats, 95 % interval {height.low:+.3f} to {height.high:+.3f}"


def _range(values: pd.Series) -> str:
    return f"{values.min():.3f} to {values.max():.3f}"
