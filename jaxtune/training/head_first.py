"""The head alone first, then everything (LP-FT, Kumar et al., 2022), as a link of an optimiser's
chain around others: both phases are one program, and where they part may be traced.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxtune.core.shapes import Array, Float, Int
from jaxtune.models.names import map_by_path


class TrainHeadFirstState(NamedTuple):
    """How many updates have been made, and the state of the chain inside."""

    count: Int[Array, ""]
    inner: optax.OptState


def train_head_first(
    inner: optax.GradientTransformation, num_head_steps: Float[Array, ""]
) -> optax.GradientTransformation:
    """The first `num_head_steps` (may be traced) updates are those of `inner` for the head alone:
    it sees no other gradient, so that the head is clipped by its own norm, and nothing else moves
    or decays. Then `inner` begins anew, for everything, with moments of 0 and t = 1.

    So a run is two, one after the other: the head's on a frozen encoder, and one of everything that
    starts from the head that the first has left, as Kumar et al. run them.
    """

    def init_fn(params: optax.Params) -> TrainHeadFirstState:
        return TrainHeadFirstState(jnp.zeros((), jnp.int32), inner.init(params))

    def update_fn(updates, state, params=None):
        count = state.count.astype(jnp.float32)
        alone, begins = count < num_head_steps, count == num_head_steps

        def kept(path: str, leaf: Array) -> Array:
            # A select and not a product: a gradient of the encoder that is not finite is none.
            of_head = path.startswith("head/")
            return leaf if of_head else jnp.where(alone, jnp.zeros((), leaf.dtype), leaf)

        own = map_by_path(kept, updates)
        fresh = inner.init(updates)  # moments are shaped as gradients are
        before = jax.tree.map(lambda new, old: jnp.where(begins, new, old), fresh, state.inner)
        steps, after = inner.update(own, before, params)
        # Of what has no gradient weight decay makes a step.
        steps = map_by_path(kept, steps)
        return steps, TrainHeadFirstState(jnp.asarray(optax.safe_increment(state.count)), after)

    return optax.GradientTransformation(init_fn, update_fn)
