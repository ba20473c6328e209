"""The optimiser as one visible optax chain, with bias correction as a link of its own.

The study needs Adam with the correction switched on and off under otherwise equal arithmetic, so
`optax.scale_by_adam` is split in two: `scale_by_moments` and `scale_by_bias_correction`. Every
number may be a traced value, so trials with different settings share one compiled program.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxtune.config.trials import Hyper
from jaxtune.core.schedules import correction_factor, head_steps
from jaxtune.core.shapes import Array, Float, Int
from jaxtune.models.adapters import is_adapter
from jaxtune.models.names import map_by_path, paths
from jaxtune.models.starting_point import FINAL_NORM
from jaxtune.training.clipping import clip_by_global_norm, clip_each_tensor
from jaxtune.training.head_first import train_head_first
from jaxtune.training.links import clip_each_update, scale_by_corrections, scale_by_moments_from
from jaxtune.training.rates import rate_of_step


class ScaleByMomentsState(NamedTuple):
    """First and second moments of the gradients, without any correction."""

    mu: optax.Updates
    nu: optax.Updates


class ScaleByBiasCorrectionState(NamedTuple):
    """How many updates have been made."""

    count: Int[Array, ""]


def scale_by_moments(b1: ArrayLike, b2: ArrayLike, eps: ArrayLike) -> optax.GradientTransformation:
    """Scales by uncorrected Adam moments: m / (sqrt(v) + eps), m = b1 m + (1-b1) g, v = b2 v +
    (1-b2) g^2.

    Differs from `optax.scale_by_adam` in that neither moment is divided by 1-b^t. Alone it is
    BERT's original optimiser (Devlin et al., no bias correction); `scale_by_bias_correction` after
    it gives Adam.
    """

    def init_fn(params: optax.Params) -> ScaleByMomentsState:
        zeros = optax.tree.zeros_like
        return ScaleByMomentsState(mu=zeros(params), nu=zeros(params))

    def update_fn(updates, state, params=None):
        del params
        # The weight of a new gradient is 1 - b as it is rounded here; `correction_factor` agrees.
        # Uncorrected, steps differ from torch's, of doubles: by 8e-5 at a b2 of 0.9999.
        mu = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.mu, updates)
        nu = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, state.nu, updates)
        updates = jax.tree.map(lambda m, v: m / (jnp.sqrt(v) + eps), mu, nu)
        return updates, ScaleByMomentsState(mu=mu, nu=nu)

    return optax.GradientTransformation(init_fn, update_fn)


def scale_by_bias_correction(
    b1: ArrayLike, b2: ArrayLike, enabled: ArrayLike = True
) -> optax.GradientTransformation:
    """Scales the t-th update by sqrt(1-b2^t) / (1-b1^t) where `enabled` (may be traced), else
    leaves it as it is.

    Equation (1) of Mosbach et al. (2021), and `correct_bias` of the AdamW their code uses: the
    correction is a factor on the step, so eps is added to the UNCORRECTED sqrt(v).
    `optax.scale_by_adam(eps=e)` corrects v first and therefore equals this chain with an eps of e *
    sqrt(1-b2^t), which matters while sqrt(v) is near eps.
    """

    def init_fn(params: optax.Params) -> ScaleByBiasCorrectionState:
        del params
        return ScaleByBiasCorrectionState(count=jnp.zeros((), jnp.int32))

    def update_fn(updates, state, params=None):
        del params
        count = jnp.asarray(optax.safe_increment(state.count))  # t is 1 at the first update
        # A select and not an `if`: the switch may be traced, and differ between trials.
        factor = jnp.where(enabled, correction_factor(b1, b2, count, jnp), 1.0)
        return jax.tree.map(lambda u: u * factor, updates), ScaleByBiasCorrectionState(count)

    return optax.GradientTransformation(init_fn, update_fn)


def decay_mask(params: Any) -> optax.Params:
    """True where weight decay applies: matrices and embeddings, no bias and no LayerNorm."""

    def decays(path, _):
        module, leaf = path.rsplit("/", 1)
        # A table of numbers that are added to scores is a bias, also by its name in transformers.
        if module == "encoder/distance" and params.encoder.config.distance == "bias":
            return False
        return leaf in ("kernel", "embedding")

    return map_by_path(decays, params)


def decay_towards(origin: optax.Params, strength: ArrayLike) -> optax.GradientTransformation:
    """Adds `strength` (may be traced) times what the parameters have moved from `origin`, for the
    tensors of `decay_mask`.

    Decay towards the pre-trained weights as Zhang et al. (2021) run it, decoupled: p -=
    learning_rate * strength * (p - origin), with the values before training as the origin, the
    fresh head's own draw included.
    """

    def add(decays, update, param, start):
        return update + strength * (param - start) if decays else update

    def update_fn(updates, params):
        return jax.tree.map(add, decay_mask(params), updates, params, origin)

    return optax.stateless(update_fn)


def scale_by_depth(factor: ArrayLike) -> optax.GradientTransformation:
    """Layer-wise learning rates (Zhang et al., 2021): 1 for the head, `factor` (may be traced) once
    more per block below; a norm above all blocks goes with the head, as in BEiT's and MAE's code.

    The top block has `factor`, the lowest of L blocks factor^L, the embeddings factor^(L+1). It
    scales the step AND its weight decay, as a learning rate per parameter group does; unlike their
    code, the head keeps its weight decay.
    """

    def update_fn(updates, params):
        del params
        blocks = [leaf for path, leaf in paths(updates).items() if "/layers/" in path]
        num_layers = len(blocks[0])

        def scale(path, update):
            if path.startswith(("head/", FINAL_NORM)):
                return update
            if "/layers/" not in path:
                return update * depth_factor(factor, num_layers + 1)
            # Stacked layers, the lowest first: one scale for each, over all other axes.
            below_head = num_layers - jnp.arange(num_layers)
            scales = depth_factor(factor, below_head)
            return update * scales.reshape(-1, *(1,) * (update.ndim - 1))

        return map_by_path(scale, updates)

    return optax.stateless(update_fn)


def scale_second_matrices(ratio: ArrayLike) -> optax.GradientTransformation:
    """LoRA+ (Hayou et al., 2024): `ratio` (may be traced) for the B of adapters, 1 for all else.

    As a learning rate of a parameter group it scales the step and its weight decay.
    """

    def scale(path, update):
        return update * ratio if is_adapter(path) and path.endswith("/b/kernel") else update

    return optax.stateless(lambda updates, _: map_by_path(scale, updates))


def depth_factor(factor: ArrayLike, below_head: ArrayLike) -> Float[Array, "..."]:
    """factor^k for k = `below_head`: 1 for the top block, L + 1 for the embeddings."""
    return jnp.asarray(factor, jnp.float32) ** jnp.asarray(below_head, jnp.float32)


def make_optimizer(
    hyper: Hyper,
    num_steps: int,
    schedule: str = "linear",
    clip_per_tensor: bool = False,
    origin: optax.Params | None = None,
    by_depth: bool = False,
    adapters: bool = False,
    links: Sequence[str] = (),
    head_first: bool = False,
) -> optax.GradientTransformation:
    """AdamW as the paper runs it: clip, moments, bias correction, decoupled decay, scheduled
    learning rate.

    Decay uses the parameters BEFORE the step; Hugging Face's AdamW decays the updated ones, which
    differs by learning_rate^2 * weight_decay * update. Neither scales the decay by the bias
    correction. `optax.adamw` differs in the place of eps (see `scale_by_bias_correction`) and has
    no switch for the correction. With an `origin` there is a link for decay towards it, with
    `by_depth` one for layer-wise learning rates, with `adapters` one for the learning rate of B.

    Args:
        links: those of `jaxtune.config.field_groups.LINKS` that any trial of the program uses. With
            some, moments and correction are those of `jaxtune.training.links`; clipping of updates
            reads all gradients once more and is there only where it is used.
        head_first: whether trials may train the head alone first (`train_head_first`).
    """
    # Clipping comes first, so that the moments see clipped gradients; the schedule comes last, so
    # that it scales the decay too.
    clip = clip_each_tensor if clip_per_tensor else clip_by_global_norm
    steps = [
        *(_linked_moments(hyper) if links else _moments(hyper)),
        optax.add_decayed_weights(jnp.asarray(hyper.weight_decay), mask=decay_mask),
    ]
    if origin is not None:
        steps.append(decay_towards(origin, hyper.pretrained_decay))
    if "update_clipping" in links:
        steps = [_clipped(hyper, optax.chain(*steps), adapters)]
    if by_depth:
        steps.append(scale_by_depth(hyper.layerwise_lr_decay))
    if adapters:
        steps.append(scale_second_matrices(hyper.lora_b_lr_ratio))
    steps.insert(0, clip(hyper.max_grad_norm))
    if head_first:
        first = head_steps(hyper.head_ratio, num_steps, jnp)
        steps = [train_head_first(optax.chain(*steps), first)]
    # By the number of the step in the whole run.
    rate: Any = partial(rate_of_step, hyper, schedule, num_steps, links, head_first)
    return optax.chain(*steps, optax.scale_by_learning_rate(rate))


def _moments(hyper: Hyper) -> list[optax.GradientTransformation]:
    return [
        scale_by_moments(hyper.adam_b1, hyper.adam_b2, hyper.adam_eps),
        scale_by_bias_correction(hyper.adam_b1, hyper.adam_b2, hyper.bias_correction),
    ]


def _linked_moments(hyper: Hyper) -> list[optax.GradientTransformation]:
    b1, b2 = hyper.adam_b1, hyper.adam_b2
    corrects = hyper.bias_correction
    return [
        scale_by_moments_from(
            *(b1, b2, hyper.adam_eps),
            *(hyper.second_moment_init, hyper.correct_eps, hyper.rectify),
        ),
        scale_by_corrections(
            *(b1, b2),
            jnp.logical_and(corrects, hyper.correct_first),
            jnp.logical_and(corrects, hyper.correct_second),
            hyper.rectify,
        ),
    ]


def _clipped(
    hyper: Hyper, inner: optax.GradientTransformation, adapters: bool
) -> optax.GradientTransformation:
    return clip_each_update(
        inner,
        *(hyper.adam_b2, hyper.adam_eps, hyper.correct_eps),
        corrected=jnp.logical_and(hyper.bias_correction, hyper.correct_second),
        enabled=hyper.update_clipping,
        rank=hyper.lora_rank if adapters else None,
    )
