"""The rates of a dense layer's three products on this device, in float32 and in bfloat16.

    python benchmarks/bfloat16_products.py

Both sides of a bfloat16 product are float32 numbers that are rounded; its sums are float32.
"""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxtune.core.shapes import Array

TOKENS, READ, WRITTEN = 2048, 384, 1536
REPEATS = 8
# The axes that are summed over, of the left and of the right side.
PRODUCTS = {
    "x W": ("x", "w", ((1,), (0,))),
    "g W^T": ("g", "w", ((1,), (1,))),
    "x^T g": ("x", "g", ((0,), (0,))),
}


def product(dtype: str, summed: tuple[tuple[int], tuple[int]]) -> Callable[[Array, Array], Array]:
    def multiply(left: Array, right: Array) -> Array:
        return jax.lax.dot_general(
            left.astype(dtype),
            right.astype(dtype),
            (summed, ((), ())),
            preferred_element_type=jnp.float32,
        )

    return multiply


def seconds(run: Callable[..., Array], *arguments: Array) -> float:
    """The shortest of several calls, after one that compiles."""
    compiled = jax.jit(run)
    jax.block_until_ready(compiled(*arguments))
    found = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        found.append(time.perf_counter() - start)
    return min(found)


def main() -> None:
    shapes = {"x": (TOKENS, READ), "w": (READ, WRITTEN), "g": (TOKENS, WRITTEN)}
    arrays = {
        name: jax.random.normal(jax.random.key(place), shape)
        for place, (name, shape) in enumerate(shapes.items())
    }
    flop = 2 * TOKENS * READ * WRITTEN
    for dtype in ("float32", "bfloat16"):
        for name, (left, right, summed) in PRODUCTS.items():
            taken = seconds(product(dtype, summed), arrays[left], arrays[right])
            print(f"{dtype} {name}: {flop / taken / 1e9:.0f} GFLOP/s")


if __name__ == "__main__":
    main()
