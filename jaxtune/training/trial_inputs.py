"""What each trial of a group brings, stacked along the trial axis: settings, random streams,
learning rates.
"""

import math
from collections.abc import Iterable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxtune.config.trials import Hyper, Trial
from jaxtune.training.optimizer import schedule_value


def steps_per_epoch(num_examples: int, batch_size: int) -> int:
    """Steps of a pass over the data, the short last batch included."""
    return math.ceil(num_examples / batch_size)


def learning_rates(trials: Sequence[Trial], num_steps: int) -> np.ndarray:
    """Scheduled learning rates [trial, step], without the bias correction's factor."""
    steps = np.arange(num_steps)

    def rates(trial: Trial) -> np.ndarray:
        config = trial.config
        return np.asarray(
            schedule_value(
                config.schedule, config.learning_rate, config.warmup_ratio, num_steps, steps
            )
        )

    return np.stack([rates(trial) for trial in trials])


def stack_hypers(hypers: Sequence[Hyper]) -> Hyper:
    stacked = (np.array(values) for values in zip(*hypers, strict=True))
    return Hyper(*(v if v.dtype == bool else v.astype(np.float32) for v in stacked))


def stream_keys(seeds: Iterable[int]) -> jax.Array:
    """One key per trial. Threefry, whatever JAX's default: rbg mixes streams under vmap (DESIGN
    4.4).
    """
    return jnp.stack([jax.random.key(seed, impl="threefry2x32") for seed in seeds])
