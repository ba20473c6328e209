"""What to bear in mind with a verdict: numbers that mislead, and what trials are too few to say."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from jaxtune.core.metrics import SKEWED, same_labels_words
from jaxtune.core.words import percent, plural
from jaxtune.stats.advice import untried
from jaxtune.stats.arms import Arm, readable
from jaxtune.stats.compare import Comparison
from jaxtune.stats.dev_error import dev_standard_error
from jaxtune.stats.equal_answers import equal_answers
from jaxtune.stats.holm import ALPHA, num_tests
from jaxtune.stats.hypothesis_tests import TOO_FEW
from jaxtune.stats.looks_notes import about_looks
from jaxtune.stats.pair_notes import equal_notes, pair_notes
from jaxtune.stats.wording import MOST_NAMES, counted, enumerate_words, names, number

EXPECTED_BEST = (
    "An expected best score is one on the dev set that it is chosen on, and says nothing of new"
    " data."
)
# How many trials of an arm are meant -> the sentence about them.
Marks = tuple[tuple[Callable[[Arm], int], str], ...]
STOPPED: Marks = (
    (
        lambda arm: arm.stopped.sum() if arm.selected else 0,
        "Trials that were stopped early because others had scored better, or as they had learnt"
        " nothing ({counts}), count with the score they had then, which is not what they would have"
        " ended with.",
    ),
    (
        lambda arm: 0 if arm.selected else (arm.stopped & ~arm.out_of_patience).sum(),
        "Trials that were stopped early because they had learnt nothing ({counts}) count with the"
        " score they had then, which is not what they would have ended with.",
    ),
)
ODD_ANSWERS: Marks = (
    (
        # Those of failed trials stand with the failures.
        lambda arm: (arm.constant & ~arm.failed).sum(),
        "Trials that did not fail and yet give every dev example the same answer: {counts}.",
    ),
    (
        lambda arm: arm.diverged.sum(),
        "Trials that diverged ({counts}) count as failed and enter the mean with the score of their"
        " last predictions, where they have one.",
    ),
    (
        lambda arm: arm.num_unscored,
        "Trials without a finite score ({counts}) count as failed and enter the mean with the score"
        " of the best constant prediction.",
    ),
)
# More arms than this share a sentence.
ONE_BY_ONE = 2


def notes(
    arms: Sequence[Arm],
    pair: Comparison | None,
    leaders: Sequence[str],
    num_dev: int | None,
    all_pairs: Sequence[Comparison] = (),
) -> tuple[str, ...]:
    """One sentence each, most misleading first.

    Args:
        pair: the comparison that a verdict speaks of.
        leaders: the arms that it prefers, if any.
        all_pairs: with those that it does not speak of.
    """
    found = [*equal_answers(arms), *_scores(arms[0]), *_dev_files(arms), *_marked(arms, STOPPED)]
    found += [*_patience(arms), *_over_corrected(arms)]
    found += [*_failures(arms), *_marked(arms, ODD_ANSWERS)]
    if pair is None:
        found += [*equal_notes(None, all_pairs), *_dev_set(arms, num_dev)]
        return (*found, _limits(arms))
    named = {arm.name: arm for arm in arms}
    one, other = named[pair.one], named[pair.other]
    found += [*pair_notes(pair, one, other, leaders), *equal_notes(pair, all_pairs)]
    found += [*_too_few(pair, len(one), len(other), num_tests(all_pairs))]
    found += [*_dev_set(arms, num_dev), *_seeds(pair, arms)]
    if leaders:
        found.append(EXPECTED_BEST)
    return (*found, about_looks(pair.times), _limits(arms))


def _dev_files(arms: Sequence[Arm]) -> Iterator[str]:
    """Other files with the same labels may hold other examples, which nothing else tells."""
    for field in ("dev_file", "data_dir"):
        files = _values(arms, field)
        if len(files) > 1:
            yield (
                f"The arms have different {field} ({enumerate_words(files)}), of which only the dev"
                " labels are known to be the same: their scores compare if line by line these are"
                " the same examples, say in another spelling."
            )


def _values(arms: Sequence[Arm], field: str) -> list[str]:
    found = (readable(arm.settings.get(field)) for arm in arms)
    return [*dict.fromkeys(value for value in found if value != "null")]


def _limits(arms: Sequence[Arm]) -> str:
    """What all of it is about."""
    models, dev_files = _values(arms, "model"), _values(arms, "dev_file")
    about = "one model" if len(models) == 1 else f"these {len(models)} models"
    if not models:  # runs of another trainer
        about = "the models that were trained"
    dev_set = f"these {len(dev_files)} dev files" if len(dev_files) > 1 else "one dev set"
    return (
        f"This is about these settings on {about}, one task and {dev_set}; it says nothing about"
        " other learning rates, durations or data."
    )


def _scores(arm: Arm) -> Iterator[str]:
    """What the scores of all arms are, which are this one's."""
    if not arm.judged:
        yield (
            "No floor is given, so it is not known which trials failed, and a recipe whose every"
            " trial fails has a small std: give --floor, the score of the best constant prediction"
            " (of an accuracy the share of the largest class, of a correlation 0)."
        )
    if not arm.higher_is_better:
        yield f"The scores are errors ({arm.metric}): lower is better."
    # The floor of an accuracy is the share of the largest class.
    if arm.metric != "accuracy" or arm.trivial is None or arm.trivial < SKEWED:
        return
    if arm.settings.get("token_classification"):
        yield (
            f"Of the dev words {percent(arm.trivial)} have one tag, so accuracy says little about"
            " the rest: think of --metric entity_f1 or macro_f1."
        )
    elif arm.settings.get("several_labels"):
        yield same_labels_words(arm.trivial)
    else:
        yield (
            f"Of the dev examples {percent(arm.trivial)} are of one class, so accuracy says little"
            " about the rest: think of macro F1, Matthews correlation or balanced accuracy (in a"
            " sweep --metric macro_f1, matthews or balanced_accuracy)."
        )


