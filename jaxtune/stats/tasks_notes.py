"""What to bear in mind with a verdict over several tasks."""

from collections.abc import Iterator, Sequence

from jaxtune.stats.looks_notes import about_looks
from jaxtune.stats.tasks import OverTasks, Tasks, TasksWin
from jaxtune.stats.unseen import hangs_on_over_tasks
from jaxtune.stats.wording import enumerate_words, few_names, number, show_p


def notes_over_tasks(
    led: Sequence[TasksWin], shown: OverTasks | None, pairs: Sequence[OverTasks], tasks: Tasks
) -> Iterator[str]:
    """Notes about the leaders' wins, the pair that the verdict speaks of, and all pairs."""
    yield from _against(led, tasks)
    if shown:
        yield from _no_win_by_spread(shown.steadier_first)
    yield from _means(shown, pairs, tasks)
    yield from _unjudged(pairs)
    yield about_looks(pairs[0].times)
    yield _limits(len(tasks))


def turned_round(pair: OverTasks) -> str:
    """Where the first fails less often task by task and no less often in the sum over tasks."""
    rates = [k / n for k, n in zip(pair.failed, pair.trials, strict=True)]
    if pair.excess >= 0 or rates[0] < rates[1]:
        return ""
    return (
        f" in all, which tasks of different sizes turn round: on {pair.fewer_in[0]} of"
        f" {len(pair.tasks)} [{pair.one}] fails less often"
    )


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


def _no_win_by_spread(pair: OverTasks) -> Iterator[str]:
    """A std of the first that is smaller without being a sign of stability."""
    if pair.corrected_spread.shown and pair.judged and pair.excess > 0:
        turned = turned_round(pair.seen_from(pair.other))
        p = show_p(pair.corrected_spread.p, pair.spread.at_most)
        yield (
            f"The std of [{pair.one}] is the smaller one over tasks ({p}), but {pair.failed[0]} of"
            f" its {pair.trials[0]} trials failed against {pair.failed[1]} of {pair.trials[1]}"
            f"{turned}{';' if turned else ':'} failures are alike, which is no stability."
        )


def _means(shown: OverTasks | None, pairs: Sequence[OverTasks], tasks: Tasks) -> Iterator[str]:
    """Who was shown to score better, and the means of the pair that the verdict speaks of."""
    tested = [pair for pair in pairs if pair.corrected_location.p is not None]
    ahead = _ahead(tested)
    if ahead:
        yield _scores_better(ahead, tasks)
    elif tested:
        nearest = min(tested, key=lambda pair: pair.location.p or 0.0)  # Holm makes ties at 1
        whose = f" for [{nearest.one}] and [{nearest.other}], the nearest pair"
        yield (
            "No difference in the mean was shown over tasks"
            f" ({_show_p(nearest)}{whose if pairs[1:] else ''})."
        )
        return
    if shown and shown in tested and shown not in ahead:
        if shown.corrected_location.shown:
            yield _scores_better([shown], tasks)
        else:
            yield (
                f"No difference in the mean of [{shown.one}] and [{shown.other}] was shown over"
                f" tasks ({_show_p(shown)})."
            )


def _ahead(pairs: Sequence[OverTasks]) -> list[OverTasks]:
    """Those in which the recipe that scores better than most others was shown to."""
    won: dict[str, list[OverTasks]] = {}
    for pair in pairs:
        if pair.corrected_location.shown:
            won.setdefault(pair.by_mean[0], []).append(pair)
    behind = {pair.by_mean[1] for each in won.values() for pair in each}
    # Recipes that share other tasks with each other can all have a better one.
    best = [each for name, each in won.items() if name not in behind] or list(won.values())
    gaps = [(len(each), sum(abs(pair.location_gap or 0.0) for pair in each)) for each in best]
    return best[gaps.index(max(gaps))] if best else []


def _scores_better(pairs: Sequence[OverTasks], tasks: Tasks) -> str:
    """Of one recipe, with the largest p."""
    better, behind = pairs[0].by_mean[0], [pair.by_mean[1] for pair in pairs]
    least_sure = max(pairs, key=lambda pair: pair.corrected_location.p or 0.0)
    lower = dict.fromkeys(
        task
        for pair, worse in zip(pairs, behind, strict=True)
        for task in pair.tasks
        if tasks[task][better].merit.mean() < tasks[task][worse].merit.mean()
    )
    every = "than every one of them " if len(pairs) > 1 else ""
    but = f", though not {every}on {enumerate_words(list(lower))}" if lower else ""
    nearest = min(pairs, key=lambda pair: abs(pair.location_gap or 0.0))
    both = [(tasks[task][better], tasks[task][nearest.by_mean[1]]) for task in nearest.tasks]
    return (
        f"[{better}] scores better than {few_names(behind)} over tasks"
        f" ({_show_p(least_sure)}){but}"
        f"{hangs_on_over_tasks(better, both)}."
    )


def _show_p(pair: OverTasks) -> str:
    """Of the means, after Holm."""
    return show_p(pair.corrected_location.p, pair.location.at_most)


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
