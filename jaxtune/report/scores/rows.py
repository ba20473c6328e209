"""Runs of other trainers to the rows that a sweep writes; what does not compare is one sentence
with file and line.
"""

from collections.abc import Sequence
from typing import Any

from jaxtune.core.errors import UserError
from jaxtune.core.failure import failure_is_known, has_failed, is_constant_prediction
from jaxtune.core.metrics import METRICS
from jaxtune.core.words import plural
from jaxtune.report.scores.floors import floor_of
from jaxtune.report.scores.logged import is_error
from jaxtune.report.scores.runs import SCORE, STREAMS, Given, Run
from jaxtune.stats.arms import by_arm
from jaxtune.storage.trial_rows import Row

# Scores of these metrics are shares or correlations.
CORRELATIONS = {"matthews", "pearson", "spearman"}  # from -1 on
WITHIN_ONE = {name for name, metric in METRICS.items() if metric.higher_is_better}


def rows_of(runs: Sequence[Run], given: Given, exact_floor: float | None = None) -> list[Row]:
    """Rows as a sweep writes them, of runs of one task and metric.

    Raises UserError where a seed stands twice, an arm has one run, floors or metrics differ, or a
    run that diverged or has no score has no floor to count with.

    Args:
        exact_floor: of the labels, where they are there; one that was typed may be rounded.
    """
    metric = metric_of(runs)
    higher = higher_is_better(runs, metric, given)
    floor = floor_of(runs, given, higher) if exact_floor is None else exact_floor
    _check_arms(runs)
    _check_scores(runs, metric)
    _check_units(runs, floor, higher)
    marked = any(run.failed is not None for run in runs)
    if floor is None:
        _check_without_floor(runs, marked)
    settings, numbers = _settings(runs), _seed_numbers(runs)
    rows = [
        {
            "trial": trial,
            "arm": run.arm,
            "seed": " ".join(dict.fromkeys(run.seeds)) if run.seeds else run.name,
            **dict(zip(STREAMS, numbers[trial], strict=True)),
            "task": run.task,
            **({"group": run.group} if run.group else {}),
            "metric": metric,
            "higher_is_better": higher,
            "final": run.score,
            "trivial": floor,
            "diverged": run.diverged,
            # Not known of a run without predictions.
            "constant_prediction": None
            if run.logits is None
            else is_constant_prediction(run.logits),
            **({"marked_failed": bool(run.failed)} if marked else {}),
            **({"dev_examples": examples} if (examples := _examples(run, given)) else {}),
            **({} if run.seeds else {"seed_is_known": False}),
            **settings[run.arm],
        }
        for trial, run in enumerate(runs)
    ]
    return [row | {"failed": has_failed(row) if failure_is_known(row) else None} for row in rows]


def metric_of(runs: Sequence[Run]) -> str:
    """The one metric of all runs; raises UserError where they have several."""
    first = next((run for run in runs if run.metric), None)
    for run in runs:
        if first and run.metric != first.metric:
            raise UserError(
                f"{run.where} was scored by {run.metric or 'an unnamed metric'} and {first.where}"
                f" by {first.metric}; compare runs of one metric."
            )
    return (first and first.metric) or SCORE


def higher_is_better(runs: Sequence[Run], metric: str, given: Given) -> bool:
    """Of the scores; UserError where what is said of them differs, or from what the metric is.

    Of a name such as eval_loss it must be said: read the other way round, every advice would be.
    """
    said = {run.higher_is_better for run in runs if run.higher_is_better is not None}
    said |= {False} if given.lower_is_better else set()
    if metric in METRICS:
        own = METRICS[metric].higher_is_better
        if said - {own}:
            raise UserError(
                f"The {metric} is better when {'higher' if own else 'lower'}, and it is said to be"
                f" better when {'lower' if own else 'higher'}: leave that out, or give --metric the"
                " name of what was measured."
            )
        return own
    if len(said) > 1:
        raise UserError(
            f"The {metric} is said to be better when lower and when higher: say one of them."
        )
    if not said and is_error(metric):
        raise UserError(
            f"The {metric} is an error by its name: say that lower is better (--lower_is_better),"
            " or give a column higher_is_better."
        )
    return False not in said


def _check_arms(runs: Sequence[Run]) -> None:
    """Raises UserError for a seed that stands twice in an arm, and for an arm with one run."""
    seen: dict[tuple, Run] = {}
    for run in runs:
        if run.seeds is None:
            continue
        first = seen.setdefault((run.arm, run.seeds), run)
        if first is not run:
            raise UserError(
                f"{run.where} has the seed {' '.join(dict.fromkeys(run.seeds))} of [{run.arm}], as"
                f" {first.where} has; a run that is copied is no second one: take one out, or"
                " give two recipes two names (in folders ARM/SEED)."
            )
    for name, own in _by_arm(runs).items():
        if len(own) == 1:
            raise UserError(
                f"{own[0].where} is the only run of [{name}]; how far runs scatter takes two, and a"
                " verdict many more: add runs, or take it out."
            )


def _by_arm(runs: Sequence[Run]) -> dict[str, list[Run]]:
    arms: dict[str, list[Run]] = {}
    for run in runs:
        arms.setdefault(run.arm, []).append(run)
    return arms


