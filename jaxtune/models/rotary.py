"""Rotary positions (Su et al., 2021): queries and keys are turned by angles that grow with their
place, so that a score depends on how far apart two tokens stand and not on where.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxtune.core.shapes import Array, Float, RowInts


class Rotation(NamedTuple):
    """Cosines and sines of the angles of each slot, one per pair of a head's numbers."""

    cos: Float[Array, "row slot pair"]
    sin: Float[Array, "row slot pair"]


def rotation_of(positions: RowInts, size: int, base: float) -> Rotation:
    """The i-th pair of a head's `size` numbers turns by base^(-2i / size) from a place to the next.

    In float32 whatever the products' type: bfloat16 does not tell place 257 from 256.
    """
    rates = 1.0 / np.float32(base) ** (np.arange(0, size, 2, dtype=np.float32) / size)
    angles = positions[..., None].astype(jnp.float32) * jnp.asarray(rates, jnp.float32)
    return Rotation(jnp.cos(angles), jnp.sin(angles))


def rotate(
    x: Float[Array, "row head slot size"], rotation: Rotation
) -> Float[Array, "row head slot size"]:
    """The first half of a head's numbers holds one side of all pairs, the second half the other."""
    cos, sin = (part[:, None] for part in rotation)
    one, other = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    turned = jnp.concatenate([one * cos - other * sin, other * cos + one * sin], axis=-1)
    return turned.astype(x.dtype)