def _patience(arms: Sequence[Arm]) -> Iterator[str]:
    """What is compared of trials that patience ended, and whether it was chosen fairly."""
    patient = [arm for arm in arms if (arm.out_of_patience & np.isfinite(arm.at_best)).any()]
    shown = patient[:MOST_NAMES]
    counts = [
        f"{int(arm.out_of_patience.sum())} of {len(arm)} in [{arm.name}], whose mean is"
        f" {number(arm.final.mean())}, and {number(arm.at_best[np.isfinite(arm.at_best)].mean())}"
        " at the best evaluations"
        for arm in shown
    ]
    if rest := len(patient) - len(shown):
        counts.append(f"in {plural(rest, 'more arm')}")
    if patient:
        yield (
            f"Trials that patience ended ({'; '.join(counts)}) count with the score that they had"
            " when they stopped, not with their best."
        )
    if any(readable(arm.settings.get("dev_fraction")) == "null" for arm in patient):
        yield (
            "When they stopped was decided on the dev set that these scores are of, so those at the"
            " best evaluations are too good, and the others not free of it; --dev_fraction holds"
            " out a share of the training examples to decide by."
        )


def _over_corrected(arms: Sequence[Arm]) -> Iterator[str]:
    """Where a second moment that did not start from 0 is corrected as if it had."""
    found = [
        arm.name
        for arm in arms
        if readable(arm.settings.get("second_moment_init", 0.0)) not in ("0.0", "0", "null")
        and readable(arm.settings.get("bias_correction")) == "true"
        and readable(arm.settings.get("correct_moments")) != "first"
    ]
    if found:
        yield (
            f"The second moment of {names(found)} starts from the first gradient and is corrected"
            " as if it had started from 0, which is too much: its first steps are smaller (from a"
            " start of 1 by sqrt(1 - b2^t)), as under a warm-up; --correct_moments first leaves"
            " that out."
        )


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
    everything = [arm for arm in arms if arm.failed.all()]
    if everything:
        # Where every arm has failed it is the next step.
        change = f"; to mend that, change the recipe: {untried(everything)}"
        yield (
            f"Every trial of {names([arm.name for arm in everything])} failed"
            f"{_alike(everything)}, so a small std there means nothing but failures that are alike"
            f"{change if len(everything) < len(arms) else ''}."
        )
    mixed = [arm for arm in arms if arm.failed.any() and not arm.failed.all()]
    if len(mixed) > ONE_BY_ONE:
        yield (
            f"{names([arm.name for arm in mixed])} mix trials that failed{_alike(mixed)} with"
            " trials that did not: their mean and std describe neither kind, and of failures alone,"
            " which are alike, a std would be small."
        )
        return
    for arm in mixed:
        failed = plural(int(arm.failed.sum()), "trial")
        rest = arm.final[~arm.failed]
        about = f"mean {number(rest.mean())}"
        if rest.size > 1:
            about += f", std {number(rest.std(ddof=1))}"
        yield (
            f"[{arm.name}] mixes {failed} that failed{_alike([arm])} with {rest.size} that did not"
            f" ({about}): its mean {number(arm.final.mean())} and std {number(arm.std)} describe"
            f" neither kind{', and failures alike make a std small' if arm.mostly_failed else ''}."
        )


