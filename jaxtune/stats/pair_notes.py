"""What to bear in mind with a pair of arms that a verdict speaks of."""

import math
from collections.abc import Iterator, Sequence

from jaxtune.core.words import percent
from jaxtune.stats.arms import Arm
from jaxtune.stats.compare import Comparison
from jaxtune.stats.order import ALMOST, share_above
from jaxtune.stats.unseen import hangs_on
from jaxtune.stats.wording import (
    count,
    enumerate_words,
    numbers,
    show_chance,
    show_level,
    show_p,
)

MOST_EQUAL = 6  # pairs that a sentence names
# From this chance on it is as good as certain.
SURE = 0.999


def pair_notes(pair: Comparison, one: Arm, other: Arm, leaders: Sequence[str]) -> Iterator[str]:
    """One sentence each, most misleading first."""
    yield from _no_win_by_spread(pair, one, other)
    yield from _means(pair, one, other, leaders)
    yield from _examples(pair, one, other)
    yield from _order(pair, one, other)
    yield from _fails_less(pair, one, other)


def _order(pair: Comparison, one: Arm, other: Arm) -> Iterator[str]:
    """Dominance, where it holds in every trial, or in nearly every quantile and p is small."""
    order = pair.order
    if not order.better:
        return
    better, worse = (one, other) if order.better > 0 else (other, one)
    if pair.effects.improvement.value in (0.0, 1.0):
        chance = 2 / math.comb(len(one) + len(other), len(one))
        yield (
            f"Every trial of [{better.name}] scores better than every trial of [{worse.name}], as"
            f" those of two equal recipes do in {show_chance(chance)} cases."
        )
        return
    if pair.location.shown:
        eps = (order if order.better > 0 else order.turned()).violation.high
        aso = f"ASO's eps-min is {eps:.2g}, below {ALMOST}"
        above = share_above(better.merit, worse.merit)
        # It weighs distances and not quantiles, and failed trials that give one constant answer
        # tie: a few others may make all of it.
        if above < 1 - ALMOST:
            below = share_above(worse.merit, better.merit)
            yield (
                f"[{better.name}] is ahead of [{worse.name}] where their scores lie apart ({aso}),"
                f" but better at {percent(above)} of the quantiles only and worse at"
                f" {percent(below)}: its lead hangs on those trials."
            )
            return
        yield (
            f"[{better.name}] scores better than [{worse.name}] at nearly every quantile ({aso}),"
            f" so its lead does not hang on a few trials{hangs_on(better, pair.lead)}."
        )


def _fails_less(pair: Comparison, one: Arm, other: Arm) -> Iterator[str]:
    """A posterior chance; nothing where no trial of either failed."""
    chance = pair.fails_less
    if chance is None or not (one.failed.any() or other.failed.any()):
        return
    better, worse = (one, other) if chance >= 0.5 else (other, one)
    chance = max(chance, 1 - chance)
    shown = f"more than {100 * SURE:g}%" if chance > SURE else f"{100 * chance:.3g}%"
    yield (
        f"The chance that [{better.name}] fails less often than [{worse.name}] is {shown}, if"
        " nothing was known of either before (Beta posteriors of uniform priors)."
    )


def equal_notes(pair: Comparison | None, all_pairs: Sequence[Comparison]) -> Iterator[str]:
    """What a margin shows, or does not show of this pair."""
    if not all_pairs or all_pairs[0].equivalence is None:
        return
    margin, tests = f"{all_pairs[0].equivalence.margin:g}", len(all_pairs)
    if equal := [each for each in all_pairs if each.equal]:
        shown = [f"[{each.one}] and [{each.other}]" for each in equal[:MOST_EQUAL]]
        if len(equal) > MOST_EQUAL:
            shown.append(f"{len(equal) - MOST_EQUAL} more pairs")
        yield (
            f"Trials that did not fail score equal within {margin} on average in"
            f" {enumerate_words(shown, 'and in')} (two one-sided tests after Holm over {tests}); of"
            " failures that says nothing."
        )
    if pair and pair.equivalence and not pair.equal:
        alone = f" before Holm over {tests}" if tests > 1 else ""
        why = pair.equivalence.reason or show_p(pair.equivalence.p) + alone
        yield (
            f"That [{pair.one}] and [{pair.other}] score equal within {margin}, failed trials left"
            f" aside, was not shown ({why})."
        )


def _no_win_by_spread(pair: Comparison, one: Arm, other: Arm) -> Iterator[str]:
    """A std that is smaller without being a sign of stability, where it would mislead."""
    low, high = sorted((one, other), key=lambda arm: arm.final.std())
    if not pair.spread.shown:
        return
    stds = " against ".join(numbers(low.std, high.std))
    if low.mostly_failed and not pair.failures.shown:
        yield (
            f"The std of [{low.name}] is the smaller one ({stds}), but {count(low.failed)} failed,"
            " and scores that lie together there are no stability."
        )
    elif low.failed.mean() > high.failed.mean() and not low.mostly_failed:
        yield (
            f"The std of [{low.name}] is the smaller one ({stds}),"
            f" but {count(low.failed)} failed against {int(high.failed.sum())} of {len(high)}:"
            " failures are alike, which is no stability."
        )


def _means(pair: Comparison, one: Arm, other: Arm, leaders: Sequence[str]) -> Iterator[str]:
    seen = pair.better_first
    high, low = (one, other) if seen.one == one.name else (other, one)
    better, worse = ("higher", "lower") if one.higher_is_better else ("better", "worse")
    means = numbers(*seen.means)
    shown = show_p(pair.location.p, pair.tests.location.at_most)
    if pair.location.shown:
        trade = ", so here stability costs score" if low.name in leaders else ""
        if leaders:  # else the first sentence says it
            yield (
                f"[{high.name}] scores {better} than [{low.name}] (mean {' against '.join(means)},"
                f" {shown}){trade}{hangs_on(high, pair.lead)}."
            )
        return
    lower = f", though the more stable arm has the {worse} one" if low.name in leaders else ""
    difference = pair.effects.mean
    possible = ""
    if difference.low is not None and difference.high is not None:
        possible = (
            f"; the mean of [{one.name}] may still lie {difference.low:+.2g} to"
            f" {difference.high:+.2g} from that of [{other.name}]"
            f" ({show_level(difference.confidence)} interval)"
        )
    yield (
        f"No difference in the mean was shown ([{high.name}] {means[0]} against [{low.name}]"
        f" {means[1]}, {shown}){lower}{possible}."
    )


def _examples(pair: Comparison, one: Arm, other: Arm) -> Iterator[str]:
    """Whether a difference in the mean that seeds show is more than the luck of the examples."""
    found = pair.new_examples
    if found is None or not pair.location.shown:
        return
    low, high = found.difference.low, found.difference.high
    assert low is not None
    assert high is not None
    what = (
        f"On other dev examples as well as other seeds the mean of [{one.name}] lies {low:+.2g} to"
        f" {high:+.2g} from that of [{other.name}] ({show_level(found.difference.confidence)}"
        f" interval; one standard error is {found.from_seeds:.2g} from the seeds and"
        f" {found.from_examples:.2g} from the examples)"
    )
    if low <= 0 <= high:
        yield f"{what}: that a mean is better was shown for these examples, and not beyond them."
    else:
        yield f"{what}: the difference is more than the luck of these examples."
