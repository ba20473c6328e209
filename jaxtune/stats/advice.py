"""What to do next: the last sentence of a verdict."""

import math
from collections.abc import Sequence

import numpy as np

from jaxtune.core.metrics import merit
from jaxtune.stats.arms import Arm, readable
from jaxtune.stats.compare import ALPHA, Comparison
from jaxtune.stats.describe import BUDGET, best_of
from jaxtune.stats.intervals import share
from jaxtune.stats.power import Findable
from jaxtune.stats.wording import names, settings_of

SCATTERED = 0.1  # share of trials near the floor from which on a recipe's seeds scatter


def use(leaders: Sequence[Arm], losers: Sequence[Arm], arms: Sequence[Arm], steadier: bool) -> str:
    """Which recipe to take, and how many seeds of it."""
    if len(leaders) > 1:
        return (
            f"Use any of {names([arm.name for arm in leaders], 'or')}: choose by their scores, or"
            " run more seeds of these alone."
        )
    (leader,) = leaders
    others = losers or [arm for arm in arms if arm is not leader]
    use = f"Use {settings_of(leader, others)}"
    if steadier:
        use += " if steadiness matters more to you than the score"
    if leader.mostly_failed:
        use += ", and go on changing the recipe, for most trials still fail"
    scatter = "" if steadier else _scatter(leader)
    return f"{use}; {_budget(leader)}{scatter}."


def _budget(arm: Arm) -> str:
    """How many seeds to start, and what their best is expected to score: one number of seeds."""
    rate = share(arm.failed)
    if not rate.count:
        return _best(arm, min(BUDGET, len(arm)))
    # All fail with a chance of at most ALPHA, even at the highest rate that the trials allow.
    tries = max(BUDGET, math.ceil(math.log(ALPHA) / math.log(rate.wilson_high)))
    start = (
        f"start {tries} seeds, of which one or more succeed in 95 of 100 cases even if"
        f" {rate.wilson_high:.0%} fail"
    )
    if tries > len(arm):
        return f"{start}; {_best(arm, len(arm))}"
    return f"{start}, and expect the best to score {best_of(arm, tries):.3f}"


def _best(arm: Arm, budget: int) -> str:
    if budget == len(arm):
        return f"the best of these {budget} scored {arm.best:.3f}"
    return f"of {budget} seeds, expect the best to score {best_of(arm, budget):.3f}"


def _scatter(arm: Arm) -> str:
    """Seeds nearer to the floor than to the best of a recipe that was called more stable."""
    rest, merits = arm.final[~arm.failed], arm.merit[~arm.failed]
    middle = (arm.trivial + arm.best) / 2
    near = int(np.sum(merits < merit(middle, arm.higher_is_better)))
    if near < SCATTERED * rest.size or not near:
        return ""
    whose = "its seeds" if rest.size == len(arm) else "those that did not fail"
    return (
        f"; one seed is not enough, for {whose} still scatter: {rest.min():.3f} to"
        f" {rest.max():.3f}, {near} of {rest.size} nearer to the floor ({arm.trivial:.3f}) than to"
        " the best"
    )


def change_recipe(arms: Sequence[Arm]) -> str:
    """Where every trial failed."""
    off = all(readable(arm.settings.get("bias_correction")) == "false" for arm in arms)
    first = "bias_correction=true" if off else "a smaller learning_rate or a longer warm-up"
    return f"Change the recipe before adding seeds: {first} first, then more epochs."


def more_seeds(arms: Sequence[Arm], pair: Comparison, ways: Sequence[Findable]) -> str:
    """What more seeds would find, from the next larger number on."""
    trials = min(len(arm) for arm in arms if arm.name in (pair.one, pair.other))
    larger = [way for way in ways if way.seeds > trials]
    if not larger:
        return "Settle for what these intervals allow: more seeds would only narrow them."
    shown = [larger[0], larger[-1]] if len(larger) > 1 else larger
    return (
        "Run more seeds, or settle for what the intervals allow: 8 times in 10,"
        f" {' and '.join(map(_finds, shown))}."
    )


def _finds(way: Findable) -> str:
    """Such as `32 seeds per arm find a failure rate 24 points higher or a std 2 times as large`."""
    found = []
    if way.failures is not None:
        found.append(f"a failure rate {100 * way.failures:.0f} points higher")
    if way.std_ratio is not None:
        found.append(f"a std {way.std_ratio:.2g} times as large")
    return f"{way.seeds} seeds per arm find {' or '.join(found) or 'nothing'}"
