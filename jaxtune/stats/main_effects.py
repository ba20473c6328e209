"""What one swept setting does over all cells of a grid: stratified tests, a stratum per cell of the
other settings.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxtune.stats.arms import Arm, differences, readable
from jaxtune.stats.holm import (
    DECISIVE,
    AfterHolm,
    Corrected,
    PairTests,
    correct,
    enough_resamples,
    holm,
)
from jaxtune.stats.hypothesis_tests import NOT_JUDGED, Outcome
from jaxtune.stats.intervals import Share, share
from jaxtune.stats.stratified_tests import (
    ZELEN,
    excess,
    fewer_in,
    stratified,
    stratified_homogeneity,
)

FEWEST_STRATA = 2  # with one the comparison of its two arms says it all


class MainEffect(NamedTuple):
    """One value of a setting against another, over `num_strata` settings of everything else."""

    setting: str
    one: str
    other: str
    num_strata: int
    failures: Outcome
    spread: Outcome
    location: Outcome
    corrected_failures: Corrected  # after Holm over the main effects of the report
    corrected_spread: Corrected
    # What decides nothing has corrections of its own.
    corrected_location: Corrected
    depends: Outcome  # on the other settings: whether failures differ alike in all of them
    corrected_depends: Corrected
    failed: tuple[Share, Share]  # of all trials of the strata
    excess: float  # failures of one beyond those that fall to it where both fail alike
    fewer_in: tuple[int, int]  # strata in which either one fails less often
    times: float = 1.0  # see `compare_all`

    @property
    def location_gap(self) -> float | None:
        """As of `OverTasks`, of strata."""
        return self.location.effect

    @property
    def judged(self) -> bool:
        """Whether it is known which trials failed."""
        return self.failures.p is not None

    @property
    def corrected(self) -> AfterHolm:
        """As of `Tested`."""
        return self.corrected_failures, self.corrected_spread, self.corrected_location

    @property
    def tests(self) -> PairTests:
        """As of `Tested`."""
        return PairTests(self.failures, self.spread, self.location)

    @property
    def fewer_failures(self) -> str | None:
        """The value that was shown to fail less often."""
        if not self.corrected_failures.shown:
            return None
        return self.one if self.excess < 0 else self.other

    @property
    def more_failures(self) -> str | None:
        """The value that was shown to fail more often."""
        fewer = self.fewer_failures
        return fewer and (self.other if fewer == self.one else self.one)


def main_effects(arms: Sequence[Arm], seed: int = 0, times: float = 1.0) -> tuple[MainEffect, ...]:
    """Of every setting that was swept together with others; empty where only one was.

    Args:
        times: as of `compare_all`.
    """
    swept = sorted({name for arm in arms[1:] for name in differences(arms[0], arm)})
    grids = [(name, *each) for name in swept for each in _strata_of(arms, name, swept)]
    num_resamples = enough_resamples(DECISIVE * len(grids), times)
    tests = [stratified(strata, seed, num_resamples) for *_, strata in grids]
    depends = [_depends(strata, seed) for *_, strata in grids]
    corrected, corrected_depends = correct(tests, times), holm([each.p for each in depends], times)
    found = []
    for i, (setting, one, other, strata) in enumerate(grids):
        failed = [(a.failed, b.failed) for a, b in strata]
        found.append(
            MainEffect(
                setting=setting,
                one=one,
                other=other,
                num_strata=len(strata),
                failures=tests[i].failures,
                spread=tests[i].spread,
                location=tests[i].location,
                corrected_failures=corrected[i][0],
                corrected_spread=corrected[i][1],
                corrected_location=corrected[i][2],
                depends=depends[i],
                corrected_depends=corrected_depends[i],
                failed=(
                    share(np.concatenate([a for a, _ in failed])),
                    share(np.concatenate([b for _, b in failed])),
                ),
                excess=excess(failed),
                fewer_in=fewer_in(failed),
                times=times,
            )
        )
    return tuple(found)


def _strata_of(
    arms: Sequence[Arm], name: str, swept: list[str]
) -> list[tuple[str, str, list[tuple[Arm, Arm]]]]:
    """Every two values of a setting, with their arms in each cell of the other settings."""
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
            found.append((one, other, strata))
    return found


def _depends(strata: Sequence[tuple[Arm, Arm]], seed: int) -> Outcome:
    if not strata[0][0].judged:
        return Outcome(ZELEN, reason=NOT_JUDGED)
    return stratified_homogeneity([(one.failed, other.failed) for one, other in strata], seed)