def _alike(arms: Sequence[Arm]) -> str:
    """How many failed trials answer nothing but one class."""
    same = sum(int((arm.constant & arm.failed).sum()) for arm in arms)
    if not same:
        return ""
    failed = sum(int(arm.failed.sum()) for arm in arms)
    which = "" if failed == 1 else "each " if same == failed else f"{same} of them "
    return f" ({which}with one answer for every dev example)"


def _too_few(pair: Comparison, one: int, other: int, tests_in_all: int) -> Iterator[str]:
    """Of so many trials; of one pair alone, for others have as many, or nearly."""
    tests = {
        "failure rate": (pair.tests.failures, pair.failures),
        "spread": (pair.tests.spread, pair.spread),
    }
    # Holm multiplies the later ones by less, so that one may be below the level all the same.
    short = [
        what
        for what, (test, corrected) in tests.items()
        if test.least is not None
        and test.least * tests_in_all * pair.times > ALPHA
        and not corrected.shown
    ]
    if short:
        trials = f"{plural(one, 'trial')} each" if one == other else f"{one} and {other} trials"
        yield (
            f"With {trials} no test of {enumerate_words(short, 'or')} between two arms can reach"
            f" {ALPHA:g} after correction over {counted(tests_in_all, pair.times)}, whatever the"
            " scores."
        )
    if pair.tests.spread.reason == TOO_FEW:
        yield f"T{TOO_FEW[1:]}: equal recipes would be called different too often."


def _dev_set(arms: Sequence[Arm], num_dev: int | None) -> Iterator[str]:
    small = {}
    for arm in arms:
        error = dev_standard_error(arm, num_dev).value
        if error is not None and len(arm) > 1 and not arm.mostly_failed and arm.std <= error:
            small[arm.name] = error
    if small:
        yield (
            f"The seed std of {names(list(small))} is within the standard error of a dev set of"
            f" {num_dev} examples ({number(max(small.values()))}): differences of this size may be"
            " the luck of these examples and need not hold on others."
        )


def _seeds(pair: Comparison, arms: Sequence[Arm]) -> Iterator[str]:
    """Where not every seed was run by both arms."""
    if not all(arm.seeds_known for arm in arms):
        return
    if not pair.paired:
        if all(len(arm) > 1 for arm in arms if arm.name in (pair.one, pair.other)):
            yield (
                f"[{pair.one}] and [{pair.other}] ran too few seeds in common for a comparison of"
                " the means seed by seed."
            )
    elif pair.num_shared < pair.num_seeds:
        yield (
            f"[{pair.one}] and [{pair.other}] share {pair.num_shared} of {pair.num_seeds} seeds;"
            " their means were compared over those."
        )
