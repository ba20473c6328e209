"""Which trials a study looks at, and the numbers of arms and pairs of arms.

Trials are rows of a sweep as `Study.rows` gives them; the statistics are those of the reports.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxtune.stats.arms import Arm, make_arms
from jaxtune.stats.describe import describe
from jaxtune.stats.effects import share_difference
from jaxtune.stats.holm import ALPHA
from jaxtune.stats.hypothesis_tests import Outcome, failure_test
from jaxtune.stats.intervals import Estimate, Share, share
from jaxtune.stats.wording import show_p, show_share
from jaxtune.study.finding import show

# Of a metric: a difference of means whose interval lies within it on both sides does not matter.
MARGIN = 0.02
SCORE_COLUMNS = [
    *("trial", "seed", "arm", "learning_rate", "bias_correction", "num_epochs", "num_steps"),
    *("metric", "trivial", "final", "best", "train_loss", "failed", "diverged"),
    "constant_prediction",
]


class NothingToShowError(Exception):
    """A sweep has not the trials a study is about; the finding says so, and nothing is drawn."""


class Chosen(NamedTuple):
    """Trial numbers, lowest first, and the rule that picked them, in words."""

    failed: tuple[int, ...]
    successful: tuple[int, ...]
    rule: str


def not_diverged(rows: pd.DataFrame) -> pd.DataFrame:
    """Trials whose losses, norms and parameters are numbers to the end."""
    return rows[~rows["diverged"].astype(bool)]


def choose(trials: pd.DataFrame, count: int, sweep: Path | str) -> Chosen:
    """The failed and the successful trials with the lowest numbers, at most `count` of each.

    By rule and never by eye; diverged ones are left out, for there is nothing of them to measure.
    Raises NothingToShowError where the others hold no failed, or no successful one; `sweep` is for
    the sentence.
    """
    arms = " and ".join(f"[{arm}]" for arm in trials["arm"].unique())
    of = f"{arms} in the sweep {Path(sweep).name}"
    if num_diverged := int(trials["diverged"].sum()):
        of += f" (without {num_diverged} that diverged)"
    trials = not_diverged(trials)
    lost = trials["failed"].astype(bool)
    numbers = {
        kind: tuple(sorted(trials.loc[flags, "trial"].tolist())[:count])
        for kind, flags in (("failed", lost), ("successful", ~lost))
    }
    for kind, found in numbers.items():
        if not found:
            raise NothingToShowError(
                f"None of the {len(trials)} trials of {of} is a {kind} one. So there is nothing to"
                " show, and no trial of another sweep is picked in its place."
            )
    words = ", ".join(f"{kind} {', '.join(map(str, found))}" for kind, found in numbers.items())
    return Chosen(*numbers.values(), rule=f"the lowest trial numbers of {of}: {words}")


def by_correction(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trials without bias correction, and with it."""
    return rows[~rows["bias_correction"]], rows[rows["bias_correction"]]


def share_of(rows: pd.DataFrame) -> Share:
    """How many of these trials have failed."""
    return share(rows["failed"].to_numpy(bool))


def arm_of(rows: pd.DataFrame) -> Arm:
    """Trials of one arm, for the statistics."""
    records: Any = rows.to_dict("records")
    (arm,) = make_arms({rows["arm"].iloc[0]: records})
    return arm


def arm_numbers(rows: pd.DataFrame) -> dict[str, Any]:
    """Failures, mean, std and extremes of an arm, with intervals, for finding.json."""
    about = describe(arm_of(rows))
    return {
        "n": len(rows),
        "metric": about.metric,
        "trivial": about.trivial,
        "failed": about.failed,
        "constant": about.constant,
        "mean": about.all.mean,
        "std": about.all.std,
        "min": about.all.min.value,
        "median": about.all.median.value,
        "max": about.all.max.value,
    }


def arm_words(arms: dict[str, dict[str, Any]]) -> str:
    """Such as `devlin: 12 of 16 failed (...), mean 0.605 (...), std 0.018 (...), max 0.673`."""
    return "; ".join(
        f"{name}: {show_share(arm['failed'])}, mean {show(arm['mean'])}, std {show(arm['std'])},"
        f" max {arm['max']:.3f}"
        for name, arm in arms.items()
    )


def tally(part: Share) -> str:
    """Such as `9 of 12`."""
    return f"{part.count} of {part.n}"


def if_shown(p: float | None, holds: bool | None) -> bool | None:
    """Whether what was seen holds, where a test has shown it; None where it has not."""
    return holds if p is not None and p < ALPHA else None


def gap_words(
    one: Share, other: Share, difference: Estimate, test: Outcome, p: float | None
) -> str:
    """Such as `9 of 12 against 0 of 12 failed, +75 points (95% interval 39 to 91; ...)`, with the
    p-value that counts: of the test, or after correction.
    """
    value, low, high = np.array(difference[:3], float) * 100
    return (
        f"{tally(one)} against {tally(other)} failed, {value:+.0f} points"
        f" (95% interval {low:.0f} to {high:.0f}; {test.test}, {show_p(p)})"
    )


class FailureGap(NamedTuple):
    """Failures of some trials against those of others."""

    one: Share
    other: Share
    difference: Estimate  # one - other
    test: Outcome  # of equal rates

    @property
    def fails_more(self) -> bool | None:
        """Whether the first were shown to fail more often; None where that is not decided."""
        return if_shown(self.test.p, self.one.value > self.other.value)

    @property
    def words(self) -> str:
        """All of it, as `gap_words` has it."""
        return gap_words(self.one, self.other, self.difference, self.test, self.test.p)


def failure_gap(one: pd.DataFrame, other: pd.DataFrame) -> FailureGap:
    """How much more often some trials fail than others, with Boschloo's test."""
    first, second = (rows["failed"].to_numpy(bool) for rows in (one, other))
    shares = share(first), share(second)
    return FailureGap(*shares, share_difference(*shares), failure_test(first, second))


def score_table(rows: pd.DataFrame, **labels: Any) -> pd.DataFrame:
    """The columns of trials that pictures of scores need, with labels in front."""
    table = rows[SCORE_COLUMNS].copy()
    for place, (name, value) in enumerate(labels.items()):
        table.insert(place, name, value)
    return table


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table below the other."""
    return pd.concat(tables, ignore_index=True)
