"""Rare failures that so few trials may not have shown, and a better mean that hangs on them."""

from collections.abc import Sequence

import numpy as np

from jaxtune.core.metrics import merit
from jaxtune.core.words import plural
from jaxtune.stats.arms import Arm
from jaxtune.stats.intervals import all_alike, share


def hangs_on(arm: Arm, lead: float) -> str:
    """Such as `, unless [a] fails in 12% or more, which 16 seeds do not exclude`; else empty.

    A recipe that fails in 1 of 20 trials shows no failure in 8 of them in two of three cases, and
    they then lie together about a mean that is not its own: no test over such trials can know.
    So it is asked how often it would have to fail for its lead to be none, where a trial that fails
    loses what the others have above the floor, and whether Wilson's 95% interval allows so much.

    Args:
        lead: of its mean, in merit, over that of the arm behind it.
    """
    return _unless(arm.name, [arm], lead, _gain(arm), "seed")


def hangs_on_over_tasks(name: str, pairs: Sequence[tuple[Arm, Arm]]) -> str:
    """The same of a recipe's mean over tasks, in stds of each task's trials as it is tested.

    It is asked of all its trials together: how often it would have to fail on every task.

    Args:
        name: of the recipe.
        pairs: its arm of each task, and the arm of the recipe behind it.
    """
    if not all(arm.judged and arm.trivial is not None for arm, _ in pairs):
        return ""
    lead, gain = 0.0, 0.0
    for arm, behind in pairs:
        scores = np.concatenate([arm.merit, behind.merit])
        if not all_alike(scores):
            lead += float(arm.merit.mean() - behind.merit.mean()) / float(scores.std())
            gain += _gain(arm) / float(scores.std())
    return _unless(name, [arm for arm, _ in pairs], lead, gain, "trial")


def _gain(arm: Arm) -> float:
    """What its trials that have not failed have above the floor; 0 where that is not known."""
    if arm.trivial is None or not arm.judged or arm.failed.all():
        return 0.0
    floor = merit(arm.trivial, arm.higher_is_better)
    return max(0.0, float(arm.merit[~arm.failed].mean() - floor))


def _unless(name: str, arms: Sequence[Arm], lead: float, gain: float, what: str) -> str:
    failed = share(np.concatenate([arm.failed for arm in arms]))
    if gain <= 0 or failed.value + lead / gain > failed.wilson_high:
        return ""
    often = f"{100 * (failed.value + lead / gain):.2g}%"
    exclude = "does" if failed.n == 1 else "do"
    return (
        f", unless [{name}] fails in {often} or more, which {plural(failed.n, what)}"
        f" {exclude} not exclude"
    )
