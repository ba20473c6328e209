"""The learning rates of steps, and what they leave of words that no step meets."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxtune.config.field_groups import freezes, head_first
from jaxtune.config.trials import Hyper, Trial, links_of
from jaxtune.core.schedules import Phase, head_steps, phase_of, scheduled_rate, untuned_warmup
from jaxtune.core.shapes import Array, Float
from jaxtune.models.vocabulary import unused_word_factor
from jaxtune.training.averaging import latest_share


def rate_of_step(
    hyper: Hyper,
    schedule: str,
    num_steps: int,
    links: Sequence[str],
    by_phase: bool,
    step: ArrayLike,
) -> Float[Array, "*step"]:
    """As a program computes it, in float32: with the untuned warm-up, without the bias correction's
    factor.

    Args:
        links: those that the program has.
        by_phase: whether it has steps in which the head alone is trained.
        step: from 0; one or several.
    """
    phase, peak = Phase(False, step, num_steps), hyper.learning_rate
    if by_phase:
        phase = phase_of(hyper.head_ratio, num_steps, step, jnp)
        peak = jnp.where(phase.head_alone, hyper.head_learning_rate, peak)
    ratio = hyper.warmup_ratio
    scheduled = scheduled_rate(schedule, peak, ratio, phase.num_steps, phase.step, jnp)
    if "untuned_warmup" not in links:
        return scheduled
    damped = scheduled * untuned_warmup(hyper.adam_b2, phase.step, jnp)
    return jnp.where(hyper.untuned_warmup, damped, scheduled)


def learning_rates(trials: Sequence[Trial], num_steps: int) -> np.ndarray:
    """Scheduled learning rates [trial, step], with the untuned warm-up and without the bias
    correction's factor.

    In JAX's float32, so that what is recorded is what the optimiser multiplies with.
    """
    steps = np.arange(num_steps)

    def rates(trial: Trial) -> np.ndarray:
        schedule, links = trial.config.schedule, links_of([trial])
        first = head_first(trial.config)
        return np.asarray(rate_of_step(trial.hyper, schedule, num_steps, links, first, steps))

    return np.stack([rates(trial) for trial in trials])


def left_of_unused_words(
    trials: Sequence[Trial], rates: Float[np.ndarray, "trial step"], steps: int, num_layers: int
) -> Float[np.ndarray, " trial"]:
    """The share of its pre-trained embedding that a word has after the first `steps` steps, which
    never met it, float32; in the average, where trials are evaluated by one.

    Args:
        rates: of all steps of a whole run.
    """
    left, num_steps = [], rates.shape[1]
    for trial, own in zip(trials, rates[:, :steps].astype(np.float64), strict=True):
        config = trial.config
        if freezes(config):  # no row of the word embeddings moves
            left.append(1.0)
            continue
        # Steps of the head alone leave words as they are.
        own[: int(head_steps(trial.hyper.head_ratio, num_steps))] = 0.0
        own = own * config.layerwise_lr_decay ** (num_layers + 1)
        phase = phase_of(trial.hyper.head_ratio, num_steps, np.arange(len(own)))
        settings = (config.ema_decay, config.average_last)
        shares = latest_share(*settings, phase.num_steps, phase.step + 1)
        decays = (config.weight_decay, config.pretrained_decay)
        left.append(unused_word_factor(own, shares, *decays))
    with np.errstate(over="ignore"):  # of a rate at which a trial diverges
        return np.array(left, np.float32)
