"""Which recipe is more stable, how sure that is, and what to do next, in three sentences.

Stability is asked in this order: which arm fails less often; where that was not shown, whose scores
vary less. Location is reported and decides nothing.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxtune.stats.arms import Arm, check_comparable, readable
from jaxtune.stats.compare import Comparison, compare_all, fewest_seeds
from jaxtune.stats.describe import expected_max
from jaxtune.stats.intervals import share
from jaxtune.stats.notes import caveats, mostly_failed
from jaxtune.stats.power import PowerTable, power_table, seeds_needed
from jaxtune.stats.wording import (
    beside,
    count,
    factor,
    inverted,
    names,
    negated,
    points,
    settings_of,
    show_p,
)

ALPHA = 0.05
BUDGET = 5  # seeds whose best is announced
MOST_PAIRS = 3  # that notes are about, the least certain ones
FEW = 16  # trials per arm under which a difference seen is a poor guide to the true one


class Win(NamedTuple):
    """A pair in which one arm was shown to be the more stable."""

    winner: str
    loser: str
    by_failures: bool  # by spread otherwise
    p: float  # after Holm
    pair: Comparison


class Verdict(NamedTuple):
    """Three sentences, what to bear in mind with them, and the numbers behind them."""

    more_stable: str
    how_sure: str
    next_step: str
    notes: tuple[str, ...]
    leader: str | None  # the arm to use; None where none was shown to be more stable than any
    wins: tuple[Win, ...]
    comparisons: tuple[Comparison, ...]
    open_pair: Comparison | None  # of the leader, the nearest to a difference that was not shown
    power: PowerTable | None  # of the open pair

    @property
    def text(self) -> str:
        """The three sentences, then the notes, a line each."""
        return "\n".join([self.more_stable, self.how_sure, self.next_step, *self.notes])


def judge(arms: Sequence[Arm], num_dev: int | None = None, seed: int = 0) -> Verdict:
    """The verdict over the arms of a sweep or of several; raises UserError where their scores do
    not compare.

    Args:
        num_dev: examples of the dev set.
        seed: of bootstrap, permutations and simulated power.
    """
    check_comparable(arms)
    if any(arm.selected for arm in arms):
        return _selected([arm for arm in arms if arm.selected], arms, num_dev)
    if len(arms) == 1:
        return _one_arm(arms[0], num_dev)
    pairs = compare_all(arms, seed)
    named, num_tests = {arm.name: arm for arm in arms}, 3 * len(pairs)
    assert len(named) == len(arms), "arms need names of their own"
    wins = [win for pair in pairs if (win := find_win(pair, named))]
    leader = _leader(arms, wins)
    led = [win for win in wins if win.winner == leader.name]
    losers = [named[win.loser] for win in led]
    nearest = _open_pair(leader, pairs, wins)
    power = None
    if nearest and not all(arm.failed.all() for arm in arms):
        alpha = ALPHA / num_tests
        power = power_table(named[nearest.one], named[nearest.other], alpha, seed=seed)
    if led:
        sentences = _more_stable(leader, arms, led), _how_sure(led, num_tests), _use(leader, losers)
    else:
        assert nearest
        seeds = _change(arms)
        if power:
            seeds = _more_seeds(named[nearest.one], named[nearest.other], power, num_tests)
        sentences = _undecided(arms), _not_shown(nearest, num_tests), seeds
    name = leader.name if led else None
    led.sort(key=lambda win: -win.p)
    shown = [win.pair for win in led[:MOST_PAIRS]] or [pair for pair in pairs if pair == nearest]
    found = caveats(arms, shown, name, num_dev, ALPHA, num_tests)
    return Verdict(*sentences, found, name, tuple(wins), tuple(pairs), nearest, power)


def find_win(pair: Comparison, named: dict[str, Arm]) -> Win | None:
    """Who was shown to be more stable: by failures if they differ, else by spread.

    A small std is no win for an arm most of whose trials failed.
    """
    assert pair.holm
    p = pair.holm.failures
    if p is not None and p <= ALPHA:
        difference = named[pair.one].failed.mean() - named[pair.other].failed.mean()
        order = (pair.other, pair.one) if difference > 0 else (pair.one, pair.other)
        return Win(*order, True, p, pair)
    p = pair.holm.spread
    if p is not None and p <= ALPHA:
        one, other = named[pair.one], named[pair.other]
        order = (one, other) if one.final.std() < other.final.std() else (other, one)
        if not mostly_failed(order[0]):
            return Win(order[0].name, order[1].name, False, p, pair)
    return None


def _leader(arms: Sequence[Arm], wins: Sequence[Win]) -> Arm:
    """Of the arms that lose to none, the one that beats most; then fewest failures, smallest std,
    highest mean.
    """
    losers = {win.loser for win in wins}
    unbeaten = [arm for arm in arms if arm.name not in losers] or list(arms)

    def rank(arm: Arm) -> tuple[int, float, float, float]:
        won = sum(win.winner == arm.name for win in wins)
        scores = arm.final
        return -won, float(arm.failed.mean()), float(scores.std()), -float(scores.mean())

    return min(unbeaten, key=rank)


def _open_pair(leader: Arm, pairs: Sequence[Comparison], wins: Sequence[Win]) -> Comparison | None:
    """The pair of the leader that comes nearest to a difference in stability without one being
    shown.
    """
    settled = [win.pair for win in wins]
    still_open = [
        pair for pair in pairs if leader.name in (pair.one, pair.other) and pair not in settled
    ]

    def nearest(pair: Comparison) -> float:
        return min((p for p in pair.p[:2] if p is not None), default=1.0)

    return min(still_open, key=nearest, default=None)


def _one_arm(arm: Arm, num_dev: int | None) -> Verdict:
    failed = share(arm.failed)
    return Verdict(
        f"There is one arm, [{arm.name}], and nothing to compare it with.",
        f"{count(arm.failed)} failed, which leaves a failure rate of {failed.wilson_low:.0%} to "
        f"{failed.wilson_high:.0%} possible (95 % interval).",
        "Run a second recipe beside it, with the same seeds (--grid.FIELD VALUE VALUE).",
        caveats([arm], [], None, num_dev, ALPHA, 0),
        None,
        (),
        (),
        None,
        None,
    )


def _selected(selected: Sequence[Arm], arms: Sequence[Arm], num_dev: int | None) -> Verdict:
    """Trials that were chosen by their score say nothing about the recipe's spread."""
    stopped = sum(int(arm.stopped.sum()) for arm in selected)
    best = max(arms, key=lambda arm: arm.final[~arm.stopped].max(initial=-math.inf))
    return Verdict(
        "There is no verdict about stability: early stopping kept the best trials of"
        f" {names([a.name for a in selected])} and stopped {stopped} others.",
        "The best of those that went on scores"
        f" {best.final[~best.stopped].max(initial=-math.inf):.3f} ([{best.name}]).",
        "Export the best trial, or, to compare recipes, run the sweep without keep_trials.",
        caveats(arms, [], None, num_dev, ALPHA, 0),
        *(None, (), (), None, None),
    )


