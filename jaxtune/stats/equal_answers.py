"""Arms whose trials give the same answers: no number of seeds tells them apart."""

import itertools
from collections.abc import Iterator, Sequence

from jaxtune.core.words import plural
from jaxtune.stats.arms import Arm, matched_trials
from jaxtune.stats.wording import MOST_NAMES, enumerate_words


def equal_answers(arms: Sequence[Arm]) -> Iterator[str]:
    """A sentence where there are such arms, among those whose trials' files have checksums."""
    equal = [
        f"[{one.name}] and [{other.name}]"
        for one, other in itertools.combinations(arms, 2)
        if _are_equal(one, other)
    ]
    shown = equal[:MOST_NAMES]
    if rest := len(equal) - len(shown):
        shown.append(plural(rest, "more pair"))
    if equal:
        yield (
            f"The trials of {enumerate_words(shown, 'and of')} give the same answers, bit for bit,"
            " with every seed that both ran: what these arms differ in changed nothing, and more"
            " seeds will not tell them apart."
        )


def _are_equal(one: Arm, other: Arm) -> bool:
    if not (one.answers and other.answers):
        return False
    first, second = matched_trials(one, other)
    pairs = [(one.answers[i], other.answers[j]) for i, j in zip(first, second, strict=True)]
    # Trials that diverged answer nan, whatever the recipe.
    went_well = not (one.diverged[first] | other.diverged[second]).all()
    return went_well and all(own is not None and own == others for own, others in pairs)
