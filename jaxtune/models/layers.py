"""Dense layers, LayerNorm and gelu, whose backward passes keep their input and nothing else.

Parameters are float32. A product is computed in the type of its input, or of numbers that are
rounded for it alone; what is no product is computed in float32 and rounded once, for bfloat16 has 8
bits: 1 + erf(x) cancels in them, and moments of 1,024 numbers drift.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtune.core.shapes import Array, Float
from jaxtune.models.encoder_config import Activation


@functools.cache
def normal(std: float) -> jax.nn.initializers.Initializer:
    """N(0, std). Cached: two models are one pytree type only if their initialiser is one object."""
    return jax.nn.initializers.normal(std)


def linear(
    init_std: float, size_in: int, size_out: int, rngs: nnx.Rngs, bias: bool = True
) -> nnx.Linear:
    """A dense layer, N(0, init_std) weights and zero bias, as BERT starts them."""
    return nnx.Linear(size_in, size_out, use_bias=bias, kernel_init=normal(init_std), rngs=rngs)


def layer_norm(size: int, epsilon: float, bias: bool, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """A LayerNorm that changes no scale yet."""
    return nnx.LayerNorm(size, epsilon=epsilon, use_bias=bias, rngs=rngs)


def dense(layer: nnx.Linear, x: Float[Array, "... i"]) -> Float[Array, "... o"]:
    """x W + b in the type of x."""
    bias = None if layer.bias is None else jnp.asarray(layer.bias[...])
    return affine(x, jnp.asarray(layer.kernel[...]), bias)


def affine(
    x: Float[Array, "... i"],
    kernel: Float[Array, "i o"],
    bias: Float[Array, " o"] | None,
    rounded: bool = False,
) -> Float[Array, "... o"]:
    """x W + b in the type of x; x W without a bias; the product's sides `rounded` to bfloat16."""
    x = rounded_product(x, kernel) if rounded else product(x, kernel.astype(x.dtype))
    return x if bias is None else x + bias.astype(x.dtype)


@jax.custom_vjp
def rounded_product(x: Float[Array, "... i"], kernel: Float[Array, "i o"]) -> Float[Array, "... o"]:
    """x W of both sides rounded to bfloat16, with sums in float32; and so its derivative by x.

    Its derivative by W is of float32 in full: XLA's CPU products of x^T gain nothing from bfloat16
    (docs/performance.md).
    """
    return _rounded_dot(x, kernel, along=0)


def _rounded_fwd(x: Array, kernel: Array) -> tuple[Array, Any]:
    return rounded_product(x, kernel), (x, kernel)


def _rounded_bwd(kept: Any, g: Array) -> tuple[Array, Array]:
    x, kernel = kept
    tokens = tuple(range(x.ndim - 1))
    by_kernel = jax.lax.dot_general(
        x, g, ((tokens, tokens), ((), ())), precision=jax.lax.Precision.HIGHEST
    )
    return _rounded_dot(g, kernel, along=1), by_kernel.astype(kernel.dtype)


rounded_product.defvjp(_rounded_fwd, _rounded_bwd)


def _rounded_dot(x: Array, kernel: Array, along: int) -> Array:
    """Sums over the last axis of x and axis `along` of the kernel."""
    out = jax.lax.dot_general(
        x.astype(jnp.bfloat16),
        kernel.astype(jnp.bfloat16),
        (((x.ndim - 1,), (along,)), ((), ())),
        preferred_element_type=jnp.float32,
    )
    # XLA may write the result transposed, where that is what is read next, and its CPU library has
    # no such product: the program would end with an error (benchmarks/bfloat16_products.py).
    return jax.lax.optimization_barrier(out)


def product(left: Float[Array, "..."], right: Float[Array, "..."], **how: Any) -> Array:
    """A matrix product; of float32 in full, which an accelerator's default for it is not."""
    # TensorFloat-32 on NVIDIA, one bfloat16 pass on a TPU: neither is what float32 promises.
    full = jax.lax.Precision.HIGHEST if left.dtype == jnp.float32 else None
    return jnp.matmul(left, right, precision=full, **how)


