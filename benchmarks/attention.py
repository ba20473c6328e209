"""Attention on packed rows, forward and backward: jaxtune's own against
`jax.nn.dot_product_attention`.

python benchmarks/attention.py --rows 11 --slots 128 --heads 16 --head_size 64 --dtype bfloat16
The library's attention knows no dropout; `--dropout 0.1` shows what jaxtune's costs.
"""

import argparse
import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from trial_group import milliseconds

from jaxtune.models.attention import softmax
from jaxtune.models.dropout import dropout


def explicit(rate: float) -> Callable[..., jax.Array]:
    """As in `jaxtune.models.attention`: heads before slots, softmax in float32."""

    def attend(query, key, value, together):
        query, key, value = (x.swapaxes(1, 2) for x in (query, key, value))
        scores = jnp.matmul(query, key.swapaxes(2, 3), preferred_element_type=jnp.float32)
        scores = jnp.where(together, scores / math.sqrt(query.shape[-1]), -1e9)
        weights = softmax(scores).astype(value.dtype)
        weights = dropout(jax.random.key(0), weights, rate)
        return (weights @ value).swapaxes(1, 2)

    return attend


def library(implementation: str) -> Callable[..., jax.Array]:
    """XLA's or cuDNN's attention."""

    def attend(query, key, value, together):
        return jax.nn.dot_product_attention(
            query, key, value, mask=together, implementation=implementation
        )

    return attend


def step_of(attend: Callable[..., jax.Array]) -> Callable[..., tuple[jax.Array, ...]]:
    """The loss's three gradients."""

    def loss(query, key, value, together):
        return attend(query, key, value, together).astype(jnp.float32).sum()

    return jax.jit(jax.grad(loss, argnums=(0, 1, 2)))


def main() -> None:
    """Prints one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=11)
    parser.add_argument("--slots", type=int, default=128)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--head_size", type=int, default=32)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--dropout", type=float, default=0.1)
    given = parser.parse_args()
    shape = (given.rows, given.slots, given.heads, given.head_size)
    query, key, value = jax.random.normal(jax.random.key(0), (3, *shape), given.dtype)
    segments = jnp.broadcast_to(jnp.arange(given.slots) * 2 // given.slots, shape[:2])
    together = segments[:, None, :, None] == segments[:, None, None, :]
    rows = {"explicit": explicit(0.0), "explicit, with dropout": explicit(given.dropout)}
    rows["jax.nn, xla"] = library("xla")
    if jax.default_backend() == "gpu" and given.dtype != "float32":
        rows["jax.nn, cudnn"] = library("cudnn")
    print(f"{shape} {given.dtype} on {jax.devices()[0].device_kind}\n| attention | ms |\n|---|---|")
    for name, attend in rows.items():
        step = functools.partial(step_of(attend), query, key, value, together)
        print(f"| {name} | {milliseconds(step, given.rounds):.2f} |", flush=True)


if __name__ == "__main__":
    main()
