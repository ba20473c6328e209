"""One value at many points: spread over the devices, in chunks that fit, with a progress line."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from jaxtune.core.console import ProgressLine
from jaxtune.core.devices import memory_limit
from jaxtune.training.plan import trials_that_fit
from jaxtune.training.program import PER_TRIAL, SHARED, make_mesh

MOST_AT_ONCE = 32
PER_DISPATCH = 4  # chunks of a device between two updates of the line


def over_points(
    value: Callable[[Any, jax.Array], Any], shared: Any, points: np.ndarray, title: str
) -> Any:
    """`value(shared, point)` for every row of `points`, stacked, as host arrays.

    On CPU a device takes one point at a time: vmapping several gains nothing there, and one alone
    rounds as it does anywhere.
    """
    mesh = make_mesh(jax.devices()[: len(points)])
    shared = jax.device_put(shared, NamedSharding(mesh, SHARED))

    def bytes_needed(chunk: int) -> int:
        part = np.resize(points, (chunk * mesh.size, *points.shape[1:]))
        memory: Any = _compiled(value, mesh, chunk).lower(shared, part).compile().memory_analysis()
        return memory.argument_size_in_bytes + memory.temp_size_in_bytes

    limit = memory_limit()
    most = min(MOST_AT_ONCE, -(-len(points) // mesh.size))
    chunk = 1 if limit is None else trials_that_fit(bytes_needed, limit, most)
    run, size = _compiled(value, mesh, chunk), chunk * mesh.size * PER_DISPATCH
    parts = []
    with ProgressLine(title, len(points)) as line:
        for start in range(0, len(points), size):
            part = points[start : start + size]
            # Always of one size, so that it compiles once.
            parts.append(jax.device_get(run(shared, np.resize(part, (size, *points.shape[1:])))))
            line.update(start + len(part), "")
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[: len(points)], *parts)


@functools.cache
def _compiled(value: Callable[[Any, jax.Array], Any], mesh: Mesh, chunk: int) -> jax.stages.Wrapped:
    def locally(shared: Any, points: jax.Array) -> Any:
        at_point = functools.partial(value, shared)
        return jax.lax.map(at_point, points, batch_size=chunk if chunk > 1 else None)

    specs = (SHARED, PER_TRIAL)
    return jax.jit(
        jax.shard_map(locally, mesh=mesh, in_specs=specs, out_specs=PER_TRIAL, check_vma=False)
    )
