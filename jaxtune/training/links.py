"""Links of Adam that a study of its bias correction sets beside it, with switches that may be
traced.

`jaxtune.training.optimizer` puts them into its chain where a trial uses one. With every switch off
they do the arithmetic of `scale_by_moments` and `scale_by_bias_correction`, step by step: what a
trial without them computes does not depend on the trials beside it. For that each update stays a
quotient times a scalar factor, whatever is switched on.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxtune.core.schedules import first_share, rectification, second_root
from jaxtune.core.shapes import Array, Float, Int
from jaxtune.models.adapters import is_adapter
from jaxtune.models.names import map_by_path
from jaxtune.training.clipping import own_axes


class ScaleByMomentsFromState(NamedTuple):
    """First and second moments of the gradients, and how many updates have been made."""

    mu: optax.Updates
    nu: optax.Updates
    count: Int[Array, ""]


class ScaleByCorrectionsState(NamedTuple):
    """How many updates have been made."""

    count: Int[Array, ""]


def scale_by_moments_from(
    b1: ArrayLike,
    b2: ArrayLike,
    eps: ArrayLike,
    second_moment_init: ArrayLike = 0.0,
    correct_eps: ArrayLike = False,
    rectify: ArrayLike = False,
) -> optax.GradientTransformation:
    """As `scale_by_moments`, m / (sqrt(v) + eps), with what follows.

    Args:
        second_moment_init: c in v_0 = c g_1^2, with g_1 the first gradient, after clipping. 1 is
            GI-Adam's (Kalra and Barkeshli, 2024), whose code has the correction on top; other
            starts that are not 0 are in Abuduweili and Liu (2024): the squares of many gradients,
            or random numbers. m_0 is 0.
        correct_eps: eps sqrt(1-b2^t) in place of eps. Kingma and Ba (2015) correct v before they
            add eps, in their algorithm 1, and so do torch and optax: m / (sqrt(v / (1-b2^t)) + eps)
            is sqrt(1-b2^t) m / (sqrt(v) + eps sqrt(1-b2^t)).
        rectify: m alone, not divided, while RAdam does not trust v (`rectification` is 0).
    """

    def init_fn(params: optax.Params) -> ScaleByMomentsFromState:
        zeros = optax.tree.zeros_like
        return ScaleByMomentsFromState(zeros(params), zeros(params), jnp.zeros((), jnp.int32))

    def update_fn(updates, state, params=None):
        del params
        count = jnp.asarray(optax.safe_increment(state.count))
        # b2 c g_1^2 + (1-b2) g_1^2: the start is a weight of the first square, for v is 0 there. A
        # choice between arrays would round otherwise than `scale_by_moments`, on CPU.
        weight = (1 - b2) + jnp.where(count == 1, b2 * jnp.asarray(second_moment_init), 0.0)
        floor = corrected_eps(b2, eps, correct_eps, count)
        divides = jnp.logical_or(jnp.logical_not(rectify), rectification(b2, count, jnp) > 0)

        mu = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.mu, updates)
        nu = jax.tree.map(lambda v, g: b2 * v + weight * g * g, state.nu, updates)
        updates = jax.tree.map(
            lambda m, v: m / jnp.where(divides, jnp.sqrt(v) + floor, 1.0), mu, nu
        )
        return updates, ScaleByMomentsFromState(mu, nu, count)

    return optax.GradientTransformation(init_fn, update_fn)


def scale_by_corrections(
    b1: ArrayLike,
    b2: ArrayLike,
    first: ArrayLike = True,
    second: ArrayLike = True,
    rectify: ArrayLike = False,
) -> optax.GradientTransformation:
    """Scales the t-th update by 1 / (1-b1^t) where `first`, and by sqrt(1-b2^t) where `second`:
    both are `scale_by_bias_correction`, the second alone is AdamD (St John, 2021).

    Args:
        rectify: with both corrections it is RAdam (Liu et al., 2020, algorithm 2): the update times
            r_t (`rectification`), and by the first correction alone while v is not trusted.
            torch.optim.RAdam to the place of its eps; with `correct_eps`, optax.scale_by_radam.
    """

    def init_fn(params: optax.Params) -> ScaleByCorrectionsState:
        del params
        return ScaleByCorrectionsState(count=jnp.zeros((), jnp.int32))

    def update_fn(updates, state, params=None):
        del params
        count = jnp.asarray(optax.safe_increment(state.count))  # t is 1 at the first update
        root, share = second_root(b2, count, jnp), first_share(b1, count, jnp)
        trust = rectification(b2, count, jnp)
        # The order of the operations is that of `correction_factor`: both give its very bits.
        factor = jnp.where(second, root, 1.0) / jnp.where(first, share, 1.0)
        rectified = jnp.where(trust > 0, trust * factor, 1.0 / share)
        factor = jnp.where(rectify, rectified, factor)
        return jax.tree.map(lambda u: u * factor, updates), ScaleByCorrectionsState(count)

    return optax.GradientTransformation(init_fn, update_fn)


def clip_each_update(
    inner: optax.GradientTransformation,
    b2: ArrayLike,
    eps: ArrayLike,
    correct_eps: ArrayLike = False,
    corrected: ArrayLike = True,
    enabled: ArrayLike = True,
    rank: ArrayLike | None = None,
) -> optax.GradientTransformation:
    """StableAdamW's update clipping (Wortsman et al., 2023, algorithm 2): what `inner` makes of a
    tensor, or of a layer of a stacked one, divided by max(1, RMS), with RMS the root mean square of
    g / max(sqrt(v), eps). Their learning rate is divided: weight decay in `inner` is, too.

    v and eps are those that the step divides by: where the second moment is `corrected`, RMS counts
    sqrt(1-b2^t) times. So with eps corrected too it is their formula, and without correction of the
    second moment clipping makes up for that: of steady gradients RMS is then 1 / sqrt(1-b2^t).

    Args:
        inner: begins with `scale_by_moments_from`, with the same b2, eps and correct_eps.
        rank: of the adapters, whose further columns are zero and are not counted.
    """

    def update_fn(updates, state, params=None):
        found: Any = inner.update(updates, state, params)  # optax's types know no named states
        steps, state = found
        moments = state[0]
        floor = corrected_eps(b2, eps, correct_eps, moments.count)
        scale = jnp.where(corrected, second_root(b2, moments.count, jnp), 1.0)

        def clip(path, step, g, v):
            ratio = g / jnp.maximum(jnp.sqrt(v), floor)
            rms = scale * jnp.sqrt(_mean_square(ratio, path, rank))
            # Off it divides by an exact 1, so that no bit changes.
            return step / jnp.where(enabled, jnp.maximum(1.0, rms), 1.0)

        return map_by_path(clip, steps, updates, moments.nu), state

    return optax.GradientTransformation(inner.init, update_fn)


def _mean_square(
    ratio: Float[Array, "..."], path: str, rank: ArrayLike | None
) -> Float[Array, "..."]:
    """Of a tensor, or of each layer of a stacked one."""
    mean = jnp.mean(jnp.square(ratio), axis=own_axes(path, ratio), keepdims=True)
    if rank is None or not is_adapter(path):
        return mean
    columns = ratio.shape[-2 if path.endswith("/b/kernel") else -1]
    return mean * (columns / jnp.asarray(rank, jnp.float32))


def corrected_eps(
    b2: ArrayLike, eps: ArrayLike, enabled: ArrayLike, count: Int[Array, ""]
) -> Float[Array, ""]:
    """eps, or eps sqrt(1-b2^t) at the t-th update."""
    # A number below the smallest normal one is 0 on a device: with a gradient of 0 that is 0/0.
    smaller = jnp.maximum(eps * second_root(b2, count, jnp), jnp.finfo(jnp.float32).tiny)
    return jnp.where(enabled, smaller, eps)
