"""One value at many points: spread over the devices, in chunks that fit, with a progress line."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from jaxtune.core.console import ProgressLine
from jaxtune.core.devices import bytes_held, is_out_of_memory, memory_limit
from jaxtune.training.hlo import recomputed
from jaxtune.training.program import PER_TRIAL, SHARED, make_mesh
from jaxtune.training.sizes import MEMORY_SHARE, Tried, find_largest, fits_in

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

    def attempt(chunk: int) -> Tried:
        part = np.resize(points, (chunk * mesh.size, *points.shape[1:]))
        try:
            compiled = _compiled(value, mesh, chunk).lower(shared, part).compile()
        except jax.errors.JaxRuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return Tried(chunk, 0, 0, fits=False)
        held, repeated = bytes_held(compiled), recomputed(compiled.as_text() or "")
        return Tried(chunk, held, repeated, fits_in(held, repeated, float(limit or 0)))

    limit = memory_limit()
    most = min(MOST_AT_ONCE, -(-len(points) // mesh.size))
    found = [] if limit is None else find_largest(attempt, most, MEMORY_SHARE * limit)
    chunk = max([each.trials for each in found if each.fits], default=1)
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
