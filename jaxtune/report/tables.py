"""The tables of a report, as text: every renderer gets the same cells.

A cell of two lines holds a number and, below it, its interval or what else belongs to it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from jaxtune.core.schedules import Peak, show_rate
from jaxtune.report.findings import ArmFindings, Findings
from jaxtune.stats.compare import Comparison
from jaxtune.stats.hypothesis_tests import Outcome
from jaxtune.stats.instability import Instability
from jaxtune.stats.intervals import Estimate
from jaxtune.stats.sentences import BUDGET
from jaxtune.stats.wording import MISSING, in_parts, in_points, names, short_p, show_wilson

MOST_PAIRS = 20

ARM_COLUMNS = (
    *("Arm", "Failed", "Mean", "Std", "Median", "Min", "Max"),
    *("Mean, not failed", f"Best of {BUDGET}", "Peak learning rate"),
)
ARMS_NOTE = (
    "Final {metric} on the dev set."
    " Failed: no better than the best constant prediction, {trivial:.3f}; below it Wilson's 95 %"
    " interval of the rate."
    " Other intervals are 95 % bootstrap (BCa) over seeds; the std has ddof 1 and failed trials in"
    " it."
    " Best of {budget}: expected best score of as many seeds."
    " Peak learning rate: the effective one (see below), beside the one that was set."
)
DEV_NOTE = (
    "One standard error of a dev set of {num_dev} examples is {error}: differences of that size may"
    " be the luck of these examples."
)
PAIR_COLUMNS = (
    *("Pair", "Failure rate, difference", "p", "Std, ratio", "p"),
    *("Mean, difference", "p", "Wins"),
)
PAIRS_NOTE = (
    "p after Holm's correction over all {num_tests} tests, below it p alone: {tests}."
    " Differences are of the first arm less the second, ratios of the first over the second."
    " Wins: the chance that a trial of the first scores higher than one of the second, ties half."
    " Failed trials are in everything."
)
POWER_NOTE = (
    "The chance that a sweep with so many seeds per arm tells {pair} apart, if they differ as much"
    " as they do here, at p = {alpha:.2g} for each test (0.05 over all tests)."
    " A guess from the trials there are."
)
INSTABILITY_NOTE = (
    "Equal scores do not make equal answers."
    " Disagreement: share of dev examples on which two trials differ, mean over pairs."
    " Kappa (Fleiss): 1 is full agreement, 0 what chance gives."
    " Divergence (Jensen-Shannon): in nats, 0 to 0.693."
)
VARIANCE_NOTE = (
    "Random effects over crossed seeds (ANOVA estimates, negative ones shown as 0)."
    " The rest is the interaction of the streams together with everything that no seed controls."
    " p: F test of no effect."
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
    """A number that may be missing."""
    return MISSING if value is None else form.format(value)


def times(top: Peak) -> str:
    """How far a peak lies above the learning rate that was set."""
    return "as set" if top.multiple < 1.005 else f"{top.multiple:.2g} times"


def arms_table(found: Findings) -> Table:
    """A row per arm."""
    note = ARMS_NOTE.format(metric=found.metric, trivial=found.trivial, budget=BUDGET)
    errors = [arm.description.dev_error.value for arm in found.arms]
    known = [f"{error:.3f}" for error in sorted(e for e in errors if e is not None)]
    if known:
        error = known[0] if known[0] == known[-1] else f"{known[0]} to {known[-1]}"
        note += " " + DEV_NOTE.format(num_dev=found.num_dev, error=error)
    spreads = [e for arm in found.arms for e in (arm.description.all.mean, arm.description.all.std)]
    rows = tuple(map(_arm_row, found.arms))
    return Table("Arms", ARM_COLUMNS, rows, note + _why_missing(spreads))


def _arm_row(arm: ArmFindings) -> tuple[str, ...]:
    scores, failed, rest = arm.description.all, arm.description.failed, arm.description.not_failed
    tries = min(BUDGET, len(arm.arm))
    best = f"{arm.best.mean[tries - 1]:.3f}"
    return (
        arm.description.name,
        f"{failed.count} of {failed.n}\n{show_wilson(failed)}",
        cell(scores.mean),
        cell(scores.std),
        cell(scores.median),
        shown(scores.min.value),
        shown(scores.max.value),
        f"{shown(rest.mean.value)}\nstd {shown(rest.std.value)}" if rest.n else MISSING,
        best if tries == BUDGET else f"{best}\nof {tries}",
        MISSING if arm.peak is None else f"{show_rate(arm.peak.rate)}\n{times(arm.peak)}",
    )


def _why_missing(found: Iterable[Estimate | Outcome]) -> str:
    reasons = dict.fromkeys(one.reason for one in found if one.reason)
    return f" Missing: {'; '.join(reasons)}." if reasons else ""


def pairs_table(found: Findings) -> Table | None:
    """A row per pair of arms, the clearest differences first; None where there is one arm."""
    pairs = sorted(found.verdict.comparisons, key=_least_p)
    if not pairs:
        return None
    tested = [(p.failures, p.all.spread, p.all.location) for p in pairs]
    kinds = [" or ".join(dict.fromkeys(o.test for o in kind)) for kind in zip(*tested, strict=True)]
    untested = [outcome for outcomes in tested for outcome in outcomes if outcome.p is None]
    sizes = [e for p in pairs for e in (p.all.std_ratio, p.all.mean_difference, p.all.improvement)]
    note = PAIRS_NOTE.format(num_tests=3 * len(pairs), tests="; ".join(kinds))
    note += _why_missing(untested + sizes)
    if len(pairs) > MOST_PAIRS:
        note += f" Of {len(pairs)} pairs the {MOST_PAIRS} with the smallest p are shown."
    return Table("Pairs of arms", PAIR_COLUMNS, tuple(map(_pair_row, pairs[:MOST_PAIRS])), note)


def _least_p(pair: Comparison) -> float:
    return min((p for p in pair.holm or pair.p if p is not None), default=1.0)


def _pair_row(pair: Comparison) -> tuple[str, ...]:
    assert pair.holm
    return (
        f"{pair.one}\nagainst {pair.other}",
        cell(in_points(pair.failure_difference), "{:+.0f}", " points"),
        _p(pair.holm.failures, pair.failures),
        cell(pair.all.std_ratio, "{:.2f}"),
        _p(pair.holm.spread, pair.all.spread),
        cell(pair.all.mean_difference, "{:+.3f}"),
        _p(pair.holm.location, pair.all.location),
        cell(pair.all.improvement, "{:.0%}"),
    )


def _p(corrected: float | None, outcome: Outcome) -> str:
    if corrected is None or outcome.p is None:
        return MISSING
    return f"{short_p(corrected)}\nalone {short_p(outcome.p)}"


def power_table(found: Findings) -> Table | None:
    """The chance of a decision by the number of seeds; None where no pair stays open."""
    power, pair = found.verdict.power, found.verdict.open_pair
    if power is None or pair is None:
        return None
    columns = (power.seeds, power.failures, power.spread, power.location)
    rows = zip(*(column[::2].tolist() for column in columns), strict=True)
    return Table(
        "How many seeds it would take",
        ("Seeds per arm", "Failure rate", "Spread", "Location"),
        tuple((str(n), *(f"{chance:.0%}" for chance in chances)) for n, *chances in rows),
        POWER_NOTE.format(pair=names([pair.one, pair.other]), alpha=power.alpha),
    )


def instability_table(found: Findings) -> Table | None:
    """How differently trials answer; None where no arm has two trials with predictions."""
    rows = []
    for arm in found.arms:
        kinds = {"all trials": arm.instability}
        if arm.description.failed.count:
            kinds["not failed"] = arm.of_successes
        rows += [
            _instability_row(f"{arm.arm.name}\n{kind}", one)
            for kind, one in kinds.items()
            if one and one.disagreement.value is not None
        ]
    if not rows:
        return None
    columns = ("Arm", "Trials", "Disagreement", "Kappa", "Divergence")
    return Table("Agreement of the predictions", columns, tuple(rows), INSTABILITY_NOTE)


def _instability_row(name: str, found: Instability) -> tuple[str, ...]:
    values = (found.disagreement.value, found.kappa.value, found.divergence.value)
    return (name, str(found.n), *map(shown, values))


def variance_table(found: Findings) -> Table | None:
    """Variance by random stream; None where no arm's seeds are crossed."""
    rows = [
        (
            f"{arm.arm.name}\n{part.name}",
            f"{part.variance:.2e}",
            shown(part.share, "{:.0%}"),
            str(part.df),
            MISSING if part.p is None else short_p(part.p),
        )
        for arm in found.arms
        for part in arm.split.components
    ]
    if not rows:
        return None
    columns = ("Arm and stream", "Variance", "Share", "df", "p")
    return Table("Where the variance comes from", columns, tuple(rows), VARIANCE_NOTE)
