"""Lines of tables to runs of other trainers; a cell that does not fit is one sentence with file and
line.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxtune.core.errors import UserError
from jaxtune.core.fields import plain_number
from jaxtune.core.metrics import METRICS
from jaxtune.core.words import quoted
from jaxtune.report.scores.logged import is_error, plain_name
from jaxtune.report.scores.tables import Line, is_empty, is_missing
from jaxtune.report.sources import Curve
from jaxtune.stats.arms import RESULTS

ARM, SEED, SCORE = "arm", "seed", "score"
STREAMS = ("init_seed", "order_seed", "dropout_seed")
FAILED, FLOOR, METRIC = "failed", "floor", "metric"
TASK, GROUP = "task", "group"
PREDICTIONS, EXAMPLES = "predictions", "dev_examples"
DIVERGED, HIGHER = "diverged", "higher_is_better"
KNOWN = {
    *(ARM, SEED, SCORE, *STREAMS, FAILED, FLOOR, METRIC, TASK, GROUP, PREDICTIONS, EXAMPLES),
    *(DIVERGED, HIGHER),
}
# A whole number as pandas writes it beside missing ones, or with zeros before it.
_WHOLE = re.compile(r"^0*(\d+?)(?:\.0*)?$")
YES, NO = ("true", "1", "yes", "1.0"), ("false", "0", "no", "0.0")


class Given(NamedTuple):
    """What the command line, or a Python program, says of all runs."""

    floor: float | None = None
    metric: str | None = None
    lower_is_better: bool = False
    arm_column: tuple[str, ...] = ()
    seed_column: str | None = None
    dev_examples: int | None = None

    @property
    def plain_metric(self) -> str | None:
        """The metric as jaxtune calls it, if it knows it."""
        return self.metric and plain_name(self.metric)


class Run(NamedTuple):
    """One run of another trainer."""

    where: str
    arm: str
    seeds: tuple[str, ...] | None  # init, order, dropout, as they were written; None: not given
    score: float | None
    failed: bool | None = None  # None where its user does not say
    floor: float | None = None
    metric: str | None = None
    task: str | None = None
    group: str | None = None
    settings: Mapping[str, Any] = MappingProxyType({})
    dev_examples: int | None = None  # that it was scored on
    curves: Mapping[str, Curve] = MappingProxyType({})  # those that a report draws
    logits: Float[np.ndarray, "example label"] | None = None
    name: str | None = None  # where seeds are not known
    diverged: bool = False
    higher_is_better: bool | None = None  # None where its table does not say
    unread: tuple[str, ...] = ()  # columns that are no settings


def run_of(line: Line, given: Given, read_logits: Callable[[str, str | None], np.ndarray]) -> Run:
    """The run of a line; raises UserError for a column or cell that is not as it should be.

    Args:
        read_logits: of the file that a cell of the column predictions names, and the metric.
    """
    cells = {name: value for name, value in line.cells.items() if name}
    for name, value in cells.items():
        if name in KNOWN and isinstance(value, list | dict | np.ndarray):
            raise UserError(f"{line.where} has {value!r} as {name}: give one value.")
    arms = given.arm_column or (ARM,)
    score = _score_column(line, cells, given)
    for name in arms:
        _column(line, cells, name, "; or name the column, or several, with --arm_column")
    metric = _metric(line, cells, score, given)
    predictions = _text(cells, PREDICTIONS)
    # Columns that name the arm are its settings too: those of a grid have main effects.
    used = KNOWN | {given.seed_column or SEED, score}
    return Run(
        line.where,
        _arm(line, arms),
        _seeds(line, cells, given.seed_column or SEED),
        _number(line, score),
        failed=_truth(line, FAILED) if FAILED in cells else None,
        floor=_number(line, FLOOR) if FLOOR in cells else None,
        metric=metric,
        task=_name(cells, TASK),
        group=_name(cells, GROUP) if GROUP not in arms else None,
        settings=_settings(cells, used, arms),
        dev_examples=_examples(line) if EXAMPLES in cells else None,
        logits=read_logits(predictions, metric) if predictions else None,
        name=line.name,
        diverged=not is_missing(cells.get(DIVERGED)) and _truth(line, DIVERGED),
        higher_is_better=None if is_missing(cells.get(HIGHER)) else _truth(line, HIGHER),
        unread=tuple(name for name in cells if name in RESULTS and name not in used),
    )


def _settings(
    cells: Mapping[str, Any], used: Collection[str], arms: Sequence[str]
) -> dict[str, Any]:
    """All that is not `used` otherwise. W&B's eval/loss and artifact/name were logged: no settings,
    and no scores of further sets, as columns called so are in a sweep's rows.
    """
    return {
        name.replace("/", "."): _value(cell)
        for name, cell in cells.items()
        if name not in used and name not in RESULTS and ("/" not in name or name in arms)
    }


def _examples(line: Line) -> int | None:
    number = _number(line, EXAMPLES)
    if number is None or number < 1 or number != round(number):
        raise UserError(f"{line.where} has {line.cells[EXAMPLES]!r} as {EXAMPLES}: give a number.")
    return int(number)


def _score_column(line: Line, cells: Mapping[str, Any], given: Given) -> str:
    """The column that --metric names, or `score`."""
    if given.metric in cells:
        return str(given.metric)
    _column(line, cells, SCORE, "; or name the column with --metric")
    return SCORE


def _metric(line: Line, cells: Mapping[str, Any], score: str, given: Given) -> str | None:
    """What the run was scored by. The column metric says it of the column score; of another one in
    its place too, where that has no metric's name itself.
    """
    own = _text(cells, METRIC)
    said, named = own and plain_name(own), given.plain_metric
    if score != SCORE:
        tells = named in METRICS or is_error(score) or SCORE in cells
        return named if tells else said or named
    if said and named not in (None, said):
        raise UserError(
            f"{line.where} was scored by {own}, and --metric is {given.metric}; leave one of them"
            " out."
        )
    return said or named


def _column(line: Line, cells: Mapping[str, Any], name: str, or_else: str) -> None:
    if name not in cells:
        raise UserError(
            f"{line.where} has no column {name!r} but {quoted(cells)}: give the columns arm, seed"
            f" and score{or_else}."
        )


def _arm(line: Line, names: Sequence[str]) -> str:
    """The name of the run's recipe; of several columns such as `lr=2e-5 warmup=0.1`."""
    if len(names) > 1:
        return " ".join(f"{name}={_spelled(line.cells, name) or 'null'}" for name in names)
    (column,) = names
    name = _name(line.cells, column)
    if name is None:
        raise UserError(f"{line.where} has no {column}: name the recipe that was run.")
    # A number of a setting's column says nothing without the setting.
    if column == ARM or isinstance(_value(name), str):
        return name
    return f"{column}={_spelled(line.cells, column)}"


