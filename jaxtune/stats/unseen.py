"""Rare failures that so few trials may not have shown, and a better mean that hangs on them."""

from jaxtune.core.metrics import merit
from jaxtune.core.words import plural
from jaxtune.stats.arms import Arm
from jaxtune.stats.intervals import share


def hangs_on(arm: Arm, lead: float) -> str:
    """Such as `, unless [a] fails in 12% or more, which 16 seeds do not exclude`; else empty.

    A recipe that fails in 1 of 20 trials shows no failure in 8 of them in two of three cases, and
    they then lie together about a mean that is not its own: no test over such trials can know.
    So it is asked how often it would have to fail for its lead to be none, where a trial that fails
    loses what the others have above the floor, and whether Wilson's 95 % interval allows so much.

    Args:
        lead: of its mean, in merit, over that of the arm behind it.
    """
    if arm.trivial is None or not arm.judged or arm.failed.all():
        return ""
    gain = float(arm.merit[~arm.failed].mean() - merit(arm.trivial, arm.higher_is_better))
    failed = share(arm.failed)
    if gain <= 0 or failed.value + lead / gain > failed.wilson_high:
        return ""
    often = f"{100 * (failed.value + lead / gain):.2g}%"
    exclude = "does" if len(arm) == 1 else "do"
    return (
        f", unless [{arm.name}] fails in {often} or more, which {plural(len(arm), 'seed')}"
        f" {exclude} not exclude"
    )
