"""The learning rate of a step as a program computes it, in JAX's float32."""

from collections.abc import Sequence

import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxtune.config.trials import Hyper
from jaxtune.core.schedules import Phase, phase_of, scheduled_rate, untuned_warmup
from jaxtune.core.shapes import Array, Float


def rate_of_step(
    hyper: Hyper,
    schedule: str,
    num_steps: int,
    links: Sequence[str],
    head_first: bool,
    step: ArrayLike,
) -> Float[Array, "*step"]:
    """Scheduled, with the untuned warm-up and without the bias correction's factor.

    Args:
        links: those that the program has.
        head_first: whether it has steps in which the head alone is trained.
        step: from 0; one or several.
    """
    phase, peak = Phase(False, step, num_steps), hyper.learning_rate
    if head_first:
        phase = phase_of(hyper.head_ratio, num_steps, step, jnp)
        peak = jnp.where(phase.head_alone, hyper.head_learning_rate, peak)
    ratio = hyper.warmup_ratio
    scheduled = scheduled_rate(schedule, peak, ratio, phase.num_steps, phase.step, jnp)
    if "untuned_warmup" not in links:
        return scheduled
    damped = scheduled * untuned_warmup(hyper.adam_b2, phase.step, jnp)
    return jnp.where(hyper.untuned_warmup, damped, scheduled)
