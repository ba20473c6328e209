"""What to do next: the last sentence of a verdict."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from jaxtune.core.metrics import merit
from jaxtune.core.words import percent
from jaxtune.stats.arms import Arm, readable
from jaxtune.stats.compare import Comparison
from jaxtune.stats.describe import BUDGET, best_of
from jaxtune.stats.holm import ALPHA
from jaxtune.stats.intervals import all_alike, share
from jaxtune.stats.power import HOW_OFTEN, Findable
from jaxtune.stats.wording import enumerate_words, names, number, points_apart, settings_of

# The recommended recipe's (Mosbach et al. 2021, section 6).
USUAL_RATE, LONG = 2e-5, 20
LEAST_RATE = 1e-6  # with less nothing is learnt in any usual number of steps
# Seeds that are added to those of one look, and a verdict on all of them, are what the note about
# looks calls invalid; other seeds in a sweep of their own have a verdict of their own.
MORE = (
    "Run more seeds in a comparison of their own (in a sweep: another --out, with other --seeds or"
    " with --until_decided)"
)
NEXT_LOOK = (
    "Go on to the sweep's next look; after its last one run other seeds in a comparison of their"
    " own (another --out)"
)
SCATTERED = 0.1  # share of trials near the floor from which on a recipe's seeds scatter


def use(leaders: Sequence[Arm], losers: Sequence[Arm], arms: Sequence[Arm], steadier: bool) -> str:
    """Which recipe to take, and how many seeds of it."""
    if len(leaders) > 1:
        which = "either" if len(leaders) == 2 else "any of"
        alike = len({float(arm.failed.mean()) for arm in leaders}) == 1
        by = "their scores" if alike else "their failures, then by their scores"
        return (
            f"Use {which} {names([arm.name for arm in leaders], 'or')}: choose by {by}, or compare"
            " these alone over seeds that have not run."
        )
    (leader,) = leaders
    others = losers or [arm for arm in arms if arm is not leader]
    steady = " if steadiness matters more to you than the score" if steadier else ""
    change = ""
    if leader.mostly_failed:
        change = (
            f", and go on changing the recipe ({untried([leader])}), for most trials still fail"
        )
    scatter = "" if steadier else _scatter(leader)
    return f"Use {settings_of(leader, others)}{steady}{change}; {_budget(leader)}{scatter}."


def _budget(arm: Arm) -> str:
    """How many seeds to start, and what their best is expected to score: one number of seeds."""
    rate = share(arm.failed)
    if not rate.count:
        return _best(arm, min(BUDGET, len(arm)))
    # All fail with a chance of at most ALPHA, even at the highest rate that the trials allow.
    tries = max(BUDGET, math.ceil(math.log(ALPHA) / math.log(rate.wilson_high)))
    start = (
        f"start {tries} seeds, of which one or more succeed in 95 of 100 cases even if"
        f" {percent(rate.wilson_high)} fail"
    )
    if tries > len(arm):
        return f"{start}; {_best(arm, len(arm))}"
    return f"{start}, and expect the best to score {number(best_of(arm, tries))}"


def _best(arm: Arm, budget: int) -> str:
    if len(arm) == 1:
        return f"its only trial scored {number(arm.best)}"
    if budget == len(arm):
        return f"the best of these {budget} scored {number(arm.best)}"
    return f"of {budget} seeds, expect the best to score {number(best_of(arm, budget))}"


def _scatter(arm: Arm) -> str:
    """Seeds nearer to the floor than to the best of a recipe that was called more stable."""
    if arm.trivial is None:
        return ""
    rest, merits = arm.final[~arm.failed], arm.merit[~arm.failed]
    middle = (arm.trivial + arm.best) / 2
    near = int(np.sum(merits < merit(middle, arm.higher_is_better)))
    if near < SCATTERED * rest.size or not near:
        return ""
    whose = "its seeds" if rest.size == len(arm) else "those that did not fail"
    return (
        f"; one seed is not enough, for {whose} still scatter: {number(rest.min())} to"
        f" {number(rest.max())}, {near} of {rest.size} nearer to the floor ({number(arm.trivial)})"
        " than to the best"
    )


def use_for_score(arm: Arm, others: Sequence[Arm]) -> str:
    """Where a mean was shown to be better than others', and nothing about stability."""
    return f"If the score alone counts, use {settings_of(arm, others)}."


