"""Safetensors files in every published form, and what is refused with reasons (the rest is in
test_bad_input.py).
"""

import re
from pathlib import Path
from typing import Any

import hf
import numpy as np
import pytest
import torch
from hf import assert_encoder_is, edited
from safetensors.numpy import load_file

from jaxtune.core.errors import UserError
from jaxtune.models.folder import WEIGHTS
from jaxtune.models.pretrained import load_classifier, read_config, to_tensors


def test_sharded_folder(tmp_path: Path) -> None:
    """Weights over several files with an index are the same weights; a lost shard is named."""
    hf.make_model("bert").save_pretrained(tmp_path, max_shard_size="40KB")
    shards = sorted(tmp_path.glob("*.safetensors"))
    assert len(shards) > 2
    sharded, single = (to_tensors(hf.load_jax(p)) for p in (tmp_path, hf.make_folder("bert")))
    for name, tensor in single.items():
        np.testing.assert_array_equal(sharded[name], tensor)
    shards[1].unlink()
    with pytest.raises(UserError, match=re.escape(shards[1].name)):
        hf.load_jax(tmp_path)


def test_legacy_layer_norm_names(tmp_path: Path) -> None:
    """`gamma` and `beta`, as checkpoints converted from TensorFlow have them, and the buffer they
    store.
    """

    def rename(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        renamed = {
            re.sub(r"LayerNorm\.\w+$", lambda m: old[m[0]], name): tensor
            for name, tensor in tensors.items()
        }
        return renamed | {"bert.embeddings.position_ids": np.arange(12)[None]}

    source = hf.make_folder("bert")
    folder = edited(source, tmp_path, rename)
    assert any(name.endswith("gamma") for name in load_file(folder / WEIGHTS))
    assert_encoder_is(hf.load_jax(folder), source)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_checkpoint_is_read_as_float32(dtype: Any, tmp_path: Path) -> None:
    """Exactly, bfloat16 too, which numpy does not know."""
    hf.make_model("bert").to(dtype).save_pretrained(tmp_path)
    model = hf.load_jax(tmp_path)
    expected = hf.load_torch(tmp_path).state_dict()
    for name, tensor in to_tensors(model).items():
        assert tensor.dtype == np.float32
        np.testing.assert_array_equal(tensor, expected[name].float().numpy())


def test_all_misfits_are_in_one_error(tmp_path: Path) -> None:
    """Missing, extra and misshapen tensors, each by name and with what is wrong."""

    def spoil(tensors: dict[str, np.ndarray]) -> None:
        del tensors["bert.encoder.layer.1.output.dense.weight"]
        del tensors["bert.embeddings.LayerNorm.bias"]
        tensors["bert.encoder.layer.3.output.dense.bias"] = np.zeros(32, np.float32)
        tensors["bert.embeddings.word_embeddings.weight"] = np.zeros((51, 32), np.float32)

    folder = edited(hf.make_folder("bert"), tmp_path, spoil)
    with pytest.raises(UserError) as error:
        load_classifier(folder, read_config(folder)[0], 2)
    for part in (
        "bert.encoder.layer.1.output.dense.weight is missing",
        "bert.embeddings.LayerNorm.bias is missing",
        "bert.encoder.layer.3.output.dense.bias is not part of the model",
        "bert.embeddings.word_embeddings.weight has shape (51, 32), not (50, 32)",
    ):
        assert part in str(error.value)
    assert str(error.value).count(";") == 3


def test_advice_for_pickles_works(tmp_path: Path) -> None:
    """The code that the refusal names turns a .bin folder into one that loads."""
    model = hf.make_model("bert")
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    config, _ = read_config(tmp_path)
    with pytest.raises(UserError) as error:
        load_classifier(tmp_path, config, 2)
    advice = re.search(r"with (AutoModel\S* ?.*\))\.$", str(error.value))
    assert advice, str(error.value)
    eval(advice[1], {"AutoModel": hf.transformers.AutoModel, "folder": tmp_path})
    assert_encoder_is(load_classifier(tmp_path, config, 2)[0], tmp_path)
