"""What one swept setting does over all cells of a grid: stratified tests, a stratum per cell of the
other settings.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool
from scipy import stats

from jaxtune.stats.arms import Arm, differences, readable
from jaxtune.stats.compare import ALPHA, NOT_JUDGED, Corrected, holm
from jaxtune.stats.hypothesis_tests import (
    Outcome,
    log_std_ratio,
    permuted_log_ratios,
    two_sided,
)
from jaxtune.stats.intervals import NUM_RESAMPLES, Scores, Share, share

EXACT = "exact stratified test"
UNTESTED = Corrected(None, ALPHA)
FEWEST_STRATA = 2  # with one the comparison of its two arms says it all


class MainEffect(NamedTuple):
    """One value of a setting against another, over `num_strata` settings of everything else."""

    setting: str
    one: str
    other: str
    num_strata: int
    failed: tuple[Share, Share]  # of all trials of the strata
    failures: Outcome
    spread: Outcome
    corrected_failures: Corrected  # after Holm over the main effects of the report
    corrected_spread: Corrected

    @property
    def judged(self) -> bool:
        """Whether it is known which trials failed."""
        return self.failures.p is not None

    @property
    def tests(self) -> tuple[Outcome, ...]:
        """Those that Holm's correction is over."""
        return (self.failures, self.spread) if self.judged else (self.spread,)

    @property
    def fewer_failures(self) -> str | None:
        """The value that was shown to fail less often."""
        p = self.corrected_failures.p
        if p is None or p > ALPHA:
            return None
        return self.one if self.failed[0].value < self.failed[1].value else self.other

    @property
    def more_failures(self) -> str | None:
        """The value that was shown to fail more often."""
        fewer = self.fewer_failures
        return fewer and (self.other if fewer == self.one else self.one)


def main_effects(arms: Sequence[Arm], seed: int = 0) -> tuple[MainEffect, ...]:
    """Of every setting that was swept together with others; empty where only one was."""
    swept = sorted({name for arm in arms[1:] for name in differences(arms[0], arm)})
    found = [effect for name in swept for effect in _of_setting(arms, name, swept, seed)]
    corrected = iter(holm([outcome.p for effect in found for outcome in effect.tests]))
    return tuple(
        effect._replace(
            corrected_failures=next(corrected) if effect.judged else UNTESTED,
            corrected_spread=next(corrected),
        )
        for effect in found
    )


def _of_setting(arms: Sequence[Arm], name: str, swept: list[str], seed: int) -> list[MainEffect]:
    cells: dict[str, dict[tuple, Arm]] = {}
    for arm in arms:
        rest = tuple(str(arm.settings.get(other)) for other in swept if other != name)
        value = readable(arm.settings.get(name))
        if rest in cells.setdefault(value, {}):
            return []  # two arms of the same settings, from two sweeps: no grid
        cells[value][rest] = arm
    found = []
    for one, other in itertools.combinations(cells, 2):
        strata = [
            (cells[one][rest], cells[other][rest]) for rest in cells[one] if rest in cells[other]
        ]
        if len(strata) >= FEWEST_STRATA:
            found.append(_effect(name, one, other, strata, seed))
    return found


def _effect(
    name: str, one: str, other: str, strata: Sequence[tuple[Arm, Arm]], seed: int
) -> MainEffect:
    failed = [(a.failed, b.failed) for a, b in strata]
    judged = strata[0][0].judged
    return MainEffect(
        setting=name,
        one=one,
        other=other,
        num_strata=len(strata),
        failed=(
            share(np.concatenate([a for a, _ in failed])),
            share(np.concatenate([b for _, b in failed])),
        ),
        failures=stratified_failures(failed) if judged else Outcome(EXACT, reason=NOT_JUDGED),
        spread=stratified_spread([(a.final, b.final) for a, b in strata], seed),
        corrected_failures=UNTESTED,
        corrected_spread=UNTESTED,
    )


Flags = Bool[np.ndarray, "_trial"]


def stratified_failures(strata: Sequence[tuple[Flags, Flags]]) -> Outcome:
    """Exact test of equal failure rates in every stratum: the conditional one of Cochran, Mantel
    and Haenszel, two-sided by likelihood as Fisher's is.
    """
    law, seen, least = np.ones(1), 0, 0
    for one, other in strata:
        total, failed = one.size + other.size, int(one.sum() + other.sum())
        low, high = max(0, failed - other.size), min(failed, one.size)
        # How many of a stratum's failures fall to the first value where both fail alike; the sum
        # over strata has the convolution of these laws.
        law = np.convolve(
            law, stats.hypergeom.pmf(np.arange(low, high + 1), total, failed, one.size)
        )
        seen, least = seen + int(one.sum()), least + low
    p = float(law[law <= law[seen - least] * (1 + 1e-7)].sum())
    return Outcome(EXACT, min(p, 1.0))


def stratified_spread(
    strata: Sequence[tuple[Scores, Scores]], seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> Outcome:
    """Permutation test of the mean log ratio of stds, trials permuted within their stratum."""
    name = "stratified permutation test of the log ratio of stds"
    used = [pair for pair in strata if min(map(len, pair)) > 1 and np.ptp(np.concatenate(pair)) > 0]
    if not used:
        return Outcome(name, reason="neither value varies")
    rng = np.random.default_rng(seed)
    seen, drawn = 0.0, np.zeros(num_resamples)
    for one, other in used:
        # Centred on their own medians, for a difference in location is none in spread.
        samples = one - np.median(one), other - np.median(other)
        seen += float(log_std_ratio(*samples, axis=-1))
        drawn += permuted_log_ratios(*samples, num_resamples, rng)
    p, at_most = two_sided(seen, drawn)
    return Outcome(name, p, at_most=at_most)
