"""Pairs of arms: what was set differently, what came out, and how sure it is over all pairs."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from jaxtune.core.metrics import merit
from jaxtune.stats.arms import Arm, check_comparable, differences, matched_scores, matched_trials
from jaxtune.stats.effects import Effects, improvement, mean_difference, share_difference, std_ratio
from jaxtune.stats.equivalence import Equivalence, equal_pairs, equivalence, fails_less
from jaxtune.stats.holm import (
    ALPHA,
    DECISIVE,
    AfterHolm,
    Corrected,
    PairTests,
    correct,
    enough_resamples,
)
from jaxtune.stats.hypothesis_tests import (
    NOT_JUDGED,
    Outcome,
    failure_test,
    location_test,
    spread_test,
)
from jaxtune.stats.intervals import Estimate, Scores, mapped, share
from jaxtune.stats.new_examples import OnNewExamples, difference_on_new_examples
from jaxtune.stats.order import Order, order

# A p within this factor of the level is drawn again with so many times the resamples, for it must
# not hang on the generator's seed: 9,999 resamples let a p of 0.05 move between 0.041 and 0.056.
NEAR, MORE = 2.0, 20


class Comparison(NamedTuple):
    """Two arms, all trials of both, failed ones too.

    Effects are of one against other, each with an interval at the level that its test was held to.
    Where a test did not exclude that there is no difference, its interval does not either; the
    other way round Bonett's cautious interval of a ratio of stds may hold 1 though p is small.
    """

    one: str
    other: str
    settings: dict[str, tuple[str, str]]
    tests: PairTests
    failures: Corrected  # over failure rates and spreads of all pairs
    spread: Corrected
    location: Corrected  # over locations of all pairs
    effects: Effects
    num_shared: int  # seeds that both arms ran
    num_seeds: int  # of the arm that ran more
    paired: bool  # whether location was compared seed by seed
    means: tuple[float, float]  # of the trials that it was compared over
    higher_is_better: bool
    # The difference of the means for new dev examples too; None without predictions.
    new_examples: OnNewExamples | None
    order: Order
    fails_less: float | None  # posterior chance; None where failures are not known
    times: float  # that every p counts, for this is one of several looks
    equivalence: Equivalence | None = None  # None where no margin is given
    equal: bool = False  # shown to be, within the margin, after Holm over all pairs

    @property
    def corrected(self) -> AfterHolm:
        """As of `Tested`."""
        return self.failures, self.spread, self.location

    @property
    def better_first(self) -> "Comparison":
        """Seen from the arm with the better mean, of the trials that its test is of."""
        merits = [merit(mean, self.higher_is_better) for mean in self.means]
        return self if merits[0] >= merits[1] else self.turned()

    @property
    def lead(self) -> float:
        """How far apart the means lie that its test is of."""
        return abs(self.means[0] - self.means[1])

    def turned(self) -> "Comparison":
        """Seen from the other arm."""
        examples, equivalence = self.new_examples, self.equivalence
        return self._replace(
            one=self.other,
            other=self.one,
            settings={name: pair[::-1] for name, pair in self.settings.items()},
            effects=self.effects.turned(),
            means=self.means[::-1],
            new_examples=examples
            and examples._replace(difference=mapped(examples.difference, lambda value: -value)),
            order=self.order.turned(),
            fails_less=None if self.fails_less is None else 1 - self.fails_less,
            equivalence=equivalence and equivalence._replace(difference=-equivalence.difference),
        )


def compare_all(
    arms: Sequence[Arm], seed: int = 0, margin: float | None = None, times: float = 1.0
) -> list[Comparison]:
    """All pairs, with Holm's correction; UserError where the scores do not compare.

    Args:
        margin: the difference of scores that is as good as none, for equivalence and clear wins.
        times: how many times every p counts, where this is one of several looks at more and more
            trials (`jaxtune.config.looks.times_at`).
    """
    check_comparable(arms)
    pairs = list(itertools.combinations(arms, 2))
    num_resamples = enough_resamples(DECISIVE * len(pairs), times)
    tests = [_test(one, other, seed, num_resamples) for one, other in pairs]
    first = correct(tests, times)
    for index, (found, tested) in enumerate(zip(first, tests, strict=True)):
        p = found[1].p
        if p is not None and ALPHA / NEAR < p < ALPHA * NEAR:
            one, other = pairs[index]
            again = spread_test(one.final, other.final, seed, MORE * num_resamples)
            tests[index] = tested._replace(spread=again)
    level = ALPHA / times
    orders = [order(a.merit, b.merit, margin, level / len(pairs), seed) for a, b in pairs]
    corrected = correct(tests, times)
    compared = [
        _comparison(*pair, tested, found, ordered, times)
        for pair, tested, found, ordered in zip(pairs, tests, corrected, orders, strict=True)
    ]
    if margin is None:
        return compared
    found = [equivalence(one, other, margin) for one, other in pairs]
    return [
        pair._replace(equivalence=one, equal=equal)
        for pair, one, equal in zip(compared, found, equal_pairs(found, level), strict=True)
    ]


def _test(one: Arm, other: Arm, seed: int, num_resamples: int) -> PairTests:
    scores, paired = _scores_of_location(one, other)
    failures = failure_test(one.failed, other.failed)
    if not one.judged:
        failures = Outcome(failures.test, reason=NOT_JUDGED)
    return PairTests(
        failures,
        spread_test(one.final, other.final, seed, num_resamples),
        location_test(*scores, paired, seed, num_resamples),
    )


def _scores_of_location(one: Arm, other: Arm) -> tuple[tuple[Scores, Scores], bool]:
    """Scores of the seeds that both ran, in one order, where those are at least half of each."""
    shared = matched_scores(one, other)
    paired = 2 * len(shared[0]) >= max(len(one), len(other)) and len(shared[0]) > 1
    return (shared if paired else (one.final, other.final)), paired


def _comparison(
    one: Arm, other: Arm, tests: PairTests, corrected: AfterHolm, order: Order, times: float
) -> Comparison:
    failures, spread, location = corrected
    scores, paired = _scores_of_location(one, other)
    difference, chance = Estimate(None, reason=NOT_JUDGED), None
    if one.judged:
        a, b = share(one.failed), share(other.failed)
        difference = share_difference(a, b, 1 - failures.level)
        chance = fails_less(a.count, a.n, b.count, b.n)
    level = 1 - location.level
    effects = Effects(
        _with_no_difference(difference, 0.0, failures),
        _with_no_difference(std_ratio(one.final, other.final, 1 - spread.level), 1.0, spread),
        _with_no_difference(
            mean_difference(*scores, paired=paired, confidence=level), 0.0, location
        ),
        improvement(one.merit, other.merit, level),
    )
    return Comparison(
        one.name,
        other.name,
        differences(one, other),
        tests,
        *corrected,
        effects,
        num_shared=len(matched_scores(one, other)[0]),
        num_seeds=max(len(one), len(other)),
        paired=paired,
        means=(float(scores[0].mean()), float(scores[1].mean())),
        higher_is_better=one.higher_is_better,
        new_examples=_on_new_examples(one, other, paired, level),
        order=order,
        fails_less=chance,
        times=times,
    )


def _on_new_examples(one: Arm, other: Arm, paired: bool, confidence: float) -> OnNewExamples | None:
    if one.draws is None or other.draws is None:
        return None
    first, second = matched_trials(one, other) if paired else (slice(None), slice(None))
    return difference_on_new_examples(
        (one.final[first], one.draws[:, first]),
        (other.final[second], other.draws[:, second]),
        paired,
        confidence,
    )


def _with_no_difference(effect: Estimate, none: float, corrected: Corrected) -> Estimate:
    """An interval that holds no difference where the test did not exclude it.

    Test and interval are two methods and may part by a hair; a wider interval is never too short.
    """
    if corrected.shown or effect.low is None or effect.high is None:
        return effect
    return effect._replace(low=min(effect.low, none), high=max(effect.high, none))
