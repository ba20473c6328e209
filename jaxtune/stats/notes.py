"""What to bear in mind with a verdict: numbers that mislead by themselves, and what the trials are
too few to say.
"""

from collections.abc import Sequence

import numpy as np

from jaxtune.stats.arms import Arm
from jaxtune.stats.compare import Comparison
from jaxtune.stats.describe import dev_standard_error
from jaxtune.stats.wording import MOST_NAMES, count, enumerate_words, names, show_p

LIMITS = (
    "This is about these settings on one model, one task and one dev set; it says nothing about"
    " other learning rates, durations or data."
)

# More arms than this share a sentence.
ONE_BY_ONE = 2


def mostly_failed(arm: Arm) -> bool:
    """Whether a small std says no more than that failures are alike."""
    return 2 * int(arm.failed.sum()) > len(arm)


def caveats(
    arms: Sequence[Arm],
    pairs: Sequence[Comparison],
    leader: str | None,
    num_dev: int | None,
    alpha: float,
    num_tests: int,
) -> tuple[str, ...]:
    """One sentence each, most misleading first.

    Args:
        pairs: the comparisons that a verdict speaks of.
        leader: the arm that it prefers, if any.
        num_tests: in Holm's family.
    """
    named = {arm.name: arm for arm in arms}
    found = [*_stopped(arms), *_failures(arms), *_single_class(arms), *_broken(arms)]
    for pair in pairs:
        one, other = named[pair.one], named[pair.other]
        found += [*_small_std(one, other), *_means(pair, one, other, leader, alpha)]
    found += [*_too_few(pairs, named, alpha, num_tests), *_dev_set(arms, num_dev)]
    found += [*_shared_seeds(arms), *_unpaired(pairs)]
    if leader is not None:
        found.append(
            "An expected best score is one on the dev set that it is chosen on, and computed from"
            " draws with replacement, which makes it slightly too low for seeds chosen there and"
            " says nothing of new data."
        )
    return (*found, LIMITS)


def _stopped(arms: Sequence[Arm]) -> list[str]:
    early = [arm for arm in arms if arm.stopped.any()]
    if not early:
        return []
    counts = _counted(early, [int(arm.stopped.sum()) for arm in early])
    why = (
        "others had scored better"
        if any(arm.selected for arm in early)
        else "they had learnt nothing"
    )
    return [
        f"Some trials were stopped early because {why}, {counts}: they count with the score they"
        " had then, which is not what they would have ended with."
    ]


def _failures(arms: Sequence[Arm]) -> list[str]:
    found = []
    everything = [arm.name for arm in arms if arm.failed.all()]
    if everything:
        found.append(
            f"Every trial of {names(everything)} failed, so a small std there means nothing but"
            " failures that are alike."
        )
    mixed = [arm for arm in arms if arm.failed.any() and not arm.failed.all()]
    if len(mixed) > ONE_BY_ONE:
        return [
            *found,
            (
                f"{names([arm.name for arm in mixed])} mix trials that failed with trials that did"
                " not: their mean and std describe neither kind."
            ),
        ]
    for arm in mixed:
        rest = arm.final[~arm.failed]
        std = f", std {rest.std(ddof=1):.3f}" if rest.size > 1 else ""
        found.append(
            f"[{arm.name}] mixes {_trials(int(arm.failed.sum()))} that failed with {rest.size} that"
            f" did not (mean {rest.mean():.3f}{std}): its mean {arm.final.mean():.3f} and std"
            " describe neither kind."
        )
    return found


def _trials(number: int) -> str:
    return f"{number} trial{'s' * (number != 1)}"


def _single_class(arms: Sequence[Arm]) -> list[str]:
    constant = [arm for arm in arms if arm.constant.any()]
    if not constant:
        return []
    counts = _counted(constant, [int(arm.constant.sum()) for arm in constant])
    return [f"Some trials give every dev example the same answer, {counts}."]


def _broken(arms: Sequence[Arm]) -> list[str]:
    found = []
    diverged = [arm for arm in arms if arm.diverged.any()]
    if diverged:
        counts = _counted(diverged, [int(arm.diverged.sum()) for arm in diverged])
        found.append(
            f"Some trials diverged, {counts}: they count as failed and enter the mean with the"
            " score of their last predictions."
        )
    unscored = [arm for arm in arms if arm.num_unscored]
    if unscored:
        counts = _counted(unscored, [arm.num_unscored for arm in unscored])
        found.append(
            f"Some trials have no finite score, {counts}: they count as failed and enter the mean"
            " with that of the best constant prediction."
        )
    return found


