"""What is said of all runs, on the command line or from Python: numbers that cannot be meant, and
flags that nothing would read.
"""

import math
from collections.abc import Collection
from typing import Any

import numpy as np

from jaxtune.core.errors import UsageError, UserError
from jaxtune.report.scores.runs import Given

# What each kind of source leaves to be said.
OF_SCORES = ("floor", "metric", "lower_is_better", "dev_examples")


def check_is_read(given: Given, read: Collection[str], why: str) -> None:
    """Raises UsageError for a flag that was given and is not among those that are read: whoever
    gave it would take the report for heeding it.
    """
    for name, value in given._asdict().items():
        if name not in read and value != Given._field_defaults[name]:
            raise UsageError(f"--{name} is given, and {why}: leave it out.")


def check_given(given: Given, margin: Any) -> None:
    """Raises UserError for what is no floor, margin, metric, direction or number of examples."""
    if given.floor is not None and not _is_finite(given.floor):
        raise UserError(
            f"floor is {given.floor!r}; give the score of the best constant prediction, such as"
            " 0.5271, or leave it out."
        )
    if margin is not None and not (_is_finite(margin) and margin > 0):
        raise UserError(f"margin is {margin!r}; give a number above 0, such as 0.01.")
    if given.metric is not None and not isinstance(given.metric, str):
        raise UserError(f"metric is {given.metric!r}; give its name, such as accuracy.")
    lower: Any = given.lower_is_better
    if not isinstance(lower, bool | np.bool_):  # any text would be true, "false" too
        raise UserError(f"lower_is_better is {lower!r}; give True or False.")
    examples: Any = given.dev_examples
    if examples is not None and not (
        _is_finite(examples) and examples >= 1 and examples == round(examples)
    ):
        raise UserError(
            f"dev_examples is {examples!r}; give how many examples the runs were scored on."
        )


def _is_finite(value: Any) -> bool:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return number and math.isfinite(float(value))
