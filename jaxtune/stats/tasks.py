"""Recipes over several tasks, or models: tests with a stratum for each, and one verdict over all.

Trials are compared within their task alone; what is added up over tasks is evidence, not scores.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats

from jaxtune.stats.arms import Arm
from jaxtune.stats.holm import (
    ALPHA,
    DECISIVE,
    AfterHolm,
    Corrected,
    PairTests,
    correct,
    enough_resamples,
)
from jaxtune.stats.hypothesis_tests import Outcome
from jaxtune.stats.stratified_tests import excess, fewer_in, stratified

# Arms by name, by task.
Tasks = Mapping[str, Mapping[str, Arm]]


class OverTasks(NamedTuple):
    """Two recipes over the tasks that both were run on."""

    one: str
    other: str
    tasks: tuple[str, ...]
    failures: Outcome
    spread: Outcome
    location: Outcome
    corrected_failures: Corrected  # after Holm over failures and spread of all pairs
    corrected_spread: Corrected
    corrected_location: Corrected  # over locations of all pairs
    failed: tuple[int, int]  # of all their trials
    trials: tuple[int, int]
    excess: float  # failures of one beyond those that fall to it where both fail alike
    fewer_in: tuple[int, int]  # tasks on which either one fails less often
    times: float = 1.0  # see `compare_all`

    @property
    def log_std_ratio(self) -> float | None:
        """Mean over the tasks that the test of spread is over, as it weights them."""
        return self.spread.effect

    @property
    def location_gap(self) -> float | None:
        """Mean gap over the tasks that the test of the mean is over, in stds of a task's trials;
        positive where `one` is better.
        """
        return self.location.effect

    @property
    def by_mean(self) -> tuple[str, str]:
        """The two, the one with the better mean first."""
        return (self.one, self.other) if (self.location_gap or 0.0) > 0 else (self.other, self.one)

    @property
    def judged(self) -> bool:
        """Whether it is known on every task which trials failed."""
        return self.failures.p is not None

    @property
    def corrected(self) -> AfterHolm:
        """As of `Tested`."""
        return self.corrected_failures, self.corrected_spread, self.corrected_location

    @property
    def tests(self) -> PairTests:
        """As of `Tested`."""
        return PairTests(self.failures, self.spread, self.location)

    def seen_from(self, name: str) -> "OverTasks":
        """With this one of the two first."""
        if name == self.one:
            return self
        return self._replace(
            one=self.other,
            other=self.one,
            spread=_turned(self.spread),
            location=_turned(self.location),
            failed=self.failed[::-1],
            trials=self.trials[::-1],
            excess=-self.excess,
            fewer_in=self.fewer_in[::-1],
        )

    @property
    def steadier_first(self) -> "OverTasks":
        """Seen from the one whose scores vary less, over the tasks that the test of spread is
        over.
        """
        return self.seen_from(self.one if (self.log_std_ratio or 0.0) < 0 else self.other)


def _turned(test: Outcome) -> Outcome:
    return test if test.effect is None else test._replace(effect=-test.effect)


class TasksWin(NamedTuple):
    """A pair in which one recipe was shown to be the more stable over its tasks."""

    winner: str
    loser: str
    by_failures: bool
    p: float
    pair: OverTasks
    against: tuple[str, ...]  # tasks on which it is the other way round


class Ranking(NamedTuple):
    """A recipe's mean rank over the tasks that all recipes were run on; 1 is the best."""

    by_failures: float | None
    by_mean: float


def over_tasks(tasks: Tasks, seed: int = 0, times: float = 1.0) -> tuple[OverTasks, ...]:
    """All pairs of recipes that share two tasks or more.

    Args:
        times: as of `compare_all`; of sweeps that stop each by itself the product of theirs.
    """
    shared = _shared(tasks)
    num_resamples = enough_resamples(DECISIVE * len(shared), times)
    tests = [stratified([*arms.values()], seed, num_resamples) for arms in shared.values()]
    found = []
    for two, tested, corrected in zip(shared, tests, correct(tests, times), strict=True):
        failed = [(one.failed, other.failed) for one, other in shared[two].values()]
        found.append(
            OverTasks(
                one=two[0],
                other=two[1],
                tasks=tuple(shared[two]),
                failures=tested.failures,
                spread=tested.spread,
                location=tested.location,
                corrected_failures=corrected[0],
                corrected_spread=corrected[1],
                corrected_location=corrected[2],
                failed=(sum(int(a.sum()) for a, _ in failed), sum(int(b.sum()) for _, b in failed)),
                trials=(sum(a.size for a, _ in failed), sum(b.size for _, b in failed)),
                excess=round(excess(failed), 9),  # 1/3 more on one task and less on another make 0
                fewer_in=fewer_in(failed),
                times=times,
            )
        )
    return tuple(found)


def _shared(tasks: Tasks) -> dict[tuple[str, str], dict[str, tuple[Arm, Arm]]]:
    """The arms by task of every two recipes that share two tasks or more."""
    names = dict.fromkeys(name for arms in tasks.values() for name in arms)
    found = {
        (one, other): {
            task: (arms[one], arms[other])
            for task, arms in tasks.items()
            if one in arms and other in arms
        }
        for one, other in itertools.combinations(names, 2)
    }
    return {two: by_task for two, by_task in found.items() if len(by_task) > 1}


def find_win(pair: OverTasks, tasks: Tasks) -> TasksWin | None:
    """As the verdict of one task decides it: by failures if they differ, else by spread, which is
    no win for a recipe that fails more often, or mostly.
    """
    p = pair.corrected_failures.p
    if p is not None and p <= ALPHA:
        # Not by the pooled rates, which tasks of different sizes may turn round.
        better = pair.seen_from(pair.one if pair.excess < 0 else pair.other)
        against = _larger_on(better, tasks, lambda arm: float(arm.failed.mean()))
        return TasksWin(better.one, better.other, True, p, pair, against)
    p, better = pair.corrected_spread.p, pair.steadier_first
    if p is None or p > ALPHA or better.excess > 0 or 2 * better.failed[0] > better.trials[0]:
        return None
    against = _larger_on(better, tasks, lambda arm: arm.std)
    return TasksWin(better.one, better.other, False, p, pair, against)


def _larger_on(pair: OverTasks, tasks: Tasks, number: Callable[[Arm], float]) -> tuple[str, ...]:
    """The tasks on which a number of the first is larger than that of the other."""
    return tuple(
        task
        for task in pair.tasks
        if number(tasks[task][pair.one]) > number(tasks[task][pair.other])
    )


def rankings(tasks: Tasks) -> dict[str, Ranking]:
    """Mean ranks of the recipes that were run on every task."""
    each = tasks.values()
    every = dict.fromkeys(name for arms in each for name in arms)
    names = [name for name in every if all(name in arms for arms in each)]
    judged = all(arms[name].judged for arms in each for name in names)
    by_mean = [stats.rankdata([-arms[n].merit.mean() for n in names]) for arms in each]
    by_failures = [stats.rankdata([arms[n].failed.mean() for n in names]) for arms in each]
    return {
        name: Ranking(
            float(np.mean([ranks[i] for ranks in by_failures])) if judged else None,
            float(np.mean([ranks[i] for ranks in by_mean])),
        )
        for i, name in enumerate(names)
    }
