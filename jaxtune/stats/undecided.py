"""The sentences of a verdict that shows no arm to be more stable than another."""

from collections.abc import Sequence
from typing import NamedTuple

from jaxtune.core.words import plural
from jaxtune.stats.advice import more_seeds, unless_all_failed, use_for_score
from jaxtune.stats.arms import Arm
from jaxtune.stats.compare import Comparison
from jaxtune.stats.holm import num_tests
from jaxtune.stats.power import Findable
from jaxtune.stats.sentences import Sentences
from jaxtune.stats.unseen import hangs_on
from jaxtune.stats.wording import (
    counted,
    enumerate_words,
    failed_range,
    few_names,
    in_points,
    names,
    show_chance,
    show_level,
    show_p,
    value_ranges,
)


class Ahead(NamedTuple):
    """The arm with the best mean of those that were shown to have a better one than others."""

    arm: Arm
    behind: tuple[Arm, ...]  # the others
    pairs: tuple[Comparison, ...]  # with each of them, seen from the first
    unless: str  # how often it would have to fail for that to be wrong; empty if that is excluded


def not_shown(
    arms: Sequence[Arm], pairs: Sequence[Comparison], nearest: Comparison, ways: Sequence[Findable]
) -> Sentences:
    """No arm was shown to be more stable than another; `ways` is empty where every trial failed."""
    ahead, third = _ahead(arms, pairs), more_seeds(arms, nearest, ways)
    if ahead and not ahead.unless:
        third = f"{use_for_score(ahead.arm, ahead.behind)} {third}"
    return (
        headline(arms, pairs),
        _fell_short(nearest, num_tests(pairs)),
        unless_all_failed(arms, third),
    )


def _ahead(arms: Sequence[Arm], pairs: Sequence[Comparison]) -> Ahead | None:
    """Of the arms that none was shown to score better than; None where there is no such arm, or
    no difference in the mean was shown.
    """
    named = {arm.name: arm for arm in arms}
    won: dict[str, list[Comparison]] = {}
    for pair in pairs:
        if pair.location.shown:
            won.setdefault(pair.better_first.one, []).append(pair.better_first)
    behind_another = {pair.other for own in won.values() for pair in own}
    first = [name for name in won if name not in behind_another]
    if not first:
        return None
    best = max(first, key=lambda name: named[name].merit.mean())
    behind = tuple(named[pair.other] for pair in won[best])
    unless = hangs_on(named[best], min(pair.lead for pair in won[best]))
    return Ahead(named[best], behind, tuple(won[best]), unless)


def headline(arms: Sequence[Arm], pairs: Sequence[Comparison]) -> str:
    """That nothing was shown about stability, and which mean was shown to be better."""
    everyone, ahead = [arm.name for arm in arms], _ahead(arms, pairs)
    if all(arm.failed.all() for arm in arms):
        return (
            f"Nothing here is stable in any useful sense: every trial of {names(everyone)} failed."
        )
    score = f"; {_scores_better(ahead)}" if ahead else ""
    if len(arms) == 2:
        return (
            f"Neither {names(everyone, 'nor')} was shown to be more stable than the other,"
            f" {_but_equal(pairs[0])}{score}."
        )
    failed = f" ({failed_range(arms)} failed)" if arms[0].judged else ""
    return (
        f"None of {len(arms)} arms was shown to be more stable than another{failed}, which does not"
        f" make them equal{score}."
    )


def _but_equal(pair: Comparison) -> str:
    """That nothing shown is nothing equal, or what a margin has shown to be."""
    if not pair.equal or pair.equivalence is None:
        return "which does not make them equal"
    within = f"{pair.equivalence.margin:g}"
    return f"and their trials that did not fail score equal within {within} on average"


def _scores_better(ahead: Ahead) -> str:
    better = "higher" if ahead.arm.higher_is_better else "better"
    own, theirs = value_ranges(*([pair.means[i] for pair in ahead.pairs] for i in (0, 1)))
    behind = few_names([arm.name for arm in ahead.behind])
    least_sure = max(ahead.pairs, key=lambda pair: pair.location.p or 0.0)
    p = show_p(least_sure.location.p, least_sure.tests.location.at_most)
    return (
        f"but [{ahead.arm.name}] scores {better} than {behind} (mean {own} against {theirs}, {p})"
        f"{ahead.unless}"
    )


def _fell_short(pair: Comparison, tests_in_all: int) -> str:
    """How common such differences are between equal recipes, and what remains possible."""
    several = tests_in_all > len(pair.tests.decisive)
    which = f" as the nearest pair, [{pair.one}] and [{pair.other}]," if several else ""
    # How often two recipes differ so is a test's own p; that after Holm is a bound for all tests.
    tests = {
        "failure rate": (pair.tests.failures.p, pair.failures.p),
        "spread": (pair.tests.spread.p, pair.spread.p),
    }
    tested = {what: (own, p) for what, (own, p) in tests.items() if own is not None}
    if not tested:
        return f"Nothing about stability could be tested: {pair.tests.spread.reason}."
    first, *rest = [f"in {what} in {show_chance(own)}" for what, (own, _) in tested.items()]
    often = f"{first} such sweeps" + "".join(f", and {more}" for more in rest)
    values = ", ".join(show_p(p) for _, p in tested.values())
    return (
        f"Two equal recipes would differ as much{which} {often} ({values} after Holm"
        f" over {counted(tests_in_all, pair.times)}){_possible(pair)}."
    )


def _possible(pair: Comparison) -> str:
    """What the intervals allow."""
    failures, ratio = in_points(pair.effects.failures), pair.effects.std_ratio
    allowed, levels = [], []
    if failures.low is not None and failures.high is not None:
        allowed.append(
            f"a failure rate of [{pair.one}] from {_beside(failures.low)} to"
            f" {_beside(failures.high)} that of [{pair.other}]"
        )
        levels.append(show_level(failures.confidence))
    if ratio.low is not None and ratio.high is not None:
        whose = "" if allowed else f" of [{pair.one}]"
        allowed.append(f"a std{whose} {ratio.low:.2g} to {ratio.high:.2g} times as large")
        levels.append(show_level(ratio.confidence))
    possible = ""
    if allowed:
        level = enumerate_words(list(dict.fromkeys(levels)))
        possible = f"; still possible is {', and '.join(allowed)} ({level} intervals)"
    if ratio.value is not None and ratio.low is None:
        possible += (
            f"; the std is {ratio.value:.2g} times as large, without an interval: {ratio.reason}"
        )
    return possible


def _beside(points: float) -> str:
    """Where a share lies from another, such as `49 points below`."""
    return f"{plural(round(abs(points)), 'point')} {'below' if points < 0 else 'above'}"
