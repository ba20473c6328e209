"""Protects the attention kernel: the plain products' numbers, gradients and dropout mask, however
many trials are stacked; here in Pallas' interpreter.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl

from jaxtune.models.attention import attend

# Sequences side by side, a row that is full, and one that is nearly all padding.
SEGMENTS = np.array([[1] * 5 + [2] * 7 + [3] * 3 + [0], [1] * 16, [1] * 2 + [0] * 14], np.int16)
TRIALS = 2


def both(how: str, dtype: str, heads: int, size: int, rate: float):
    """Output and gradient of stacked trials, in float32."""
    count = SEGMENTS.size
    key = jax.random.key(0)
    x = jax.random.normal(key, (TRIALS, count, 3 * heads * size)).astype(dtype)
    g = jax.random.normal(jax.random.fold_in(key, 1), (TRIALS, count, heads * size)).astype(dtype)
    keys = jax.random.split(jax.random.fold_in(key, 2), TRIALS)

    def one(x, key, g):
        own = key if rate else None
        out, back = jax.vjp(lambda x: attend(x, jnp.asarray(SEGMENTS), heads, own, rate, how), x)
        return out, back(g)[0]

    found = jax.jit(jax.vmap(one))(x, keys, g)
    assert {part.dtype for part in found} == {np.dtype(dtype)}
    return [np.asarray(part.astype(jnp.float32)) for part in found]


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_the_kernel_is_made_of_what_its_compilers_know(platform: str) -> None:
    """Pallas has rules of its own for a GPU and a TPU, which the interpreter does not ask for; they
    need no device.
    """

    def loss(x):
        return attend(x, jnp.ones((2, 64), jnp.int32), 2, jax.random.key(0), 0.1, "kernel").sum()

    for function in (loss, jax.grad(loss)):
        traced = jax.jit(function).trace(jax.ShapeDtypeStruct((128, 3 * 128), jnp.float32))
        assert "custom_call" in traced.lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5])
@pytest.mark.parametrize(("heads", "size"), [(4, 16), (3, 8)])
def test_the_kernel_is_the_products_to_rounding(heads: int, size: int, rate: float) -> None:
    """With the mask of the same key: another mask would move whole weights."""
    expected = both("products", "float32", heads, size, rate)
    for ours, reference in zip(both("kernel", "float32", heads, size, rate), expected, strict=True):
        np.testing.assert_allclose(ours, reference, rtol=1e-5, atol=3e-6)


def test_the_kernel_in_bfloat16_is_as_near_to_float32_as_the_products() -> None:
    exact = both("products", "float32", 4, 16, 0.1)
    ours, plain = (both(how, "bfloat16", 4, 16, 0.1) for how in ("kernel", "products"))
    for found, reference, value in zip(ours, plain, exact, strict=True):
        far = np.linalg.norm(found - value)
        assert 0 < far < 1.2 * np.linalg.norm(reference - value)


@pytest.mark.parametrize(("heads", "size"), [(3, 64), (6, 32), (10, 32), (4, 64), (12, 16)])
def test_every_head_is_computed_by_the_program_of_a_tpu(monkeypatch, heads, size) -> None:
    """It has several heads, which must divide them: what no program writes is nan here."""
    expected = both("products", "float32", heads, size, 0.0)
    call = pl.pallas_call

    def interpreted(*args, **options):
        return call(*args, **{**options, "compiler_params": None, "interpret": True})

    monkeypatch.setattr(pl, "pallas_call", interpreted)
    monkeypatch.setattr(
        jax.lax, "platform_dependent", lambda *args, tpu, **others: tpu(*args), raising=True
    )
    for ours, reference in zip(both("kernel", "float32", heads, size, 0.0), expected, strict=True):
        np.testing.assert_allclose(ours, reference, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("how", ["products", "kernel"])
def test_no_sequence_reads_another(how: str) -> None:
    """Its output and its part of the gradient are the same whatever its neighbours hold."""
    segments = jnp.asarray(SEGMENTS[:1])
    x = jax.random.normal(jax.random.key(0), (SEGMENTS.shape[1], 3 * 8))
    other = x.at[5:].set(jax.random.normal(jax.random.key(1), (11, 3 * 8)))

    def first(x):
        return attend(x, segments, 2, None, 0.0, how)[:5]

    np.testing.assert_array_equal(first(x), first(other))
    gradient = jax.grad(lambda x: jnp.sum(first(x) ** 2))(x)
    assert np.abs(gradient[:5]).min() > 0
    np.testing.assert_array_equal(gradient[5:], 0.0)
