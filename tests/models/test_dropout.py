"""The mask generator: rate, uniform bits, independence between keys and elements, exactness under
vmap.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxtune.core.shapes import Key
from jaxtune.models.dropout import dropout, random_bits, threshold

SEED = jax.random.key(7)
# Keys as the program makes them: seeds of trials, steps of one trial, layers and sites of one step.
FAMILIES_OF_KEYS: dict[str, Callable[[int], Key]] = {
    "seeds": lambda n: jax.vmap(jax.random.key)(jnp.arange(n)),
    "steps": lambda n: jax.vmap(lambda i: jax.random.fold_in(SEED, i))(jnp.arange(n)),
    "layers": lambda n: jax.random.split(jax.random.split(SEED)[1], (n // 3 + 1, 3)).ravel()[:n],
}
BIG = 5.5  # standard errors: by chance once in 26 million


def masks(keys: Key, shape: tuple[int, ...], rate: float = 0.1) -> np.ndarray:
    """Which elements each key keeps."""
    return np.asarray(jax.vmap(lambda key: dropout(key, jnp.ones(shape), rate))(keys)) > 0


def standardised(kept: np.ndarray, rate: float) -> np.ndarray:
    """Zero mean and unit variance under the exact rate, so that means of products are
    correlations.
    """
    return (kept - np.float32(1 - rate)) / np.float32(np.sqrt(rate * (1 - rate)))


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5, 0.9])
def test_rate_is_within_binomial_error(rate: float) -> None:
    kept = masks(FAMILIES_OF_KEYS["steps"](8), (512, 512), rate)
    error = np.sqrt(rate * (1 - rate) / kept[0].size)
    assert np.abs(kept.mean((1, 2)) - (1 - rate)).max() < BIG * error


def test_a_rate_next_to_1_keeps_next_to_nothing() -> None:
    """No uint32 is below its threshold more often than always."""
    assert int(threshold(0.9999999999)) == 2**32 - 1
    dropped = dropout(SEED, jnp.ones(1000), 0.9999999999)
    assert not dropped.any()


def test_kept_counts_scatter_as_binomial_ones() -> None:
    """Over keys, the number kept is neither too constant nor too variable (chi-square of the
    variance).
    """
    size, rate, n = 4096, 0.1, 2000
    for name, keys in FAMILIES_OF_KEYS.items():
        counts = masks(keys(n), (size,), rate).sum(1)
        ratio = counts.var(ddof=1) / (size * rate * (1 - rate))
        low, high = scipy.stats.chi2.ppf([1e-6, 1 - 1e-6], n - 1) / (n - 1)
        assert low < ratio < high, name


def test_bits_and_bytes_are_uniform() -> None:
    """Every bit is set half the time, pairs of bits are uncorrelated, and all byte values are
    equally frequent.
    """
    bits = np.asarray(random_bits(SEED, (1 << 18,)))
    planes = ((bits[:, None] >> np.arange(32, dtype=np.uint32)) & 1).astype(np.float32) * 2 - 1
    error = 1 / np.sqrt(len(bits))
    assert np.abs(planes.mean(0)).max() < BIG * error
    assert np.abs(planes.T @ planes / len(bits) - np.eye(32)).max() < BIG * error
    for shift in (0, 8, 16, 24):
        counts = np.bincount((bits >> np.uint32(shift)) & 255, minlength=256)
        assert 1e-6 < scipy.stats.chisquare(counts).pvalue < 1 - 1e-6


@pytest.mark.parametrize("name", FAMILIES_OF_KEYS)
def test_masks_of_different_keys_are_uncorrelated(name: str) -> None:
    """All pairs among 200 keys: no pair stands out, and the correlations scatter as chance has
    it.
    """
    size = 16_384
    x = standardised(masks(FAMILIES_OF_KEYS[name](200), (size,)), 0.1)
    pairs = (x @ x.T / size)[np.triu_indices(200, 1)] * np.sqrt(size)
    assert np.abs(pairs).max() < 6  # the largest of 19,900: by chance once in 25,000
    assert pairs.std() == pytest.approx(1, abs=0.04)
    assert abs(pairs.mean()) < 0.05


@pytest.mark.parametrize("name", FAMILIES_OF_KEYS)
def test_masks_are_no_shifts_of_each_other(name: str) -> None:
    """Cross-correlation of neighbouring keys' masks at every cyclic shift (by FFT)."""
    size = 16_384
    x = standardised(masks(FAMILIES_OF_KEYS[name](40), (size,)), 0.1)
    spectrum = np.fft.rfft(x)
    shifted = np.fft.irfft(spectrum[:-1] * spectrum[1:].conj()) / np.sqrt(size)
    assert np.abs(shifted).max() < 6.5  # the largest of 640,000


