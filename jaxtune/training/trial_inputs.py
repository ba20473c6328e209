"""What each trial of a group brings, stacked: settings, random streams, rates, batches."""

import enum
from collections.abc import Iterable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxtune.config.field_groups import head_first
from jaxtune.config.trials import Hyper, Trial, links_of
from jaxtune.core.schedules import head_steps
from jaxtune.data.packing import Plan, Shape, make_plan
from jaxtune.data.token_table import TokenTable
from jaxtune.models.vocabulary import unused_word_factor
from jaxtune.training.averaging import latest_share
from jaxtune.training.rates import rate_of_step
from jaxtune.training.trained_part import trains_embeddings


def stack_hypers(trials: Sequence[Trial], class_weights: Sequence[np.ndarray]) -> Hyper:
    """Settings by trial, numbers as float32; `class_weights` [label] are each trial's own."""
    hypers = [
        trial.hyper._replace(class_weights=weights)
        for trial, weights in zip(trials, class_weights, strict=True)
    ]
    stacked = (np.array(values) for values in zip(*hypers, strict=True))
    return Hyper(*(v if v.dtype == bool else v.astype(np.float32) for v in stacked))


class Stream(enum.IntEnum):
    """What a key is drawn for: equal seeds of two streams give unrelated keys."""

    INIT = 0
    DROPOUT = 1


def stream_keys(seeds: Iterable[int], stream: Stream) -> jax.Array:
    """One key per trial; Threefry, whatever JAX's default: rbg mixes streams under vmap."""
    keys = (jax.random.key(seed, impl="threefry2x32") for seed in seeds)
    return jnp.stack([jax.random.fold_in(key, stream) for key in keys])


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
        if not trains_embeddings(config):
            left.append(1.0)
            continue
        # Steps of the head alone leave words as they are.
        own[: int(head_steps(trial.hyper.head_ratio, num_steps))] = 0.0
        own = own * config.layerwise_lr_decay ** (num_layers + 1)
        settings = (config.ema_decay, config.average_last)
        shares = latest_share(*settings, num_steps, np.arange(1, len(own) + 1))
        decays = (config.weight_decay, config.pretrained_decay)
        left.append(unused_word_factor(own, shares, *decays))
    with np.errstate(over="ignore"):  # of a rate at which a trial diverges
        return np.array(left, np.float32)


def stack_plans(
    train: TokenTable,
    batches: Sequence[np.ndarray],
    start: int,
    count: int,
    most: int,
    shape: Shape,
) -> Plan:
    """The row layouts [trial, step, ...] of `count` steps from `start` of each trial's batches.

    Steps up to `most`, which the program is compiled for, are filled up with empty ones.
    """
    plans = []
    for own in batches:
        part = np.full((most, own.shape[1]), -1, np.int32)
        part[:count] = own[start : start + count]
        plans.append(make_plan(train, part, shape))
    return Plan(*(np.stack(parts) for parts in zip(*plans, strict=True)))
