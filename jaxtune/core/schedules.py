"""The learning rate that an arm's updates really have: the schedule, and what is lost without bias
correction.

Without the correction the t-th update is 1 / c(t) times as large, c(t) = sqrt(1-b2^t) / (1-b1^t):
the same as corrected Adam with a learning rate of 1 / c(t) times the schedule's (Mosbach et al.
2021, equation 1; eps left aside). In numpy, for reports; the optimiser's own formulas are in
`jaxtune.training.optimizer`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

Rates = Float[np.ndarray, " step"]
NEEDED = ("learning_rate", "warmup_ratio", "schedule", "bias_correction", "adam_b1", "adam_b2")


class Peak(NamedTuple):
    """Where the effective learning rate is highest."""

    step: int  # updates made before it
    rate: float
    multiple: float  # of the learning rate that was set


def correction_factor(
    b1: float, b2: float, count: Int[np.ndarray, "*n"]
) -> Float[np.ndarray, "*n"]:
    """sqrt(1-b2^t) / (1-b1^t) for the t-th update, t from 1."""
    return np.sqrt(1 - b2**count) / (1 - b1**count)


def scheduled_rates(settings: Mapping[str, Any], num_steps: int) -> Rates:
    """What the schedule gives each update, as `optim.schedule_value` does."""
    step = np.arange(num_steps, dtype=np.float64)
    warmup = np.floor(settings["warmup_ratio"] * num_steps + 1e-3)
    progress = (step - warmup) / max(1.0, num_steps - warmup)
    decay = {
        "linear": 1 - progress,
        "cosine": 0.5 * (1 + np.cos(np.pi * progress)),
        "constant": np.ones_like(progress),
    }[settings["schedule"]]
    shape = np.where(step < warmup, step / max(1.0, warmup), np.maximum(0.0, decay))
    return settings["learning_rate"] * shape


def effective_rates(settings: Mapping[str, Any], num_steps: int) -> Rates:
    """The schedule, divided by the correction's factor where the correction is off.

    Args:
        settings: an arm's, as a row of trials.jsonl has them (`NEEDED`).
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


def show_rate(value: float) -> str:
    """A learning rate as people write it, such as 1.5e-3, 2e-5 or 0."""
    if value == 0:
        return "0"
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}"
