"""Phrases for counts, names, settings and intervals, the same wherever a result is put in words."""

from collections.abc import Sequence

import numpy as np

from jaxtune.stats.arms import Arm, differences
from jaxtune.stats.intervals import Estimate

MOST_NAMES = 4


def count(flags: np.ndarray) -> str:
    """Such as `25 of 32 trials`."""
    return f"{int(flags.sum())} of {flags.size} trials"


def names(arms: Sequence[str], joint: str = "and") -> str:
    """Such as `[a], [b] and [c]`; a long list is cut."""
    shown = [f"[{name}]" for name in arms[:MOST_NAMES]]
    if len(arms) > MOST_NAMES:
        shown[-1] = f"{len(arms) - MOST_NAMES + 1} more"
    return enumerate_words(shown, joint)


def enumerate_words(words: Sequence[str], joint: str = "and") -> str:
    """Such as `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joint} {words[-1]}"


def show_p(p: float | None) -> str:
    """A p-value as it is read."""
    if p is None:
        return "not tested"
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def points(estimate: Estimate) -> str:
    """A difference of shares in percentage points, with its interval."""
    assert estimate.value is not None
    if estimate.low is None or estimate.high is None:
        return f"{100 * estimate.value:.0f} points"
    return (
        f"{100 * estimate.value:.0f} points (95 % interval {100 * estimate.low:.0f} to "
        f"{100 * estimate.high:.0f})"
    )


def beside(difference: float) -> str:
    """Where a share lies from another, such as `49 points below`."""
    return f"{100 * abs(difference):.0f} points {'below' if difference < 0 else 'above'}"


def factor(estimate: Estimate) -> str:
    """A ratio with its interval, or why it has none."""
    if estimate.value is None:
        return f"an unknown factor ({estimate.reason})"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2g} ({estimate.reason})"
    return f"{estimate.value:.2g} (95 % interval {estimate.low:.2g} to {estimate.high:.2g})"


def negated(estimate: Estimate) -> Estimate:
    """A difference seen from the other arm."""
    low, high = estimate.low, estimate.high
    return estimate._replace(
        value=None if estimate.value is None else -estimate.value,
        low=None if high is None else -high,
        high=None if low is None else -low,
    )


def inverted(estimate: Estimate) -> Estimate:
    """A ratio seen from the other arm; its ends are never 0."""
    low, high = estimate.low, estimate.high
    return estimate._replace(
        value=None if estimate.value is None else 1 / estimate.value,
        low=None if high is None else 1 / high,
        high=None if low is None else 1 / low,
    )


def settings_of(arm: Arm, others: Sequence[Arm]) -> str:
    """What sets an arm apart from others, such as `bias_correction=true`."""
    values = {name: pair[0] for other in others for name, pair in differences(arm, other).items()}
    return " ".join(f"{name}={value}" for name, value in values.items()) or f"[{arm.name}]"
