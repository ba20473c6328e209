"""The three sentences of a verdict, each whole: the facts above it are all that is put in."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxtune.stats.arms import Arm, readable
from jaxtune.stats.compare import Comparison, fewest_seeds
from jaxtune.stats.describe import expected_max
from jaxtune.stats.intervals import share
from jaxtune.stats.power import PowerTable, seeds_needed
from jaxtune.stats.wording import (
    count,
    in_points,
    mapped,
    names,
    settings_of,
    show_estimate,
    show_p,
    show_wilson,
)

ALPHA = 0.05
BUDGET = 5  # seeds whose best is announced
FEW = 16  # trials per arm under which a difference seen is a poor guide to the true one

Sentences = tuple[str, str, str]  # who is more stable, how sure that is, what to do next


class Win(NamedTuple):
    """A pair in which one arm was shown to be the more stable."""

    winner: str
    loser: str
    by_failures: bool  # by spread otherwise
    p: float  # after Holm
    pair: Comparison


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
    tops = {arm.name: arm.final[~arm.stopped].max(initial=-math.inf) for arm in arms}
    best = max(tops, key=lambda name: tops[name])
    return (
        "There is no verdict about stability: early stopping kept the best trials of"
        f" {names([arm.name for arm in chosen])} and stopped {stopped} others.",
        f"The best of those that went on scores {tops[best]:.3f} ([{best}]).",
        "Export the best trial, or, to compare recipes, run the sweep without keep_trials.",
    )


def shown(leader: Arm, arms: Sequence[Arm], led: Sequence[Win], num_tests: int) -> Sentences:
    """The leader was shown to be more stable than the losers of `led`."""
    named = {arm.name: arm for arm in arms}
    losers = [named[win.loser] for win in led]
    return _lead(leader, losers, arms, led[0]), _how_sure(led, num_tests), _use(leader, losers)


def _lead(leader: Arm, losers: Sequence[Arm], arms: Sequence[Arm], first: Win) -> str:
    beaten = names([arm.name for arm in losers])
    others = [arm.name for arm in arms if arm is not leader and arm not in losers]
    failed = count(leader.failed)
    if others:
        return (
            f"[{leader.name}] is more stable than {beaten}; against {names(others)} that was not"
            " shown, which does not make them equal."
        )
    if len(arms) > 2:
        return (
            f"[{leader.name}] is more stable than {beaten}, which is every other arm: {failed}"
            " failed."
        )
    (loser,) = losers
    its_failed = f"{int(loser.failed.sum())} of {len(loser)}"
    if first.by_failures:
        return (
            f"[{leader.name}] is more stable than {beaten}: {failed} failed against {its_failed}."
        )
    return (
        f"[{leader.name}] is more stable than {beaten}: its scores vary less (std {leader.std:.3f}"
        f" against {loser.std:.3f}), while no difference in failures was shown ({failed} against"
        f" {its_failed})."
    )


def _how_sure(led: Sequence[Win], num_tests: int) -> str:
    """How sure the leader's lead is, by its least certain part."""
    win = max(led, key=lambda win: win.p)
    pair, turned = win.pair, win.pair.one == win.winner
    this = "The least certain part of this" if len(led) > 1 else "This"
    if win.by_failures:
        higher = in_points(pair.failure_difference)
        higher = mapped(higher, lambda points: -points) if turned else higher
        return (
            f"{this} has {show_p(win.p)} ({pair.failures.test}, after Holm over {num_tests} tests),"
            f" and the failure rate of [{win.loser}] is higher by"
            f" {show_estimate(higher, '{:.0f}', ' points')}."
        )
    sure = f"{this} has {show_p(win.p)} ({pair.all.spread.test}, after Holm over {num_tests} tests)"
    if pair.all.std_ratio.value is None:
        return f"{sure}: the scores of [{win.winner}] are all equal, those of [{win.loser}] vary."
    larger = mapped(pair.all.std_ratio, lambda ratio: 1 / ratio) if turned else pair.all.std_ratio
    return (
        f"{sure}, and the std of [{win.loser}] is larger by a factor of"
        f" {show_estimate(larger, '{:.2g}')}."
    )


