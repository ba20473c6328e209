"""Numbers of trials before they are drawn: thinned, banded and kept apart, and the limits of axes
that hold them.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from jaxtune.report.sources import LOSS, Curve, TrialRecord

# More points than this in a panel are drawn as a picture: an SVG path takes about 12 bytes a point.
MOST_POINTS = 8_000
MOST_PER_CURVE = 120
LOSS_POINTS = 40
# Below this a gradient is as good as gone, and a logarithm needs a bound.
SMALLEST_NORM = 1e-10

Limits = tuple[float, float]


class Band(NamedTuple):
    """Median and quartiles over trials at each logged step."""

    steps: Int[np.ndarray, " point"]
    low: Float[np.ndarray, " point"]
    median: Float[np.ndarray, " point"]
    high: Float[np.ndarray, " point"]


def block_means(
    steps: Int[np.ndarray, " point"], values: Float[np.ndarray, " point"], most: int
) -> tuple[Float[np.ndarray, " block"], Float[np.ndarray, " block"]]:
    """At most `most` means over blocks of as many points; of a block with a nan it is nan."""
    length = -(-len(steps) // most)
    cuts = np.arange(0, len(steps), length)
    sizes = np.diff([*cuts, len(steps)])
    with np.errstate(invalid="ignore", over="ignore"):
        means = [np.add.reduceat(np.asarray(x, np.float64), cuts) / sizes for x in (steps, values)]
    return means[0], means[1]


def thinned(
    steps: Int[np.ndarray, " point"], values: Float[np.ndarray, " point"], most: int
) -> tuple[Int[np.ndarray, " kept"], Float[np.ndarray, " kept"]]:
    """At most about `most` of the points, evenly, the last one always."""
    every = -(-len(steps) // most)
    kept = np.unique([*range(0, len(steps), every), len(steps) - 1])
    return steps[kept], values[kept]


def drawn(curve: Curve, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The points of a curve that are drawn: means over blocks of steps for the loss, single
    evaluations else.
    """
    if kind == LOSS:
        return block_means(curve.steps, curve.values, LOSS_POINTS)
    return thinned(curve.steps, curve.values, MOST_PER_CURVE)


def band(trials: Iterable[TrialRecord], layer: str) -> Band | None:
    """Of a layer's gradient norms, those left out that are no numbers; None where there are
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
        apart = min(0.21 * room, room / max(1, here.size - 1))
        offsets[here] = (np.arange(here.size) - (here.size - 1) / 2) * apart
    return offsets


def padded(values: Iterable[float]) -> Limits:
    """Limits with a little room around all finite values, if there are any."""
    array = np.array([value for value in values if np.isfinite(value)])
    if not array.size:
        return 0.0, 1.0
    spread, size = np.ptp(array), np.abs(array).max()
    # Next to very large scores, room of another size than theirs is none at all.
    room = 0.04 * (spread if spread > 1e-9 * size else size or 1.0)
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


def band_limits(bands: Iterable[Band | None]) -> Limits:
    """Limits of a logarithmic axis that hold every band, and at least two labels."""
    found = [part for each in bands if each for part in (each.low, each.high)]
    values = np.concatenate(found)
    low, high = 0.7 * float(values.min()), 1.4 * float(values.max())
    room = max(1.0, (100 * low / high) ** 0.5)
    return low / room, high * room
