"""Protects bfloat16 runs, as an accelerator's programs have them and as a CPU's: gradients of
stacked trials as the train program takes them, against float32 and against torch's bfloat16
autocast; and whole groups against float32.
"""

import dataclasses
import functools
import re

import hf
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_groups import STEPS, plan_for
from tiny import write_tiny_model
from torch_training import batch_of

from jaxtune.models.encoder_config import in_precision
from jaxtune.models.pretrained import to_tensors
from jaxtune.training.group_inputs import put_on_devices
from jaxtune.training.group_run import GroupRun
from jaxtune.training.outcome import TrialResult
from jaxtune.training.program import GroupProgram, make_mesh
from jaxtune.training.step import (
    loss_and_gradients,
    loss_and_weight_gradients,
    of_parameters,
)

torch = hf.torch


def configured(model, **changes):
    """The model with another static configuration, which all of its modules hold."""
    config = dataclasses.replace(model.encoder.config, **changes)
    new = jax.eval_shape(lambda: type(model)(config, hf.NUM_LABELS, key=jax.random.key(0)))
    return jax.tree.unflatten(jax.tree.structure(new), jax.tree.leaves(model))


def stacked_gradients(
    family: str, precision: str, remat: str, platform: str
) -> dict[str, np.ndarray]:
    """The first of two stacked trials, by Hugging Face's names."""
    model = hf.load_jax(hf.make_folder(family))
    how = in_precision(model.encoder.config, precision, platform)
    rounded = how.rounded_products
    model = configured(model, dtype=how.dtype, rounded_products=rounded, remat=remat)
    batch = batch_of(hf.make_batch(family))

    def one(model):
        encoder = model.encoder
        carried = how.dtype != "float32" and not how.shared_block
        if not carried:
            return loss_and_gradients(model, batch, None)[1]
        weights = encoder.block_weights()
        return of_parameters(model, *loss_and_weight_gradients(model, weights, batch, None)[1:])

    # The second trial is another one: what is of one trial must not reach the other.
    pair = jax.tree.map(lambda leaf: jnp.stack([leaf, 0.9 * leaf]), model)
    found = jax.jit(jax.vmap(one))(pair)
    return {n: np.asarray(t) for n, t in to_tensors(jax.tree.map(lambda x: x[0], found)).items()}


@functools.cache
def torch_gradients(family: str, autocast: bool) -> dict[str, np.ndarray]:
    model, batch = hf.load_torch(hf.make_folder(family)), hf.make_batch(family)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        inputs = hf.torch_inputs(batch, family)
        loss = model(**inputs, labels=torch.tensor(batch.labels)).loss
    loss.backward()
    return hf.gradients(model)


def distance(tensors, reference, names) -> float:
    """The root mean square of the differences over that of the reference."""
    flat = [np.concatenate([np.ravel(side[n]) for n in names]) for side in (tensors, reference)]
    return float(np.linalg.norm(flat[0] - flat[1]) / np.linalg.norm(flat[1]))


# What is computed again differs between blocks, not between families: one is enough. And these
# four have a block each that is like no other's.
BLOCKS = ("bert", "albert", "modernbert", "deberta-v2")
CASES = [("bert", "none"), ("bert", "block")]
CASES += [
    pytest.param(f, "elementwise", marks=() if f in BLOCKS else pytest.mark.storm)
    for f in hf.FAMILIES
]


@pytest.mark.parametrize(("family", "remat"), CASES)
def test_gradients_are_as_near_to_float32_as_torchs_autocast(family: str, remat: str) -> None:
    """Autocast keeps float32 between its products, we round sums and LayerNorms to bfloat16 there:
    twice the roundings, so at most twice as far (seen: 0.9 to 1.4 times over all, 0.8 to 1.4 in a
    block).
    """
    check_against_autocast(family, remat, "cuda", 2)


CASES = [("bert", "block")]
CASES += [
    pytest.param(f, "none", marks=() if f in BLOCKS else pytest.mark.storm) for f in hf.FAMILIES
]


@pytest.mark.parametrize(("family", "remat"), CASES)
def test_a_cpus_gradients_are_nearer_to_float32_than_torchs_autocast(family, remat) -> None:
    """It rounds what dense layers multiply and nothing else (seen: 0.3 to 0.8 times as far)."""
    check_against_autocast(family, remat, "cpu", 1)


def check_against_autocast(family: str, remat: str, platform: str, times: float) -> None:
    """Over all, and in each block."""
    exact, autocast = torch_gradients(family, False), torch_gradients(family, True)
    ours = stacked_gradients(family, "bfloat16", remat, platform)
    plain = stacked_gradients(family, "float32", remat, platform)
    names = [name for name in exact if not hf.is_key_bias(name)]  # its gradient is 0
    assert distance(plain, exact, names) < 1e-5
    assert 2**-9 < distance(ours, exact, names) < times * distance(autocast, exact, names)
    blocks = {found[0] for name in names if (found := re.search(r"\.layers?\.\d+\.", name))}
    parts = [[n for n in names if block in n] for block in blocks] or [names]
    for part in parts:
        assert distance(ours, exact, part) < times * distance(autocast, exact, part), part[0]


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["cuda", "cpu"])
@pytest.mark.parametrize("family", ["bert", "albert"])
def test_a_stacked_group_in_bfloat16_trains_as_in_float32(family, platform, tmp_path) -> None:
    model = str(write_tiny_model(tmp_path, family=family))
    compare_precisions(model, platform, 2e-4, 0.02)


@pytest.mark.slow
def test_a_deep_stacked_modernbert_in_bfloat16_stays_finite(tmp_path) -> None:
    """Twelve blocks that no norm follows, windows of four tokens in rows with padding, and dropout:
    nothing becomes infinite or NaN.
    """
    model = str(write_tiny_model(tmp_path, family="modernbert", layers=12))
    compare_precisions(model, "cuda", 0.01, 0.04)


def trained(
    model: str, precision: str, platform: str
) -> tuple[list[TrialResult], np.ndarray, np.ndarray]:
    """Results, losses [trial, step] and gradient norms [trial, record, name] of two trials."""
    flags = ("--num_seeds", "2", "--trials_per_device", "2", "--precision", precision)
    plan = plan_for(model, *flags, platform=platform)
    program = GroupProgram(plan.static, make_mesh(jax.devices()[:1]), 2, plan.task.model)
    group = GroupRun(program, plan, put_on_devices(program, plan.task), plan.trials, [])
    return group.run(), group.records.all_losses(), group.records.all_norms()


def compare_precisions(model: str, platform: str, of_losses: float, of_norms: float) -> None:
    """Losses and gradient norms of every layer over the steps: a rounding of 2^-9 a product (seen:
    9e-5 of losses and 0.9% of norms of two blocks, 0.5% and 1.9% of twelve).
    """
    exact, losses, norms = trained(model, "float32", platform)
    half, half_losses, half_norms = trained(model, "bfloat16", platform)
    assert losses.shape == (2, STEPS)
    assert not np.array_equal(half_losses, losses)
    np.testing.assert_allclose(half_losses, losses, rtol=of_losses)
    np.testing.assert_allclose(half_norms, norms, rtol=of_norms)
    for result, other in zip(exact, half, strict=True):
        assert not other.diverged
        np.testing.assert_allclose(other.logits, result.logits, atol=0.02)
