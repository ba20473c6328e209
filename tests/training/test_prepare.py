"""What a program's plan chooses by default, and keeps on the devices: nothing."""

import gc

import jax
import pytest
from small_groups import plans_for
from tiny import write_tiny_model

from jaxtune.config.settings import SweepConfig
from jaxtune.training.prepare import prepare


@pytest.mark.parametrize(
    ("family", "num_layers", "platform", "given", "in_loop"),
    [
        ("bert", 12, "cpu", {}, False),
        ("bert", 13, "cpu", {}, True),
        ("bert", 2, "cuda", {}, True),
        ("bert", 2, "tpu", {}, True),
        ("bert", 2, "cpu", {"precision": "bfloat16"}, False),
        ("albert", 2, "cpu", {}, True),
        ("bert", 2, "cpu", {"scan_layers": True}, True),
        ("bert", 24, "tpu", {"scan_layers": False}, False),
    ],
)
def test_few_layers_are_written_out_on_cpu(tmp_path, family, num_layers, platform, given, in_loop):
    write_tiny_model(tmp_path, family=family, layers=num_layers)
    config = SweepConfig(model=str(tmp_path), task="miniature", **given)
    assert prepare(config, platform).model.encoder.config.scan_layers is in_loop


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
