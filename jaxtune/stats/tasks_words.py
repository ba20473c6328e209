"""The verdict over several tasks, and its sentences; the tasks that disagree are named."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jaxtune.core.words import plural
from jaxtune.stats.compare import ALPHA
from jaxtune.stats.notes import about_looks
from jaxtune.stats.tasks import OverTasks, Tasks, TasksWin, find_win, num_tests, over_tasks
from jaxtune.stats.wording import (
    counted,
    enumerate_words,
    few_names,
    names,
    number,
    show_chance,
    show_p,
)


class TasksVerdict(NamedTuple):
    """The sentences, what to bear in mind with them, and the numbers behind them."""

    more_stable: str
    how_sure: str
    next_step: str
    notes: tuple[str, ...]
    leaders: tuple[str, ...]
    wins: tuple[TasksWin, ...]
    pairs: tuple[OverTasks, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """The verdict itself."""
        return self.more_stable, self.how_sure, self.next_step


def judge_tasks(tasks: Tasks, seed: int = 0, times: float = 1.0) -> TasksVerdict:
    """The verdict over the recipes that share tasks, each arm of which is called by its recipe.

    Args:
        tasks: arms by name, by task; of no crossed design, and none whose trials were selected.
        seed: of the permutations.
        times: as of `over_tasks`.
    """
    pairs = over_tasks(tasks, seed, times)
    if not pairs:
        return TasksVerdict(
            "No two recipes were run on two tasks or more, and there is nothing to compare over"
            " tasks.",
            "Arms are one recipe where they have the same name.",
            "Give the same recipes on every task, or report on each task by itself.",
            (),
            (),
            (),
            (),
        )
    wins = tuple(win for pair in pairs if (win := find_win(pair, tasks)))
    leaders = _leaders(pairs, wins)
    led = [win for win in wins if win.winner in leaders]
    if led:
        shown = [max(led, key=lambda win: win.p).pair]
        said = _shown(leaders, led, pairs, tasks)
    elif wins:  # a beats b, b beats c, c beats a
        shown, said = [], _no_leader(wins)
    else:
        nearest = min(pairs, key=_least_p)
        shown, said = [nearest], _not_shown(pairs, nearest)
    notes = (
        *(*_against(led, tasks), *_no_win_by_spread(shown), *_means(shown, tasks)),
        *_unjudged(pairs),
        *(about_looks(times), _limits(len(tasks))),
    )
    return TasksVerdict(*said, notes, leaders if led else (), wins, pairs)


def _leaders(pairs: Sequence[OverTasks], wins: Sequence[TasksWin]) -> tuple[str, ...]:
    """Of the recipes that lose to none, those that beat most."""
    losers = {win.loser for win in wins}
    every = dict.fromkeys(name for pair in pairs for name in (pair.one, pair.other))
    beaten = {name: sum(win.winner == name for win in wins) for name in every if name not in losers}
    most = max(beaten.values(), default=0)
    return tuple(name for name, number in beaten.items() if number == most)


def _no_leader(wins: Sequence[TasksWin]) -> tuple[str, str, str]:
    """Recipes that share other tasks with each other can win in a circle."""
    losers = list(dict.fromkeys(win.loser for win in wins))
    return (
        f"No recipe leads: each of {names(losers)} was shown to be less stable than another.",
        "Pairs are compared over the tasks that both were run on, and these are not the same tasks,"
        " or failures decide one pair and spreads another.",
        "Choose by the table of pairs, or run every recipe on every task.",
    )


def _shown(
    leaders: Sequence[str], led: Sequence[TasksWin], pairs: Sequence[OverTasks], tasks: Tasks
) -> tuple[str, str, str]:
    # The grounds and the chance are those of the least certain pair.
    lead, surest = names(leaders), max(led, key=lambda win: win.p)
    losers = list(dict.fromkeys(win.loser for win in led))
    every = dict.fromkeys(name for pair in pairs for name in (pair.one, pair.other))
    left = [name for name in every if name not in leaders and name not in losers]
    verb = "is" if len(leaders) == 1 else "are each"
    whom = few_names(losers) if len(leaders) == 1 else f"{_each(leaders, led)} of the others"
    over = _number_of_tasks(led)
    first = (
        f"{lead} {verb} more stable than {whom} over {over}: {_grounds(surest, named=len(led) > 1)}"
    )
    if left and len(leaders) == 1:
        first += f"; against {few_names(left)} that was not shown"
    if surest.against:
        first += f"; on {_some(surest.against)} it is the other way round"
    tests = num_tests(pairs)
    test = surest.pair.failures if surest.by_failures else surest.pair.spread
    what = "differ this much" if len(led) == 1 else "differ as much as the least certain pair here"
    second = (
        f"Two recipes that are equal on every task would {what} in"
        f" {show_chance(surest.p, test.at_most)} such comparisons ({test.test},"
        f" {show_p(surest.p, test.at_most)} after Holm over {counted(tests, surest.pair.times)})."
    )
    use = f"Use {names(leaders, 'or')} on tasks like these"
    if surest.against:
        use += f", and look at {_some(surest.against)} by itself"
    return f"{first}.", second, f"{use}."


def _number_of_tasks(led: Sequence[TasksWin]) -> str:
    """Such as `5 tasks`, or `2 to 5 tasks` where the pairs share unlike many."""
    numbers = sorted({len(win.pair.tasks) for win in led})
    most = plural(numbers[-1], "task")
    return most if len(numbers) == 1 else f"{numbers[0]} to {most}"


def _each(leaders: Sequence[str], led: Sequence[TasksWin]) -> int:
    return min(sum(win.winner == name for win in led) for name in leaders)


def _grounds(win: TasksWin, named: bool) -> str:
    """`named` where there are several pairs, of which this is the least certain."""
    pair = win.pair
    order = (0, 1) if pair.one == win.winner else (1, 0)
    failed = [f"{pair.failed[i]} of {pair.trials[i]}" for i in order]
    whose = f" of [{win.loser}]" if named else ""
    if win.by_failures:
        return f"{failed[0]} trials failed against {failed[1]}{whose}"
    ratio = float(np.exp(abs(pair.log_std_ratio or 0.0)))
    rest = f"no difference in failures was shown ({failed[0]} against {failed[1]})"
    if not pair.judged:
        rest = "without a floor it is not known which trials failed"
    than = f" than those{whose}" if whose else ""
    return f"its scores vary less{than} ({ratio:.2g} times on average over tasks), while {rest}"


def _some(tasks: Sequence[str]) -> str:
    return enumerate_words(tasks)


def _not_shown(pairs: Sequence[OverTasks], nearest: OverTasks) -> tuple[str, str, str]:
    every = list(dict.fromkeys(name for pair in pairs for name in (pair.one, pair.other)))
    over = plural(len(nearest.tasks), "task")
    first = (
        f"Over {over} neither {names(every, 'nor')} was shown to be more stable than the other"
        if len(every) == 2
        else f"Over {over} none of {len(every)} recipes was shown to be more stable than another"
    )
    tested = {
        "failure rate": nearest.corrected_failures.p,
        "spread": nearest.corrected_spread.p,
    }
    known = [f"{what} {show_p(p)}" for what, p in tested.items() if p is not None]
    found = f"has for {enumerate_words(known)}" if known else "could not be tested"
    return (
        f"{first}, which does not make them equal.",
        f"The nearest pair, [{nearest.one}] and [{nearest.other}], {found}, after Holm over"
        f" {counted(num_tests(pairs), nearest.times)}.",
        "Run more seeds of each task, or read the tasks one by one.",
    )


def _least_p(pair: OverTasks) -> float:
    p_values = pair.corrected_failures.p, pair.corrected_spread.p
    return min((p for p in p_values if p is not None), default=1.0)


def _against(led: Sequence[TasksWin], tasks: Tasks) -> Iterator[str]:
    """With the numbers, of every pair that was shown."""
    for win in led:
        for task in win.against:
            winner, loser = (tasks[task][name] for name in (win.winner, win.loser))
            yield (
                f"On {task} it is the other way round: of [{win.winner}]"
                f" {int(winner.failed.sum())} of {len(winner)} trials failed"
                f" (std {number(winner.std)}), of [{win.loser}]"
                f" {int(loser.failed.sum())} of {len(loser)} (std {number(loser.std)})."
            )


def _no_win_by_spread(pairs: Sequence[OverTasks]) -> Iterator[str]:
    """A std that is smaller without being a sign of stability."""
    for pair in pairs:
        p = pair.corrected_spread.p
        if p is None or p > ALPHA or not pair.judged:
            continue
        one_is_steadier = pair.one_is_steadier
        low, high = (0, 1) if one_is_steadier else (1, 0)
        if (pair.excess if one_is_steadier else -pair.excess) > 0:
            yield (
                f"The std of [{(pair.one, pair.other)[low]}] is the smaller one over tasks"
                f" ({show_p(p, pair.spread.at_most)}), but {pair.failed[low]} of its"
                f" {pair.trials[low]} trials failed against {pair.failed[high]} of"
                f" {pair.trials[high]}: failures are alike, which is no stability."
            )


def _means(pairs: Sequence[OverTasks], tasks: Tasks) -> Iterator[str]:
    for pair in pairs:
        p = pair.corrected_location.p
        if p is None:
            continue
        better, worse = (pair.one, pair.other) if pair.location_gap > 0 else (pair.other, pair.one)
        shown = show_p(p, pair.location.at_most)
        if p > ALPHA:
            yield f"No difference in the mean was shown over tasks ({shown})."
            continue
        lower = [
            task
            for task in pair.tasks
            if tasks[task][better].merit.mean() < tasks[task][worse].merit.mean()
        ]
        but = f", though not on {_some(lower)}" if lower else ""
        yield f"[{better}] scores better than [{worse}] over tasks ({shown}){but}."


def _unjudged(pairs: Sequence[OverTasks]) -> Iterator[str]:
    if not all(pair.judged for pair in pairs):
        yield (
            "Without a floor for every task it is not known which trials failed; give a column"
            " floor."
        )


def _limits(number: int) -> str:
    return (
        f"This is about these {number} tasks: they are few, and not drawn at random, so that"
        " another task may well come out otherwise. The verdict of each task by itself is corrected"
        " over its own tests and not over tasks."
    )
