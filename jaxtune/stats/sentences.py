"""The sentences of a verdict, each whole: the facts above it are all that is put in.

Those of a verdict that shows nothing are in `undecided`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from jaxtune.core.words import plural
from jaxtune.stats.advice import unless_all_failed, use
from jaxtune.stats.arms import Arm
from jaxtune.stats.compare import Comparison
from jaxtune.stats.describe import higher_best
from jaxtune.stats.holm import num_tests
from jaxtune.stats.hypothesis_tests import NOT_JUDGED, Outcome
from jaxtune.stats.instability import variance_split
from jaxtune.stats.intervals import Estimate, share
from jaxtune.stats.unseen import hangs_on
from jaxtune.stats.wording import (
    count,
    counted,
    failed_range,
    few_names,
    in_points,
    names,
    number,
    numbers,
    show_chance,
    show_estimate,
    show_p,
    show_wilson,
    value_ranges,
)

# Of 100 (tests/stats/test_false_verdicts.py): six to nine tenths of the variance from one seed.
SHARED = "28 to 63"

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
    how_sure = (
        f"{count(arm.failed)} failed, which leaves a failure rate of"
        f" {show_wilson(share(arm.failed))} possible (95% interval)."
    )
    return (
        f"There is one arm, [{arm.name}], and nothing to compare it with.",
        how_sure if arm.judged else f"{NOT_JUDGED.capitalize()}.",
        unless_all_failed(
            [arm],
            "Run a second recipe beside it, with the same seeds (in a sweep --grid.FIELD VALUE"
            " VALUE).",
        ),
    )


def selected(arms: Sequence[Arm]) -> Sentences:
    """Trials that were chosen by their score say nothing about the recipe's spread."""
    chosen = [arm for arm in arms if arm.selected]
    stopped = sum(int(arm.stopped.sum()) for arm in chosen)
    kept = [arm.name for arm in chosen if not arm.stopped.all()]
    if kept:
        did = f"kept the best trials of {names(kept)} and stopped {plural(stopped, 'other')}"
    else:
        did = f"stopped every trial of {names([arm.name for arm in chosen])}"
    return (
        f"There is no verdict about stability: early stopping {did}.",
        _best_that_went_on([arm for arm in arms if not arm.stopped.all()]),
        unless_all_failed(
            arms,
            "Export the best trial, or, to compare recipes, run the sweep without keep_trials.",
        ),
    )


def _best_that_went_on(arms: Sequence[Arm]) -> str:
    """Of arms with such trials, which are none where each had learnt nothing."""
    if not arms:
        return "No trial went on: each had learnt nothing when it was stopped."
    tops = {arm.name: arm.merit[~arm.stopped].max() for arm in arms}
    best = max(arms, key=lambda arm: tops[arm.name])
    top = tops[best.name] if best.higher_is_better else -tops[best.name]
    return f"The best of those that went on scores {number(top)} ([{best.name}])."


def crossed(arms: Sequence[Arm]) -> Sentences:
    """Trials that share seeds are no independent draws, which every test takes them to be."""
    shared = [arm for arm in arms if arm.shares_seeds]
    return (
        f"There is no verdict about stability: the trials of {names([a.name for a in shared])}"
        " share seeds (a crossed design) and are not independent.",
        f"Tests that take them as independent call one of two equal recipes more stable in {SHARED}"
        " of 100 such sweeps where most of the variance comes from one seed, and for the same"
        " reason intervals are too narrow.",
        unless_all_failed(
            arms,
            f"{_split(shared)}; to compare recipes, give every trial seeds of its own (in a sweep"
            " --num_seeds or --seeds).",
        ),
    )


def _split(arms: Sequence[Arm]) -> str:
    """Where to read which seed the variance comes from, and of which arms it cannot be told."""
    reasons: dict[str, list[str]] = {}
    for arm in arms:
        reasons.setdefault(variance_split(arm.final, arm.seeds).reason, []).append(arm.name)
    told = reasons.pop("", None)
    why = "; ".join(f"{few_names(own)}: {reason}" for reason, own in reasons.items())
    if told is None:
        return f"Which seed the variance comes from cannot be told ({why})"
    read = "Read here how much of the variance comes from which seed"
    return f"{read} (but not of {why})" if why else read


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
        _how_sure(led, num_tests(pairs)),
        use(leaders, losers, arms, steadier=bool(lower)),
    )


