"""Pairs of arms: what was set differently, what came out, and Holm's correction over all pairs."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from jaxtune.stats.arms import Arm, check_comparable, differences, matched_scores
from jaxtune.stats.hypothesis_tests import Contrast, Outcome, contrast, failure_test
from jaxtune.stats.intervals import NUM_RESAMPLES, Estimate, share, share_difference


class Decisive(NamedTuple):
    """p of the three tests that decide, over all trials; None where there was nothing to test."""

    failures: float | None
    spread: float | None
    location: float | None


class Comparison(NamedTuple):
    """Two arms, all trials of both, failed ones too."""

    one: str
    other: str
    settings: dict[str, tuple[str, str]]
    failures: Outcome
    failure_difference: Estimate  # one - other
    all: Contrast
    holm: Decisive | None = None  # over all pairs of a report

    @property
    def p(self) -> Decisive:
        """Before any correction."""
        return Decisive(self.failures.p, self.all.spread.p, self.all.location.p)


def compare(one: Arm, other: Arm, seed: int = 0, num_resamples: int = NUM_RESAMPLES) -> Comparison:
    """Every test and effect of a pair, before any correction; UserError where they do not compare.

    Args:
        num_resamples: of the permutation tests that decide.
    """
    check_comparable([one, other])
    matched = matched_scores(one, other)
    return Comparison(
        one.name,
        other.name,
        differences(one, other),
        failure_test(one.failed, other.failed),
        share_difference(share(one.failed), share(other.failed)),
        contrast(
            *(matched or (one.final, other.final)),
            paired=matched is not None,
            seed=seed,
            num_resamples=num_resamples,
        ),
    )


def compare_all(arms: Sequence[Arm], seed: int = 0) -> list[Comparison]:
    """All pairs, with Holm's correction over the three decisive tests of each."""
    check_comparable(arms)
    both = list(itertools.combinations(arms, 2))
    # A permutation test gives no p below 2 / resamples, and Holm multiplies that by all tests.
    num_resamples = max(NUM_RESAMPLES, 80 * 3 * len(both))
    pairs = [compare(one, other, seed, num_resamples) for one, other in both]
    adjusted = holm([p for pair in pairs for p in pair.p])
    return [
        pair._replace(holm=Decisive(*adjusted[start : start + 3]))
        for pair, start in zip(pairs, itertools.count(0, 3), strict=False)
    ]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm 1979: the smallest p times the number of tests, the next times one fewer, never falling.

    What could not be tested counts as a test.
    """
    adjusted: list[float | None] = [None] * len(p_values)
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    largest = 0.0
    for rank, (p, i) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(p_values) - rank)))
        adjusted[i] = largest
    return adjusted


def fewest_seeds(num_tests: int, alpha: float = 0.05) -> int:
    """Seeds per arm from which on each of so many tests can reach `alpha` after Holm."""
    return next(n for n in itertools.count(2) if 2.0 ** (1 - n) * num_tests <= alpha)
