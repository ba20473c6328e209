"""Numbers of arms and pairs of arms, as the studies keep and say them; the statistics are those of
the reports.
"""

from typing import Any

import pandas as pd

from jaxtune.stats.arms import Arm
from jaxtune.stats.describe import describe
from jaxtune.stats.hypothesis_tests import Outcome, failure_test
from jaxtune.stats.intervals import Estimate, Share, share, share_difference
from jaxtune.stats.wording import show_p
from jaxtune.study.finding import show, show_share

# Level of every test that decides whether a claim holds.
ALPHA = 0.05
SCORE_COLUMNS = [
    *("trial", "seed", "arm", "learning_rate", "bias_correction", "num_epochs", "num_steps"),
    *("metric", "trivial", "final", "best", "train_loss", "failed", "diverged"),
    "constant_prediction",
]


def arm_numbers(arm: Arm) -> dict[str, Any]:
    """Failures, mean, std and extremes of an arm, with intervals, for finding.json."""
    about = describe(arm)
    return {
        "n": len(arm),
        "metric": arm.metric,
        "trivial": arm.trivial,
        "failed": about.failed._asdict(),
        "constant": about.constant._asdict(),
        "mean": about.all.mean._asdict(),
        "std": about.all.std._asdict(),
        "min": about.all.min.value,
        "median": about.all.median.value,
        "max": about.all.max.value,
    }


def arm_words(name: str, arm: Arm) -> str:
    """Such as `devlin: 12 of 16 failed (...), mean 0.605 (...), std 0.018 (...), max 0.673`."""
    scores = describe(arm).all
    return (
        f"{name}: {show_share(share(arm.failed))}, mean {show(scores.mean)}, std"
        f" {show(scores.std)}, max {scores.max.value:.3f}"
    )


def failure_gap(one: Arm, other: Arm) -> tuple[Estimate, Outcome]:
    """Failure rate of one minus that of the other, and Boschloo's test."""
    return share_difference(share(one.failed), share(other.failed)), failure_test(
        one.failed, other.failed
    )


def fails_more(gap: Estimate, test: Outcome) -> bool | None:
    """Whether the first of two arms was shown to fail more often; None where it was not decided."""
    assert gap.value is not None
    if test.p is None or test.p >= ALPHA:
        return None
    return gap.value > 0


def gap_words(gap: Estimate, test: Outcome) -> str:
    """Such as `+75 points (95 % interval 48 to 89; Boschloo's exact test, p < 0.0001)`."""
    assert gap.value is not None
    assert gap.low is not None
    assert gap.high is not None
    return (
        f"{100 * gap.value:+.0f} points (95 % interval {100 * gap.low:.0f} to {100 * gap.high:.0f};"
        f" {test.test}, {show_p(test.p)})"
    )


def score_table(rows: pd.DataFrame, **labels: Any) -> pd.DataFrame:
    """The columns of trials that pictures of scores need, with labels in front."""
    table = rows[SCORE_COLUMNS].copy()
    for place, (name, value) in enumerate(labels.items()):
        table.insert(place, name, value)
    return table


def share_of(rows: pd.DataFrame) -> Share:
    """How many of these trials have failed."""
    return share(rows["failed"].to_numpy(bool))
