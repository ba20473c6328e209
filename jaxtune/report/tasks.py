"""A report over several tasks or models: one verdict over all, and each by itself below it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from jaxtune.core.errors import UserError
from jaxtune.core.words import listed, plural
from jaxtune.report.findings import Findings, find
from jaxtune.report.sources import Source, TrialRecord, task_of, times_of_looks
from jaxtune.report.tables import score
from jaxtune.stats.profiles import Aggregate, aggregate
from jaxtune.stats.tasks import Ranking, rankings
from jaxtune.stats.tasks_words import TasksVerdict, judge_tasks


class ManyFindings(NamedTuple):
    """Several tasks: each by itself, and all together."""

    sources: tuple[Source, ...]
    tasks: Mapping[str, Findings]
    verdict: TasksVerdict
    aggregates: Mapping[str, Aggregate | None]  # by recipe; None where tasks have no common scale
    rankings: Mapping[str, Ranking]  # of recipes that were run on every task


def by_task(sources: Sequence[Source], across_models: bool) -> dict[str, list[Source]]:
    """The sources with their trials of each task, in the order in which tasks come up.

    Args:
        across_models: trials of two models are kept apart as those of two tasks are.
    """
    found: dict[str, list[Source]] = {}
    for source in sources:
        for task in dict.fromkeys(task_of(row, across_models) for row in source.rows):
            own = tuple(
                _as_recipe(trial)
                for trial in source.trials
                if task_of(trial.row, across_models) == task
            )
            part = dataclasses.replace(source, trials=own, whole=source)
            found.setdefault(task, []).append(part)
    return found


def _as_recipe(trial: TrialRecord) -> TrialRecord:
    """An arm of a sweep over tasks without the task in its name."""
    row = trial.row
    words = [word for word in row["arm"].split(" ") if word != f"task={row.get('task')}"]
    return dataclasses.replace(trial, row=row | {"arm": " ".join(words) or "all"})


def find_many(
    sources: Sequence[Source],
    by_task: Mapping[str, Sequence[Source]],
    report: Callable[[str], None],
    margin: float | None,
) -> ManyFindings:
    """Judges every task by itself and all together.

    Raises UserError where the trials of a task do not compare, share seeds, or were selected.
    """
    tasks: dict[str, Findings] = {}
    for task, own in by_task.items():
        tasks[task] = find(own, lambda text, task=task: report(f"{task}: {text}"), margin)
        _check(task, tasks[task])
    report("comparing over tasks")
    arms = {task: {f.arm.name: f.arm for f in found.arms} for task, found in tasks.items()}
    recipes = dict.fromkeys(name for own in arms.values() for name in own)
    return ManyFindings(
        tuple(sources),
        tasks,
        judge_tasks(arms, times=times_of_looks(sources)),
        # Of recipes on other tasks it would compare the tasks.
        {
            name: aggregate([own[name] for own in arms.values()])
            if all(name in own for own in arms.values())
            else None
            for name in recipes
        },
        rankings(arms),
    )


def _check(task: str, found: Findings) -> None:
    for each in found.arms:
        if each.arm.selected or each.arm.shares_seeds:
            why = "were kept for their score" if each.arm.selected else "share seeds"
            raise UserError(
                f"The trials of [{each.arm.name}] on {task} {why}, and are no independent draws;"
                f" report on {task} by itself."
            )


def facts_over_tasks(found: ManyFindings) -> str:
    """What the numbers are based on, in a line."""
    trials = sum(len(arm.arm) for one in found.tasks.values() for arm in one.arms)
    scored = [
        f"{task} by {one.metric} (floor {score(one.trivial, one)})"
        if one.trivial is not None
        else f"{task} by {one.metric}"
        for task, one in found.tasks.items()
    ]
    recipes = plural(len(found.aggregates), "recipe")
    return f"{plural(trials, 'trial')} of {recipes} on {listed(scored)}."
