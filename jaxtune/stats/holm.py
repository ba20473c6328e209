"""Holm's correction of tests that are read together, and what they have in common."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

from jaxtune.stats.hypothesis_tests import Outcome
from jaxtune.stats.intervals import NUM_RESAMPLES

ALPHA = 0.05  # over all tests of a family
# Failure rate and spread decide which arm is more stable. Location decides nothing, and a test that
# decides nothing would take power from those that do: it has a correction of its own.
DECISIVE = 2


class Corrected(NamedTuple):
    """p of a test after Holm, and the level that its p alone was held against."""

    p: float | None
    level: float

    @property
    def shown(self) -> bool:
        """Whether a difference was shown."""
        return self.p is not None and self.p <= ALPHA


AfterHolm = tuple[Corrected, Corrected, Corrected]  # failures, spread and location


class PairTests(NamedTuple):
    """What is tested of two arms, two values of a setting, or two recipes over tasks."""

    failures: Outcome
    spread: Outcome
    location: Outcome

    @property
    def decisive(self) -> tuple[Outcome, ...]:
        """Those that decide which is more stable: of failures only where they are known."""
        return (self.failures, self.spread) if self.failures.p is not None else (self.spread,)


@runtime_checkable
class Tested(Protocol):
    """Two arms, two values of a setting, or two recipes over tasks."""

    @property
    def corrected(self) -> AfterHolm:
        """Failures, spread and location after Holm."""
        ...

    @property
    def tests(self) -> PairTests:
        """The same alone."""
        ...


PairType = TypeVar("PairType", bound=Tested)


def num_tests(pairs: Sequence[Tested]) -> int:
    """Tests that Holm's correction is over, of those that decide."""
    return sum(1 if pair.corrected[0].p is None else DECISIVE for pair in pairs)


def least_p(pair: Tested) -> float:
    """How clear a pair's clearest difference is, location too."""
    return least(*pair.corrected)


def clearest_first(pairs: Iterable[PairType]) -> list[PairType]:
    """By `least_p`, and, for Holm makes ties at 1, by the least p alone."""
    return sorted(pairs, key=lambda pair: (least_p(pair), least(*pair.tests)))


def least(*tests: Corrected | Outcome) -> float:
    """The smallest p of those that were made."""
    return min((test.p for test in tests if test.p is not None), default=1.0)


def enough_resamples(num_tests: int, times: float) -> int:
    """A permutation test gives no p below 2 / resamples, and Holm multiplies that by all tests."""
    return max(NUM_RESAMPLES, round(80 * num_tests * times))


def holm(p_values: Sequence[float | None], times: float = 1.0) -> list[Corrected]:
    """Holm 1979: the smallest p times the number of tests, the next times one fewer, never falling.

    What could not be tested counts as a test. The level is ALPHA over the same factor; from the
    first test on that is not rejected Holm looks no further, so that its level is that of the rest.

    Args:
        times: how many times every p counts, as of `compare.compare_all`.
    """
    alpha = ALPHA / times
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    corrected = [Corrected(None, alpha / max(len(p_values), 1))] * len(p_values)
    largest, factor, stopped = 0.0, len(p_values), False
    for rank, (p, i) in enumerate(known):
        if not stopped:
            factor = len(p_values) - rank
        largest = max(largest, min(1.0, p * (len(p_values) - rank) * times))
        stopped = stopped or largest > ALPHA
        corrected[i] = Corrected(largest, alpha / factor)
    if known:
        last = alpha / factor
        corrected = [c if c.p is not None else Corrected(None, last) for c in corrected]
    return corrected


def correct(tests: Sequence[PairTests], times: float) -> list[AfterHolm]:
    """All pairs' tests that decide are one family, their locations another."""
    decisive = iter(holm([test.p for pair in tests for test in pair.decisive], times))
    location = holm([pair.location.p for pair in tests], times)
    found = []
    for pair, at in zip(tests, location, strict=True):
        *failures, spread = (next(decisive) for _ in pair.decisive)
        found.append((failures[0] if failures else Corrected(None, spread.level), spread, at))
    return found
