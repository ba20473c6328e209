"""How large the first steps of a trial are, and how well that tells which trials fail.

History holds no norms of updates. The size of a step is that of the closed form: the learning rate
of the schedule times what the links of Adam make of it (`jaxtune.core.schedules.effective_rates`),
which is about the size of Adam's update of one weight.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from jaxtune.core.schedules import effective_rates
from jaxtune.stats.effects import improvement
from jaxtune.stats.intervals import CONFIDENCE, Estimate

# Standard deviation of the kernel over which failures are averaged, in powers of ten.
WIDTH = 0.15
BINS_A_DECADE = 4
Values = Float[np.ndarray, "_trial"]
Flags = Bool[np.ndarray, "_trial"]


def largest_step(settings: Mapping[str, Any], num_steps: int, first: int) -> float:
    """The largest effective step of the first so many updates, for gradients whose size stays what
    it is at the first one; eps is left aside.

    Args:
        settings: a row of trials.jsonl.
        first: more than `num_steps` are all of them.
    """
    return float(effective_rates(settings, num_steps)[:first].max())


def bin_of(values: Values) -> Float[np.ndarray, "_trial"]:
    """The lower end of each value's bin; bins are a quarter of a power of ten wide."""
    return 10 ** (np.floor(np.log10(values) * BINS_A_DECADE) / BINS_A_DECADE)


def failure_chances(known: Values, failed: Flags, asked: Values) -> Values:
    """The share of failed trials among the known ones, by a Gaussian of WIDTH decades around each
    asked value: not monotone, for steps that are too small fail, too.
    """
    apart = (np.log10(asked)[:, None] - np.log10(known)[None, :]) / WIDTH
    powers = -0.5 * apart**2
    # Far from all known trials the nearest one decides, where all weights would be 0.
    weights = np.exp(powers - powers.max(axis=1, keepdims=True))
    return weights @ failed.astype(np.float64) / weights.sum(axis=1)


def left_out_chances(known: pd.DataFrame, asked: pd.DataFrame, column: str) -> Values:
    """Each asked trial's chance of failure, by the known trials of all arms but its own."""
    chances = np.empty(len(asked))
    for arm in asked["arm"].unique():
        own = (asked["arm"] == arm).to_numpy()
        others = known[known["arm"] != arm]
        chances[own] = failure_chances(
            others[column].to_numpy(float),
            others["failed"].to_numpy(bool),
            asked.loc[own, column].to_numpy(float),
        )
    return chances


def area(failed: Flags, chances: Values) -> Estimate:
    """Area under the ROC curve: the chance that a failed trial has a higher chance than one that
    did not fail, ties half; with Brunner and Munzel's interval, which takes trials as independent,
    and an exact one where all pairs are in order.
    """
    if failed.all() or not failed.any():
        return Estimate(None, reason=f"{'every' if failed.all() else 'no'} trial failed")
    # Chances that differ by rounding alone are ties.
    rounded = np.round(chances, 12)
    found = improvement(rounded[failed], rounded[~failed])
    if found.value != 1.0:
        return found
    # Brunner and Munzel's has no width here. Were the area p, so many disjoint pairs would all be
    # in order with a chance of p to that power.
    pairs = min(int(failed.sum()), int((~failed).sum()))
    low = ((1 - CONFIDENCE) / 2) ** (1 / pairs)
    return Estimate(1.0, low, 1.0, "disjoint pairs")


def held_out_area(known: pd.DataFrame, asked: pd.DataFrame, column: str) -> Estimate:
    """The area over the asked trials, each judged by the known ones of other arms."""
    if known.empty or asked.empty:
        return Estimate(None, reason="there are no trials")
    return area(asked["failed"].to_numpy(bool), left_out_chances(known, asked, column))


def best_column(trials: pd.DataFrame, columns: Mapping[int, str]) -> int:
    """The key of the column with the highest area over the trials themselves, the mean of models
    with norms after and before; arms are left out in turn. Of equal ones it is the first.
    """

    def mean_area(key: int) -> float:
        groups = [rows for _, rows in trials.groupby("norms")]
        areas = [held_out_area(rows, rows, columns[key]).value for rows in groups]
        known = [area for area in areas if area is not None]
        return sum(known) / len(known) if known else 0.0

    return max(columns, key=mean_area)
