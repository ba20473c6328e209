"""How much the trials of an arm disagree, and which of the random streams is behind it."""

import itertools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import special, stats

from jaxtune.core.failure import ROUNDING
from jaxtune.core.metrics import predict
from jaxtune.core.words import plural
from jaxtune.stats.intervals import CONFIDENCE, Estimate

STREAMS = ("init", "order", "dropout")
NUM_DRAWS = 10_000
LogitStack = Float[np.ndarray, "trial example label"]


class Instability(NamedTuple):
    """How differently trials answer the same examples; equal scores do not make equal answers."""

    n: int
    disagreement: Estimate  # share of examples on which two trials differ, mean over pairs
    kappa: Estimate  # Fleiss: 1 is full agreement, 0 what chance gives
    divergence: Estimate  # Jensen-Shannon, in nats: 0 to ln 2


def instability(logits: LogitStack, several_labels: bool = False) -> Instability:
    """Prediction instability of the dev logits (Du and Nguyen 2023) of all the trials given.

    A row with nan predicts class 0, as everywhere; a trial with such rows has no divergence to
    others.

    Args:
        several_labels: whether a text may have any number of labels; then each label of each text
            is an answer of its own, yes or no.
    """
    n = len(logits)
    if several_labels:
        # The softmax of (0, z) is the sigmoid of z.
        logits = np.stack([np.zeros_like(logits), logits], axis=-1).reshape(n, -1, 2)
    missing = None
    if logits.shape[2] == 1:
        missing = "regression predicts no classes"
    elif n < 2:
        missing = "it takes two trials to disagree"
    if missing:
        return Instability(n, *[Estimate(None, reason=missing)] * 3)
    classes = np.stack([predict(trial) for trial in logits])
    # [example, label]: how many trials give each label.
    votes = np.stack([np.sum(classes == label, axis=0) for label in range(logits.shape[2])], axis=1)
    agreement = float(np.mean(np.sum(votes * (votes - 1), axis=1)) / (n * (n - 1)))
    return Instability(n, Estimate(1 - agreement), _kappa(votes, agreement), _divergence(logits))


def _kappa(votes: np.ndarray, agreement: float) -> Estimate:
    """Fleiss 1971: agreement beyond what the classes' overall shares give by chance."""
    shares = votes.sum(axis=0) / votes.sum()
    chance = float(np.sum(shares**2))
    if chance == 1:
        return Estimate(None, reason="all trials predict one class for every example")
    return Estimate((agreement - chance) / (1 - chance))


def _divergence(logits: LogitStack) -> Estimate:
    finite = np.isfinite(logits).all(axis=(1, 2))
    dropped = int((~finite).sum())
    reason = f"not in it: {plural(dropped, 'trial')} with non-finite logits" if dropped else ""
    probabilities = special.softmax(logits[finite].astype(np.float64), axis=2)
    n = len(probabilities)
    if n < 2:
        return Estimate(None, reason=reason)
    entropy = _mean_entropy(probabilities)
    # By pairs (i, i+1), (i, i+2), ...: the divergence is the entropy of the mixture less the mean
    # of the entropies.
    mixtures = [
        _mean_entropy((probabilities[i] + probabilities[i + 1 :]) / 2).sum() for i in range(n - 1)
    ]
    divergence = sum(mixtures) / math.comb(n, 2) - entropy.mean()
    return Estimate(max(float(divergence), 0.0), reason=reason)


def _mean_entropy(probabilities: np.ndarray) -> np.ndarray:
    return special.entr(probabilities).sum(axis=2).mean(axis=1)


class Component(NamedTuple):
    """Variance of the final score that one stream brings, or one pair of streams beyond the two."""

    name: str
    variance: float  # 0 where the estimate is negative
    share: Estimate  # of the sum of all
    df: int
    p: float | None  # F test of no effect, for the streams of a two-way design


class VarianceSplit(NamedTuple):
    """Components of the variance over crossed seeds; empty, with the reason, without such seeds."""

    components: tuple[Component, ...]
    reason: str = ""


