"""Lines of tables to runs, and runs to the rows that a sweep writes; what does not fit is one
sentence with file and line.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxtune.core.errors import UserError
from jaxtune.core.failure import failure_is_known, has_failed
from jaxtune.core.metrics import METRICS
from jaxtune.core.words import plural, quoted
from jaxtune.report.scores.logged import plain_name
from jaxtune.report.scores.tables import Line, is_missing
from jaxtune.report.sources import Curve
from jaxtune.stats.arms import RESULTS
from jaxtune.storage.trial_rows import Row

ARM, SEED, SCORE = "arm", "seed", "score"
STREAMS = ("init_seed", "order_seed", "dropout_seed")
FAILED, FLOOR, METRIC = "failed", "floor", "metric"
TASK, GROUP = "task", "group"
PREDICTIONS, EXAMPLES = "predictions", "dev_examples"
KNOWN = {*(ARM, SEED, SCORE, *STREAMS, FAILED, FLOOR, METRIC, TASK, GROUP, PREDICTIONS, EXAMPLES)}
YES, NO = ("true", "1", "yes", "1.0"), ("false", "0", "no", "0.0")
# Scores of these metrics are shares or correlations.
WITHIN_ONE = {name for name, metric in METRICS.items() if metric.higher_is_better}


class Given(NamedTuple):
    """What the command line says of all runs."""

    floor: float | None = None
    metric: str | None = None
    lower_is_better: bool = False
    arm_column: tuple[str, ...] = ()
    seed_column: str | None = None
    dev_examples: int | None = None


class Run(NamedTuple):
    """One run of another trainer."""

    where: str
    arm: str
    seeds: tuple[str, ...] | None  # init, order, dropout, as they were written; None: not given
    score: float | None
    failed: bool | None  # None where its user does not say
    floor: float | None
    metric: str | None
    task: str | None
    group: str | None
    settings: Mapping[str, Any]
    dev_examples: int | None = None  # that it was scored on
    curves: Mapping[str, Curve] = MappingProxyType({})  # those that a report draws
    logits: Float[np.ndarray, "example label"] | None = None


def runs_of(
    lines: Iterable[Line],
    given: Given,
    read_logits: Callable[[str], Float[np.ndarray, "example label"]],
) -> list[Run]:
    """The runs of some lines; raises UserError for a column or cell that is not as it should be.

    Args:
        read_logits: of the file that a cell of the column predictions names.
    """
    return [_run(line, given, read_logits) for line in lines]


def _run(line: Line, given: Given, read_logits: Callable[[str], np.ndarray]) -> Run:
    cells = {name: value for name, value in line.cells.items() if name}
    arms = given.arm_column or (ARM,)
    score = _score_column(line, cells, given)
    for name in arms:
        _column(line, cells, name, "; or name the column, or several, with --arm_column")
    # Columns that name the arm are its settings too: those of a grid have main effects.
    used = KNOWN | {given.seed_column or SEED, score}
    return Run(
        line.where,
        _arm(line, arms),
        _seeds(line, cells, given.seed_column or SEED),
        _number(line, score),
        _truth(line, FAILED) if FAILED in cells else None,
        _number(line, FLOOR) if FLOOR in cells else None,
        _text(cells, METRIC) or (plain_name(score) if score != SCORE else None),
        _text(cells, TASK),
        _text(cells, GROUP) if GROUP not in arms else None,
        {name: _value(cells[name]) for name in cells if name not in used and name not in RESULTS},
        _examples(line) if EXAMPLES in cells else given.dev_examples,
        logits=read_logits(predictions) if (predictions := _text(cells, PREDICTIONS)) else None,
    )


def _examples(line: Line) -> int | None:
    number = _number(line, EXAMPLES)
    if number is None or number < 1 or number != round(number):
        raise UserError(f"{line.where} has {line.cells[EXAMPLES]!r} as {EXAMPLES}: give a number.")
    return int(number)


def _score_column(line: Line, cells: Mapping[str, Any], given: Given) -> str:
    """`score`, or the column that is called as the metric."""
    if given.metric in cells and SCORE not in cells:
        return str(given.metric)
    _column(line, cells, SCORE, "; or name the column with --metric")
    return SCORE


def _column(line: Line, cells: Mapping[str, Any], name: str, or_else: str = "") -> None:
    if name not in cells:
        raise UserError(
            f"{line.where} has no column {name!r} but {quoted(cells)}: give the columns arm, seed"
            f" and score{or_else}."
        )


def _arm(line: Line, names: Sequence[str]) -> str:
    """The name of the run's recipe; of several columns such as `lr=2e-5 warmup=0.1`."""
    if len(names) > 1:
        return " ".join(f"{name}={_text(line.cells, name) or 'null'}" for name in names)
    (column,) = names
    name = _text(line.cells, column)
    if name is None:
        raise UserError(f"{line.where} has no {column}: name the recipe that was run.")
    # A number of a setting's column says nothing without the setting.
    return name if column == ARM or isinstance(_value(name), str) else f"{column}={name}"


