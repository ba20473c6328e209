"""The verdict over several tasks, and its sentences; the tasks that disagree are named."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxtune.core.words import plural
from jaxtune.stats.advice import unless_all_failed
from jaxtune.stats.arms import Arm
from jaxtune.stats.holm import least, num_tests
from jaxtune.stats.hypothesis_tests import NOT_JUDGED
from jaxtune.stats.intervals import all_alike
from jaxtune.stats.tasks import OverTasks, Tasks, TasksWin, find_win, over_tasks
from jaxtune.stats.tasks_notes import notes_over_tasks, turned_round
from jaxtune.stats.verdict import leaders_of
from jaxtune.stats.wording import counted, enumerate_words, few_names, names, show_chance, show_p

MOST_TIMES = 100  # of a ratio of stds that is given as a number


class TasksVerdict(NamedTuple):
    """The sentences, what to bear in mind with them, and the numbers behind them."""

    more_stable: str
    how_sure: str
    next_step: str
    notes: tuple[str, ...] = ()
    leaders: tuple[str, ...] = ()
    wins: tuple[TasksWin, ...] = ()
    pairs: tuple[OverTasks, ...] = ()

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
            unless_all_failed(
                [arm for arms in tasks.values() for arm in arms.values()],
                "Give the same recipes on every task, or report on each task by itself.",
            ),
        )
    wins = tuple(win for pair in pairs if (win := find_win(pair, tasks)))
    leaders = leaders_of(_recipes(pairs), wins)
    led = [win for win in wins if win.winner in leaders]
    if led:
        shown = max(led, key=lambda win: win.p).pair
        said = _shown(leaders, led, pairs, tasks)
    elif wins:  # a beats b, b beats c, c beats a
        shown, said = None, _no_leader(wins)
    else:
        nearest = min(pairs, key=lambda pair: least(*pair.tests.decisive))  # Holm makes ties at 1
        shown, said = nearest, _not_shown(pairs, nearest, tasks)
    notes = tuple(notes_over_tasks(led, shown, pairs, tasks))
    return TasksVerdict(*said, notes, leaders if led else (), wins, pairs)


def _recipes(pairs: Sequence[OverTasks]) -> list[str]:
    return list(dict.fromkeys(name for pair in pairs for name in (pair.one, pair.other)))


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
    # The grounds and the chance are those of this pair.
    least_sure = max(led, key=lambda win: win.p)
    against = enumerate_words(least_sure.against) if least_sure.against else ""
    turned = f"; on {against} it is the other way round" if against else ""
    test = least_sure.pair.failures if least_sure.by_failures else least_sure.pair.spread
    assert test.p is not None  # how often equal recipes differ so; after Holm p is a bound
    what = "differ this much" if len(led) == 1 else "differ as much as the least certain pair here"
    look = f", and look at {against} by itself" if against else ""
    return (
        f"{_lead(leaders, led)}: {_grounds(least_sure, leaders, led, tasks)}"
        f"{_unknown(leaders, led, pairs)}{turned}.",
        f"Two recipes that are equal on every task would {what} in"
        f" {show_chance(test.p, test.at_most)} such comparisons ({test.test},"
        f" {show_p(least_sure.p, test.at_most)} after Holm over"
        f" {counted(num_tests(pairs), least_sure.pair.times)}).",
        f"Use {names(leaders, 'or')} on tasks like these{look}.",
    )


def _lead(leaders: Sequence[str], led: Sequence[TasksWin]) -> str:
    """Such as `[a] and [b] are each more stable than [c] over 3 tasks`."""
    losers = list(dict.fromkeys(win.loser for win in led))
    each = len(led) // len(leaders)  # all beat as many
    verb = "is" if len(leaders) == 1 else "are each"
    whom = few_names(losers) if each == len(losers) else f"{each} of {names(losers)}"
    return f"{names(leaders)} {verb} more stable than {whom} over {_number_of_tasks(led)}"


def _unknown(leaders: Sequence[str], led: Sequence[TasksWin], pairs: Sequence[OverTasks]) -> str:
    """Such as `; against [c] that was not shown`; of several leaders between them too."""
    known = {*leaders, *(win.loser for win in led)}
    left = [name for name in _recipes(pairs) if name not in known]
    between = [f"between {names(leaders)}"] if len(leaders) > 1 else []
    unknown = between + ([f"against {few_names(left)}"] if left else [])
    return f"; {', and '.join(unknown)} that was not shown" if unknown else ""


def _number_of_tasks(led: Sequence[TasksWin]) -> str:
    """Such as `5 tasks`, or `2 to 5 tasks` where the pairs share unlike many."""
    numbers = sorted({len(win.pair.tasks) for win in led})
    most = plural(numbers[-1], "task")
    return most if len(numbers) == 1 else f"{numbers[0]} to {most}"


def _grounds(win: TasksWin, leaders: Sequence[str], led: Sequence[TasksWin], tasks: Tasks) -> str:
    """Both recipes of the pair are named where the reader could take them for others."""
    pair = win.pair.seen_from(win.winner)
    less, more = (f"{k} of {n}" for k, n in zip(pair.failed, pair.trials, strict=True))
    turned = turned_round(pair)
    loser = f" of [{win.loser}]" if len(led) > 1 else ""
    if win.by_failures:
        winner = f" of [{win.winner}]" if len(leaders) > 1 else ""
        return f"{less} trials{winner} failed against {more}{loser}{turned}"
    rest = f"no difference in failures was shown ({less} against {more}{turned})"
    if not pair.judged:
        rest = NOT_JUDGED
    whose = f"the scores of [{win.winner}]" if len(leaders) > 1 else "its scores"
    return f"{whose} {_steadier(win, f'those{loser}' if loser else '', tasks)}, while {rest}"


def _steadier(win: TasksWin, than: str, tasks: Tasks) -> str:
    """By how much; without a number where one of them does not vary, which makes no ratio."""
    even = {
        task: (_is_even(tasks[task][win.winner]), _is_even(tasks[task][win.loser]))
        for task in win.pair.tasks
    }
    if all(own for own, _ in even.values()):
        return "are all equal on every task" + (f", unlike {than}" if than else "")
    less = f"vary less{f' than {than}' if than else ''}"
    flat = [task for task, (own, other) in even.items() if own and not other]
    if flat:
        return f"{less}, and on {enumerate_words(flat)} not at all"
    if any(other and not own for own, other in even.values()):
        return less
    ratio = float(np.exp(abs(win.pair.log_std_ratio or 0.0)))
    if ratio >= MOST_TIMES:
        return f"hardly vary{f' beside {than}' if than else ''}"
    return f"{less} ({ratio:.2g} times on average over tasks)"


def _is_even(arm: Arm) -> bool:
    return len(arm) > 1 and all_alike(arm.final)


def _not_shown(
    pairs: Sequence[OverTasks], nearest: OverTasks, tasks: Tasks
) -> tuple[str, str, str]:
    every = _recipes(pairs)
    arms = [arm for own in tasks.values() for arm in own.values()]
    over = plural(len(nearest.tasks), "task")
    if all(arm.failed.all() for arm in arms):
        first = (
            "Nothing here is stable in any useful sense: on every task every trial of"
            f" {names(every)} failed."
        )
    elif len(every) == 2:
        first = (
            f"Over {over} neither {names(every, 'nor')} was shown to be more stable than the other,"
            " which does not make them equal."
        )
    else:
        first = (
            f"Over {over} none of {len(every)} recipes was shown to be more stable than another,"
            " which does not make them equal."
        )
    tested = {"failure rate": nearest.corrected_failures.p, "spread": nearest.corrected_spread.p}
    known = [f"{what} {show_p(p)}" for what, p in tested.items() if p is not None]
    found = f"has for {enumerate_words(known)}" if known else "could not be tested"
    return (
        first,
        f"The nearest pair, [{nearest.one}] and [{nearest.other}], {found}, after Holm over"
        f" {counted(num_tests(pairs), nearest.times)}.",
        unless_all_failed(
            arms,
            "Run more seeds of each task in sweeps of their own (another --out), or read the tasks"
            " one by one.",
        ),
    )
