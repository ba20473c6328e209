"""The tables of a report, as text: every renderer gets the same cells.

A cell of two lines holds a number and, below it, its interval or what else belongs to it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from jaxtune.core.schedules import Peak, show_rate
from jaxtune.report.findings import ArmFindings, Findings
from jaxtune.stats.compare import Comparison
from jaxtune.stats.describe import Scores
from jaxtune.stats.hypothesis_tests import Outcome
from jaxtune.stats.instability import Instability
from jaxtune.stats.intervals import Estimate
from jaxtune.stats.sentences import BUDGET
from jaxtune.stats.wording import names

MISSING = "-"
MOST_PAIRS = 20


class Table(NamedTuple):
    """A title, columns, rows whose first cell names them, and what one must know to read it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def number(value: float | None) -> str:
    """A score with three decimals."""
    return MISSING if value is None else f"{value:.3f}"


def estimate(found: Estimate, show: str = "{:.3f}", unit: str = "") -> str:
    """A number, its unit, and below them its interval."""
    if found.value is None:
        return MISSING
    value = _shown(found.value, show) + unit
    if found.low is None or found.high is None:
        return value
    return f"{value}\n{_shown(found.low, show)} to {_shown(found.high, show)}"


def _shown(value: float, show: str) -> str:
    """Never -0."""
    text = show.format(value)
    return text if text.strip("+-0.%") else show.format(0.0)


def times(top: Peak) -> str:
    """How far a peak lies above the learning rate that was set."""
    return "as set" if top.multiple < 1.005 else f"{top.multiple:.2g} times"


def arms_table(found: Findings) -> Table:
    """A row per arm."""
    columns = (
        *("Arm", "Failed", "Mean", "Std", "Median", "Min", "Max"),
        *("Mean, not failed", f"Best of {BUDGET}", "Peak learning rate"),
    )
    return Table("Arms", columns, tuple(map(_arm_row, found.arms)), _arms_note(found))


def _arm_row(arm: ArmFindings) -> tuple[str, ...]:
    about = arm.description
    failed = about.failed
    tries = min(BUDGET, len(arm.arm))
    best = f"{arm.best.mean[tries - 1]:.3f}"
    return (
        about.name,
        f"{failed.count} of {failed.n}\n{failed.wilson_low:.0%} to {failed.wilson_high:.0%}",
        estimate(about.all.mean),
        estimate(about.all.std),
        estimate(about.all.median),
        number(about.all.min.value),
        number(about.all.max.value),
        _not_failed(about.not_failed),
        best if tries == BUDGET else f"{best}\nof {tries}",
        MISSING if arm.peak is None else f"{show_rate(arm.peak.rate)}\n{times(arm.peak)}",
    )


def _not_failed(scores: Scores) -> str:
    if scores.mean.value is None:
        return MISSING
    return f"{number(scores.mean.value)}\nstd {number(scores.std.value)}"


def _arms_note(found: Findings) -> str:
    spreads = [e for arm in found.arms for e in (arm.description.all.mean, arm.description.all.std)]
    errors = [arm.description.dev_error.value for arm in found.arms]
    known = [error for error in errors if error is not None]
    parts = [
        (
            f"Final {found.metric} on the dev set. Failed: no better than the best constant"
            f" prediction, {found.trivial:.3f}; below it Wilson's 95 % interval of the rate."
        ),
        (
            "Other intervals are 95 % bootstrap (BCa) over seeds; the std has ddof 1 and failed"
            " trials in it."
        ),
        (
            f"Best of {BUDGET}: expected best score of as many seeds. Peak learning rate: the"
            " effective one (see below), beside the one that was set."
        ),
    ]
    if known:
        low, high = min(known), max(known)
        size = f"{high:.3f}" if f"{low:.3f}" == f"{high:.3f}" else f"{low:.3f} to {high:.3f}"
        parts.append(
            f"One standard error of a dev set of {found.num_dev} examples is {size}: differences of"
            " that size may be the luck of these examples."
        )
    return " ".join([*parts, *_why_missing(spreads)])


def _why_missing(found: Iterable[Estimate | Outcome]) -> list[str]:
    reasons = dict.fromkeys(one.reason for one in found if one.reason)
    return [f"Missing: {'; '.join(reasons)}."] if reasons else []


