"""Rows of a table: the gradient as a GPU computes it, against the plain one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtune.models.lookup import _scattered, _summed, look_up

INDEX = jnp.array([3, 0, 3, 11, 7, 3, 0], jnp.int32)


def gradient(dtype: str) -> jax.Array:
    return jax.random.normal(jax.random.key(1), (len(INDEX), 8)).astype(dtype)


@pytest.mark.parametrize("num_rows", [12, 40], ids=["more rows than slots", "many more"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_both_gradients_are_one(num_rows: int, dtype: str) -> None:
    given = gradient(dtype)
    summed, scattered = _summed(num_rows, INDEX, given), _scattered(num_rows, INDEX, given)
    assert summed.dtype == scattered.dtype == dtype
    # Sums of three numbers at most, in another order.
    precision = 2**-22 if dtype == "float32" else 2**-7
    np.testing.assert_allclose(
        summed.astype(jnp.float32), scattered.astype(jnp.float32), rtol=precision, atol=precision
    )
    alone = [11, 7]  # of one slot each: nothing is added up, and nothing lost
    np.testing.assert_array_equal(summed[jnp.array(alone)], given[jnp.array([3, 4])])
    assert not np.any(summed[1])


def test_few_rows_take_a_product_each():
    index, given = INDEX % 3, gradient("float32")
    np.testing.assert_allclose(
        _summed(3, index, given), _scattered(3, index, given), rtol=2**-20, atol=2**-20
    )


def test_stacked_trials_do_not_mix():
    given = jnp.stack([gradient("float32"), jnp.full((len(INDEX), 8), jnp.nan)])
    indices = jnp.stack([INDEX, INDEX[::-1]])
    both = jax.vmap(lambda index, g: _summed(40, index, g))(indices, given)
    np.testing.assert_array_equal(both[0], _summed(40, INDEX, given[0]))


def test_a_cpu_scatters_as_it_always_did():
    """To the bit: numbers of earlier sweeps stay."""
    table = jax.random.normal(jax.random.key(0), (12, 8))

    def loss(look, table):
        return jnp.sum(jnp.sin(look(table, INDEX)))

    ours = jax.jit(jax.grad(lambda table: loss(look_up, table)))(table)
    plain = jax.jit(jax.grad(lambda table: loss(lambda table, index: table[index], table)))(table)
    np.testing.assert_array_equal(ours, plain)
