"""Protects adapters against peft: logits, every gradient, eight optimiser steps."""

import json
from typing import Any

import hf
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hf import deviation, torch
from safetensors.numpy import save_file
from torch_training import NUM_STEPS, WARMUP_STEPS, adamw_ours, batch_of, batches

from jaxtune.config.settings import SweepConfig
from jaxtune.config.trials import Hyper
from jaxtune.models.adapters import draw_adapters, is_adapter, merged, scaled
from jaxtune.models.families import FAMILIES
from jaxtune.models.names import path_of, paths
from jaxtune.models.parts import join
from jaxtune.models.peft_names import peft_config, to_peft
from jaxtune.training.optimizer import make_optimizer
from jaxtune.training.step import TrialState, apply_gradients, loss_and_gradients
from jaxtune.training.trained_part import in_parts

peft = pytest.importorskip("peft")
RANK, ALPHA = 4, 6.0
SCALE = ALPHA / RANK
STEPS = 8
HYPER = Hyper(5e-4, True, 0.9, 0.999, 1e-6, 0.01, 1.0, 0.1)


def ours(family: str, targets: tuple[str, ...]) -> tuple[Any, Any]:
    """Trained and frozen part, A and B random."""
    config = SweepConfig(lora_rank=RANK, lora_alpha=ALPHA, lora_targets=targets)
    trained, frozen = in_parts(hf.load_jax(hf.make_folder(family)), config, RANK)

    def drawn(key_path: Any, leaf: Any) -> Any:
        path = path_of(key_path)
        random = np.random.default_rng(sum(map(ord, path)))
        new = random.normal(0.0, 0.15, leaf.shape).astype(np.float32)
        return jnp.asarray(new if is_adapter(path) else leaf)

    return jax.tree_util.tree_map_with_path(drawn, trained), jax.tree.map(jnp.asarray, frozen)


def in_peft(family: str, trained: Any, folder: Any, trainable: bool = True) -> Any:
    """The same through a PEFT folder."""
    params = {path: np.asarray(leaf) for path, leaf in paths(trained).items()}
    found = to_peft(params, FAMILIES[family], RANK)
    folder.mkdir(exist_ok=True, parents=True)
    save_file(found.tensors, folder / "adapter_model.safetensors")
    said = peft_config(found, RANK, ALPHA, False, 0.0, None)
    (folder / "adapter_config.json").write_text(json.dumps(said))
    base = hf.load_torch(hf.make_folder(family))
    for name, parameter in base.named_parameters():
        if any(name.startswith(f"{module}.") for module in found.saved):
            torch.nn.init.zeros_(parameter)  # must come from the folder
    return peft.PeftModel.from_pretrained(base, folder, is_trainable=trainable).eval()


def named(model: Any) -> dict[str, Any]:
    """peft's trainable parameters by the names of a folder."""
    return {
        name.replace(".default", "").replace("modules_to_save.", ""): p
        for name, p in model.named_parameters()
        if p.requires_grad
    }


def whole(trained: Any, frozen: Any) -> Any:
    return scaled(join(trained, frozen), SCALE)


@jax.jit
def gradients_of(trained: Any, batch: Any, frozen: Any) -> Any:
    return loss_and_gradients(trained, batch, None, whole=lambda own: whole(own, frozen))


STORM = pytest.mark.storm
QUERY_VALUE, ALL = ("query", "value"), ("all",)
# Every family has adapters; these differ in names, or in parts of modules.
QUICK = (("bert", ALL), ("roberta", QUERY_VALUE), ("distilbert", QUERY_VALUE), ("modernbert", ALL))
CASES = [
    pytest.param(family, targets, marks=() if (family, targets) in QUICK else STORM)
    for family in hf.FAMILIES
    for targets in (QUERY_VALUE, ALL)
]


@pytest.mark.parametrize(("family", "targets"), CASES)
def test_logits_and_gradients_are_pefts(family: str, targets: Any, tmp_path: Any) -> None:
    trained, frozen = ours(family, targets)
    reference = in_peft(family, trained, tmp_path / "peft")
    batch = batches(family)[0]
    outputs = reference(**hf.torch_inputs(batch, family), labels=torch.tensor(batch.labels))
    logits = whole(trained, frozen)(batch_of(batch).rows)
    assert deviation(np.asarray(logits), outputs.logits.detach().numpy()) < 1e-5
    outputs.loss.backward()
    loss, gradients = gradients_of(trained, batch_of(batch), frozen)
    assert float(loss) == pytest.approx(outputs.loss.item(), rel=1e-5)
    own = {path: np.asarray(leaf) for path, leaf in paths(gradients).items()}
    found = to_peft(own, FAMILIES[family], RANK).tensors
    theirs = {name: p.grad.numpy() for name, p in named(reference).items()}
    assert set(found) == set(theirs)
    for name, gradient in theirs.items():
        # Where layers are parts of one module, peft's B has rows that are other layers'.
        own_rows = found[name] != 0 if "Wqkv.lora_B" in name or "Wi.lora_B" in name else True
        assert deviation(found[name], gradient * own_rows) < 1e-5, name


