"""Dropout whose mask is a hash of (key, element index): exact under vmap, and cheap on CPU and GPU.

A mask drawn by `jax.random.bernoulli` costs about twenty rounds of threefry per element. Here an
element costs two rounds of a 32-bit integer mixer (multiply and xor-shift) that fuse with the
scaling. The element index runs over the array in row-major order, so adding rows at the end changes
no mask.
"""

import jax
import jax.numpy as jnp
from jaxtyping import UInt32

from jaxtune.core.shapes import Array, Float, Key


def dropout(key: Key | None, x: Float[Array, "..."], rate: float) -> Float[Array, "..."]:
    """Zeroes elements with probability `rate`, scales the others by 1/(1-rate); off without key."""
    if key is None or rate == 0.0:
        return x
    keep = random_bits(key, x.shape) >= threshold(rate)
    # In float32, then rounded once: as a bfloat16 number 1/0.9 would be 1.109, not 1.111.
    scaled = (x.astype(jnp.float32) * (1.0 / (1.0 - rate))).astype(x.dtype)
    return jnp.where(keep, scaled, jnp.zeros((), x.dtype))


def threshold(rate: float) -> UInt32[Array, ""]:
    """A uniform uint32 is below it with probability `rate`, to 2^-32: no float is drawn."""
    # A rate may lie nearer to 1 than the largest of them.
    return jnp.uint32(min(round(rate * 2**32), 2**32 - 1))


def random_bits(key: Key, shape: tuple[int, ...]) -> UInt32[Array, "..."]:
    """uint32 bits of the given shape, a pure function of the key's data and the row-major index."""
    words = jax.random.key_data(key)
    index = jnp.zeros(shape, jnp.uint32)
    stride = 1
    for axis in reversed(range(len(shape))):
        index += jax.lax.broadcasted_iota(jnp.uint32, shape, axis) * jnp.uint32(stride)
        stride *= shape[axis]
    return hashed(index, words[0], words[1])


def hashed(
    index: UInt32[Array, "..."], first: UInt32[Array, "..."], second: UInt32[Array, "..."]
) -> UInt32[Array, "..."]:
    """The bits of elements by their index and the two words of a key."""
    # The second word enters between two rounds: keys that differ in it give unrelated streams. Keys
    # that share it (one pair in 2^32 of derived keys) permute each other's elements where their
    # first words differ in low bits only.
    return _mix(_mix(index ^ first) + second)


def _mix(x: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    """A bijective 32-bit mixer: xor-shift and multiply, with the constants of 'lowbias32'."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)
