"""Programs that this process has had lately: a sweep that is tried before it runs, is looked at
several times, or comes again, is traced once.
"""

import functools
from typing import Any

import jax
from jax.sharding import Mesh

from jaxtune.models.heads import SequenceClassifier
from jaxtune.training.program import GroupProgram
from jaxtune.training.static_settings import StaticSettings

MOST_KEPT = 4


def recent_program(
    static: StaticSettings, mesh: Mesh, group_size: int, model: SequenceClassifier
) -> GroupProgram:
    """The program for models of these shapes, the same one again if it was wanted lately."""
    leaves, structure = jax.tree.flatten(model)
    shapes = tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves)
    return _made(static, mesh, group_size, structure, shapes)


@functools.lru_cache(MOST_KEPT)
def _made(
    static: StaticSettings,
    mesh: Mesh,
    group_size: int,
    structure: Any,
    shapes: tuple[jax.ShapeDtypeStruct, ...],
) -> GroupProgram:
    """It holds no data, so that nothing but its code stays on the devices."""
    return GroupProgram(static, mesh, group_size, jax.tree.unflatten(structure, shapes))
