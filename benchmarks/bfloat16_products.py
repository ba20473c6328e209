"""The rates of a dense layer's three products, in float32 and with both sides rounded to bfloat16,
whose sums stay float32; and whether a transposed result is taken at all.

python benchmarks/bfloat16_products.py --tokens 2048 --read 384 --written 1536
jax 0.10.2 on a CPU ends at run time where the result of such a product is transposed: the row with
a barrier between the two shows whether that helps.
"""

import argparse
import functools

import jax
import jax.numpy as jnp
from trial_group import milliseconds

from jaxtune.core.shapes import Array

# One letter an axis: token, what the layer reads, what it writes.
PRODUCTS = {
    "x W": ("tr,rw->tw", "x", "w"),
    "g W^T, gradient of what is read": ("tw,rw->tr", "g", "w"),
    "x^T g, gradient of weights": ("tr,tw->rw", "x", "g"),
}


def multiply(axes: str, dtype: str, left: Array, right: Array) -> Array:
    """The sides come in float32, as weights do: rounding them is part of the price."""
    sides = left.astype(dtype), right.astype(dtype)
    return jnp.einsum(axes, *sides, preferred_element_type=jnp.float32)


def transposed(dtype: str, x: Array, w: Array) -> Array:
    return multiply("tr,rw->tw", dtype, x, w).T


def transposed_past_a_barrier(dtype: str, x: Array, w: Array) -> Array:
    return jax.lax.optimization_barrier(multiply("tr,rw->tw", dtype, x, w)).T


def main() -> None:
    """Prints one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--read", type=int, default=384)
    parser.add_argument("--written", type=int, default=1536)
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    shapes = {
        "x": (given.tokens, given.read),
        "w": (given.read, given.written),
        "g": (given.tokens, given.written),
    }
    arrays = {name: jnp.ones(shape) for name, shape in shapes.items()}
    rows = {
        name: (functools.partial(multiply, axes), left, right)
        for name, (axes, left, right) in PRODUCTS.items()
    }
    rows["(x W)^T"] = (transposed, "x", "w")
    rows["(x W)^T, a barrier between"] = (transposed_past_a_barrier, "x", "w")
    gigaflop = 2 * given.tokens * given.read * given.written / 1e9
    sizes = f"{given.tokens} tokens, {given.read} to {given.written}"
    print(f"{sizes}, on {jax.devices()[0].device_kind}")
    print("| GFLOP/s | float32 | bfloat16 |\n|---|---|---|")
    for name, (function, left, right) in rows.items():
        cells = []
        for dtype in ("float32", "bfloat16"):
            compiled = jax.jit(functools.partial(function, dtype))
            run = functools.partial(compiled, arrays[left], arrays[right])
            try:
                cells.append(f"{gigaflop / milliseconds(run, given.rounds) * 1000:.0f}")
            except jax.errors.JaxRuntimeError as error:
                cells.append(str(error).splitlines()[0])
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
