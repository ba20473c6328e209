"""The learning rate of every update: its schedule, and what Adam's bias correction makes of it.

The formulas take the array module: `jax.numpy` inside the optimiser, in float32 and with values
that may be traced, or `numpy` in float64 for the report and the dry run, which do without JAX.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

Rates = Float[np.ndarray, " step"]
NEEDED = ("learning_rate", "warmup_ratio", "schedule", "bias_correction", "adam_b1", "adam_b2")


class Peak(NamedTuple):
    """Where the effective learning rate is highest."""

    step: int  # updates made before it
    rate: float
    multiple: float  # of the learning rate that was set


def correction_factor(b1: Any, b2: Any, count: Any, xp: ModuleType = np) -> Any:
    """sqrt(1-b2^t) / (1-b1^t) for the t-th update, t from 1: the factor that bias correction puts
    on Adam's step (Mosbach et al. 2021, equation 1).
    """
    t = _floats(count, xp)
    # -expm1(t log b) keeps the digits that 1 - b^t loses in float32 while b^t is near 1, and log1p
    # those of 1 - b, the weight of the moments: a Python 0.999 is 6e-6 off the same formula's
    # float32 log. For b1 = 0 the logarithm is -inf and the factor right; numpy would warn of it.
    with np.errstate(divide="ignore"):
        log_b1, log_b2 = xp.log1p(-(1 - b1)), xp.log1p(-(1 - b2))
    return xp.sqrt(-xp.expm1(t * log_b2)) / -xp.expm1(t * log_b1)


def scheduled_rate(
    kind: str,
    learning_rate: Any,
    warmup_ratio: Any,
    num_steps: Any,
    step: Any,
    xp: ModuleType = np,
) -> Any:
    """The learning rate of update `step` (from 0): linear warm-up over floor(ratio * num_steps)
    steps, then the decay.

    The first update of a warm-up has rate 0, as in Hugging Face's schedules. "linear" falls to 0 at
    `num_steps`, "cosine" follows half a cosine to 0, "constant" stays. Numbers or arrays.
    """
    step = _floats(step, xp)
    # The margin keeps floor(0.26 * 450) at 117: in floats the product may fall just below the
    # integer.
    warmup = xp.floor(_floats(warmup_ratio, xp) * num_steps + 1e-3)
    progress = (step - warmup) / xp.maximum(1.0, num_steps - warmup)  # no division by 0 at the end
    decays = {
        "linear": 1.0 - progress,
        "cosine": 0.5 * (1.0 + xp.cos(xp.pi * progress)),
        "constant": xp.ones_like(progress),
    }
    rising = step / xp.maximum(1.0, warmup)
    shape = xp.where(step < warmup, rising, xp.maximum(0.0, decays[kind]))
    return xp.asarray(learning_rate) * shape


def _floats(value: Any, xp: ModuleType) -> Any:
    """In the module's own floats: float64 in numpy; float32 in JAX, whose step counts are int32."""
    return xp.asarray(value, xp.result_type(float))


def scheduled_rates(settings: Mapping[str, Any], num_steps: int) -> Rates:
    """What the schedule gives each update of an arm (`NEEDED` of a row of trials.jsonl)."""
    rate, warmup = settings["learning_rate"], settings["warmup_ratio"]
    return scheduled_rate(settings["schedule"], rate, warmup, num_steps, np.arange(num_steps))


def effective_rates(settings: Mapping[str, Any], num_steps: int) -> Rates:
    """The learning rate that a corrected Adam would need for an arm's updates.

    Without the correction the t-th update is 1 / factor as large, hence the schedule divided by the
    factor; eps is left aside.
    """
    rates = scheduled_rates(settings, num_steps)
    if settings["bias_correction"]:
        return rates
    count = np.arange(1, num_steps + 1)
    return rates / correction_factor(settings["adam_b1"], settings["adam_b2"], count)


def peak(settings: Mapping[str, Any], num_steps: int) -> Peak:
    """The highest effective learning rate."""
    rates = effective_rates(settings, num_steps)
    step = int(rates.argmax())
    given = settings["learning_rate"]
    return Peak(step, float(rates[step]), float(rates[step] / given) if given else 1.0)


def stop_step(share: float | None, num_steps: int) -> int | None:
    """Steps after which early stopping looks, at least 1 and fewer than all; None for never."""
    if share is None or num_steps < 2:
        return None
    return min(max(1, round(share * num_steps)), num_steps - 1)


def show_rate(value: float) -> str:
    """A learning rate as people write it, such as 1.5e-3, 2e-5 or 0."""
    if value == 0:
        return "0"
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}"
