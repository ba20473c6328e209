"""Protects adapters that start from singular vectors, against peft's own; the model begins as the
pre-trained one.
"""

from pathlib import Path
from typing import Any

import hf
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hf import deviation, torch
from torch_training import batch_of, batches

from jaxtune.config.settings import SweepConfig
from jaxtune.models.adapters import is_adapter, merged, scaled
from jaxtune.models.families import FAMILIES
from jaxtune.models.names import paths
from jaxtune.models.parts import join
from jaxtune.models.peft_names import to_peft
from jaxtune.models.pissa import beside_the_whole, principal_parts, rests, unscaled
from jaxtune.training.step import loss_and_gradients
from jaxtune.training.trained_part import in_parts

peft = pytest.importorskip("peft")
RANK, ALPHA = 4, 6.0
SCALE = ALPHA / RANK
STORM = pytest.mark.storm


def ours(family: str, targets: tuple[str, ...], folder: Path | None = None) -> tuple[Any, Any]:
    """Trained and frozen part before the first step."""
    config = SweepConfig(lora_rank=RANK, lora_alpha=ALPHA, lora_targets=targets, lora_init="pissa")
    model = jax.device_get(hf.load_jax(folder or hf.make_folder(family)))
    trained, frozen = in_parts(model, config, RANK)
    return unscaled(jax.tree.map(jnp.asarray, trained), SCALE), jax.tree.map(jnp.asarray, frozen)


def own_params(tree: Any) -> dict[str, np.ndarray]:
    return {path: np.asarray(leaf) for path, leaf in paths(tree).items()}


@pytest.mark.parametrize(
    "family",
    [pytest.param(f, marks=() if f in ("bert", "deberta-v2") else STORM) for f in hf.FAMILIES],
)
def test_the_model_begins_as_the_pretrained_one(family: str) -> None:
    trained, frozen = ours(family, ("all",))
    rows, plain = batch_of(batches(family)[0]).rows, hf.load_jax(hf.make_folder(family))
    model = scaled(join(trained, frozen), SCALE)
    assert deviation(np.asarray(model(rows)), np.asarray(plain(rows))) < 1e-5
    assert all(np.abs(x).max() > 0.1 for p, x in own_params(trained).items() if is_adapter(p))


def with_singular_values_apart(model: Any) -> Any:
    for name, parameter in model.named_parameters():
        if name.endswith(("query.weight", "value.weight")):
            u, s, v = torch.linalg.svd(parameter.detach())
            apart = s[0] * 0.7 ** torch.arange(len(s))
            parameter.data = (u * apart) @ v
    return model


@pytest.mark.parametrize("family", ["bert", pytest.param("roberta", marks=STORM)])
def test_start_and_gradients_are_pefts(family: str, tmp_path: Path) -> None:
    """To the signs of singular vectors, which are free. Singular values lie well apart here, as
    those of random matrices do not: peft's vectors are computed in float32.
    """
    base = with_singular_values_apart(hf.load_torch(hf.make_folder(family)))
    base.save_pretrained(tmp_path)
    trained, frozen = ours(family, ("query", "value"), tmp_path)
    saved = ["pooler", "classifier"] if family == "bert" else ["classifier"]
    config = peft.LoraConfig(
        r=RANK,
        lora_alpha=ALPHA,
        target_modules=["query", "value"],
        init_lora_weights="pissa",
        modules_to_save=saved,
    )
    reference = peft.get_peft_model(base, config).eval()
    batch = batches(family)[0]
    outputs = reference(**hf.torch_inputs(batch, family), labels=torch.tensor(batch.labels))
    outputs.loss.backward()
    theirs = {
        name.replace(".default", "").replace("modules_to_save.", ""): p
        for name, p in reference.named_parameters()
    }

    def whole(own: Any) -> Any:
        return scaled(join(own, frozen), SCALE)

    loss, gradients = loss_and_gradients(trained, batch_of(batch), None, whole=whole)
    assert float(loss) == pytest.approx(outputs.loss.item(), rel=1e-5)
    start, found = (
        to_peft(own_params(tree), FAMILIES[family], RANK).tensors for tree in (trained, gradients)
    )
    for name, value in start.items():
        expected, gradient = (x.numpy(force=True) for x in (theirs[name], theirs[name].grad))
        if "lora" in name:
            axis = 1 if "lora_A" in name else 0
            signs = np.sign((value * expected).sum(axis=axis, keepdims=True))
            expected, gradient = expected * signs, gradient * signs
        assert deviation(value, expected) < 1e-5, name
        assert deviation(found[name], gradient) < 1e-5, name
    place = "encoder.layer.{}.attention.self.query.base_layer.weight"
    for layer, kernel in enumerate(own_params(frozen)["encoder/layers/query/kernel"]):
        name = f"base_model.model.{family}.{place.format(layer)}"
        assert deviation(kernel.T, theirs[name].numpy(force=True)) < 1e-5


def test_trained_adapters_lie_beside_the_whole_kernels_at_twice_the_rank() -> None:
    """Merged with what the layer kept, or as a change of the pre-trained model: the same."""
    base = own_params(hf.load_jax(hf.make_folder("bert")))
    start = own_params(ours("bert", ("query", "output"))[0])
    parts = principal_parts(base, start, RANK)
    random = np.random.default_rng(0)
    trained = {
        path: x + random.normal(0, 0.1, x.shape).astype(np.float32) for path, x in start.items()
    }
    one = merged(base | rests(parts) | trained, SCALE)
    change = beside_the_whole(trained, parts, SCALE)
    assert change["encoder/layers/query_lora/a/kernel"].shape[-1] == 2 * RANK
    other = merged(base | change, SCALE)
    for path, kernel in one.items():
        assert deviation(other[path], kernel) < 1e-5, path
        moved = "query/kernel" in path or "layers/output/kernel" in path or "head" in path
        assert (deviation(kernel, base[path]) > 1e-2) == moved, path
