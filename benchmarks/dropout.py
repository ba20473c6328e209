"""What a dropout mask costs: jaxtune's hash against `jax.random.bernoulli` with threefry and with
the device's own generator.

python benchmarks/dropout.py --shape 11 12 128 128
"rbg" is XLA's generator (Philox on GPU, ThreeFry or Philox on CPU); it mixes keys under vmap, so
jaxtune cannot use it.
"""

import argparse
import functools

import jax
import jax.numpy as jnp
from trial_group import milliseconds

from jaxtune.models.dropout import dropout

RATE = 0.1


def bernoulli_dropout(key: jax.Array, x: jax.Array, rate: float) -> jax.Array:
    """The usual form."""
    keep = jax.random.bernoulli(key, 1.0 - rate, x.shape)
    return jnp.where(keep, x / (1.0 - rate), 0.0)


def main() -> None:
    """Prints one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", nargs="+", type=int, default=[11, 12, 128, 128])
    parser.add_argument("--rounds", type=int, default=30)
    given = parser.parse_args()
    x = jnp.ones(given.shape)
    rows = {
        "copy of the array (x * 2)": (lambda key, x, rate: x * 2, "threefry2x32"),
        "jaxtune's hash": (dropout, "threefry2x32"),
        "bernoulli, rbg": (bernoulli_dropout, "rbg"),
        "bernoulli, threefry": (bernoulli_dropout, "threefry2x32"),
    }
    print(f"{x.size:,} elements on {jax.devices()[0].device_kind}\n| mask | ms |\n|---|---|")
    for name, (function, impl) in rows.items():
        compiled = jax.jit(functools.partial(function, rate=RATE))
        run = functools.partial(compiled, jax.random.key(0, impl=impl), x)
        print(f"| {name} | {milliseconds(run, given.rounds):.2f} |", flush=True)


if __name__ == "__main__":
    main()
