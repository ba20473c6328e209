"""Adapters that start from the principal part of the layer beside them (PiSSA, Meng et al., 2024).

Of a kernel W = U S V they get the `rank` largest singular values with their vectors, A = U sqrt(S)
and B = sqrt(S) V, and the frozen layer keeps W - A B: the model begins as the pre-trained one. What
adapters add is multiplied by a trial's scale, so that both start 1 / sqrt(scale) as large: what the
layer keeps depends on the rank alone.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxtune.core.shapes import Float
from jaxtune.models.adapters import SUFFIX, is_adapter
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.names import map_by_path

Params = Mapping[str, np.ndarray]


class Principal(NamedTuple):
    """A kernel in two parts, float32; layers may be stacked in front."""

    a: Float[np.ndarray, "*layer i rank"]
    b: Float[np.ndarray, "*layer rank o"]
    rest: Float[np.ndarray, "*layer i o"]


def principal_parts(params: Params, adapted: Iterable[str], rank: int) -> dict[str, Principal]:
    """Of the kernel beside each adapter, by the adapter's path without its matrix.

    Args:
        params: by path; those of frozen layers among them.
        adapted: paths of which some are adapters'.
    """
    ending = "/a/kernel"
    owners = [path.removesuffix(ending) for path in adapted if path.endswith(SUFFIX + ending)]
    return {own: _split(params[f"{own.removesuffix(SUFFIX)}/kernel"], rank) for own in owners}


def _split(kernel: np.ndarray, rank: int) -> Principal:
    """In float64: an export splits a kernel again, perhaps on another machine, and must come to the
    same rest.
    """
    if kernel.ndim == 3:  # layer by layer, for memory
        layers = zip(*(_split(layer, rank) for layer in kernel), strict=True)
        return Principal(*map(np.stack, layers))
    whole = np.asarray(kernel, np.float64)
    swapped = whole.shape[0] > whole.shape[1]
    side = whole.T if swapped else whole
    # Singular vectors of the shorter side are eigenvectors of W W^T, the last ones the largest: a
    # whole decomposition takes several times as long, and most of it is not wanted.
    u = np.linalg.eigh(side @ side.T)[1][:, : -rank - 1 : -1]
    scaled_v = u.T @ side
    root = np.sqrt(np.linalg.norm(scaled_v, axis=1))
    b = scaled_v / np.maximum(root, 1e-30)[:, None]  # of a kernel of a lower rank, 0
    pair = (b.T, (u * root).T) if swapped else (u * root, b)
    a, b = (each.astype(np.float32) for each in pair)
    rest = whole - a.astype(np.float64) @ b.astype(np.float64)
    return Principal(a, b, rest.astype(np.float32))


def starts(parts: Mapping[str, Principal]) -> dict[str, np.ndarray]:
    """A and B by path, and the kernels beside them with what they keep."""
    found = rests(parts)
    for own, (a, b, _) in parts.items():
        found |= {f"{own}/a/kernel": a, f"{own}/b/kernel": b}
    return found


def rests(parts: Mapping[str, Principal]) -> dict[str, np.ndarray]:
    """The frozen kernels, by path."""
    return {f"{own.removesuffix(SUFFIX)}/kernel": part.rest for own, part in parts.items()}


def unscaled(model: SequenceClassifier, scale: ArrayLike) -> SequenceClassifier:
    """The model whose A and B are 1 / sqrt(scale) (may be traced) as large."""

    # Out of XLA's sight: it rewrites x / sqrt(y) in some programs and not in others, with other
    # bits, and a trial is to start alike alone and among others.
    root = jax.lax.optimization_barrier(jnp.sqrt(scale))
    return map_by_path(lambda path, leaf: leaf / root if is_adapter(path) else leaf, model)


def beside_the_whole(
    trained: Params, parts: Mapping[str, Principal], scale: float
) -> dict[str, np.ndarray]:
    """Trained parameters whose adapters lie beside the whole kernels, at twice the rank: scale (A B
    - A0 B0) for the A0 and B0 that they started from.
    """
    found = dict(trained)
    for own, start in parts.items():
        a, b = (trained[f"{own}/{name}/kernel"] for name in "ab")
        a0, b0 = (np.asarray(each / np.sqrt(scale), np.float32) for each in start[:2])
        found[f"{own}/a/kernel"] = np.concatenate([a, a0], axis=-1)
        found[f"{own}/b/kernel"] = np.concatenate([b, -b0], axis=-2)
    return found