def _use(leader: Arm, losers: Sequence[Arm]) -> str:
    use, budget = f"Use {settings_of(leader, losers)}", min(BUDGET, len(leader))
    if leader.mostly_failed:
        use += " and go on changing the recipe, for most trials still fail"
    best = expected_max(leader.final).mean[budget - 1]
    rate = share(leader.failed)
    if not rate.count:
        return f"{use}; of {budget} seeds, expect the best to score {best:.3f}."
    # All fail with a chance of at most ALPHA, even at the highest rate that the trials allow.
    tries = math.ceil(math.log(ALPHA) / math.log(rate.wilson_high))
    return (
        f"{use}; of {budget} seeds, expect the best to score {best:.3f}, and start at least"
        f" {tries}, which leave one that succeeds in 95 of 100 cases even if"
        f" {rate.wilson_high:.0%} fail."
    )


def not_shown(
    arms: Sequence[Arm], nearest: Comparison, power: PowerTable | None, num_tests: int
) -> Sentences:
    """No arm was shown to be more stable than another; `power` is None where every trial failed."""
    third = _more_seeds(arms, nearest, power, num_tests) if power else _change(arms)
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
        f"No arm was shown to be more stable than another ({names(everyone)}),"
        " which does not make them equal."
    )


def _fell_short(pair: Comparison, num_tests: int) -> str:
    """The p-values that fell short, and what they leave possible."""
    assert pair.holm
    low, high = in_points(pair.failure_difference)[1:3]
    assert low is not None
    assert high is not None
    rate = f"a failure rate of [{pair.one}] from {_beside(low)} to {_beside(high)} that of"
    possible = f"{rate} [{pair.other}]"
    ratio = pair.all.std_ratio
    if ratio.low is not None and ratio.high is not None:
        possible += f", and a std {ratio.low:.2g} to {ratio.high:.2g} times as large"
    elif ratio.value is not None:
        possible += (
            f"; the std is {ratio.value:.2g} times as large, without an interval: {ratio.reason}"
        )
    nearest = ""
    if num_tests > 3:
        nearest = f"of the pair nearest to a difference, [{pair.one}] and [{pair.other}], "
    return (
        f"After Holm over {num_tests} tests {nearest}the failure rate has"
        f" {show_p(pair.holm.failures)} and the spread {show_p(pair.holm.spread)}; still possible"
        f" (95 % interval) is {possible}."
    )


def _beside(points: float) -> str:
    """Where a share lies from another, such as `49 points below`."""
    return f"{abs(points):.0f} points {'below' if points < 0 else 'above'}"


def _change(arms: Sequence[Arm]) -> str:
    off = all(readable(arm.settings.get("bias_correction")) == "false" for arm in arms)
    first = "bias_correction=true" if off else "a smaller learning_rate or a longer warm-up"
    return f"Change the recipe before adding seeds: {first} first, then more epochs."


def _more_seeds(arms: Sequence[Arm], pair: Comparison, power: PowerTable, num_tests: int) -> str:
    one, other = (arm for arm in arms if arm.name in (pair.one, pair.other))
    trials = min(len(one), len(other))
    if trials >= power.seeds[-1]:
        return "Settle for what these intervals allow: more seeds would only narrow them."
    wanted = f"{_wanted(power, power.spread)} for the spread"
    if one.failed.mean() != other.failed.mean():
        wanted = f"{_wanted(power, power.failures)} for the failure rate and {wanted}"
    guess = ", a rough guess from so few trials" if trials < FEW else ""
    seen = f"to find a difference of the size seen here 8 times in 10 takes {wanted}{guess}"
    least = fewest_seeds(num_tests, ALPHA)
    if trials < least:
        return (
            f"Run at least {least} seeds per arm, from which on every test can reach {ALPHA:g};"
            f" {seen}."
        )
    return f"Run more seeds, or settle for what the intervals allow: {seen}."


def _wanted(power: PowerTable, column: np.ndarray) -> str:
    needed = seeds_needed(power.seeds, column)
    if needed is None:
        return f"more than {power.seeds[-1]} seeds per arm"
    return f"about {needed} seeds per arm"
