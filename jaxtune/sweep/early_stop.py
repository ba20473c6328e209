"""Which trials to stop after part of the training (Dodge et al. 2020: start many, stop early,
continue some).

Two rules. A trial that has learnt nothing stops: its loss is no better than that of predicting the
label frequencies, and the gradients of its lowest layer have vanished, which is how the failed runs
of Mosbach et al. (2021, figure 4) look. And of each arm only so many go on, those with the best dev
score so far.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

# The last part of the steps so far: what a trial is like now.
RECENT = 1 / 3
# A loss of at least this share of that of the label frequencies is no better.
UNLEARNT = 0.95
# The lowest layer's gradients are gone when they are this much smaller than in the first steps.
VANISHED = 0.1
FIRST_RECORDS = 3


def constant_loss(labels: Int[np.ndarray, " example"] | Float[np.ndarray, " example"]) -> float:
    """The training loss of the best constant output: the labels' entropy in nats (ln(classes) where
    they are balanced), or the variance of numbers.
    """
    if np.issubdtype(labels.dtype, np.floating):
        return float(np.var(labels))
    _, counts = np.unique(labels, return_counts=True)
    shares = counts / counts.sum()
    return float(-np.sum(shares * np.log(shares)))


def has_learnt_nothing(
    losses: Float[np.ndarray, " step"],
    lowest_norms: Float[np.ndarray, " record"],
    constant: float,
) -> bool:
    """Whether a trial looks like the failed ones, from its training alone.

    Args:
        losses: of every step so far.
        lowest_norms: gradient norms of the lowest layer at the logged steps so far.
        constant: the loss of the best constant output.
    """
    loss = np.mean(_recent(losses))
    if not np.isfinite(loss):
        return True
    early, now = np.median(lowest_norms[:FIRST_RECORDS]), np.median(_recent(lowest_norms))
    return bool(loss >= UNLEARNT * constant and now < VANISHED * early)


def outranked(scores: Mapping[int, float], places: int) -> set[int]:
    """The trials, by number, beyond the best `places`; of equals the lower number is the better.

    More trials only push others further down: who is outranked now stays so.
    """
    order = sorted(scores, key=lambda number: (-scores[number], number))
    return set(order[max(places, 0) :])


def _recent(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    return values[-max(1, round(RECENT * len(values))) :]


def stop_step(share: float | None, num_steps: int) -> int | None:
    """Steps before the look, at least 1 and fewer than all; None where there is none."""
    if share is None or num_steps < 2:
        return None
    return min(max(1, round(share * num_steps)), num_steps - 1)
