"""How many decimals scores are shown with: one number for a whole report, so that they compare."""

import math
from collections.abc import Iterable

from jaxtune.report.findings import Findings
from jaxtune.stats.wording import decimals, form_with


def form_of(values: Iterable[float | None], least: int = 3) -> str:
    """Such as `{:.3f}`: so many decimals that, as in sentences, none but 0 looks like 0."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return form_with(known, decimals(known, least))


def score_form(found: Findings) -> str:
    """Of all scores of a report, by the smallest mean and std in it."""
    arms = [arm.description.all for arm in found.arms]
    return form_of(value for arm in arms for value in (arm.mean.value, arm.std.value))


def signed(form: str) -> str:
    """The same for differences."""
    return form.replace("{:", "{:+")
