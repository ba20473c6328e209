"""What a program's plan keeps on the devices: nothing."""

import gc

import jax
import pytest
from small_groups import plans_for


@pytest.mark.slow
def test_prepared_models_lie_on_the_host(tiny):
    """A grid of three programs parks no model on a device."""
    gc.collect()
    before = {id(array) for array in jax.live_arrays()}
    plans = plans_for(tiny, "--grid.batch_size", "4", "8", "16")
    sizes = [leaf.nbytes for plan in plans for leaf in jax.tree.leaves(plan.task.model)]
    assert len(plans) == 3
    gc.collect()
    alive = [array for array in jax.live_arrays() if id(array) not in before]
    assert sum(array.nbytes for array in alive) < sum(sizes) / 3 / 10
    held = [leaf for plan in plans for leaf in jax.tree.leaves(plan.task.model)]
    assert not any(isinstance(leaf, jax.Array) for leaf in held)
