"""The sentences of a verdict, each whole: the facts above it are all that is put in."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from jaxtune.stats.advice import change_recipe, more_seeds, use
from jaxtune.stats.arms import Arm
from jaxtune.stats.compare import ALPHA, Comparison
from jaxtune.stats.describe import higher_best
from jaxtune.stats.hypothesis_tests import Outcome
from jaxtune.stats.intervals import share
from jaxtune.stats.main_effects import MainEffect
from jaxtune.stats.power import Findable
from jaxtune.stats.wording import (
    count,
    failed_range,
    in_points,
    names,
    show_chance,
    show_estimate,
    show_p,
    show_wilson,
)

MOST_IN_HEADLINE = 2
MOST_EFFECTS = 3  # of a grid that sentences are about

Sentences = tuple[str, str, str]  # who is more stable, how sure that is, what to do next


class Win(NamedTuple):
    """A pair in which one arm was shown to be the more stable."""

    winner: str
    loser: str
    by_failures: bool  # by spread otherwise
    p: float  # after Holm
    pair: Comparison

    @property
    def test(self) -> Outcome:
        """That decided."""
        return self.pair.tests.failures if self.by_failures else self.pair.tests.spread


def one_arm(arm: Arm) -> Sentences:
    """Nothing to compare."""
    return (
        f"There is one arm, [{arm.name}], and nothing to compare it with.",
        f"{count(arm.failed)} failed, which leaves a failure rate of"
        f" {show_wilson(share(arm.failed))} possible (95 % interval).",
        "Run a second recipe beside it, with the same seeds (--grid.FIELD VALUE VALUE).",
    )


def selected(arms: Sequence[Arm]) -> Sentences:
    """Trials that were chosen by their score say nothing about the recipe's spread."""
    chosen = [arm for arm in arms if arm.selected]
    stopped = sum(int(arm.stopped.sum()) for arm in chosen)
    tops = {arm.name: arm.merit[~arm.stopped].max(initial=-math.inf) for arm in arms}
    best = max(arms, key=lambda arm: tops[arm.name])
    top = tops[best.name] if best.higher_is_better else -tops[best.name]
    return (
        "There is no verdict about stability: early stopping kept the best trials of"
        f" {names([arm.name for arm in chosen])} and stopped {stopped} others.",
        f"The best of those that went on scores {top:.3f} ([{best.name}]).",
        "Export the best trial, or, to compare recipes, run the sweep without keep_trials.",
    )


def crossed(arms: Sequence[Arm]) -> Sentences:
    """Trials that share seeds are no independent draws, which every test takes them to be."""
    shared = [arm.name for arm in arms if arm.shares_seeds]
    return (
        f"There is no verdict about stability: the trials of {names(shared)} share seeds (a crossed"
        " design) and are not independent.",
        # 31 to 65 of 100 where six to nine tenths of the variance come from one of the seeds.
        "Tests that take them as independent call one of two equal recipes more stable in up to 6"
        " of 10 such sweeps, and for the same reason intervals are too narrow.",
        "Read here how much of the variance comes from which seed; to compare recipes, give every"
        " trial seeds of its own (--num_seeds or --seeds).",
    )


def no_leader(arms: Sequence[Arm]) -> Sentences:
    """Failures and spread can disagree in a circle."""
    return (
        f"No arm leads: each of {names([arm.name for arm in arms])} was shown to be less stable"
        " than another.",
        "Failure rates decide some pairs and spreads others, and the two do not agree here.",
        "Choose by the failure rates in the table of pairs.",
    )


def shown(
    leaders: Sequence[Arm], arms: Sequence[Arm], led: Sequence[Win], pairs: Sequence[Comparison]
) -> Sentences:
    """The leaders were shown to be more stable than the losers of `led`."""
    beaten = {win.loser for win in led}
    losers = [arm for arm in arms if arm.name in beaten]
    lower = _lower(leaders, arms, pairs) if len(leaders) == 1 else ""
    return (
        _lead(leaders, losers, arms, led) + (f", but {lower}." if lower else "."),
        _how_sure(led, 2 * len(pairs)),
        use(leaders, losers, arms, steadier=bool(lower)),
    )


