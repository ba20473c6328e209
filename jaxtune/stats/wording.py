"""Phrases for counts, names, settings and intervals, the same wherever a result is put in words."""

from collections.abc import Callable, Sequence

import numpy as np

from jaxtune.stats.arms import Arm, differences
from jaxtune.stats.intervals import Estimate, Share

MISSING = "-"
MOST_NAMES = 4


def count(flags: np.ndarray) -> str:
    """Such as `25 of 32 trials`."""
    return f"{int(flags.sum())} of {flags.size} trials"


def plural(number: int, noun: str) -> str:
    """Such as `1 trial` and `2 trials`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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
    """A p-value in a sentence."""
    if p is None:
        return "not tested"
    return f"p {short_p(p)}" if p < 1e-4 else f"p = {short_p(p)}"


def short_p(p: float) -> str:
    """A p-value in a table."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def in_parts(found: Estimate, form: str = "{:.3f}", unit: str = "") -> tuple[str, str]:
    """A number with its unit, and its interval, such as `0.812` and `0.793 to 0.830`.

    A number that is missing is `-`, an interval that is missing is empty.
    """
    if found.value is None:
        return MISSING, ""
    value = _formatted(found.value, form) + unit
    if found.low is None or found.high is None:
        return value, ""
    return value, f"{_formatted(found.low, form)} to {_formatted(found.high, form)}"


def _formatted(value: float, form: str) -> str:
    """Never -0."""
    text = form.format(value)
    return text if text.strip("+-0.%") else form.format(0.0)


def show_estimate(found: Estimate, form: str = "{:.3f}", unit: str = "") -> str:
    """In a sentence, such as `78 points (95 % interval 58 to 89)`; or why there is no interval."""
    value, interval = in_parts(found, form, unit)
    if found.value is None:
        return f"unknown ({found.reason})"
    if not interval:
        return f"{value} (no interval: {found.reason})"
    return f"{value} (95 % interval {interval})"


def show_share(part: Share) -> str:
    """In a sentence, such as `12 of 16 failed (95 % interval 51% to 90%)`."""
    return f"{part.count} of {part.n} failed (95 % interval {show_wilson(part)})"


def show_wilson(part: Share) -> str:
    """The interval of a share, such as `51% to 90%`."""
    return f"{part.wilson_low:.0%} to {part.wilson_high:.0%}"


def mapped(found: Estimate, change: Callable[[float], float]) -> Estimate:
    """A number and its interval in another unit, or seen from the other arm; `change` is monotone.

    The two ends of the interval are there or missing together.
    """
    if found.value is None:
        return found
    if found.low is None or found.high is None:
        return found._replace(value=change(found.value))
    low, high = sorted((change(found.low), change(found.high)))
    return found._replace(value=change(found.value), low=low, high=high)


def in_points(share: Estimate) -> Estimate:
    """A difference of shares in percentage points."""
    return mapped(share, lambda value: 100 * value)


def settings_of(arm: Arm, others: Sequence[Arm]) -> str:
    """What sets an arm apart from others, such as `bias_correction=true`."""
    values = {name: pair[0] for other in others for name, pair in differences(arm, other).items()}
    return " ".join(f"{name}={value}" for name, value in values.items()) or f"[{arm.name}]"
