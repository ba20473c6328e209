"""The floor of other trainers' runs, which is rounded where it was typed."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from jaxtune.core.errors import UserError
from jaxtune.core.failure import ROUNDING
from jaxtune.core.metrics import merit
from jaxtune.core.words import plural
from jaxtune.report.scores.runs import Given, Run

# The share of a floor of one digit within which equal scores may be the floor itself.
CLOSE = 0.05


def floor_of(runs: Sequence[Run], given: Given, higher_is_better: bool) -> float | None:
    """The floor that the runs are held to; UserError where they have several.

    RTE's best constant prediction is right in 146 of 277 examples, and is typed 0.527: of the
    scores that may be the typed floor before rounding the best one is taken for it.
    """
    floor = stated_floor(runs, given)
    if floor is None:
        return None
    # Of 120 and 0.5 nobody can tell whether they were rounded: half a unit would be too much.
    several = len(_decimal(floor).as_tuple().digits) > 1
    near = _near(runs, floor) if several and _decimals(floor) else []
    return max([floor, *near], key=lambda score: merit(score, higher_is_better))


def stated_floor(runs: Sequence[Run], given: Given) -> float | None:
    """The one floor of all runs: of the command line, or of the column."""
    first = next((run for run in runs if run.floor is not None), None)
    if first is None:
        return None if given.floor is None else float(given.floor)
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


def check_floor(stated: float | None, exact: float) -> None:
    """Raises UserError for a floor that is not, rounded, the one that the labels give."""
    if stated is not None and abs(exact - stated) > _half_unit(stated) + ROUNDING:
        raise UserError(
            f"The floor is {stated:g}, and the labels give {exact:.4g}; leave the floor out, or"
            " give the labels that the runs were scored by."
        )


def said_of_floor(
    runs: Sequence[Run], stated: float | None, taken: float | None, higher_is_better: bool
) -> str:
    """What the floor's rounding did, or may have hidden; empty where it did not matter."""
    if stated is None or taken is None:
        return ""
    level = merit(stated, higher_is_better)
    better = [score for score in _near(runs, stated) if merit(score, higher_is_better) > level]
    if taken != stated:
        return (
            f"A score of {taken:.5g} is the floor of {stated:g} when it is rounded, so that"
            f" {plural(len(better), 'run')} up to there count as no better: give more digits of the"
            f" floor if they are, such as {_decimal(stated):f}000001 if it is exact."
        )
    # A run that gives one answer scores the floor itself, and is seldom the only one to.
    close = [score for score in better if abs(score - stated) <= CLOSE * abs(stated)]
    score, count = Counter(close).most_common(1)[0] if close else (0.0, 0)
    if count < 2:
        return ""
    return (
        f"{count} runs score {score:.4g}, hardly better than the floor of {stated:g}: give more"
        " digits of it if it was rounded."
    )


def _near(runs: Sequence[Run], floor: float) -> list[float]:
    """The scores that give the floor when rounded as it is."""
    scores = [run.score for run in runs if run.score is not None]
    return [score for score in scores if abs(score - floor) <= _half_unit(floor)]


def _half_unit(floor: float) -> float:
    """Of its last decimal, and a hair more: 0.5275 - 0.527 is more than 0.0005."""
    half = 0.5 * 10.0 ** -_decimals(floor)
    return half * (1 + 1e-9) if floor else 0.0


def _decimals(floor: float) -> int:
    return max(-int(_decimal(floor).as_tuple().exponent), 0)


def _decimal(floor: float) -> Decimal:
    """As it is typed, but for zeros at its end."""
    return Decimal(repr(float(floor))).normalize()


def _or_none(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"
