"""Several trials as one: the mean of their weights (Wortsman et al. 2022, "Model soups"), for
trials that started from the same pre-trained model.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

Params = dict[str, np.ndarray]


class Soup(NamedTuple):
    """An average of parameters, and the trials in it."""

    params: Params
    trials: tuple[int, ...]


class _Sum(NamedTuple):
    """A sum in float64, whose mean of equal float32 parameters is those parameters, bit for bit."""

    values: Params
    trials: tuple[int, ...] = ()

    def plus(self, trial: int, params: Params) -> "_Sum":
        zero = np.zeros((), np.float64)
        values = {name: self.values.get(name, zero) + array for name, array in params.items()}
        return _Sum(values, (*self.trials, trial))

    def mean(self) -> Soup:
        count = len(self.trials)
        values = {name: (total / count).astype(np.float32) for name, total in self.values.items()}
        return Soup(values, self.trials)


def uniform_soup(members: Iterable[tuple[int, Params]]) -> Soup:
    """The mean of the parameters of all trials, given as (number, parameters)."""
    total = _Sum({})
    for trial, params in members:
        total = total.plus(trial, params)
    return total.mean()


def greedy_soup(
    best_first: Sequence[int], load: Callable[[int], Params], merit: Callable[[Params], float]
) -> Soup:
    """Adds trials in the order given wherever the score of the average does not fall.

    It begins with the first trial alone, so it never scores below the best one. Every trial's
    parameters are loaded once, and two averages are held at a time.

    Args:
        merit: the score of parameters, turned so that larger is better.
    """
    kept, highest = _Sum({}), -np.inf
    for trial in best_first:
        tried = kept.plus(trial, load(trial))
        reached = merit(tried.mean().params)
        if reached >= highest:
            kept, highest = tried, reached
    return kept.mean()
