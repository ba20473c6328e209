"""What tests of differences do not say: that two arms score equal within a margin, and how probable
it is that one fails less.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special, stats

from jaxtune.core.errors import UserError
from jaxtune.stats.arms import Arm
from jaxtune.stats.holm import holm
from jaxtune.stats.hypothesis_tests import NOT_JUDGED
from jaxtune.stats.intervals import FEWEST_TRIALS, freedom_of


class Equivalence(NamedTuple):
    """Of two arms' means, of the trials that did not fail."""

    margin: float
    difference: float
    p: float | None  # of the two one-sided tests, the larger; None where it cannot be tested
    reason: str = ""


def check_margin(arms: Sequence[Arm], margin: float) -> None:
    """Raises UserError for the whole width of a unit, within which any arms would be equal: a share
    of 1 and 100 percent.
    """
    highest = max(float(np.abs(arm.final).max()) for arm in arms)
    width = next((width for width in (1, 100) if highest <= width), float("inf"))
    if margin >= width:
        raise UserError(
            f"margin is {margin:g}, and no score is above {highest:.4g}: give it in the unit of the"
            f" scores, such as {width / 100:g}."
        )


def equivalence(one: Arm, other: Arm, margin: float) -> Equivalence:
    """Two one-sided tests (Welch's t) that the means lie apart by the margin or more.

    Failed trials are left aside, for they are another kind: with few seeds a recipe that fails now
    and then often shows no failure, and no test of means could tell it from one that never does.
    How often arms fail is asked by itself.

    Source: Schuirmann 1987; Lakens 2017 for readers.
    """
    a, b = (arm.final[~arm.failed] for arm in (one, other))
    difference = float(a.mean() - b.mean()) if min(a.size, b.size) else float("nan")
    reason = ""
    if min(a.size, b.size) < FEWEST_TRIALS:
        reason = f"it needs {FEWEST_TRIALS} trials in each arm that did not fail"
    elif not one.judged or not other.judged:
        reason = NOT_JUDGED  # a rare failure parts the means, and here it would be a score
    if reason:
        return Equivalence(margin, difference, None, reason)
    parts = [float(np.var(x, ddof=1)) / x.size for x in (a, b)]
    if sum(parts) == 0:
        return Equivalence(margin, difference, float(abs(difference) >= margin))
    freedom, error = freedom_of(parts, [a.size - 1, b.size - 1]), sum(parts) ** 0.5
    # The farther end is what is not excluded as easily.
    p = float(stats.t.sf((margin - abs(difference)) / error, freedom))
    return Equivalence(margin, difference, p)


def equal_pairs(found: Sequence[Equivalence], alpha: float) -> list[bool]:
    """Which of the pairs were shown to be equal within the margin, after Holm."""
    corrected = holm([each.p for each in found])
    return [each.p is not None and each.p <= alpha for each in corrected]


def fails_less(failed: int, n: int, other_failed: int, other_n: int) -> float:
    """Chance that one arm's failure rate lies below the other's, given how many trials failed.

    Rates are taken to be anything between 0 and 1 alike before trials are seen (uniform priors), so
    that each has a Beta posterior; between them this sum is exact. It is no test: where it is 95%,
    one in twenty such statements is wrong.

    Source: Gelman et al., Bayesian Data Analysis, 3rd ed., 2.4; the sum by Evan Miller.
    """
    a, b = other_failed + 1, other_n - other_failed + 1
    c, d = failed + 1, n - failed + 1
    terms = np.arange(a)
    # P(one < other) of Beta(c, d) and Beta(a, b): summed over the other's successes, by logs.
    logs = (
        special.betaln(c + terms, b + d)
        - np.log(b + terms)
        - special.betaln(1 + terms, b)
        - special.betaln(c, d)
    )
    return float(np.clip(np.exp(logs).sum(), 0.0, 1.0))
