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


def uniform_soup(members: Iterable[tuple[int, Params]]) -> Soup:
    """The mean of the parameters of all trials, given as (number, parameters)."""
    total: Params = {}
    trials = []
    for trial, params in members:
        total = _plus(total, params)
        trials.append(trial)
    return Soup(_mean(total, len(trials)), tuple(trials))


def _plus(total: Params, params: Params) -> Params:
    """In float64: the mean of equal float32 parameters is these parameters, bit for bit."""
    return {
        name: np.asarray(total.get(name, 0) + array, np.float64) for name, array in params.items()
    }


def _mean(total: Params, count: int) -> Params:
    return {name: np.asarray(values / count, np.float32) for name, values in total.items()}


def greedy_soup(
    best_first: Sequence[int], load: Callable[[int], Params], merit: Callable[[Params], float]
) -> Soup:
    """Adds trials in the order given wherever the score of the average does not fall.

    It begins with the first trial alone, so it never scores below the best one. Every trial's
    parameters are loaded once, and two averages are held at a time.

    Args:
        merit: the score of parameters, turned so that larger is better.
    """
    total: Params = {}
    trials: list[int] = []
    highest = -np.inf
    for trial in best_first:
        tried = _plus(total, load(trial))
        reached = merit(_mean(tried, len(trials) + 1))
        if reached >= highest:
            total, highest = tried, reached
            trials.append(trial)
    return Soup(_mean(total, len(trials)), tuple(trials))