def normalise(layer: nnx.LayerNorm, x: Float[Array, "... h"]) -> Float[Array, "... h"]:
    """LayerNorm with the two-pass variance that torch computes, in the type of x."""
    assert layer.scale is not None
    # Parameters on the host are welcome, too.
    scale = jnp.asarray(layer.scale[...])
    bias = jnp.zeros_like(scale) if layer.bias is None else jnp.asarray(layer.bias[...])
    return _normalise(float(layer.epsilon), x, scale, bias)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _normalise(
    epsilon: float, x: Float[Array, "... h"], scale: Float[Array, " h"], bias: Float[Array, " h"]
) -> Float[Array, "... h"]:
    standard, _ = _standardise(epsilon, x)
    return (standard * scale + bias).astype(x.dtype)


def _normalise_fwd(epsilon: float, x: Array, scale: Array, bias: Array) -> tuple[Array, Any]:
    return _normalise(epsilon, x, scale, bias), (x, scale)


def _normalise_bwd(epsilon: float, kept: Any, g: Array) -> tuple[Array, Array, Array]:
    x, scale = kept
    standard, inverse = _standardise(epsilon, x)
    g = g.astype(jnp.float32)
    # Neither a shift nor a stretch of x changes the output: both are taken out of the gradient.
    inner = g * scale
    along = jnp.mean(inner * standard, axis=-1, keepdims=True)
    dx = inverse * (inner - jnp.mean(inner, axis=-1, keepdims=True) - standard * along)
    axes = tuple(range(x.ndim - 1))
    return dx.astype(x.dtype), jnp.sum(g * standard, axis=axes), jnp.sum(g, axis=axes)


_normalise.defvjp(_normalise_fwd, _normalise_bwd)


def _standardise(epsilon: float, x: Array) -> tuple[Array, Array]:
    """(x - mean) / std and 1 / std of the last axis, in float32."""
    x = x.astype(jnp.float32)
    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    inverse = jax.lax.rsqrt(jnp.mean(centred * centred, axis=-1, keepdims=True) + epsilon)
    return centred * inverse, inverse


def activate(name: Activation, x: Float[Array, "..."]) -> Float[Array, "..."]:
    """An activation function, in the type of x."""
    if name in ("gelu", "gelu_new"):
        return gelu(name == "gelu_new", x)
    if name == "silu":  # in float32 for the reason that gelu is
        exact = x.astype(jnp.float32)
        return (exact * jax.nn.sigmoid(exact)).astype(x.dtype)
    return jnp.tanh(x) if name == "tanh" else jax.nn.relu(x)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def gelu(approximate: bool, x: Float[Array, "..."]) -> Float[Array, "..."]:
    """x Phi(x), by the error function or by the tanh form that ALBERT was trained with."""
    exact = x.astype(jnp.float32)
    return (exact * _cdf(approximate, exact)[0]).astype(x.dtype)


def _gelu_fwd(approximate: bool, x: Array) -> tuple[Array, Array]:
    return gelu(approximate, x), x


def _gelu_bwd(approximate: bool, x: Array, g: Array) -> tuple[Array]:
    exact = x.astype(jnp.float32)
    cdf, density = _cdf(approximate, exact)
    return ((g.astype(jnp.float32) * (cdf + exact * density)).astype(x.dtype),)


gelu.defvjp(_gelu_fwd, _gelu_bwd)


def _cdf(approximate: bool, x: Array) -> tuple[Array, Array]:
    """The normal distribution function, or tanh's approximation to it, and its derivative."""
    if not approximate:
        density = jnp.exp(-0.5 * x * x) * (1.0 / math.sqrt(2.0 * math.pi))
        return 0.5 * (1.0 + jax.lax.erf(x * math.sqrt(0.5))), density
    # Hendrycks and Gimpel (2016): tanh(sqrt(2 / pi) (x + 0.044715 x^3)).
    rate = math.sqrt(2.0 / math.pi)
    bent = jnp.tanh(rate * (x + 0.044715 * x * x * x))
    slope = rate * (1.0 + 3.0 * 0.044715 * x * x)
    return 0.5 * (1.0 + bent), 0.5 * (1.0 - bent * bent) * slope
