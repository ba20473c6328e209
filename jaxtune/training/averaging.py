"""Averages of the weights over steps, which are evaluated in place of the last weights.

Every average is s_t = s_(t-1) + a_t (w_t - s_(t-1)), with w_t the weights after update t: one array
beside each parameter, and a share a_t by the trial's settings, which may be traced. The steps
themselves do not know of it: they go on from w_t.
"""

from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtune.core.schedules import first_share, floats
from jaxtune.core.shapes import Array, Float


def latest_share(
    ema_decay: Any, average_last: Any, num_steps: Any, count: Any, xp: ModuleType = np
) -> Any:
    """a_t, what the weights after update t (`count`, from 1) of a training are of the average after
    it; 1 where nothing is averaged. Each of two phases is a training of its own.

    With a decay d it is (1-d) / (1-d^t), so that s_t = sum d^(t-i) w_i / sum d^(t-i) over i = 1 ..
    t: an exponential moving average that starts from 0 and is corrected as Adam's moments are. One
    that starts from the weights before training would still be d^t of them: 63% after the 468
    steps that RTE takes, at 0.999. As d nears 1 this is the mean of all w (Polyak and Juditsky,
    1992).

    With `average_last` k it is 1 / (t - num_steps + k) over the last k updates: their mean, as
    stochastic weight averaging takes it (Izmailov et al., 2018), by step as in Lu et al. (2022).
    """
    count = floats(count, xp)
    # Rounding leaves an a_1 just above 1.
    of_ema = xp.minimum(1.0, (1 - ema_decay) / first_share(ema_decay, count, xp))
    # A phase may be shorter than the steps that are asked for.
    among = xp.maximum(count - xp.maximum(num_steps - average_last, 0), 1.0)
    return xp.where(xp.asarray(average_last) > 0, 1 / among, of_ema)


def moved(average: Any, model: Any, share: Float[Array, ""]) -> Any:
    """A trial's average with its newest weights in it."""

    def move(average, latest):
        # As a difference: (1-a) and a, rounded, would not add up to 1, and steady weights drift
        # from themselves by 6e-8 / a. A choice, for s + (w - s) is not w to the bit.
        return jnp.where(share < 1, average + share * (latest - average), latest)

    return jax.tree.map(move, average, model)
