"""How many decimals scores are shown with: one number for a whole report, so that they compare."""

import math
from collections.abc import Iterable

from jaxtune.report.findings import Findings
from jaxtune.stats.wording import MOST_DECIMALS, TINY


def form_of(values: Iterable[float | None], least: int = 3) -> str:
    """Such as `{:.3f}`: so many decimals that, as in sentences, none but 0 looks like 0."""
    sizes = [abs(value) for value in values if value and math.isfinite(value)]
    if sizes and max(sizes) < TINY:
        return "{:.3g}"
    smallest = min((size for size in sizes if size >= 10.0**-MOST_DECIMALS), default=1.0)
    return f"{{:.{max(least, math.ceil(-math.log10(smallest)))}f}}"


def score_form(found: Findings) -> str:
    """Of all scores of a report, by the smallest mean and std in it."""
    arms = [arm.description.all for arm in found.arms]
    return form_of(value for arm in arms for value in (arm.mean.value, arm.std.value))


def signed(form: str) -> str:
    """The same for differences."""
    return form.replace("{:", "{:+")
