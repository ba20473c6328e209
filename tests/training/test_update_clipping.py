"""Update clipping is StableAdamW's, by tensor and by layer, and counts no column that an adapter's
rank leaves out.
"""

from typing import Any

import hf
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from links_of_adam import B1, B2, EPS, STEPS, tensor

from jaxtune.config.trials import Hyper
from jaxtune.models.names import paths
from jaxtune.training.links import clip_each_update, scale_by_corrections, scale_by_moments_from
from jaxtune.training.optimizer import decay_mask, make_optimizer


def random_tree(seed: int, like: Any) -> Any:
    """Its tensors of very different sizes."""
    random = np.random.default_rng(seed)
    return jax.tree.map(
        lambda p: jnp.asarray(random.normal(size=p.shape) * 10 ** random.uniform(-4, 0), p.dtype),
        like,
    )


def slices(path: str, leaf: Any) -> list[np.ndarray]:
    """A tensor, or the layers of a stacked one."""
    values = np.asarray(leaf, np.float64)
    return list(values) if "/layers/" in path else [values]


def test_update_clipping_is_stable_adamw() -> None:
    """Algorithm 2 of Wortsman et al., with moments whose decay rates grow in place of a correction,
    and decay divided with the step; by tensor and by layer.
    """
    params = hf.load_jax(hf.make_folder("bert"))
    decay, rate, b2 = 0.1, 1e-2, 0.9
    hyper = Hyper(rate, True, B1, b2, EPS, decay, np.inf, 0.0)
    hyper = hyper._replace(correct_eps=True, update_clipping=True)
    tx = make_optimizer(hyper, 10, "constant", links=("correct_eps", "update_clipping"))
    state, update = tx.init(params), jax.jit(tx.update)
    theirs = {path: slices(path, leaf) for path, leaf in paths(params).items()}
    decayed = paths(decay_mask(params))
    moments = {path: [(0.0 * s, 0.0 * s) for s in own] for path, own in theirs.items()}
    clipped, whole = 0, 0
    for t in range(1, 5):
        # Each time larger, so that most tensors have gradients above their moment.
        gradients = jax.tree.map(lambda g, t=t: g * 2.0**t, random_tree(t, params))
        updates, state = update(gradients, state, params)
        params = optax.apply_updates(params, updates)
        b1_t, b2_t = (b * (1 - b ** (t - 1)) / (1 - b**t) for b in (B1, b2))
        for path, leaf in paths(gradients).items():
            for i, g in enumerate(slices(path, leaf)):
                m, v = moments[path][i]
                m, v = b1_t * m + (1 - b1_t) * g, b2_t * v + (1 - b2_t) * g**2
                moments[path][i] = m, v
                rms = np.sqrt(np.mean(g**2 / np.maximum(v, EPS**2)))
                own = rate / max(1.0, rms)
                clipped, whole = clipped + (rms > 1.01), whole + (rms < 0.99)
                pull = decay * theirs[path][i] if decayed[path] else 0.0
                theirs[path][i] = theirs[path][i] - own * (m / (np.sqrt(v) + EPS) + pull)
    assert clipped > 20
    assert whole > 20
    for path, leaf in paths(params).items():
        for ours, expected in zip(slices(path, leaf), theirs[path], strict=True):
            np.testing.assert_allclose(ours, expected, rtol=2e-6, atol=2e-7, err_msg=path)


@pytest.mark.parametrize("corrected", [True, False])
def test_of_steady_gradients_clipping_makes_up_for_the_missing_correction(corrected: bool) -> None:
    """Uncorrected moments give steps that are 1 / sqrt(1-b2^t) too large, which is the RMS."""
    moments = scale_by_moments_from(B1, B2, 1e-12)
    inner = optax.chain(moments, scale_by_corrections(B1, B2, True, corrected))
    tx = clip_each_update(inner, B2, 1e-12, corrected=corrected)
    steady = tensor("head/classifier/bias", np.array([3e-3, -1.0, 20.0]))
    state = tx.init(steady)
    for _ in range(STEPS):
        updates, state = tx.update(steady, state)
        (found,) = jax.tree.leaves(updates)
        np.testing.assert_allclose(found, [1, -1, 1], rtol=2e-6)


def test_columns_beyond_an_adapters_rank_are_not_counted() -> None:
    """Zeros that only trials of a larger rank use, stacked by layer."""
    rank, random = 2, np.random.default_rng(0)
    values = {"a": random.normal(size=(3, 5, rank)), "b": random.normal(size=(3, rank, 7))}
    inner = optax.chain(scale_by_moments_from(B1, B2, EPS), scale_by_corrections(B1, B2))
    tx = clip_each_update(inner, B2, EPS, corrected=False, rank=jnp.asarray(float(rank)))
    for name, axis in (("a", 2), ("b", 1)):
        path = f"encoder/layers/query_lora/{name}/kernel"
        zeros = [(0, 6 if i == axis else 0) for i in range(3)]
        narrow, wide = (tensor(path, x) for x in (values[name], np.pad(values[name], zeros)))
        (one,), (other,) = (jax.tree.leaves(tx.update(g, tx.init(g))[0]) for g in (narrow, wide))
        np.testing.assert_allclose(np.take(other, range(rank), axis), one, rtol=1e-6)
        assert np.abs(one).max() < 0.99, "some of it is clipped"