@pytest.mark.parametrize(
    ("family", "corrected"),
    [
        ("bert", False),
        ("roberta", True),
        pytest.param("bert", True, marks=STORM),
        pytest.param("roberta", False, marks=STORM),
        pytest.param("distilbert", True, marks=STORM),
        pytest.param("distilbert", False, marks=STORM),
    ],
)
def test_eight_steps_agree_with_peft(family: str, corrected: bool, tmp_path: Any) -> None:
    """Every loss and every adapter after eight steps of AdamW, with correction on and off; B has
    four times the rate, as LoRA+ has it.
    """
    hyper = HYPER._replace(bias_correction=corrected, lora_b_lr_ratio=4.0)
    trained, frozen = ours(family, ("query", "value"))
    reference = in_peft(family, trained, tmp_path / "peft")
    optimizer = make_optimizer(hyper, NUM_STEPS, adapters=True)
    state = TrialState(trained, optimizer.init(trained))
    moments = {n: (torch.zeros_like(p), torch.zeros_like(p)) for n, p in named(reference).items()}
    update = jax.jit(lambda state, gradients: apply_gradients(state, gradients, optimizer))
    for t, batch in enumerate(batches(family)[:STEPS]):
        loss, gradients = gradients_of(state.model, batch_of(batch), frozen)
        state = update(state, gradients)
        reference.zero_grad()
        labels = torch.tensor(batch.labels)
        expected = reference(**hf.torch_inputs(batch, family), labels=labels).loss
        expected.backward()
        assert float(loss) == pytest.approx(expected.item(), rel=1e-5)
        torch.nn.utils.clip_grad_norm_(named(reference).values(), hyper.max_grad_norm)
        rising, falling = t / WARMUP_STEPS, (NUM_STEPS - t) / (NUM_STEPS - WARMUP_STEPS)
        rate = hyper.learning_rate * min(rising, falling)
        with torch.no_grad():
            for name, p in named(reference).items():
                own_rate = rate * hyper.lora_b_lr_ratio if "lora_B" in name else rate
                decay = 0.0 if name.endswith("bias") else hyper.weight_decay
                adamw_ours(p, *moments[name], t + 1, own_rate, decay, hyper)
    params = {path: np.asarray(leaf) for path, leaf in paths(state.model).items()}
    found = to_peft(params, FAMILIES[family], RANK).tensors
    for name, p in named(reference).items():
        assert deviation(found[name], p.numpy(force=True)) < 1e-5, name
        if "lora" in name:
            before = to_peft(
                {k: np.asarray(v) for k, v in paths(trained).items()}, FAMILIES[family], RANK
            ).tensors[name]
            assert deviation(found[name], before) > 1e-3, name


def test_adapters_are_drawn_as_peft_draws_them() -> None:
    """Uniform within 1/sqrt(in), B zero; a column's draw depends on nothing but its place, and
    columns beyond the rank are zero.
    """
    draws = {}
    for rank, targets in ((4, ("query", "value")), (8, ("all",))):
        config = SweepConfig(lora_rank=rank, lora_targets=targets)
        trained, _ = in_parts(hf.load_jax(hf.make_folder("bert")), config, rank)
        draws[rank] = paths(jax.jit(draw_adapters)(trained, 3.0, jax.random.key(1)))
    drawn = [path for path in draws[4] if is_adapter(path)]
    # One each of query and value, all blocks stacked.
    ends = [path.rpartition("_lora")[2] for path in drawn]
    assert sorted(ends) == ["/a/kernel", "/a/kernel", "/b/kernel", "/b/kernel"]
    for path in drawn:
        few, many = (np.asarray(draws[rank][path]) for rank in (4, 8))
        if path.endswith("/b/kernel"):
            assert not few.any()
            continue
        np.testing.assert_array_equal(few[..., :3], many[..., :3])
        assert not few[..., 3:].any()
        assert not many[..., 3:].any()
        bound = 1 / np.sqrt(few.shape[-2])
        assert 0.9 * bound < np.abs(few).max() <= bound
        assert abs(few[..., :3].std() / (bound / np.sqrt(3)) - 1) < 0.1
        assert len(np.unique(few[..., :3])) > 0.99 * few[..., :3].size


def test_merged_equals_unmerged() -> None:
    trained, frozen = ours("bert", ("all",))
    base = paths(hf.load_jax(hf.make_folder("bert")))
    own = {path: np.asarray(leaf) for path, leaf in paths(trained).items()}
    found = merged({path: np.asarray(leaf) for path, leaf in base.items()} | own, SCALE)
    assert found.keys() == base.keys()
    rows = batch_of(batches("bert")[0]).rows
    plain = hf.load_jax(hf.make_folder("bert"))
    plain = jax.tree_util.tree_map_with_path(lambda key, _: jnp.asarray(found[path_of(key)]), plain)
    assert deviation(np.asarray(plain(rows)), np.asarray(whole(trained, frozen)(rows))) < 1e-5