def _more_stable(leader: Arm, arms: Sequence[Arm], led: Sequence[Win]) -> str:
    named = {arm.name: arm for arm in arms}
    text = f"[{leader.name}] is more stable than {names([win.loser for win in led])}"
    if len(arms) > 2:
        won = {leader.name, *(win.loser for win in led)}
        others = [arm.name for arm in arms if arm.name not in won]
        if not others:
            return f"{text}, which is every other arm: {count(leader.failed)} failed."
        return (
            f"{text}; against {names(others)} that was not shown, which does not make them equal."
        )
    loser = named[led[0].loser]
    if led[0].by_failures:
        return (
            f"{text}: {count(leader.failed)} failed against {int(loser.failed.sum())} of"
            f" {len(loser)}."
        )
    return (
        f"{text}: its scores vary less (std {leader.final.std(ddof=1):.3f} against"
        f" {loser.final.std(ddof=1):.3f}), while no difference in failures was shown"
        f" ({count(leader.failed)} against {int(loser.failed.sum())} of {len(loser)})."
    )


def _how_sure(led: Sequence[Win], num_tests: int) -> str:
    """How sure the leader's lead is, by its least certain part."""
    win = max(led, key=lambda win: win.p)
    forward = win.pair.one == win.loser
    if win.by_failures:
        test, effect = win.pair.failures.test, win.pair.failure_difference
        higher = points(effect if forward else negated(effect))
        size = f"the failure rate of [{win.loser}] is higher by {higher}"
    else:
        test, effect = win.pair.all.spread.test, win.pair.all.std_ratio
        larger = factor(effect if forward else inverted(effect))
        size = f"the std of [{win.loser}] is larger by a factor of {larger}"
    which = "The least certain part of this has" if len(led) > 1 else "This has"
    return f"{which} {show_p(win.p)} ({test}, after Holm over {num_tests} tests), and {size}."


