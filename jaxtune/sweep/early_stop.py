"""Which trials to stop after part of the training (Dodge et al. 2020: start many, stop early,
continue some).

Two rules. A trial that has learnt nothing stops: its loss is no better than that of predicting the
label frequencies, and the gradients of its lowest layer have vanished, which is how the failed runs
of Mosbach et al. (2021, figure 4) look. And of each arm only so many are kept, those with the best
dev score so far.

A trial that is stopped saves time only where its whole group stops, for the others of its group go
on in the same program: on a CPU, where a group is as large as the number of cores, often; on an
accelerator with many stacked trials, seldom. Keeping the best saves more: see `keep_trials`.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from jaxtune.config.trials import Trial
from jaxtune.core.failure import constant_loss
from jaxtune.core.schedules import FEWEST_RECORDS
from jaxtune.training.group_run import StopRule
from jaxtune.training.prepared import Prepared
from jaxtune.training.step import gradient_norm_names

# The last part of the steps so far: what a trial is like now.
RECENT = 1 / 3
# A loss of at least this share of that of the label frequencies is no better.
UNLEARNT = 0.95
# The lowest layer's gradients are gone when they are this much smaller than in the first steps.
VANISHED = 0.1
FIRST_RECORDS = FEWEST_RECORDS - 1
LOWEST = "layer_00/layer"


def stop_rule(task: Prepared) -> StopRule:
    """`has_learnt_nothing` for the trials of a task, from all their gradient norms."""
    lowest = gradient_norm_names(task.model).index(LOWEST)

    def rule(trial: Trial, losses: np.ndarray, norms: np.ndarray) -> bool:
        # A constant output under the loss that the trial is trained with.
        weights, smoothing = task.class_weights(trial.config), trial.config.label_smoothing
        constant = constant_loss(task.train.labels, weights, smoothing)
        return has_learnt_nothing(losses, norms[:, lowest], constant)

    return rule


def has_learnt_nothing(
    losses: Float[np.ndarray, " step"],
    lowest_norms: Float[np.ndarray, " record"],
    constant: float,
) -> bool:
    """Whether a trial looks like the failed ones, from its training alone; with fewer records than
    FEWEST_RECORDS only one whose loss is not finite does.

    Args:
        losses: of every step so far.
        lowest_norms: gradient norms of the lowest layer at the logged steps so far.
        constant: the loss of the best constant output.
    """
    loss = np.mean(_recent(losses))
    if not np.isfinite(loss):
        return True
    if len(lowest_norms) < FEWEST_RECORDS:
        return False
    early, now = np.median(lowest_norms[:FIRST_RECORDS]), np.median(_recent(lowest_norms))
    return bool(loss >= UNLEARNT * constant and now < VANISHED * early)


def outranked(merits: Mapping[int, float], places: int) -> set[int]:
    """The trials, by number, beyond the best `places`; of equals the lower number is the better."""
    order = sorted(merits, key=lambda number: (-merits[number], number))
    return set(order[max(places, 0) :])


def _recent(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    return values[-max(1, round(RECENT * len(values))) :]