def _lead(
    leaders: Sequence[Arm], losers: Sequence[Arm], arms: Sequence[Arm], led: Sequence[Win]
) -> str:
    lead, beaten = names([arm.name for arm in leaders]), few_names([arm.name for arm in losers])
    grounds = _grounds(leaders, losers, led)
    still_open = [arm.name for arm in arms if arm not in leaders and arm not in losers]
    if len(leaders) > 1:
        each = min(sum(win.winner == arm.name for win in led) for arm in leaders)
        some = "" if each == len(losers) else f"{each} or more of "
        against = f" and against {few_names(still_open)}" if still_open else ""
        return (
            f"{lead} are each more stable than {some}{beaten} ({grounds}); between them{against} no"
            " difference was shown, which does not make them equal"
        )
    if still_open:
        return (
            f"{lead} is more stable than {beaten} ({grounds}); against {few_names(still_open)} that"
            " was not shown, which does not make them equal"
        )
    if len(losers) > 1:
        return f"{lead} is more stable than every other arm: {grounds}"
    (leader,), (loser,) = leaders, losers
    its_failed = f"{int(loser.failed.sum())} of {len(loser)}"
    if led[0].by_failures:
        return (
            f"{lead} is more stable than [{loser.name}]: {count(leader.failed)} failed against"
            f" {its_failed}"
        )
    failures = (
        f"while no difference in failures was shown ({count(leader.failed)} against {its_failed})"
        if leader.judged
        else f"while {NOT_JUDGED}"
    )
    return (
        f"{lead} is more stable than [{loser.name}]: its scores vary less (std"
        f" {' against '.join(numbers(leader.std, loser.std))}), {failures}"
    )


def _grounds(leaders: Sequence[Arm], losers: Sequence[Arm], led: Sequence[Win]) -> str:
    """What the leaders are ahead in: failures, and stds where these decided."""
    failed = f"{failed_range(leaders)} failed against {failed_range(losers)}"
    by_spread = {win.loser for win in led if not win.by_failures}
    if not by_spread:
        return failed
    if not leaders[0].judged:
        failed = "without a floor failures are not known"
    ours, theirs = value_ranges(
        [arm.std for arm in leaders], [arm.std for arm in losers if arm.name in by_spread]
    )
    if len(by_spread) < len(losers):
        return f"{failed}; std {ours} against {theirs} of {few_names(sorted(by_spread))}"
    return f"std {ours} against {theirs}; {failed}"


def _lower(leaders: Sequence[Arm], arms: Sequence[Arm], pairs: Sequence[Comparison]) -> str:
    """In which way another arm scores better than the leader; empty where none was seen to."""
    (leader,) = leaders
    better, worse = ("higher", "lower") if leader.higher_is_better else ("better", "worse")
    for pair in (pair.better_first for pair in pairs):
        if pair.other == leader.name and pair.location.shown:
            means = " against ".join(numbers(*pair.means)[::-1])
            (ahead,) = (arm for arm in arms if arm.name == pair.one)
            unless = hangs_on(ahead, pair.lead)
            return f"it scores {worse} than [{pair.one}] (mean {means}){unless}"
    for other in arms:
        higher = higher_best(other, leader, len(arms) - 1) if other is not leader else None
        if higher:
            return (
                f"the best of {higher.budget} seeds of [{other.name}] is expected to score {better}"
                f" ({' against '.join(numbers(higher.one, higher.other))})"
            )
    return ""


def _how_sure(led: Sequence[Win], tests_in_all: int) -> str:
    """How sure the lead is, by its least certain part."""
    win = max(led, key=lambda win: win.p)
    pair = win.pair if win.pair.one == win.loser else win.pair.turned()
    what = "differ this much" if len(led) == 1 else "differ as much as the least certain pair here"
    assert win.test.p is not None
    # How often two recipes differ so is the test's own p. That after Holm is no frequency but a
    # bound, for all tests and looks together, and too large by their number for this pair.
    chance = (
        f"Two equal recipes would {what} in {show_chance(win.test.p, win.test.at_most)} such sweeps"
        f" ({win.test.test}, {show_p(win.p, win.test.at_most)} after Holm over"
        f" {counted(tests_in_all, pair.times)})"
    )
    if win.by_failures:
        failures = in_points(pair.effects.failures)
        higher = show_estimate(failures, "{:.0f}", " points") + _cautious(failures, 0.0)
        return f"{chance}; the failure rate of [{win.loser}] is higher by {higher}."
    if pair.effects.std_ratio.value is None:
        return f"{chance}; the scores of [{win.winner}] are all equal, those of [{win.loser}] vary."
    ratio = pair.effects.std_ratio
    larger = show_estimate(ratio, "{:.2g}") + _cautious(ratio, 1.0)
    return f"{chance}; the std of [{win.loser}] is larger by a factor of {larger}."


def _cautious(found: Estimate, none: float) -> str:
    """What to say of an interval that holds the value of no difference, which a test excludes."""
    if found.low is None or found.low > none:
        return ""
    return f", which is a cautious one and does not exclude {none:g} as the test does"