def _spelled(cells: Mapping[str, Any], column: str) -> str | None:
    """A cell that names a recipe; numbers in one spelling, or 2e-5 and 0.00002 were two recipes."""
    name = _name(cells, column)
    value = None if name is None else _value(name)
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.12g}"
    return str(value) if isinstance(value, int) else name


def _seeds(line: Line, cells: Mapping[str, Any], column: str) -> tuple[str, ...] | None:
    """As they were written; dropout follows the order where it is not given, as in a sweep."""
    seed = _text(cells, column)
    init, order, dropout = (_text(cells, name) for name in STREAMS)
    if seed is None and (init is None or order is None):
        if line.name is not None and column not in cells:
            return None
        if column in cells or init or order:
            raise UserError(f"{line.where} has no {column}: give each run its seed.")
        raise UserError(
            f"{line.where} has no column {column!r} but {quoted(cells)}: give the columns arm, seed"
            " and score; or name the column with --seed_column."
        )
    order = order or seed
    names = (init or seed, order, dropout or order)
    return tuple(map(plain_seed, names))


def plain_seed(seed: Any) -> str:
    """A seed as a text, the same however a table or a program writes its number."""
    return _WHOLE.sub(r"\1", str(seed))


def _text(cells: Mapping[str, Any], name: str) -> str | None:
    value = cells.get(name)
    if is_missing(value):
        return None
    if isinstance(value, float) and value.is_integer():  # a whole number beside missing ones
        return str(int(value))
    return str(value).strip()


def _name(cells: Mapping[str, Any], column: str) -> str | None:
    """A text that names something: `none` is one, of a recipe, task or group without."""
    value = cells.get(column)
    return None if is_empty(value) else _text(cells, column) or str(value).strip()


def _number(line: Line, name: str) -> float | None:
    """None where there is none, or one that is not finite."""
    value = line.cells[name]
    if is_missing(value):
        return None
    try:
        return finite_number(value)
    except (TypeError, ValueError):
        raise UserError(
            f"{line.where} has {str(value)!r} as {name}: give a number such as 0.712."
        ) from None


def finite_number(value: Any) -> float | None:
    """None of one that is not finite; raises TypeError or ValueError for what is no number."""
    if isinstance(value, bool | np.bool_):
        raise ValueError
    found = float(plain_number(value))
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