def _check_without_floor(runs: Sequence[Run], marked: bool) -> None:
    for run in runs:
        if run.score is None or (run.diverged and not marked):
            why = "has no finite score" if run.score is None else "has diverged"
            raise UserError(
                f"{run.where} {why}; such a run has failed and counts with the floor: give --floor,"
                " the score of the best constant prediction, or take the run out."
            )


def _check_scores(runs: Sequence[Run], metric: str) -> None:
    for run in runs:
        if run.score is None:
            continue
        if metric in WITHIN_ONE and abs(run.score) > 1:
            raise UserError(
                f"{run.where} has the {metric} {run.score:g}, which is above 1: give shares such as"
                " 0.712 instead of percents."
            )
        if run.score < 0 and metric in METRICS.keys() - CORRELATIONS:
            raise UserError(
                f"{run.where} has the {metric} {run.score:g}, and none is below 0: give --metric"
                " the name of what was measured."
            )


def _check_units(runs: Sequence[Run], floor: float | None, higher: bool) -> None:
    """Raises UserError for scores in another unit than the floor; errors may lie anywhere."""
    if floor is None or not higher:
        return
    arms = [[r.score for r in own if r.score is not None] for own in _by_arm(runs).values()]
    highest = [max(scores) for scores in arms if scores]
    # An accuracy of 71.2 beside a floor of 0.527: no such run would ever fail.
    percents = [score for score in highest if 0 < abs(floor) <= 1 and score > 2]
    # A floor of 52.7 beside an accuracy of 0.712: every such run would fail.
    shares = [score for score in highest if floor > 2 and 0 < score <= 1]
    for score in [*percents, *shares][:1]:
        raise UserError(
            f"The floor is {floor:g} and a score is {score:g}: give both in one unit, percents with"
            " a floor of less than 1 as shares."
        )


def doubt_of_units(rows: Sequence[Row]) -> str | None:
    """A doubt to say: an arm of shares beside one of percents; or a score of 0.73 where all others
    lie around 71, which may be 73 of them.
    """
    known = [row for row in rows if row["final"]]
    arms = [[row["final"] for row in own] for own in by_arm(known).values()]
    scores = [score for own in arms for score in own]
    shares = [score for score in scores if 0 < score <= 1]
    others = [score for score in scores if score > 1]
    if not shares or not others:
        return None
    whole = any(max(own) <= 1 for own in arms) and any(min(own) > 2 for own in arms)
    amid = min(others) <= 100 * max(shares) <= max(others) <= 100
    if not (whole and min(scores) > 0) and not amid:
        return None
    return (
        f"A score of {max(shares):g} stands among scores of {min(others):g} to {max(others):g}:"
        " give all in one unit if it is a share and they are percents."
    )


def _examples(run: Run, given: Given) -> int | None:
    """How many the run was scored on; UserError where two numbers are said of them."""
    found = run.dev_examples if run.logits is None else len(run.logits)
    if found and given.dev_examples not in (None, found):
        raise UserError(
            f"{run.where} was scored on {plural(found, 'example')}, and --dev_examples is"
            f" {given.dev_examples}: leave it out."
        )
    return found or given.dev_examples


def doubt_of_examples(runs: Sequence[Run], given: Given) -> str | None:
    """A doubt to say where the number of dev examples was given, and nothing follows from it."""
    metric = metric_of(runs)
    if given.dev_examples is None or metric == "accuracy":
        return None
    return (
        f"From the number of dev examples nothing follows for the {metric}: give --metric accuracy"
        " if the scores are accuracies."
    )


def _settings(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """Of every arm the columns that all its runs agree in: those describe the recipe."""
    found = {
        arm: {
            name: value
            for name, value in own[0].settings.items()
            if all(run.settings.get(name) == value for run in own)
        }
        for arm, own in _by_arm(runs).items()
    }
    everywhere = set.intersection(*(set(own) for own in found.values()))
    # W&B's table has a column for whatever any run of the project was given.
    empty = {n for n in everywhere if all(own[n] is None for own in found.values())}
    kept = everywhere - empty
    return {arm: {n: v for n, v in own.items() if n in kept} for arm, own in found.items()}


def _seed_numbers(runs: Sequence[Run]) -> list[tuple[int, ...]]:
    """Of each run a number for each stream's seed; runs without seeds share none."""
    found: list[tuple[int, ...]] = []
    names = dict.fromkeys(seed for run in runs if run.seeds for seed in run.seeds)
    whole = all(name.isdecimal() and len(name) < 16 for name in names)
    numbers = {name: int(name) if whole else i for i, name in enumerate(names)}
    free = max(numbers.values(), default=-1) + 1
    for index, run in enumerate(runs):
        own = (free + index,) * len(STREAMS)
        found.append(tuple(numbers[seed] for seed in run.seeds) if run.seeds else own)
    return found


def counted(runs: Sequence[Run]) -> str:
    """Such as `16 runs in 2 arms`."""
    return f"{plural(len(runs), 'run')} in {plural(len({run.arm for run in runs}), 'arm')}"