@pytest.mark.parametrize("word", [0, 1])
def test_both_words_of_a_key_matter(word: int) -> None:
    """Masks of keys that share one word are uncorrelated element by element."""
    words = np.full((50, 2), 12_345, np.uint32)
    words[:, word] = np.arange(50)
    x = standardised(masks(jax.random.wrap_key_data(jnp.asarray(words)), (16_384,)), 0.1)
    assert np.abs((x @ x.T / 128)[np.triu_indices(50, 1)]).max() < BIG


@pytest.mark.parametrize("lag", [(0, 1), (1, 0), (1, 1), (0, 2), (0, 64), (16, 0)])
def test_neighbouring_elements_are_uncorrelated(lag: tuple[int, int]) -> None:
    x = standardised(masks(FAMILIES_OF_KEYS["steps"](4), (512, 768)), 0.1)
    product = x[:, lag[0] :, lag[1] :] * x[:, : 512 - lag[0], : 768 - lag[1]]
    assert abs(product.mean()) * np.sqrt(product.size) < BIG


def test_vmap_over_keys_is_bitwise_one_by_one() -> None:
    """Under vmap and jit, with values batched too, each trial gets the mask and values that it gets
    alone.
    """
    keys = FAMILIES_OF_KEYS["seeds"](5)
    x = jax.random.normal(SEED, (5, 3, 7, 16))
    grouped = jax.jit(jax.vmap(lambda key, x: dropout(key, x, 0.1)))(keys, x)
    for key, part, expected in zip(keys, x, grouped, strict=True):
        np.testing.assert_array_equal(dropout(key, part, 0.1), expected)


@pytest.mark.parametrize("extra", [1, 5])
def test_more_rows_leave_earlier_masks_alone(extra: int) -> None:
    few, more = (np.asarray(random_bits(SEED, (n, 9, 16))) for n in (4, 4 + extra))
    np.testing.assert_array_equal(few, more[:4])
    assert len(np.unique(more)) == more.size  # the mixer is a bijection of the index


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_kept_elements_are_scaled(dtype: str) -> None:
    """The others are x / (1 - rate), rounded to the input's type once: the expectation stays."""
    x = jax.random.normal(SEED, (64, 64)).astype(dtype)
    y = dropout(SEED, x, 0.25)
    assert y.dtype == x.dtype
    kept = np.asarray(y != 0)
    scaled = (x.astype(jnp.float32) * (1 / 0.75)).astype(dtype)
    expected = np.where(kept, np.asarray(scaled), 0)
    np.testing.assert_array_equal(np.asarray(y), expected)
    assert dropout(None, x, 0.25) is x
    assert dropout(SEED, x, 0.0) is x


def test_gradient_uses_the_same_mask() -> None:
    x = jax.random.normal(SEED, (32, 32))
    value, gradient = jax.value_and_grad(lambda x: dropout(SEED, x, 0.3).sum())(x)
    kept = np.asarray(dropout(SEED, jnp.ones_like(x), 0.3))
    np.testing.assert_array_equal(gradient, kept)
    assert float(value) == pytest.approx(float((kept * np.asarray(x)).sum()), rel=1e-5)
