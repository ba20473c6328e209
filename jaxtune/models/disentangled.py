"""Disentangled attention (He et al., 2021): what a score has of the distance of its two tokens.

A distance has a state, which the blocks' own layers make a query and a key of. To the product of a
token's query and another's key are added that of the query and the key of their distance, and that
of the key and the query of their distance. In a row of S slots only 2 S - 1 distances occur, and
two tokens of a sequence stand as far apart in their row as in the sequence: the rows of the table
are chosen once a program, whatever lies in the rows of a batch.
"""

import jax.numpy as jnp
import numpy as np

from jaxtune.core.shapes import Array, Float
from jaxtune.models.encoder_config import RelativeConfig
from jaxtune.models.layers import product


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
