"""The tables of a report, as text: every renderer gets the same cells.

A cell of two lines holds a number and, below it, its interval or what else belongs to it.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from typing import NamedTuple, TypeVar

from jaxtune.core.failure import MEANING
from jaxtune.core.schedules import Peak, show_rate
from jaxtune.report.findings import ArmFindings, Findings
from jaxtune.stats.arms import Arm
from jaxtune.stats.describe import BUDGET, further_scores
from jaxtune.stats.holm import Corrected
from jaxtune.stats.hypothesis_tests import NOT_JUDGED, Outcome
from jaxtune.stats.intervals import Estimate
from jaxtune.stats.wording import (
    MISSING,
    decimals,
    form_with,
    in_parts,
    short_p,
    show_wilson,
    value_range,
)

MOST_PAIRS = 20

ARM_COLUMNS = (
    *("Arm", "Failed", "Mean", "Std", "Median", "Min", "Max"),
    *("Mean, not failed", f"Best of {BUDGET}", "Peak learning rate"),
)
# Of a table of recipes over tasks, after a column for each task.
RANK_COLUMNS = ("Rank by failures", "Rank by mean", "IQM")
ARMS_NOTE = (
    "Final {metric} on the dev set ({direction} is better).{failed}"
    " Other 95% intervals: mean Student's t, std Bonett, median order statistics; the std has ddof"
    " 1 and failed trials in it. For a recipe that fails now and then those of mean and std are too"
    " narrow."
    f" Best of {BUDGET}: expected best score of as many seeds, or the best of all where there are"
    " no more."
)
PEAK_NOTE = (
    " Peak learning rate: the effective one, that of corrected Adam with the same updates; below it"
    " how it lies to the one that was set."
)
FAILED_NOTE = (
    f" The best constant prediction scores {{trivial}}. Failed: {MEANING}{{marked}}; below it"
    " Wilson's 95% interval of the rate."
)
DEV_NOTE = (
    "One standard error of a dev set of {num_dev} examples is {error}: differences of that size may"
    " be the luck of these examples."
)
# The same, where words have tags.
DEV_SENTENCES = (
    " An example is a sentence: its words depend on each other, so that whole sentences were drawn"
    " anew."
)
FURTHER_NOTE = (
    "After a trial's last step: mean, and below it the std over the trials that have a score there."
    " Neither failures nor the verdict go by these; whoever chooses by them has made them dev sets."
)

Pair = TypeVar("Pair")


class Table(NamedTuple):
    """A title, columns, rows whose first cell names them, and what one must know to read it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def cell(found: Estimate, form: str = "{:.3f}", unit: str = "") -> str:
    """A number, its unit, and below them its interval."""
    return "\n".join(filter(None, in_parts(found, form, unit)))


def shown(value: float | int | None, form: str = "{:.3f}") -> str:
    """A number that may be missing, and is never -0."""
    return in_parts(Estimate(None if value is None else float(value)), form)[0]