def _seeds(line: Line, cells: Mapping[str, Any], column: str) -> tuple[str, ...] | None:
    """As they were written; dropout follows the order where it is not given, as in a sweep."""
    seed = _text(cells, column)
    init, order, dropout = (_text(cells, name) for name in STREAMS)
    if seed is None and (init is None or order is None):
        if column in cells or init or order:
            raise UserError(f"{line.where} has no {column}: give each run its seed.")
        raise UserError(
            f"{line.where} has no column {column!r} but {quoted(cells)}: give the columns arm, seed"
            " and score; or name the column with --seed_column."
        )
    order = order or seed
    return str(init or seed), str(order), str(dropout or order)


def _text(cells: Mapping[str, Any], name: str) -> str | None:
    value = cells.get(name)
    if is_missing(value):
        return None
    if isinstance(value, float) and value.is_integer():  # a whole number beside missing ones
        return str(int(value))
    return str(value).strip()


def _number(line: Line, name: str) -> float | None:
    """None where there is none, or one that is not finite."""
    value = line.cells[name]
    if is_missing(value):
        return None
    try:
        if isinstance(value, bool):
            raise ValueError
        found = float(value)
    except (TypeError, ValueError):
        raise UserError(
            f"{line.where} has {str(value)!r} as {name}: give a number such as 0.712."
        ) from None
    return found if math.isfinite(found) else None


def _truth(line: Line, name: str) -> bool:
    word = str(line.cells[name]).strip().lower()
    if word in YES or word in NO:
        return word in YES
    raise UserError(f"{line.where} has {line.cells[name]!r} as {name}: give true or false.")


def _value(cell: Any) -> Any:
    """A setting as a number where it is one, so that 2e-5 and 0.00002 are the same."""
    if is_missing(cell):
        return None
    text = str(cell).strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def rows_of(runs: Sequence[Run], given: Given) -> list[Row]:
    """Rows as a sweep writes them, of runs of one task and metric.

    Raises UserError where a seed stands twice, an arm has one run, floors or metrics differ, or a
    run without a score has no floor to count with.
    """
    metric, floor = metric_of(runs, given), _floor(runs, given)
    higher = not given.lower_is_better
    if metric in METRICS:
        higher = METRICS[metric].higher_is_better
    _check_arms(runs)
    _check_scores(runs, metric, floor, higher)
    marked = any(run.failed is not None for run in runs)
    settings, numbers = _settings(runs), _seed_numbers(runs)
    rows = [
        {
            "trial": trial,
            "arm": run.arm,
            "seed": " ".join(dict.fromkeys(run.seeds)) if run.seeds else None,
            **dict(zip(STREAMS, numbers[trial], strict=True)),
            "task": run.task,
            **({"group": run.group} if run.group else {}),
            "metric": metric,
            "higher_is_better": higher,
            "final": run.score,
            "trivial": floor,
            "diverged": False,
            "constant_prediction": False,
            **({"marked_failed": bool(run.failed)} if marked else {}),
            **({"dev_examples": run.dev_examples} if run.dev_examples else {}),
            **({} if run.seeds else {"seed_is_known": False}),
            **settings[run.arm],
        }
        for trial, run in enumerate(runs)
    ]
    return [row | {"failed": has_failed(row) if failure_is_known(row) else None} for row in rows]