def _lead(
    leaders: Sequence[Arm], losers: Sequence[Arm], arms: Sequence[Arm], led: Sequence[Win]
) -> str:
    lead, failed = names([arm.name for arm in leaders]), failed_range(leaders)
    if len(leaders) > 1:
        each = min(sum(win.winner == arm.name for win in led) for arm in leaders)
        return (
            f"{lead} are each more stable than {each} of the other arms ({failed} failed against"
            f" {failed_range(losers)}); between them no difference was shown, which does not make"
            " them equal"
        )
    open_arms = [arm.name for arm in arms if arm not in leaders and arm not in losers]
    first = led[0]
    if open_arms:
        beaten = _few_names([arm.name for arm in losers])
        return (
            f"{lead} is more stable than {beaten} ({failed} failed against {failed_range(losers)});"
            f" against {_few_names(open_arms)} that was not shown, which does not make them equal"
        )
    if len(losers) > 1:
        return (
            f"{lead} is more stable than every other arm: {failed} failed against"
            f" {failed_range(losers)}"
        )
    (leader,), (loser,) = leaders, losers
    its_failed = f"{int(loser.failed.sum())} of {len(loser)}"
    if first.by_failures:
        return (
            f"{lead} is more stable than [{loser.name}]: {count(leader.failed)} failed against"
            f" {its_failed}"
        )
    return (
        f"{lead} is more stable than [{loser.name}]: its scores vary less (std {leader.std:.3f}"
        f" against {loser.std:.3f}), while no difference in failures was shown"
        f" ({count(leader.failed)} against {its_failed})"
    )


def _few_names(arms: Sequence[str]) -> str:
    """In a headline that many names would drown."""
    return names(arms) if len(arms) <= MOST_IN_HEADLINE else f"{len(arms)} other arms"


def _lower(leaders: Sequence[Arm], arms: Sequence[Arm], pairs: Sequence[Comparison]) -> str:
    """In which way another arm scores better than the leader; empty where none was seen to."""
    (leader,) = leaders
    better, worse = ("higher", "lower") if leader.higher_is_better else ("better", "worse")
    named = {arm.name: arm for arm in arms}
    for pair in pairs:
        if leader.name not in (pair.one, pair.other) or pair.location.p is None:
            continue
        other = named[pair.other if pair.one == leader.name else pair.one]
        if pair.location.p <= ALPHA and other.merit.mean() > leader.merit.mean():
            return (
                f"it scores {worse} than [{other.name}] (mean {leader.final.mean():.3f} against"
                f" {other.final.mean():.3f})"
            )
    for other in arms:
        higher = higher_best(other, leader) if other is not leader else None
        if higher:
            return (
                f"the best of {higher.budget} seeds of [{other.name}] is expected to score {better}"
                f" ({higher.one:.3f} against {higher.other:.3f})"
            )
    return ""


def _how_sure(led: Sequence[Win], num_tests: int) -> str:
    """How sure the lead is, by its least certain part."""
    win = max(led, key=lambda win: win.p)
    pair = win.pair if win.pair.one == win.loser else win.pair.turned()
    what = "differ this much" if len(led) == 1 else "differ as much as the least certain pair here"
    chance = (
        f"Two equal recipes would {what} in {show_chance(win.p, win.test.at_most)} such sweeps"
        f" ({win.test.test}, {show_p(win.p, win.test.at_most)} after Holm over {num_tests} tests)"
    )
    if win.by_failures:
        higher = show_estimate(in_points(pair.effects.failures), "{:.0f}", " points")
        return f"{chance}; the failure rate of [{win.loser}] is higher by {higher}."
    if pair.effects.std_ratio.value is None:
        return f"{chance}; the scores of [{win.winner}] are all equal, those of [{win.loser}] vary."
    larger = show_estimate(pair.effects.std_ratio, "{:.2g}")
    return f"{chance}; the std of [{win.loser}] is larger by a factor of {larger}."