def pairs_table(found: Findings) -> Table | None:
    """A row per pair of arms, the clearest differences first; None where there is one arm."""
    pairs = sorted(found.verdict.comparisons, key=_least_p)
    if not pairs:
        return None
    tested = [(p.failures, p.all.spread, p.all.location) for p in pairs]
    kinds = [" or ".join(dict.fromkeys(o.test for o in kind)) for kind in zip(*tested, strict=True)]
    note = (
        f"p after Holm's correction over all {3 * len(pairs)} tests, below it p alone:"
        f" {'; '.join(kinds)}. Differences are of the first arm less the second, ratios of the"
        " first over the second. Wins: the chance that a trial of the first scores higher than one"
        " of the second, ties half. Failed trials are in everything."
    )
    sizes = [e for p in pairs for e in (p.all.std_ratio, p.all.mean_difference, p.all.improvement)]
    note = " ".join([note, *_why_missing([o for os in tested for o in os if o.p is None] + sizes)])
    if len(pairs) > MOST_PAIRS:
        note += f" Of {len(pairs)} pairs the {MOST_PAIRS} with the smallest p are shown."
    columns = (
        *("Pair", "Failure rate, difference", "p", "Std, ratio", "p"),
        *("Mean, difference", "p", "Wins"),
    )
    return Table("Pairs of arms", columns, tuple(map(_pair_row, pairs[:MOST_PAIRS])), note)


def _least_p(pair: Comparison) -> float:
    return min((p for p in pair.holm or pair.p if p is not None), default=1.0)


def _pair_row(pair: Comparison) -> tuple[str, ...]:
    assert pair.holm
    return (
        f"{pair.one}\nagainst {pair.other}",
        estimate(_in_points(pair.failure_difference), "{:+.0f}", " points"),
        _p(pair.holm.failures, pair.failures),
        estimate(pair.all.std_ratio, "{:.2f}"),
        _p(pair.holm.spread, pair.all.spread),
        estimate(pair.all.mean_difference, "{:+.3f}"),
        _p(pair.holm.location, pair.all.location),
        estimate(pair.all.improvement, "{:.0%}"),
    )


def _in_points(share: Estimate) -> Estimate:
    value, low, high = (None if end is None else 100 * end for end in share[:3])
    return share._replace(value=value, low=low, high=high)


def _p(corrected: float | None, outcome: Outcome) -> str:
    if corrected is None or outcome.p is None:
        return MISSING
    return f"{_short(corrected)}\nalone {_short(outcome.p)}"


def _short(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def power_table(found: Findings) -> Table | None:
    """The chance of a decision by the number of seeds; None where no pair stays open."""
    power, pair = found.verdict.power, found.verdict.open_pair
    if power is None or pair is None:
        return None
    chosen = slice(None, None, 2)
    columns = (power.seeds, power.failures, power.spread, power.location)
    rows = zip(*(column[chosen].tolist() for column in columns), strict=True)
    return Table(
        "How many seeds it would take",
        ("Seeds per arm", "Failure rate", "Spread", "Location"),
        tuple((str(n), *(f"{chance:.0%}" for chance in chances)) for n, *chances in rows),
        f"The chance that a sweep with so many seeds per arm tells {names([pair.one, pair.other])}"
        f" apart, if they differ as much as they do here, at p = {power.alpha:.2g} for each test"
        " (0.05 over all tests). A guess from the trials there are.",
    )


def instability_table(found: Findings) -> Table | None:
    """How differently trials answer; None where no arm has two trials with predictions."""
    rows = []
    for arm in found.arms:
        kinds = {"all trials": arm.instability}
        if arm.description.failed.count:
            kinds["not failed"] = arm.of_successes
        rows += [
            (f"{arm.arm.name}\n{kind}", *_instability_cells(one))
            for kind, one in kinds.items()
            if one and one.disagreement.value is not None
        ]
    if not rows:
        return None
    return Table(
        "Agreement of the predictions",
        ("Arm", "Trials", "Disagreement", "Kappa", "Divergence"),
        tuple(rows),
        "Equal scores do not make equal answers. Disagreement: share of dev examples on which two"
        " trials differ, mean over pairs. Kappa (Fleiss): 1 is full agreement, 0 what chance gives."
        " Divergence (Jensen-Shannon): in nats, 0 to 0.693.",
    )


def _instability_cells(found: Instability) -> tuple[str, ...]:
    values = (found.disagreement.value, found.kappa.value, found.divergence.value)
    return (str(found.n), *map(number, values))


def variance_table(found: Findings) -> Table | None:
    """Variance by random stream; None where no arm's seeds are crossed."""
    rows = [
        (
            f"{arm.arm.name}\n{part.name}",
            f"{part.variance:.2e}",
            MISSING if part.share is None else f"{part.share:.0%}",
            str(part.df),
            MISSING if part.p is None else _short(part.p),
        )
        for arm in found.arms
        for part in arm.split.components
    ]
    if not rows:
        return None
    return Table(
        "Where the variance comes from",
        ("Arm and stream", "Variance", "Share", "df", "p"),
        tuple(rows),
        "Random effects over crossed seeds (ANOVA estimates, negative ones shown as 0). The rest is"
        " the interaction of the streams together with everything that no seed controls. p: F test"
        " of no effect.",
    )