def _counted(arms: Sequence[Arm], counts: Sequence[int]) -> str:
    """Such as `25 of 32 in [a] and 1 of 32 in [b]`; a long list is cut."""
    parts = [
        f"{count} of {len(arm)} in [{arm.name}]" for arm, count in zip(arms, counts, strict=True)
    ]
    if len(parts) > MOST_NAMES:
        rest = len(parts) - MOST_NAMES + 1
        parts = [*parts[: MOST_NAMES - 1], f"in {rest} more arms"]
    return enumerate_words(parts)


def _small_std(one: Arm, other: Arm) -> list[str]:
    """The trap of reading std alone: failures are alike."""
    low, high = sorted((one, other), key=lambda arm: arm.final.std())
    more_failures = low.failed.mean() > high.failed.mean()
    if not (more_failures and mostly_failed(low)) or min(len(one), len(other)) < 2:
        return []
    return [
        f"The std of [{low.name}] is the smaller one ({low.final.std(ddof=1):.3f} against"
        f" {high.final.std(ddof=1):.3f}) because {count(low.failed)} failed and failures are alike;"
        " it is no sign of stability."
    ]


def _means(pair: Comparison, one: Arm, other: Arm, leader: str | None, alpha: float) -> list[str]:
    p = pair.holm.location if pair.holm else None
    low, high = sorted((one, other), key=lambda arm: arm.final.mean())
    means = f"{high.final.mean():.3f} against {low.final.mean():.3f}"
    if p is not None and p <= alpha:
        trade = ", so here stability costs score" if low.name == leader else ""
        return [
            f"[{high.name}] scores higher than [{low.name}] (mean {means}, {show_p(p)}){trade}."
        ]
    difference = pair.all.mean_difference
    possible = ""
    if difference.low is not None and difference.high is not None:
        possible = (
            f"; the mean of [{one.name}] may still lie {difference.low:+.2g} to"
            f" {difference.high:+.2g} from that of [{other.name}]"
        )
    lower = ", though the more stable arm has the lower one" if low.name == leader else ""
    return [f"No difference in the mean was shown ({means}, {show_p(p)}){lower}{possible}."]


def _too_few(
    pairs: Sequence[Comparison], named: dict[str, Arm], alpha: float, num_tests: int
) -> list[str]:
    found = []
    for pair in pairs:
        tests = {
            "failure rate": pair.failures.least,
            "spread": pair.all.spread.least,
            "location": pair.all.location.least,
        }
        short = [what for what, p in tests.items() if p is not None and p * num_tests > alpha]
        if short:
            sizes = f"{len(named[pair.one])} and {len(named[pair.other])} trials"
            found.append(
                f"With {sizes} no test of {enumerate_words(short, 'or')} between [{pair.one}] and"
                f" [{pair.other}] can reach {alpha:g} after correction over {num_tests} tests,"
                " whatever the scores."
            )
    return found


def _dev_set(arms: Sequence[Arm], num_dev: int | None) -> list[str]:
    small = []
    for arm in arms:
        error = dev_standard_error(arm.metric, float(arm.final.mean()), num_dev).value
        if error is None or len(arm) < 2 or mostly_failed(arm):
            continue
        if arm.final.std(ddof=1) <= error:
            small.append((arm.name, error))
    if not small:
        return []
    largest = max(error for _, error in small)
    return [
        f"The seed std of {names([name for name, _ in small])} is within the standard error of a"
        f" dev set of {num_dev} examples ({largest:.3f}): differences of this size may be the luck"
        " of these examples and need not hold on others."
    ]


def _shared_seeds(arms: Sequence[Arm]) -> list[str]:
    """Crossed designs, and sweeps that were run twice."""
    shared = [
        arm.name for arm in arms if any(np.unique(column).size < len(arm) for column in arm.seeds.T)
    ]
    if not shared:
        return []
    return [
        f"Trials of {names(shared)} share seeds and are not independent, so their intervals are too"
        " narrow and p too small."
    ]


def _unpaired(pairs: Sequence[Comparison]) -> list[str]:
    if not pairs or any(pair.all.paired.p is not None for pair in pairs):
        return []
    return ["The arms did not run the same seeds, so nothing could be compared seed by seed."]
