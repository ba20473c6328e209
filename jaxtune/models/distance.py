"""What attention adds to its scores for how far apart two tokens stand."""

import math

import jax.numpy as jnp
import numpy as np

from jaxtune.core.shapes import Array, Float, Int, RowInts
from jaxtune.models.lookup import look_up

MOST_DISTANCE = 128  # all that is farther shares the last bucket


def bias_of_distance(
    table: Float[Array, "bucket head"], positions: RowInts
) -> Float[Array, "row head slot slot"]:
    """A number per head and pair of slots, by the bucket of their distance; of two sequences in a
    row it means nothing.
    """
    # From the query to the key.
    apart = positions[:, None, :] - positions[:, :, None]
    found = look_up(table, buckets(apart, len(table)).reshape(-1))
    return found.reshape(*apart.shape, -1).transpose(0, 3, 1, 2)


def buckets(apart: Int[Array, "..."], count: int) -> Int[Array, "..."]:
    """T5's buckets (Raffel et al., 2020): half of `count` for keys before the query, half for those
    behind it; near ones have a bucket each, far ones share it by the logarithm.
    """
    half = count // 2
    distance = jnp.abs(apart)
    far = jnp.searchsorted(jnp.asarray(_starts(half)), distance, side="right")
    near = jnp.minimum(distance, half // 2)
    return jnp.where(apart > 0, half, 0) + near + far


def _starts(half: int) -> np.ndarray:
    """The least distance of each bucket after the one that starts the far ones."""
    exact = half // 2
    distance = np.arange(exact, MOST_DISTANCE + 1, dtype=np.float32)
    # In float32, as MPNet was trained: at 16, 32, ... the logarithm stands on the edge of a bucket.
    share = np.log(distance / np.float32(exact)) / np.float32(math.log(MOST_DISTANCE / exact))
    bucket = np.minimum((share * np.float32(half - exact)).astype(np.int32), half - exact - 1)
    return np.searchsorted(bucket, np.arange(1, half - exact)).astype(np.int32) + exact
