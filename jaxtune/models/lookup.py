"""Rows of a table, whose gradient on a GPU is the same to the bit in every run.

A gradient adds up what every slot sends to its row. As a scatter, which it is elsewhere, a GPU adds
in whatever order its threads come; here it is a product with zeros and ones, in a fixed order.
"""

import functools

import jax
import jax.numpy as jnp

from jaxtune.core.shapes import Array, Float, Int

# A float32 is the sum of so many bfloat16 numbers, of 8 bits each.
PARTS = 3


def look_up(table: Float[Array, "row e"], index: Int[Array, " slot"]) -> Float[Array, "slot e"]:
    """table[index]; no index is out of bounds."""
    return _look_up(len(table), table, index)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _look_up(
    num_rows: int, table: Float[Array, "row e"], index: Int[Array, " slot"]
) -> Float[Array, "slot e"]:
    del num_rows
    return table[index]


def _look_up_fwd(num_rows: int, table: Array, index: Array) -> tuple[Array, Array]:
    return _look_up(num_rows, table, index), index


def _look_up_bwd(num_rows: int, index: Array, gradient: Array) -> tuple[Array, None]:
    scattered, summed = (functools.partial(of, num_rows) for of in (_scattered, _summed))
    by_platform = jax.lax.platform_dependent
    return by_platform(index, gradient, cuda=summed, default=scattered), None


_look_up.defvjp(_look_up_fwd, _look_up_bwd)


def _scattered(num_rows: int, index: Array, gradient: Array) -> Array:
    table = jax.ShapeDtypeStruct((num_rows, gradient.shape[-1]), gradient.dtype)
    (of_table,) = jax.linear_transpose(lambda table: table[index], table)(gradient)
    return of_table


def _summed(num_rows: int, index: Array, gradient: Array) -> Array:
    """The sum of the slots of each row: of all rows where they are few, else first of each slot's
    row over all slots, and then every row that is asked for takes its sum once.
    """
    index = index.astype(jnp.int32)
    slots = jnp.arange(len(index), dtype=jnp.int32)
    if num_rows <= len(index):
        return _total(jnp.arange(num_rows, dtype=jnp.int32)[:, None] == index, gradient)
    same = index[:, None] == index
    again = jnp.any(same & (slots[:, None] > slots), axis=1)
    # A row's later slots write to places that there are not, each to its own: XLA may trust that
    # no two write to the same, and needs no atomic addition.
    place = jnp.where(again, num_rows + slots, index)
    nothing = jnp.zeros((num_rows, gradient.shape[-1]), gradient.dtype)
    total = _total(same, gradient)
    return nothing.at[place].set(total, mode="drop", unique_indices=True)


def _total(chosen: Array, gradient: Array) -> Array:
    """The product of ones and zeros with a gradient, exact but for its sums in float32.

    In bfloat16, which is all that ones and zeros need: the gradient is taken apart into numbers of
    this type.
    """
    parts, left = [], gradient.astype(jnp.float32)
    for _ in range(1 if gradient.dtype == jnp.bfloat16 else PARTS):
        # Not by a cast, which XLA takes for none where it may compute more precisely than asked.
        part = jax.lax.reduce_precision(left, exponent_bits=8, mantissa_bits=7)
        parts.append(part.astype(jnp.bfloat16))
        left = left - part
    side_by_side = jnp.concatenate(parts, axis=-1)
    sums = jnp.matmul(chosen.astype(jnp.bfloat16), side_by_side, preferred_element_type=jnp.float32)
    total = functools.reduce(jnp.add, jnp.split(sums, len(parts), axis=-1))
    return total.astype(gradient.dtype)
