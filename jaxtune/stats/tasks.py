"""Recipes over several tasks, or models: tests with a stratum for each, and one verdict over all.

Trials are compared within their task alone; what is added up over tasks is evidence, not scores.
"""

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats

from jaxtune.stats.arms import Arm
from jaxtune.stats.holm import ALPHA, DECISIVE, Corrected, enough_resamples, holm
from jaxtune.stats.hypothesis_tests import NOT_JUDGED, Outcome
from jaxtune.stats.stratified_tests import (
    EXACT,
    excess,
    fewer_in,
    stratified_failures,
    stratified_location,
    stratified_spread,
)

# Arms by name, by task.
Tasks = Mapping[str, Mapping[str, Arm]]


class OverTasks(NamedTuple):
    """Two recipes over the tasks that both were run on."""

    one: str
    other: str
    tasks: tuple[str, ...]
    failed: tuple[int, int]  # of all their trials
    trials: tuple[int, int]
    failures: Outcome
    spread: Outcome
    location: Outcome
    corrected_failures: Corrected  # after Holm over failures and spread of all pairs
    corrected_spread: Corrected
    corrected_location: Corrected  # over locations of all pairs
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
    def one_is_steadier(self) -> bool:
        """Whether its scores vary less, over the tasks that the test of spread is over."""
        return self.log_std_ratio is not None and self.log_std_ratio < 0

    @property
    def by_mean(self) -> tuple[str, str]:
        """The two, the one with the better mean first."""
        return (self.one, self.other) if (self.location_gap or 0.0) > 0 else (self.other, self.one)

    @property
    def judged(self) -> bool:
        """Whether it is known on every task which trials failed."""
        return self.failures.p is not None

    @property
    def decisive(self) -> tuple[Outcome, ...]:
        """As of `Tested`."""
        return (self.failures, self.spread) if self.judged else (self.spread,)

    @property
    def corrected(self) -> tuple[Corrected, Corrected, Corrected]:
        """As of `Tested`."""
        return self.corrected_failures, self.corrected_spread, self.corrected_location


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
    names = list(dict.fromkeys(name for arms in tasks.values() for name in arms))
    shared_by = {}
    for one, other in itertools.combinations(names, 2):
        shared = [task for task, arms in tasks.items() if one in arms and other in arms]
        if len(shared) > 1:
            shared_by[one, other] = {
                task: (tasks[task][one], tasks[task][other]) for task in shared
            }
    num_resamples = enough_resamples(DECISIVE * len(shared_by), times)
    found = [_pair(*names, pairs, seed, num_resamples) for names, pairs in shared_by.items()]
    decisive = iter(holm([outcome.p for pair in found for outcome in pair.decisive], times))
    location = holm([pair.location.p for pair in found], times)
    return tuple(
        pair._replace(
            corrected_failures=next(decisive) if pair.judged else pair.corrected_failures,
            corrected_spread=next(decisive),
            corrected_location=at,
            times=times,
        )
        for pair, at in zip(found, location, strict=True)
    )


def _pair(
    one: str,
    other: str,
    by_task: Mapping[str, tuple[Arm, Arm]],
    seed: int,
    num_resamples: int,
) -> OverTasks:
    pairs = [*by_task.values()]
    judged = all(a.judged and b.judged for a, b in pairs)
    failed = [(a.failed, b.failed) for a, b in pairs]
    failures = Outcome(EXACT, reason=NOT_JUDGED)
    if judged:
        failures = stratified_failures(failed)
    untested = Corrected(None, ALPHA)
    return OverTasks(
        one,
        other,
        tuple(by_task),
        failed=(
            sum(int(a.failed.sum()) for a, _ in pairs),
            sum(int(b.failed.sum()) for _, b in pairs),
        ),
        trials=(sum(len(a) for a, _ in pairs), sum(len(b) for _, b in pairs)),
        failures=failures,
        spread=stratified_spread([(a.final, b.final) for a, b in pairs], seed, num_resamples),
        location=stratified_location(pairs, seed, num_resamples),
        corrected_failures=untested,
        corrected_spread=untested,
        corrected_location=untested,
        excess=round(excess(failed), 9),  # 1/3 more on one task and less on another make 0
        fewer_in=fewer_in(failed),
    )


def find_win(pair: OverTasks, tasks: Tasks) -> TasksWin | None:
    """As the verdict of one task decides it: by failures if they differ, else by spread, which is
    no win for a recipe that fails more often, or mostly.
    """
    p = pair.corrected_failures.p
    if p is not None and p <= ALPHA:
        # Not by the pooled rates, which tasks of different sizes may turn round.
        winner, loser = _sorted(pair, pair.excess < 0)
        against = tuple(t for t in pair.tasks if _fails_more(tasks[t], winner, loser))
        return TasksWin(winner, loser, True, p, pair, against)
    p = pair.corrected_spread.p
    if p is not None and p <= ALPHA:
        one_is_steadier = pair.one_is_steadier
        winner, loser = _sorted(pair, one_is_steadier)
        fails_more = (pair.excess if one_is_steadier else -pair.excess) > 0
        place = 0 if one_is_steadier else 1
        if not fails_more and 2 * pair.failed[place] <= pair.trials[place]:
            against = tuple(t for t in pair.tasks if tasks[t][winner].std > tasks[t][loser].std)
            return TasksWin(winner, loser, False, p, pair, against)
    return None


def _sorted(pair: OverTasks, one_is_better: bool) -> tuple[str, str]:
    return (pair.one, pair.other) if one_is_better else (pair.other, pair.one)


def _fails_more(arms: Mapping[str, Arm], one: str, other: str) -> bool:
    return bool(arms[one].failed.mean() > arms[other].failed.mean())


def rankings(tasks: Tasks) -> dict[str, Ranking]:
    """Mean ranks of the recipes that were run on every task."""
    names = [
        name
        for name in dict.fromkeys(name for arms in tasks.values() for name in arms)
        if all(name in arms for arms in tasks.values())
    ]
    judged = all(arms[name].judged for arms in tasks.values() for name in names)
    each = tasks.values()
    by_mean = [stats.rankdata([-arms[n].merit.mean() for n in names]) for arms in each]
    by_failures = [stats.rankdata([arms[n].failed.mean() for n in names]) for arms in each]
    return {
        name: Ranking(
            float(np.mean([ranks[i] for ranks in by_failures])) if judged else None,
            float(np.mean([ranks[i] for ranks in by_mean])),
        )
        for i, name in enumerate(names)
    }
