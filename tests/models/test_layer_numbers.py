"""Protects the numbers of gelu, LayerNorm and dense layers: against torch in float32, and in
bfloat16 against float32, in the tails too.
"""

import dataclasses

import hf
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from torch_training import batch_of
from transformers.activations import ACT2FN

from jaxtune.models.architecture import ACTIVATIONS
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.layers import activate, dense, gelu, linear, normalise
from jaxtune.training.step import loss_and_gradients

torch = hf.torch
HALF_ULP = 2.0**-8  # of a bfloat16 number, relative


@pytest.mark.parametrize(("approximate", "name"), [(False, "none"), (True, "tanh")])
def test_gelu_and_its_derivative_are_torchs(approximate: bool, name: str) -> None:
    x = np.linspace(-6, 6, 401, dtype=np.float32)
    theirs = torch.tensor(x, requires_grad=True)
    value = torch.nn.functional.gelu(theirs, approximate=name)
    value.sum().backward()
    ours, slope = jax.vmap(jax.value_and_grad(lambda x: gelu(approximate, x)))(jnp.asarray(x))
    # Where 1 + tanh cancels, in float32 too, a rounding of 1 is 5e-7 of the product with x.
    np.testing.assert_allclose(ours, value.detach().numpy(), rtol=1e-5, atol=4e-6)
    np.testing.assert_allclose(slope, theirs.grad.numpy(), rtol=1e-5, atol=4e-6)


@pytest.mark.parametrize(
    "name", ["gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu", "silu", "swish", "tanh"]
)
def test_activations_and_their_derivatives_are_transformers(name: str) -> None:
    """By their names there; 0 is among the points."""
    x = np.linspace(-6, 6, 401, dtype=np.float32)
    theirs = torch.tensor(x, requires_grad=True)
    value = ACT2FN[name](theirs)
    value.sum().backward()
    own = ACTIVATIONS.get(name, name)
    ours, slope = jax.vmap(jax.value_and_grad(lambda x: activate(own, x)))(jnp.asarray(x))
    np.testing.assert_allclose(ours, value.detach().numpy(), rtol=1e-5, atol=4e-6)
    np.testing.assert_allclose(slope, theirs.grad.numpy(), rtol=1e-5, atol=4e-6)
    half = activate(own, jnp.asarray(x).astype(jnp.bfloat16))
    exact = activate(own, jnp.asarray(x).astype(jnp.bfloat16).astype(jnp.float32))
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(half.astype(jnp.float32), exact, rtol=HALF_ULP, atol=1e-30)


@pytest.mark.parametrize("approximate", [False, True])
def test_bfloat16_gelu_is_the_float32_one_rounded_once(approximate: bool) -> None:
    """In bfloat16 1 + erf(-2.5) is 0: of gelu(-3.5), which is -8.1e-4, nothing was left."""
    x = jnp.linspace(-4, 4, 257).astype(jnp.bfloat16)
    exact = x.astype(jnp.float32)
    both = jax.vmap(jax.value_and_grad(lambda x: gelu(approximate, x)))
    for ours, reference in zip(both(x), both(exact), strict=True):
        assert ours.dtype == jnp.bfloat16
        np.testing.assert_allclose(ours.astype(jnp.float32), reference, rtol=HALF_ULP, atol=1e-30)
    tail = gelu(False, jnp.bfloat16(-3.5))
    assert float(tail) == pytest.approx(-8.14e-4, rel=HALF_ULP)


def random_norm(size: int) -> nnx.LayerNorm:
    layer = nnx.LayerNorm(size, epsilon=1e-12, rngs=nnx.Rngs(0))
    layer.scale[...] = 1 + 0.3 * jax.random.normal(jax.random.key(1), size)
    layer.bias[...] = 0.3 * jax.random.normal(jax.random.key(2), size)
    return layer


def test_layer_norm_and_its_gradients_are_torchs() -> None:
    x = np.random.default_rng(0).normal(3.0, 2.0, (5, 48)).astype(np.float32)
    g = np.random.default_rng(1).normal(size=(5, 48)).astype(np.float32)
    layer = random_norm(48)
    theirs = torch.nn.LayerNorm(48, eps=1e-12)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(np.asarray(layer.scale[...])))
        theirs.bias.copy_(torch.tensor(np.asarray(layer.bias[...])))
    given = torch.tensor(x, requires_grad=True)
    value = theirs(given)
    value.backward(torch.tensor(g))
    ours, back = jax.vjp(normalise, layer, jnp.asarray(x))
    of_layer, of_x = back(jnp.asarray(g))
    for found, reference in (
        (ours, value.detach()),
        (of_x, given.grad),
        (of_layer.scale[...], theirs.weight.grad),
        (of_layer.bias[...], theirs.bias.grad),
    ):
        np.testing.assert_allclose(found, reference.numpy(), rtol=2e-5, atol=2e-6)


def test_bfloat16_layer_norm_has_float32_moments() -> None:
    """A mean of 100 over a std of 1, which bfloat16 moments would lose."""
    x = (100 + jax.random.normal(jax.random.key(0), (4, 512))).astype(jnp.bfloat16)
    layer = random_norm(512)
    ours = normalise(layer, x)
    assert ours.dtype == jnp.bfloat16
    exact = normalise(layer, x.astype(jnp.float32))
    np.testing.assert_allclose(ours.astype(jnp.float32), exact, rtol=HALF_ULP, atol=1e-30)


def test_a_dense_layer_computes_in_the_type_of_its_input() -> None:
    layer = linear(0.5, 16, 8, nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (3, 16))
    assert dense(layer, x.astype(jnp.bfloat16)).dtype == jnp.bfloat16
    expected = np.asarray(x) @ np.asarray(layer.kernel[...]) + np.asarray(layer.bias[...])
    np.testing.assert_allclose(dense(layer, x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", hf.FAMILIES)
def test_float32_products_are_asked_for_in_full(family: str) -> None:
    """Each of a step's: an accelerator's default for float32 has 10 bits, or 8. In bfloat16 only
    the classifier's products are float32.
    """
    model, batch = hf.load_jax(hf.make_folder(family)), batch_of(hf.make_batch(family))
    with jax.default_matmul_precision("default"):
        exact = str(jax.make_jaxpr(loss_and_gradients)(model, batch, None))
        half = str(jax.make_jaxpr(loss_and_gradients)(in_bfloat16(model), batch, None))
    # Look-ups' gradients aside, on a GPU products of bfloat16 on purpose.
    encoder = model.encoder
    tables = ("word", "position", "token_type", *(["distance"] * (encoder.config.relative is None)))
    lookups = 1 + sum(hasattr(encoder, table) for table in tables)
    assert exact.count("dot_general[") - lookups == exact.count("precision=(Precision.HIGHEST") > 20
    # Rows of DeBERTa's table of distances are chosen by a product, and given their gradient by one.
    full = 3 + 2 * (encoder.config.relative is not None)
    assert half.count("dot_general[") > half.count("precision=(Precision.HIGHEST") == full


def in_bfloat16(model: SequenceClassifier) -> SequenceClassifier:
    config = dataclasses.replace(model.encoder.config, dtype="bfloat16")
    new = jax.eval_shape(lambda: SequenceClassifier(config, hf.NUM_LABELS, key=jax.random.key(0)))
    return jax.tree.unflatten(jax.tree.structure(new), jax.tree.leaves(model))