def form_of(values: Iterable[float | None], least: int = 3) -> str:
    """Such as `{:.3f}`: so many decimals that, as in sentences, none but 0 looks like 0."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return form_with(known, decimals(known, least))


def score_form(found: Findings) -> str:
    """Of all scores of a report, by the smallest mean and std in it: one, so that they compare."""
    arms = [arm.description.all for arm in found.arms]
    return form_of(value for arm in arms for value in (arm.mean.value, arm.std.value))


def signed(form: str) -> str:
    """The same for differences."""
    return form.replace("{:", "{:+")


def score(value: float | None, found: Findings) -> str:
    """With as many decimals as all scores of the report."""
    return shown(value, score_form(found))


def mean_and_failed(arm: Arm, form: str) -> str:
    """The mean, and below it how many trials failed where that is known."""
    failed = f"\n{int(arm.failed.sum())} of {len(arm)} failed" if arm.judged else ""
    return f"{shown(arm.final.mean(), form)}{failed}"


def corrected_p(corrected: Corrected, outcome: Outcome) -> str:
    """After Holm, and below it alone."""
    if corrected.p is None or outcome.p is None:
        return MISSING
    corrected_p = short_p(corrected.p, outcome.at_most)
    return f"{corrected_p}\nalone {short_p(outcome.p, outcome.at_most)}"


def clearest(
    title: str,
    columns: tuple[str, ...],
    pairs: Sequence[Pair],
    row: Callable[[Pair], tuple[str, ...]],
    note: str,
    named: Pair | None = None,
) -> Table:
    """A row for each of the first pairs, which come by their p, and how many of them these are.

    Args:
        named: a pair that has a row in any case, for the verdict speaks of it.
    """
    shown = pairs[:MOST_PAIRS]
    if len(pairs) > MOST_PAIRS:
        note += f" Of {len(pairs)} pairs the {MOST_PAIRS} with the smallest p are shown"
        if named is not None and named not in shown:
            shown = [*shown, named]
            note += ", and the one that the verdict names"
        note += "."
    return Table(title, columns, tuple(map(row, shown)), note)


def why_missing(found: Iterable[Estimate | Outcome]) -> str:
    """The reasons, each once."""
    reasons = dict.fromkeys(one.reason for one in found if one.reason)
    return f" Missing: {'; '.join(reasons)}." if reasons else ""


def times(top: Peak) -> str:
    """How far a peak lies above the learning rate that was set, or below it."""
    return "as set" if abs(top.multiple - 1) < 0.005 else f"{top.multiple:.2g} times"


def arms_table(found: Findings) -> Table:
    """A row per arm."""
    higher = found.arms[0].arm.higher_is_better
    note = ARMS_NOTE.format(
        metric=found.metric,
        direction="higher" if higher else "lower",
        failed=_failed_note(found),
    )
    note += PEAK_NOTE if any(arm.peak for arm in found.arms) else ""
    note += _dev_note(found)
    spreads = [e for arm in found.arms for e in (arm.description.all.mean, arm.description.all.std)]
    leaders, form = found.verdict.leaders, score_form(found)
    rows = [_arm_row(arm, arm.arm.name in leaders, form) for arm in found.arms]
    # Without a floor no failures are known, and of another trainer's runs no learning rates.
    kept = [any(cell != MISSING for cell in column) for column in zip(*rows, strict=True)]
    columns, *rows = (tuple(compress(row, kept)) for row in (ARM_COLUMNS, *rows))
    return Table("Arms", columns, tuple(rows), note + why_missing(spreads))


def _failed_note(found: Findings) -> str:
    """What counts as failed here."""
    if not found.arms[0].arm.judged:
        return f" Failed: {NOT_JUDGED}."
    rows = [row for source in found.sources for row in source.rows]
    marked = any(row.get("marked_failed") is not None for row in rows)
    if found.trivial is None:
        return " Failed: marked as failed, or without a score; below it Wilson's 95% interval."
    return FAILED_NOTE.format(
        trivial=score(found.trivial, found), marked=", or marked so" if marked else ""
    )


def _dev_note(found: Findings) -> str:
    """The dev set's own error, a range over the arms, or why it is not known."""
    errors = [arm.description.dev_error for arm in found.arms]
    known = [error.value for error in errors if error.value is not None]
    if not known:
        reasons = dict.fromkeys(error.reason for error in errors)
        return f" The dev set's own standard error is not known: {'; '.join(reasons)}."
    of_words = found.arms[0].trials[0].sentences is not None
    note = DEV_NOTE.format(num_dev=found.num_dev, error=value_range(known))
    return f" {note}{DEV_SENTENCES if of_words else ''}"


def _arm_row(arm: ArmFindings, leads: bool, form: str) -> tuple[str, ...]:
    scores, failed, rest = arm.description.all, arm.description.failed, arm.description.not_failed
    tries = min(BUDGET, len(arm.arm))
    best = shown(arm.best.mean[tries - 1], form)
    return (
        arm.description.name + ("\nmore stable" if leads else ""),
        f"{failed.count} of {failed.n}\n{show_wilson(failed)}" if arm.arm.judged else MISSING,
        cell(scores.mean, form),
        cell(scores.std, form),
        cell(scores.median, form),
        shown(scores.min.value, form),
        shown(scores.max.value, form),
        f"{shown(rest.mean.value, form)}\nstd {shown(rest.std.value, form)}"
        if rest.n and arm.arm.judged
        else MISSING,
        best if tries == BUDGET else f"{best}\nof {tries}",
        MISSING if arm.peak is None else f"{show_rate(arm.peak.rate)}\n{times(arm.peak)}",
    )


def further_table(found: Findings) -> Table | None:
    """What arms score on further sets, a row each; None where only the dev set was scored."""
    scores = {
        each.arm.name: further_scores([trial.row for trial in each.trials]) for each in found.arms
    }
    sets = tuple(dict.fromkeys(name for own in scores.values() for name in own))
    if not sets:
        return None
    form = form_of(
        value for own in scores.values() for score in own.values() for value in score.values()
    )
    rows = tuple(
        (arm, *(_further(own.get(name), form) for name in sets)) for arm, own in scores.items()
    )
    return Table("On further sets", ("Arm", *sets), rows, FURTHER_NOTE)


def _further(score: dict[str, float | None] | None, form: str) -> str:
    if score is None or score["mean"] is None:
        return MISSING
    return f"{shown(score['mean'], form)}\nstd {shown(score['std'], form)}"
