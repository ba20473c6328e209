"""The tests of the study `correction`: arms at one learning rate, at their best, at one step."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxtune.stats.effects import mean_difference, share_difference
from jaxtune.stats.holm import holm
from jaxtune.stats.hypothesis_tests import Outcome, location_test
from jaxtune.stats.intervals import Estimate, Share, share
from jaxtune.stats.stratified_tests import excess, stratified_failures
from jaxtune.stats.wording import show_p
from jaxtune.study.figures.bias_correction import choose_rate
from jaxtune.study.finding import show
from jaxtune.study.link_arms import ARMS, NONE
from jaxtune.study.measures import MARGIN, gap_words, if_shown, tally

CELL = ["family", "adam_b2", "arm"]


class Gap(NamedTuple):
    """Failures of some trials against those of others, in the strata that both have."""

    one: Share
    other: Share
    difference: Estimate  # of all trials together, for reading: the test goes by strata
    excess: float  # failures of one beyond those that fall to it where both fail alike in strata
    test: Outcome
    p: float | None  # after Holm

    @property
    def fails_less(self) -> bool | None:
        """Whether the first were shown to fail less; None where that is not decided."""
        return if_shown(self.p, self.excess < 0)

    @property
    def turned(self) -> str:
        """That strata of unlike many trials turn the rates of all together round."""
        less = self.fails_less
        if less is None or (self.one.value < self.other.value) == less:
            return ""
        return f"; within the strata the first fails {'less' if less else 'more'}"

    @property
    def counts(self) -> str:
        """Such as `9 of 90 against 40 of 90 failed (p = 0.01)`."""
        failed = f"{tally(self.one)} against {tally(self.other)} failed"
        return f"{failed} ({show_p(self.p)}){self.turned}"

    @property
    def words(self) -> str:
        """Such as `9 of 90 against 40 of 90 failed, -34 points (95% interval ...; p ...)`."""
        return gap_words(self.one, self.other, self.difference, self.test, self.p) + self.turned


class BestGap(NamedTuple):
    """An arm against `none`, each at its best rate, on fresh seeds."""

    failures: Gap
    mean: Estimate  # accuracy of the arm minus that of `none`, by pairs
    location: Outcome
    location_p: float | None  # after Holm

    @property
    def better(self) -> bool | None:
        """Whether it was shown to fail less or to score higher; False where it was shown to be
        worse, or the same within MARGIN; None where neither.
        """
        higher = if_shown(self.location_p, (self.mean.value or 0.0) > 0)
        found = [each for each in (self.failures.fails_less, higher) if each is not None]
        if found:
            return all(found)
        low, high = self.mean.low, self.mean.high
        within = low is not None and high is not None and low > -MARGIN and high < MARGIN
        return False if within else None

    @property
    def words(self) -> str:
        """The mean's difference with both tests."""
        return (
            f"mean {show(self.mean)}, {show_p(self.location_p, self.location.at_most)};"
            f" {self.failures.words}"
        )


def against(
    pairs: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]], strata: Sequence[str]
) -> dict[str, Gap]:
    """Failures of the first of each pair against the second's, in strata of these columns, with
    Holm over the pairs; pairs that share no stratum are left out.
    """
    found = {}
    for name, (one, other) in pairs.items():
        parts, others = (
            {key: rows["failed"].to_numpy(bool) for key, rows in trials.groupby([*strata])}
            for trials in (one, other)
        )
        flags = [(parts[key], others[key]) for key in parts if key in others]
        if not flags:
            continue
        first, second = map(np.concatenate, zip(*flags, strict=True))
        shares = share(first), share(second)
        test = stratified_failures(flags)
        found[name] = Gap(*shares, share_difference(*shares), excess(flags), test, None)
    corrected = holm([gap.test.p for gap in found.values()])
    return {n: gap._replace(p=c.p) for (n, gap), c in zip(found.items(), corrected, strict=True)}


def arms_against_none(trials: pd.DataFrame, strata: Sequence[str]) -> dict[str, Gap]:
    """Every other arm against `none`."""
    none = trials[trials["arm"] == NONE]
    others = [arm for arm in ARMS if arm != NONE]
    return against({arm: (trials[trials["arm"] == arm], none) for arm in others}, strata)


def best_rates(explored: pd.DataFrame) -> dict[tuple[Any, ...], float]:
    """By family, b2 and arm the learning rate with the highest mean; of equal ones the lowest."""
    return {tuple(cell): choose_rate(rows) for cell, rows in explored.groupby(CELL, sort=False)}


def at_best(fresh: pd.DataFrame, rates: Mapping[tuple[Any, ...], float]) -> pd.DataFrame:
    """The fresh trials at the rate that their cell's exploration has chosen."""
    cells = zip(*(fresh[name] for name in CELL), strict=True)
    chosen = [rates.get(cell) for cell in cells]
    return fresh[fresh["learning_rate"] == pd.Series(chosen, fresh.index, dtype=float)]


def best_against_none(best: pd.DataFrame) -> dict[str, BestGap]:
    """Every other arm against `none` at the best rates, with Holm over failures and means."""
    gaps = arms_against_none(best, ["family", "adam_b2"])
    pair = ["model", "adam_b2", "seed"]
    scores = {arm: rows.set_index(pair)["final"] for arm, rows in best.groupby("arm")}
    means, tests = {}, {}
    for arm in gaps:
        both = pd.concat([scores[arm], scores[NONE]], axis=1, join="inner").to_numpy(float)
        means[arm] = mean_difference(both[:, 0], both[:, 1], paired=True)
        tests[arm] = location_test(both[:, 0], both[:, 1], paired=True)
    of_failures = [gap.test.p for gap in gaps.values()]
    corrected = iter(holm([*of_failures, *(test.p for test in tests.values())]))
    failures = {arm: gap._replace(p=next(corrected).p) for arm, gap in gaps.items()}
    return {arm: BestGap(failures[arm], means[arm], tests[arm], next(corrected).p) for arm in gaps}
