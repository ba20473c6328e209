"""What attention adds to its scores for how far apart two tokens stand: a number for each distance
(MPNet), or products with states of distances (DeBERTa).

Disentangled attention (He et al., 2021): a distance has a state, which the blocks' own layers make
a query and a key of. To the product of a token's query and another's key are added that of the
query and the key of their distance, and that of the key and the query of their distance. In a row
of S slots only 2 S - 1 distances occur, and two tokens of a sequence stand as far apart in their
row as in the sequence: the rows of the table are chosen once a program, whatever lies in the rows
of a batch.
"""

import math

import jax.numpy as jnp
import numpy as np

from jaxtune.core.shapes import Array, Float, Int, RowInts
from jaxtune.models.encoder_config import RelativeConfig
from jaxtune.models.layers import product
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


def table_rows(config: RelativeConfig, slots: int) -> np.ndarray:
    """The row of the table for each distance from query to key, `[distance]`: from slots - 1 (the
    last slot looks at the first) down to 1 - slots.
    """
    apart = np.arange(slots - 1, -slots, -1)
    bucket = log_buckets(config, apart) if config.bucketed else apart
    return np.clip(bucket + config.span, 0, 2 * config.span - 1)


def log_buckets(config: RelativeConfig, apart: np.ndarray) -> np.ndarray:
    """Near distances have a bucket each, far ones share buckets by the logarithm.

    In float32, as DeBERTa was trained: a bucket ends where the logarithm is rounded up.
    """
    middle = config.span // 2
    distance = np.maximum(np.abs(apart), 1).astype(np.float32)
    last = np.log(np.float32((config.farthest - 1) / middle))
    far = np.ceil(np.log(distance / np.float32(middle)) / last * np.float32(middle - 1)) + middle
    bucket = np.where(np.abs(apart) <= middle, apart, np.sign(apart) * far)
    return bucket.astype(np.int64)


def choose_rows(
    table: Float[Array, "bucket hidden"], rows: np.ndarray
) -> Float[Array, "distance hidden"]:
    """Rows of the table by a product with ones and zeros: its gradient is a product too, where
    that of an index would add rows up in any order on an accelerator.
    """
    chosen = rows[:, None] == np.arange(len(table))
    return product(jnp.asarray(chosen, table.dtype), table)


def scores_of_distances(
    queries: Float[Array, "row head slot size"],
    keys: Float[Array, "row head slot size"],
    distance_queries: Float[Array, "head distance size"] | None,
    distance_keys: Float[Array, "head distance size"] | None,
) -> Float[Array, "row head slot slot"]:
    """What distances add to the scores of queries (third axis) and keys (last), before the scale.

    Both products are with all distances of a row, of which a token meets every second one: a shift
    puts those in place, without an index and with a shift as its gradient.
    """
    parts = []
    if distance_keys is not None:
        parts.append(shifted(_with_each(queries, distance_keys)))
    if distance_queries is not None:
        # A key meets distances in the opposite order.
        parts.append(shifted(_with_each(keys, distance_queries[:, ::-1])).swapaxes(2, 3))
    return sum(parts[1:], parts[0]).swapaxes(0, 1)


def _with_each(
    tokens: Float[Array, "row head slot size"], distances: Float[Array, "head distance size"]
) -> Float[Array, "head row slot distance"]:
    # Heads first, and the rows of a head as one long axis: a product for each head, not one for
    # each head of each row, and the large result is not turned around.
    rows, heads, slots, size = tokens.shape
    tokens = tokens.swapaxes(0, 1).reshape(heads, rows * slots, size)
    scores = product(tokens, distances.swapaxes(1, 2), preferred_element_type=jnp.float32)
    return scores.reshape(heads, rows, slots, -1)


def shifted(x: Float[Array, "*lead slot distance"]) -> Float[Array, "*lead slot slot"]:
    """Element [i, j] is x[i, j - i + slots - 1]: each line begins one place before the one above.

    In a row-major array of 2 S - 1 columns that is one stride: element S - 1 + (2 S - 2) i + j.
    """
    *lead, slots, distances = x.shape
    if slots == 1:
        return x
    stride = distances - 1
    flat = x.reshape(*lead, slots * distances)[..., slots - 1 : slots - 1 + slots * stride]
    return flat.reshape(*lead, slots, stride)[..., :slots]