def variance_split(
    final: Float[np.ndarray, " trial"], seeds: Int[np.ndarray, "trial stream"]
) -> VarianceSplit:
    """Splits the variance over fully crossed seeds by stream (random effects, ANOVA estimates).

    The interval of a share is the generalised one: mean squares over chi-square draws give what the
    variances may have been (Weerahandi 1993, JASA 88, 899-905). It takes effects to be normal; what
    it holds where trials fail now and then stands in docs/verdict.md.

    Streams that move together count as one: where dropout follows the order, the two are
    `order+dropout`. The last component, `rest`, is the interaction of all streams together with
    everything that no seed controls.

    Args:
        seeds: columns are the init, order and dropout seed of each trial.
    """
    levels = [np.unique(column, return_inverse=True)[1] for column in seeds.T]
    names: list[str] = []
    factors: list[np.ndarray] = []
    for name, level in zip(STREAMS, levels, strict=True):
        if level.max() == 0:
            continue
        twin = [i for i, factor in enumerate(factors) if _same(factor, level)]
        if twin:
            names[twin[0]] += f"+{name}"
        else:
            names.append(name)
            factors.append(level)
    if len(factors) < 2:
        return VarianceSplit((), "the seeds are not crossed: give init_seeds and order_seeds")
    shape = tuple(factor.max() + 1 for factor in factors)
    cells = np.ravel_multi_index(tuple(factors), shape)
    counts = np.bincount(cells, minlength=math.prod(shape))
    if not (counts == 1).all():
        return VarianceSplit(
            (),
            f"{np.sum(counts == 0)} of the {counts.size} combinations of seeds have no trial and "
            f"{np.sum(counts > 1)} have several; each must have one",
        )
    table = np.empty(counts.size)
    table[cells] = final
    return VarianceSplit(_components(table.reshape(shape), names))


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    pairs = {(a, b) for a, b in zip(one.tolist(), other.tolist(), strict=True)}
    return len(pairs) == int(one.max()) + 1 == int(other.max()) + 1


def _components(table: np.ndarray, names: list[str]) -> tuple[Component, ...]:
    """Solves the expected mean squares of a balanced crossed design, highest interaction first."""
    axes = range(table.ndim)
    subsets = [s for size in axes for s in itertools.combinations(axes, size + 1)]
    squares = {s: _mean_square(table, s) for s in subsets}
    degrees = {s: _degrees(table, s) for s in subsets}
    rng = np.random.default_rng(0)
    draws = {s: squares[s] * degrees[s] / rng.chisquare(degrees[s], NUM_DRAWS) for s in subsets}
    raw, drawn = _solved(table, squares), _shares(_solved(table, draws))
    shares = _shares(raw)
    total = sum(max(value, 0.0) for value in raw.values())
    rest = subsets[-1]

    def component(subset: tuple[int, ...]) -> Component:
        variance, df = max(raw[subset], 0.0), degrees[subset]
        p = None
        if table.ndim == 2 and subset != rest and squares[rest] > ROUNDING**2:
            p = float(stats.f.sf(squares[subset] / squares[rest], df, degrees[rest]))
        name = "rest" if subset == rest else " x ".join(names[i] for i in subset)
        share = Estimate(None, reason="nothing varies")
        if total > ROUNDING**2:
            low, high = np.quantile(drawn[subset], (0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2))
            share = Estimate(float(shares[subset]), float(low), float(high), "generalised")
        return Component(name, variance, share, df, p)

    return tuple(component(subset) for subset in subsets)


def _solved(
    table: np.ndarray, squares: Mapping[tuple[int, ...], Any]
) -> dict[tuple[int, ...], Any]:
    """Variances from mean squares, or from draws of them; the highest interaction comes first."""
    raw: dict[tuple[int, ...], Any] = {}
    for subset in sorted(squares, key=len, reverse=True):
        above = sum(_replicates(table, s) * v for s, v in raw.items() if set(subset) < set(s))
        raw[subset] = (squares[subset] - above) / _replicates(table, subset)
    return raw


def _shares(raw: Mapping[tuple[int, ...], Any]) -> dict[tuple[int, ...], Any]:
    """Negative variances count as 0."""
    kept = {subset: np.maximum(value, 0.0) for subset, value in raw.items()}
    total = sum(kept.values())
    with np.errstate(invalid="ignore"):
        return {subset: np.nan_to_num(value / total) for subset, value in kept.items()}


def _mean_square(table: np.ndarray, subset: tuple[int, ...]) -> float:
    """Mean square of the effect of some axes beyond that of each fewer of them."""
    effect = np.zeros([1] * table.ndim)
    for size in range(len(subset) + 1):
        for kept in itertools.combinations(subset, size):
            others = tuple(axis for axis in range(table.ndim) if axis not in kept)
            mean = table.mean(axis=others, keepdims=True)
            effect = effect + (-1.0) ** (len(subset) - size) * mean
    return float(np.sum(effect**2) * _replicates(table, subset) / _degrees(table, subset))


def _degrees(table: np.ndarray, subset: tuple[int, ...]) -> int:
    return math.prod(table.shape[axis] - 1 for axis in subset)


def _replicates(table: np.ndarray, subset: tuple[int, ...]) -> int:
    """Trials behind each combination of these axes."""
    return table.size // math.prod(table.shape[axis] for axis in subset)