def _use(leader: Arm, losers: Sequence[Arm]) -> str:
    best, budget = expected_max(leader.final), min(BUDGET, len(leader))
    seeds = f"of {budget} seeds, expect the best to score {best.mean[budget - 1]:.3f}"
    rate = share(leader.failed)
    if rate.count:
        tries = math.ceil(math.log(ALPHA) / math.log(rate.wilson_high))
        seeds += (
            f", and start at least {tries}, which leave one that succeeds in 95 of 100 cases even"
            f" if {rate.wilson_high:.0%} fail"
        )
    use = f"Use {settings_of(leader, losers)}"
    if mostly_failed(leader):
        use += " and go on changing the recipe, for most trials still fail"
    return f"{use}; {seeds}."


def _undecided(arms: Sequence[Arm]) -> str:
    everyone = [arm.name for arm in arms]
    if all(arm.failed.all() for arm in arms):
        return (
            f"Nothing here is stable in any useful sense: every trial of {names(everyone)} failed."
        )
    if len(arms) == 2:
        pair = f"Neither {names(everyone, 'nor')} was shown to be more stable than the other"
        return f"{pair}, which does not make them equal."
    return (
        f"No arm was shown to be more stable than another ({names(everyone)}), which does not make"
        " them equal."
    )


def _not_shown(pair: Comparison, num_tests: int) -> str:
    """The p-values that fell short, and what they leave possible."""
    assert pair.holm
    difference, ratio = pair.failure_difference, pair.all.std_ratio
    assert difference.low is not None
    assert difference.high is not None
    possible = (
        f"a failure rate of [{pair.one}] from {beside(difference.low)} to {beside(difference.high)}"
        f" that of [{pair.other}]"
    )
    if ratio.low is not None and ratio.high is not None:
        possible += f", and a std {ratio.low:.2g} to {ratio.high:.2g} times as large"
    elif ratio.value is not None:
        possible += (
            f"; the std is {ratio.value:.2g} times as large, without an interval: {ratio.reason}"
        )
    nearest = (
        ""
        if num_tests == 3
        else f"of the pair nearest to a difference, [{pair.one}] and [{pair.other}], "
    )
    return (
        f"After Holm over {num_tests} tests {nearest}the failure rate has"
        f" {show_p(pair.holm.failures)} and the spread {show_p(pair.holm.spread)}; still possible"
        f" (95 % interval) is {possible}."
    )


def _change(arms: Sequence[Arm]) -> str:
    off = all(readable(arm.settings.get("bias_correction")) == "false" for arm in arms)
    first = "bias_correction=true" if off else "a smaller learning_rate or a longer warm-up"
    return f"Change the recipe before adding seeds: {first} first, then more epochs."


def _more_seeds(one: Arm, other: Arm, power: PowerTable, num_tests: int) -> str:
    wanted = []
    if one.failed.mean() != other.failed.mean():
        wanted.append(f"{_wanted(power, power.failures)} for the failure rate")
    wanted.append(f"{_wanted(power, power.spread)} for the spread")
    n, least = min(len(one), len(other)), fewest_seeds(num_tests, ALPHA)
    if n >= power.seeds[-1]:
        return "Settle for what these intervals allow: more seeds would only narrow them."
    guess = ", a rough guess from so few trials" if n < FEW else ""
    seen = (
        "to find a difference of the size seen here 8 times in 10 takes"
        f" {' and '.join(wanted)}{guess}"
    )
    if n < least:
        return (
            f"Run at least {least} seeds per arm, from which on every test can reach {ALPHA:g};"
            f" {seen}."
        )
    return f"Run more seeds, or settle for what the intervals allow: {seen}."


def _wanted(power: PowerTable, column: np.ndarray) -> str:
    needed = seeds_needed(power.seeds, column)
    return (
        f"more than {power.seeds[-1]} seeds per arm"
        if needed is None
        else f"about {needed} seeds per arm"
    )