def unless_all_failed(arms: Sequence[Arm], advice: str) -> str:
    """Where every trial failed, what to change; no other advice helps there."""
    if not all(arm.failed.all() for arm in arms):
        return advice
    return f"Change the recipe before adding seeds: {untried(arms)}."


def untried(arms: Sequence[Arm]) -> str:
    """What none of these arms has done against failures, such as `bias_correction=true first`."""
    found = [*_optimiser(arms), *_duration(arms)]
    if not found and not _values(arms, "learning_rate"):  # runs of a trainer that has not said it
        return "another learning rate, more steps or a longer warm-up"
    if not found:
        return "a smaller learning_rate or a longer warm-up"
    first, *rest = found
    return first if not rest else f"{first} first, then {enumerate_words(rest)}"


def _optimiser(arms: Sequence[Arm]) -> Iterator[str]:
    """The causes of Mosbach et al. (2021), section 5: updates that are too large at the start."""
    if all(readable(arm.settings.get("bias_correction")) == "false" for arm in arms):
        yield "bias_correction=true"
    rates = _values(arms, "learning_rate")
    if rates and max(rates) < LEAST_RATE:
        yield f"a larger learning_rate than {max(rates):g}"
    elif rates and (min(rates) > USUAL_RATE or any(arm.diverged.any() for arm in arms)):
        yield f"a smaller learning_rate than {min(rates):g}"
    ratios = _values(arms, "warmup_ratio")
    others = ("untuned_warmup", "rectify")  # warm-ups of their own
    if ratios and not any(ratios) and not any(any(_values(arms, name)) for name in others):
        yield "a warm-up (warmup_ratio=0.1)"


def _duration(arms: Sequence[Arm]) -> Iterator[str]:
    """max_steps overrides the epochs, and patience either."""
    patience = _values(arms, "patience")
    if patience and all(arm.out_of_patience.all() for arm in arms):
        yield f"a larger patience than {max(patience):g}"
        return
    steps, epochs = _values(arms, "max_steps"), _values(arms, "num_epochs")
    if len(steps) == len(arms):
        yield f"more steps than {max(steps):g}"
    elif epochs and max(epochs) < LONG:
        yield f"more epochs than {max(epochs):g}, such as {LONG}"


def _values(arms: Sequence[Arm], name: str) -> list[float]:
    """A setting of the arms that have it."""
    found = [arm.settings.get(name) for arm in arms]
    return [float(value) for value in found if value is not None and value == value]


def more_seeds(arms: Sequence[Arm], pair: Comparison, ways: Sequence[Findable]) -> str:
    """What more seeds would find, from the next larger number on."""
    trials = min(len(arm) for arm in arms if arm.name in (pair.one, pair.other))
    larger = [way for way in ways if way.seeds > trials]
    if not larger:
        return "Settle for what these intervals allow: more seeds would only narrow them."
    finding = [way for way in larger if way.failures is not None or way.std_ratio is not None]
    more = MORE if pair.times == 1 else NEXT_LOOK
    if not finding:
        whole = np.concatenate([arm.final for arm in arms])
        if all_alike(whole) and not any(arm.judged for arm in arms):
            return (
                "No score differs from another, which more seeds would hardly change; a floor"
                " (--floor) would tell whether these trials have failed."
            )
        effects = (pair.effects.failures, pair.effects.std_ratio)
        if all(effect.low is None for effect in effects):
            return f"{more}."
        return f"{more}, or settle for what the intervals allow."
    shown = [finding[0], finding[-1]] if len(finding) > 1 else finding
    return (
        f"{more}, or settle for what the intervals allow: {HOW_OFTEN},"
        f" {' and '.join(map(_finds, shown))}."
    )


def _finds(way: Findable) -> str:
    """Such as `32 seeds per arm find a failure rate 24 points higher or a std 2 times as large`."""
    found = []
    if way.failures is not None:
        found.append(f"a failure rate {points_apart(way.failures)}")
    if way.std_ratio is not None:
        found.append(f"a std {way.std_ratio:.2g} times as large")
    return f"{way.seeds} seeds per arm find {' or '.join(found)}"