def over_grid(effects: Sequence[MainEffect]) -> tuple[str, ...]:
    """What values of a setting were shown to fail less often over all others, surest first."""
    found = [effect for effect in effects if effect.fewer_failures]
    found.sort(key=lambda effect: effect.corrected_failures.p or 0.0)
    return tuple(_over_grid(effect, len(effects)) for effect in found[:MOST_EFFECTS])


def _over_grid(effect: MainEffect, num_effects: int) -> str:
    less, more = effect.failed
    values = effect.one, effect.other
    if effect.fewer_failures == effect.other:
        less, more, values = more, less, values[::-1]
    p = effect.corrected_failures.p
    assert p is not None
    return (
        f"Over all {effect.num_strata} settings of the rest of the grid"
        f" {effect.setting}={values[0]} fails less often than"
        f" {effect.setting}={values[1]}: {less.count} of {less.n} trials"
        f" against {more.count} of {more.n}, which equal values would do in {show_chance(p)} such"
        f" sweeps ({effect.failures.test}, {show_p(p)} after Holm over {2 * num_effects} tests)."
    )


def not_shown(
    arms: Sequence[Arm], nearest: Comparison, ways: Sequence[Findable], num_tests: int
) -> Sentences:
    """No arm was shown to be more stable than another; `ways` is empty where every trial failed."""
    third = more_seeds(arms, nearest, ways) if ways else change_recipe(arms)
    return _undecided(arms), _fell_short(nearest, num_tests), third


def _undecided(arms: Sequence[Arm]) -> str:
    everyone = [arm.name for arm in arms]
    if all(arm.failed.all() for arm in arms):
        return (
            f"Nothing here is stable in any useful sense: every trial of {names(everyone)} failed."
        )
    if len(arms) == 2:
        return (
            f"Neither {names(everyone, 'nor')} was shown to be more stable than the other,"
            " which does not make them equal."
        )
    return (
        f"None of {len(arms)} arms was shown to be more stable than another ({failed_range(arms)}"
        " trials failed), which does not make them equal."
    )


def _fell_short(pair: Comparison, num_tests: int) -> str:
    """How common such differences are between equal recipes, and what remains possible."""
    which = f" as the nearest pair, [{pair.one}] and [{pair.other}]," if num_tests > 2 else ""
    tests = {"failure rate": pair.failures.p, "spread": pair.spread.p}
    tested = {what: p for what, p in tests.items() if p is not None}
    often = " and ".join(f"in {what} in {show_chance(p)}" for what, p in tested.items())
    values = ", ".join(map(show_p, tested.values()))
    return (
        f"Two equal recipes would differ as much{which} {often} such sweeps ({values} after Holm"
        f" over {num_tests} tests); still possible is {_possible(pair)}."
    )


def _possible(pair: Comparison) -> str:
    """What the intervals allow."""
    failures, ratio = in_points(pair.effects.failures), pair.effects.std_ratio
    assert failures.low is not None
    assert failures.high is not None
    possible = (
        f"a failure rate of [{pair.one}] from {_beside(failures.low)} to {_beside(failures.high)}"
        f" that of [{pair.other}]"
    )
    if ratio.low is not None and ratio.high is not None:
        possible += f", and a std {ratio.low:.2g} to {ratio.high:.2g} times as large"
    possible += f" ({100 * failures.confidence:.4g} % intervals)"
    if ratio.value is not None and ratio.low is None:
        possible += (
            f"; the std is {ratio.value:.2g} times as large, without an interval: {ratio.reason}"
        )
    return possible


def _beside(points: float) -> str:
    """Where a share lies from another, such as `49 points below`."""
    return f"{abs(points):.0f} points {'below' if points < 0 else 'above'}"