def metric_of(runs: Sequence[Run], given: Given) -> str:
    """The one metric of all runs; raises UserError where they have several."""
    first = next((run for run in runs if run.metric), None)
    for run in runs:
        if first and run.metric != first.metric:
            raise UserError(
                f"{run.where} was scored by {run.metric or 'an unnamed metric'} and {first.where}"
                f" by {first.metric}; compare runs of one metric."
            )
    named = given.metric and plain_name(given.metric)
    if first and named not in (None, first.metric):
        raise UserError(
            f"{first.where} was scored by {first.metric}, and --metric is {given.metric}; leave one"
            " of them out."
        )
    return first.metric or SCORE if first else named or SCORE


def _floor(runs: Sequence[Run], given: Given) -> float | None:
    """The one floor of all runs: of the command line, or of the column."""
    first = next((run for run in runs if run.floor is not None), None)
    if first is None:
        return given.floor
    for run in runs:
        if run.floor != first.floor:
            raise UserError(
                f"{run.where} has the floor {_or_none(run.floor)} and {first.where} {first.floor:g}"
                "; one dev set has one floor, the score of its best constant prediction."
            )
    if given.floor not in (None, first.floor):
        raise UserError(
            f"{first.where} has the floor {first.floor:g}, and --floor is {given.floor:g}; leave"
            " one of them out."
        )
    return first.floor


def _or_none(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"


def _check_arms(runs: Sequence[Run]) -> None:
    """Raises UserError for a seed that stands twice in an arm, and for an arm with one run."""
    seen: dict[tuple, Run] = {}
    arms: dict[str, list[Run]] = {}
    for run in runs:
        arms.setdefault(run.arm, []).append(run)
        if run.seeds is None:
            continue
        key = run.arm, run.seeds
        if key in seen:
            raise UserError(
                f"{run.where} has the seed {' '.join(dict.fromkeys(run.seeds))} of [{run.arm}], as"
                f" {seen[key].where} has; a run that is copied is no second one: take one out."
            )
        seen[key] = run
    for name, own in arms.items():
        if len(own) == 1:
            raise UserError(
                f"{own[0].where} is the only run of [{name}]; how far runs scatter takes two, and a"
                " verdict many more: add runs, or take it out."
            )


def _check_scores(
    runs: Sequence[Run], metric: str, floor: float | None, higher_is_better: bool
) -> None:
    for run in runs:
        if run.score is None and floor is None:
            raise UserError(
                f"{run.where} has no finite score; a run without one has failed and counts with the"
                " floor: give --floor, the score of the best constant prediction, or take the run"
                " out."
            )
        if run.score is not None and metric in WITHIN_ONE and abs(run.score) > 1:
            raise UserError(
                f"{run.where} has the {metric} {run.score:g}, which is above 1: give shares such as"
                " 0.712 instead of percents."
            )
    lowest = min((run.score for run in runs if run.score is not None), default=0.0)
    # An accuracy of 71.2 beside a floor of 0.527: no run would ever fail.
    if floor is not None and higher_is_better and 0 < abs(floor) <= 1 and lowest > 2:
        raise UserError(
            f"The floor is {floor:g} and the lowest score {lowest:g}: give both in one unit."
        )


def _settings(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """Of every arm the columns that all its runs agree in: those describe the recipe."""
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        own = found.setdefault(run.arm, dict(run.settings))
        for name in [name for name in own if run.settings.get(name) != own[name]]:
            del own[name]
    everywhere = set.intersection(*(set(own) for own in found.values()))
    return {arm: {n: v for n, v in own.items() if n in everywhere} for arm, own in found.items()}


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
