"""Phrases for counts, names, settings and intervals, the same wherever a result is put in words."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from jaxtune.core.words import percent, plural
from jaxtune.stats.arms import Arm, differences
from jaxtune.stats.holm import ALPHA
from jaxtune.stats.intervals import Estimate, Share, mapped

MISSING = "-"
LEVEL = f"{ALPHA:g}"
MOST_NAMES, MOST_IN_HEADLINE = 4, 2
MOST_DECIMALS = 8
TINY = 1e-6  # scores that are all smaller are shown as 1.2e-10


def count(flags: np.ndarray) -> str:
    """Such as `25 of 32 trials`."""
    return f"{int(flags.sum())} of {plural(flags.size, 'trial')}"


def counted(num_tests: int, times: float) -> str:
    """Such as `2 tests`, or at one of several looks `2 tests, times 8 for this look`."""
    look = "" if times == 1 else f", times {times:.3g} for this look"
    return f"{plural(num_tests, 'test')}{look}"


def failed_range(arms: Sequence[Arm]) -> str:
    """How many trials of these arms failed, such as `0 of 8`, `5 to 8 of 8` or `20% to 45%`."""
    counts = sorted({int(arm.failed.sum()) for arm in arms})
    if len({len(arm) for arm in arms}) > 1:
        rates = sorted(float(arm.failed.mean()) for arm in arms)
        low, high = percent(rates[0]), percent(rates[-1])
        return low if low == high else f"{low} to {high}"
    share = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{share} of {len(arms[0])}"


def value_range(values: Sequence[float]) -> str:
    """Such as `0.010`, or `0.050 to 0.062` of several."""
    return value_ranges(values)[0]


def value_ranges(*groups: Sequence[float]) -> list[str]:
    """Of values that are compared: with as many decimals as it takes for different ones to look
    different.
    """
    ends = [(min(values), max(values)) for values in groups]
    return _told_apart(ends, lambda places: [_range(pair, places) for pair in ends])


def _range(ends: tuple[float, float], places: int) -> str:
    low, high = _rounded(ends, places)
    return low if low == high else f"{low} to {high}"


def numbers(*values: float) -> list[str]:
    """Scores, or their stds, that are compared: with three decimals, or as many more as it takes
    for none but 0 to look like 0 and for different ones to look different.
    """
    return _told_apart([(value,) for value in values], lambda places: _rounded(values, places))


def _told_apart(
    groups: Sequence[tuple[float, ...]], shown: Callable[[int], list[str]]
) -> list[str]:
    places = decimals([value for group in groups for value in group])
    different = len({tuple(round(value, MOST_DECIMALS) for value in group) for group in groups})
    while places < MOST_DECIMALS and len({*shown(places)}) < different:
        places += 1
    return shown(places)


def number(value: float) -> str:
    """A score by itself, such as `0.712` or `0.0003`."""
    return numbers(value)[0]


def decimals(values: Sequence[float], least: int = 3) -> int:
    """With so many none of them but 0 looks like 0."""
    sizes = [abs(value) for value in values if abs(value) >= 10.0**-MOST_DECIMALS]
    return max(least, math.ceil(-math.log10(min(sizes)))) if sizes else least


def _rounded(values: Sequence[float], places: int) -> list[str]:
    form = form_with(values, places)
    return [form.format(value) for value in values]


def form_with(values: Sequence[float], places: int) -> str:
    """Such as `{:.3f}`; of values that are all tiny the first digits, such as `1.2e-10`."""
    return "{:.3g}" if 0 < max(map(abs, values), default=0.0) < TINY else f"{{:.{places}f}}"


def every(number: int, noun: str) -> str:
    """Such as `The only trial` and `All 5 trials`, at the beginning of a sentence."""
    return f"The only {noun}" if number == 1 else f"All {number} {noun}s"


def have(number: int) -> str:
    """The verb of so many things."""
    return "has" if number == 1 else "have"


def names(arms: Sequence[str], joint: str = "and") -> str:
    """Such as `[a], [b] and [c]`; a long list is cut."""
    shown = [f"[{name}]" for name in arms[:MOST_NAMES]]
    if len(arms) > MOST_NAMES:
        shown[-1] = f"{len(arms) - MOST_NAMES + 1} more"
    return enumerate_words(shown, joint)


def few_names(arms: Sequence[str]) -> str:
    """In a headline that many names would drown."""
    return names(arms) if len(arms) <= MOST_IN_HEADLINE else f"{len(arms)} other arms"


def enumerate_words(words: Sequence[str], joint: str = "and") -> str:
    """Such as `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joint} {words[-1]}"


def show_p(p: float | None, at_most: bool = False) -> str:
    """A p-value in a sentence; at most that much where no resample was as extreme."""
    if p is None:
        return "not tested"
    text = short_p(p, at_most)
    return f"p {text}" if text[0] in "<≤" else f"p = {text}"


def short_p(p: float, at_most: bool = False) -> str:
    """A p-value in a table."""
    if p < 1e-4:
        return "< 0.0001"
    text = f"{p:.2g}"
    if text == LEVEL:  # which of them are below the level is to be seen
        text = f"{p:.3g}"
    return f"≤ {text}" if at_most else text


def show_chance(p: float, at_most: bool = False) -> str:
    """How often chance alone does what was seen, such as `about 3 of 100`, of sweeps."""
    if p < 1e-4:
        return "fewer than 1 of 10,000"
    if p > 0.5:
        return "more than 50 of 100"
    whole = 100 if p >= 0.01 else 1000 if p >= 0.001 else 10_000
    return f"{'at most' if at_most else 'about'} {p * whole:.0f} of {whole:,}"


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
    """In a sentence, such as `78 points (95% interval 58 to 89)`; or why there is no interval."""
    value, interval = in_parts(found, form, unit)
    if found.value is None:
        return f"unknown ({found.reason})"
    if not interval:
        return f"{value} (no interval: {found.reason})"
    return f"{value} ({show_level(found.confidence)} interval {interval})"


def show_level(confidence: float) -> str:
    """A confidence in percent, such as `95%`, `99.7%` and `99.9996%`, and not 100%."""
    shown = (f"{100 * confidence:.{digits}g}" for digits in range(4, 12))
    return f"{next((text for text in shown if text != '100'), '100')}%"


def show_share(part: Share) -> str:
    """In a sentence, such as `12 of 16 failed (95% interval 51% to 90%)`."""
    return f"{part.count} of {part.n} failed (95% interval {show_wilson(part)})"


def show_wilson(part: Share) -> str:
    """The interval of a share, such as `51% to 90%`."""
    return f"{percent(part.wilson_low)} to {percent(part.wilson_high)}"


def in_points(share: Estimate) -> Estimate:
    """A difference of shares in percentage points."""
    return mapped(share, lambda value: 100 * value)


def points_apart(rates: float) -> str:
    """How one rate lies from another, such as `24 points higher`."""
    return f"{plural(round(100 * abs(rates)), 'point')} {'lower' if rates < 0 else 'higher'}"


def settings_of(arm: Arm, others: Sequence[Arm]) -> str:
    """What sets an arm apart from others, such as `bias_correction=true`."""
    values = {name: pair[0] for other in others for name, pair in differences(arm, other).items()}
    return " ".join(f"{name}={value}" for name, value in values.items()) or f"[{arm.name}]"
