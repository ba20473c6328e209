"""What to bear in mind with a verdict: numbers that mislead, and what trials are too few to say."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from jaxtune.stats.arms import Arm
from jaxtune.stats.compare import Comparison
from jaxtune.stats.describe import dev_standard_error
from jaxtune.stats.wording import MOST_NAMES, count, enumerate_words, names, plural, show_p

EXPECTED_BEST = (
    "An expected best score is one on the dev set that it is chosen on, and computed from draws"
    " with replacement, which makes it slightly too low for seeds chosen there and says nothing of"
    " new data."
)
UNPAIRED = "The arms did not run the same seeds, so nothing could be compared seed by seed."
LIMITS = (
    "This is about these settings on one model, one task and one dev set; it says nothing about"
    " other learning rates, durations or data."
)
# How many trials of an arm are meant -> the sentence about them.
Marks = tuple[tuple[Callable[[Arm], int], str], ...]
STOPPED: Marks = (
    (
        lambda arm: arm.stopped.sum() if arm.selected else 0,
        "Some trials were stopped early because others had scored better, {counts}: they count"
        " with the score they had then, which is not what they would have ended with.",
    ),
    (
        lambda arm: 0 if arm.selected else arm.stopped.sum(),
        "Some trials were stopped early because they had learnt nothing, {counts}: they count"
        " with the score they had then, which is not what they would have ended with.",
    ),
)
ODD_ANSWERS: Marks = (
    (
        lambda arm: arm.constant.sum(),
        "Some trials give every dev example the same answer, {counts}.",
    ),
    (
        lambda arm: arm.diverged.sum(),
        "Some trials diverged, {counts}: they count as failed and enter the mean with the score of"
        " their last predictions.",
    ),
    (
        lambda arm: arm.num_unscored,
        "Some trials have no finite score, {counts}: they count as failed and enter the mean with"
        " that of the best constant prediction.",
    ),
)
# More arms than this share a sentence.
ONE_BY_ONE = 2


def notes(
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
    found = [*_marked(arms, STOPPED), *_failures(arms), *_marked(arms, ODD_ANSWERS)]
    for pair in pairs:
        one, other = named[pair.one], named[pair.other]
        found += [*_small_std(one, other), *_means(pair, one, other, leader, alpha)]
    for pair in pairs:
        found += _too_few(pair, named, alpha, num_tests)
    found += [*_dev_set(arms, num_dev), *_shared_seeds(arms)]
    if pairs and all(pair.all.paired.p is None for pair in pairs):
        found.append(UNPAIRED)
    if leader is not None:
        found.append(EXPECTED_BEST)
    return (*found, LIMITS)


def _marked(arms: Sequence[Arm], marks: Marks) -> Iterator[str]:
    for marked, sentence in marks:
        counts = [
            f"{int(marked(arm))} of {len(arm)} in [{arm.name}]" for arm in arms if marked(arm)
        ]
        if len(counts) > MOST_NAMES:
            rest = len(counts) - MOST_NAMES + 1
            counts = [*counts[: MOST_NAMES - 1], f"in {rest} more arms"]
        if counts:
            yield sentence.format(counts=enumerate_words(counts))


def _failures(arms: Sequence[Arm]) -> Iterator[str]:
    everything = [arm.name for arm in arms if arm.failed.all()]
    if everything:
        yield (
            f"Every trial of {names(everything)} failed, so a small std there means nothing but"
            " failures that are alike."
        )
    mixed = [arm for arm in arms if arm.failed.any() and not arm.failed.all()]
    if len(mixed) > ONE_BY_ONE:
        yield (
            f"{names([arm.name for arm in mixed])} mix trials that failed with trials that did"
            " not: their mean and std describe neither kind."
        )
        return
    for arm in mixed:
        failed = plural(int(arm.failed.sum()), "trial")
        rest = arm.final[~arm.failed]
        about = f"mean {rest.mean():.3f}"
        if rest.size > 1:
            about += f", std {rest.std(ddof=1):.3f}"
        yield (
            f"[{arm.name}] mixes {failed} that failed with {rest.size} that did not ({about}): its"
            f" mean {arm.final.mean():.3f} and std describe neither kind."
        )


def _small_std(one: Arm, other: Arm) -> Iterator[str]:
    """The trap of reading std alone: failures are alike."""
    low, high = sorted((one, other), key=lambda arm: arm.final.std())
    fails_more = low.failed.mean() > high.failed.mean()
    if fails_more and low.mostly_failed and min(len(one), len(other)) > 1:
        yield (
            f"The std of [{low.name}] is the smaller one ({low.std:.3f} against {high.std:.3f})"
            f" because {count(low.failed)} failed and failures are alike; it is no sign of"
            " stability."
        )


def _means(
    pair: Comparison, one: Arm, other: Arm, leader: str | None, alpha: float
) -> Iterator[str]:
    p = pair.holm.location if pair.holm else None
    low, high = sorted((one, other), key=lambda arm: arm.final.mean())
    means = f"{high.final.mean():.3f} against {low.final.mean():.3f}"
    if p is not None and p <= alpha:
        trade = ", so here stability costs score" if low.name == leader else ""
        yield f"[{high.name}] scores higher than [{low.name}] (mean {means}, {show_p(p)}){trade}."
        return
    lower = ", though the more stable arm has the lower one" if low.name == leader else ""
    difference = pair.all.mean_difference
    possible = ""
    if difference.low is not None and difference.high is not None:
        possible = (
            f"; the mean of [{one.name}] may still lie {difference.low:+.2g} to"
            f" {difference.high:+.2g} from that of [{other.name}]"
        )
    yield f"No difference in the mean was shown ({means}, {show_p(p)}){lower}{possible}."


def _too_few(
    pair: Comparison, named: dict[str, Arm], alpha: float, num_tests: int
) -> Iterator[str]:
    least = {
        "failure rate": pair.failures.least,
        "spread": pair.all.spread.least,
        "location": pair.all.location.least,
    }
    short = [what for what, p in least.items() if p is not None and p * num_tests > alpha]
    if short:
        yield (
            f"With {len(named[pair.one])} and {len(named[pair.other])} trials no test of"
            f" {enumerate_words(short, 'or')} between [{pair.one}] and [{pair.other}] can reach"
            f" {alpha:g} after correction over {num_tests} tests, whatever the scores."
        )


def _dev_set(arms: Sequence[Arm], num_dev: int | None) -> Iterator[str]:
    small = {}
    for arm in arms:
        error = dev_standard_error(arm.metric, float(arm.final.mean()), num_dev).value
        if error is not None and len(arm) > 1 and not arm.mostly_failed and arm.std <= error:
            small[arm.name] = error
    if small:
        yield (
            f"The seed std of {names(list(small))} is within the standard error of a dev set of"
            f" {num_dev} examples ({max(small.values()):.3f}): differences of this size may be the"
            " luck of these examples and need not hold on others."
        )


def _shared_seeds(arms: Sequence[Arm]) -> Iterator[str]:
    """Crossed designs, and sweeps that were run twice."""
    shared = [
        arm.name for arm in arms if any(np.unique(column).size < len(arm) for column in arm.seeds.T)
    ]
    if shared:
        yield (
            f"Trials of {names(shared)} share seeds and are not independent, so their intervals"
            " are too narrow and p too small."
        )
