"""The tables of a report, as text: every renderer gets the same cells.

A cell of two lines holds a number and, below it, its interval or what else belongs to it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from jaxtune.core.failure import MEANING
from jaxtune.core.schedules import Peak, show_rate
from jaxtune.core.words import plural
from jaxtune.report.decimals import score_form, signed
from jaxtune.report.findings import ArmFindings, Findings
from jaxtune.stats.arms import Arm
from jaxtune.stats.compare import Comparison
from jaxtune.stats.describe import BUDGET
from jaxtune.stats.holm import ALPHA, Corrected, least_p
from jaxtune.stats.hypothesis_tests import NOT_JUDGED, Outcome
from jaxtune.stats.intervals import Estimate
from jaxtune.stats.power import HOW_OFTEN
from jaxtune.stats.wording import (
    LEVEL,
    MISSING,
    in_parts,
    in_points,
    names,
    points_apart,
    short_p,
    show_level,
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
    " Best of {budget}: expected best score of as many seeds, or the best of all where there are no"
    " more."
)
PEAK_NOTE = (
    " Peak learning rate: the effective one, that of corrected Adam with the same updates; below it"
    " how it lies to the one that was set."
)
FAILED_NOTE = " Failed: {meaning}{marked}; below it Wilson's 95% interval of the rate."
FLOOR_NOTE = " The best constant prediction scores {trivial}."
DEV_NOTE = (
    "One standard error of a dev set of {num_dev} examples is {error}: differences of that size may"
    " be the luck of these examples."
)
# The same, where words have tags.
DEV_SENTENCES = (
    " An example is a sentence: its words depend on each other, so that whole sentences were drawn"
    " anew."
)
PAIR_COLUMNS = (
    *("Pair", "Failure rate, difference", "p, failures", "Std, ratio", "p, std"),
    *("Mean, difference", "p, mean", "Scores better"),
)
PAIRS_NOTE = (
    "p after Holm's correction{deciding} over {of_means} of the mean, which the verdict leaves"
    " aside; below it p alone: {tests}."
    " An interval is at the level that its p alone was held to, {levels}."
    " Differences are of the first arm less the second, ratios of the first over the second."
    " Scores better: the chance that a trial of the first does so than one of the second, ties"
    " half."
    " Failed trials are in everything."
)
FINDABLE_NOTE = (
    "The smallest differences between {pair} that so many seeds per arm find {how_often}, at p ="
    " {alpha:.2g} for each test ({level} over all tests), if scores scatter as they do here."
)


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


def score(value: float | None, found: Findings) -> str:
    """With as many decimals as all scores of the report."""
    return shown(value, score_form(found))


def mean_and_failed(arm: Arm, form: str) -> str:
    """The mean, and below it how many trials failed where that is known."""
    failed = f"\n{int(arm.failed.sum())} of {len(arm)} failed" if arm.judged else ""
    return f"{shown(arm.final.mean(), form)}{failed}"


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
        budget=BUDGET,
    )
    note += PEAK_NOTE if any(arm.peak for arm in found.arms) else ""
    note += _dev_note(found)
    spreads = [e for arm in found.arms for e in (arm.description.all.mean, arm.description.all.std)]
    leaders, form = found.verdict.leaders, score_form(found)
    rows = [_arm_row(arm, arm.arm.name in leaders, form) for arm in found.arms]
    # Without a floor no failures are known, and of another trainer's runs no learning rates.
    shown = [i for i in range(len(ARM_COLUMNS)) if any(row[i] != MISSING for row in rows)]
    return Table(
        "Arms",
        tuple(ARM_COLUMNS[i] for i in shown),
        tuple(tuple(row[i] for i in shown) for row in rows),
        note + _why_missing(spreads),
    )


def _failed_note(found: Findings) -> str:
    """What counts as failed here."""
    if not found.arms[0].arm.judged:
        return f" Failed: {NOT_JUDGED}."
    rows = [row for source in found.sources for row in source.rows]
    marked = any(row.get("marked_failed") is not None for row in rows)
    if found.trivial is None:
        return " Failed: marked as failed, or without a score; below it Wilson's 95% interval."
    floor = FLOOR_NOTE.format(trivial=score(found.trivial, found))
    return floor + FAILED_NOTE.format(meaning=MEANING, marked=", or marked so" if marked else "")


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


def _why_missing(found: Iterable[Estimate | Outcome]) -> str:
    reasons = dict.fromkeys(one.reason for one in found if one.reason)
    return f" Missing: {'; '.join(reasons)}." if reasons else ""


def pairs_table(found: Findings) -> Table | None:
    """A row per pair of arms, the clearest differences first; None where there is one arm."""
    pairs = sorted(found.verdict.comparisons, key=least_p)
    if not pairs:
        return None
    made = [
        [outcome.test for outcome in kind if outcome.p is not None]
        for kind in zip(*(pair.tests for pair in pairs), strict=True)
    ]
    untested = [outcome for pair in pairs for outcome in pair.tests if outcome.p is None]
    sizes = [effect for pair in pairs for effect in pair.effects]
    deciding = plural(found.verdict.num_tests, "test")
    note = PAIRS_NOTE.format(
        deciding=f", over {deciding} of failure rate and spread, and" if any(made[:2]) else "",
        of_means=plural(len(pairs), "test"),
        tests="; ".join(" or ".join(dict.fromkeys(kind)) for kind in made if kind),
        levels=_levels(pairs),
    )
    note += _why_missing(untested + sizes) + left_out(len(pairs))
    form = signed(score_form(found))
    rows = tuple(_pair_row(pair, form) for pair in pairs[:MOST_PAIRS])
    return Table("Pairs of arms", PAIR_COLUMNS, rows, note)


def left_out(number: int) -> str:
    """Which of so many pairs a table shows."""
    if number <= MOST_PAIRS:
        return ""
    return f" Of {number} pairs the {MOST_PAIRS} with the smallest p are shown."


def _levels(pairs: Iterable[Comparison]) -> str:
    """Of all intervals, such as `95% to 97.5%`."""
    levels = {corrected.level for pair in pairs for corrected in pair.corrected}
    low, high = show_level(1 - max(levels)), show_level(1 - min(levels))
    return low if low == high else f"{low} to {high}"


def _pair_row(pair: Comparison, form: str) -> tuple[str, ...]:
    return (
        f"{pair.one}\nagainst {pair.other}",
        cell(in_points(pair.effects.failures), "{:+.0f}", " points"),
        corrected_p(pair.failures, pair.tests.failures),
        cell(pair.effects.std_ratio, "{:.2f}"),
        corrected_p(pair.spread, pair.tests.spread),
        cell(pair.effects.mean, form),
        corrected_p(pair.location, pair.tests.location),
        cell(pair.effects.improvement, "{:.0%}"),
    )


def corrected_p(corrected: Corrected, outcome: Outcome) -> str:
    """After Holm, and below it alone."""
    if corrected.p is None or outcome.p is None:
        return MISSING
    corrected_p = short_p(corrected.p, outcome.at_most)
    return f"{corrected_p}\nalone {short_p(outcome.p, outcome.at_most)}"


def findable_table(found: Findings) -> Table | None:
    """What more seeds would find; None where no pair stays open."""
    ways, pair = found.verdict.findable, found.verdict.open_pair
    if not ways or pair is None:
        return None
    rows = tuple(
        (
            str(way.seeds),
            MISSING if way.failures is None else points_apart(way.failures),
            MISSING if way.std_ratio is None else f"{way.std_ratio:.2g} times as large",
            MISSING if way.mean is None else f"{way.mean:.2g}",
        )
        for way in ways
    )
    alpha = ALPHA / found.verdict.num_tests / pair.times
    return Table(
        "What more seeds would find",
        ("Seeds per arm", "Failure rate", "Std", "Mean, difference"),
        rows,
        FINDABLE_NOTE.format(
            pair=names([pair.one, pair.other]), how_often=HOW_OFTEN, alpha=alpha, level=LEVEL
        ),
    )
