"""Hugging Face folders: read in every published form, written so that transformers reads them, refused with reasons."""

import json
import pickle
import re
import shutil
from pathlib import Path
from typing import Any

import hf
import jax
import numpy as np
import pytest
import scipy.stats
import torch
from hf import BARE, CLASSIFICATION, FAMILIES, MASKED_LM
from safetensors.numpy import load_file, save_file

from jaxtune.errors import UserError
from jaxtune.models.names import paths
from jaxtune.models.pretrained import (
    WEIGHTS,
    draw_fresh,
    load_classifier,
    locate,
    num_parameters,
    random_classifier,
    read_config,
    read_tensors,
    to_tensors,
    with_dropout,
    write_folder,
)

BOTH_HEADS = ("head/pooler", "head/classifier")


def edited(source: Path, folder: Path, edit: Any) -> Path:
    """A copy of a folder whose dict of tensors went through `edit`."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
    tensors = load_file(folder / WEIGHTS)
    save_file(edit(tensors) or tensors, folder / WEIGHTS, metadata={"format": "pt"})
    return folder


def configured(source: Path, folder: Path, **changes: Any) -> Path:
    """A copy of a folder with other values in config.json; None removes a key."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
    raw = json.loads((folder / "config.json").read_text()) | changes
    kept = {key: value for key, value in raw.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(kept))
    return folder


def assert_encoder_is(model: Any, folder: Path) -> None:
    """The model's encoder holds the folder's tensors, bit for bit."""
    stored = read_tensors(folder, read_config(folder)[0])
    ours = {n: t for n, t in to_tensors(model).items() if re.match(r"\w+\.(embeddings|encoder)", n)}
    assert len(ours) > 20
    for name, tensor in ours.items():
        np.testing.assert_array_equal(tensor, stored[name], err_msg=name)


@pytest.mark.parametrize("head", [CLASSIFICATION, MASKED_LM])
@pytest.mark.parametrize("family", FAMILIES)
def test_written_folder_is_the_folder_read(family: str, head: str, tmp_path: Path) -> None:
    """transformers finds no tensor missing or unexpected in it, and computes bitwise equal logits."""
    source = hf.make_folder(family, head)
    write_folder(tmp_path / "new", hf.load_jax(source, head), read_config(source)[1])
    inputs = hf.torch_inputs(hf.make_batch(family), family)
    with torch.no_grad():
        one, two = (hf.load_torch(p, head)(**inputs).logits for p in (source, tmp_path / "new"))
    assert torch.equal(one, two)
    assert set(load_file(source / WEIGHTS)) == set(load_file(tmp_path / "new" / WEIGHTS))


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
    """`gamma` and `beta`, as checkpoints converted from TensorFlow have them, and the buffer they store."""

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


@pytest.mark.parametrize("head", [BARE, MASKED_LM])
@pytest.mark.parametrize("family", FAMILIES)
def test_checkpoints_without_a_classifier(family: str, head: str) -> None:
    """Bare models' names have no prefix and their pooler is BERT's and ALBERT's head; masked-LM ones have none."""
    folder = hf.make_folder(family, head)
    assert any(name.startswith(family) for name in load_file(folder / WEIGHTS)) == (head != BARE)
    model, fresh = load_classifier(folder, read_config(folder)[0], 2)
    assert_encoder_is(model, folder)
    assert fresh == (BOTH_HEADS if family == "roberta" or head == MASKED_LM else BOTH_HEADS[1:])


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


def test_masked_lm_needs_its_head() -> None:
    with pytest.raises(UserError, match=r"cls\.predictions\.bias is missing"):
        hf.load_jax(hf.make_folder("bert"), MASKED_LM)


class Planted:
    """What a malicious checkpoint holds: unpickling it creates a file."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def test_pickle_is_refused_and_never_run(tmp_path: Path) -> None:
    shutil.copy(hf.make_folder("bert") / "config.json", tmp_path)
    content = pickle.dumps(Planted(target := tmp_path / "executed"))
    (tmp_path / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(UserError, match=r"pytorch_model\.bin is a pickle.*save_pretrained"):
        load_classifier(tmp_path, read_config(tmp_path)[0], 2)
    assert not target.exists()
    pickle.loads(content)
    assert target.exists(), "the planted pickle is harmless, so the test proves nothing"


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


def test_truncated_weights(tmp_path: Path) -> None:
    shutil.copytree(hf.make_folder("bert"), tmp_path, dirs_exist_ok=True)
    content = (tmp_path / WEIGHTS).read_bytes()
    for size in (len(content) // 2, 20, 0):
        (tmp_path / WEIGHTS).write_bytes(content[:size])
        with pytest.raises(UserError, match=r"model\.safetensors is no readable safetensors file"):
            hf.load_jax(tmp_path)


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("bert", {"model_type": "gpt2"}, "'gpt2'; jaxtune has bert, roberta and albert"),
        ("bert", {"hidden_act": "relu"}, "'relu'; accepted are gelu"),
        ("albert", {"num_hidden_groups": 2}, "several ALBERT layer groups"),
        ("bert", {"vocab_size": None, "hidden_size": None}, "lacks hidden_size, vocab_size"),
    ],
)
def test_unusable_config_is_refused(
    family: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        read_config(configured(hf.make_folder(family), tmp_path, **changes))
    (tmp_path / "config.json").unlink()
    with pytest.raises(UserError, match=r"no config\.json"):
        read_config(tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
def test_absent_values_have_transformers_defaults(family: str, tmp_path: Path) -> None:
    """An old config.json that leaves out what equals a default means what transformers reads in it."""
    rates = ["hidden_dropout_prob", "attention_probs_dropout_prob"]
    heads = ["classifier_dropout", "classifier_dropout_prob"]
    optional = [*rates, *heads, "pad_token_id", "hidden_act", "layer_norm_eps", "initializer_range"]
    short = configured(hf.make_folder(family), tmp_path / "short", **dict.fromkeys(optional))
    hf.transformers.AutoConfig.from_pretrained(short).save_pretrained(tmp_path / "full")
    assert read_config(short)[0] == read_config(tmp_path / "full")[0]


def test_with_dropout_sets_every_rate() -> None:
    config = read_config(hf.make_folder("albert"))[0]
    rates = ("hidden_dropout", "attention_dropout", "classifier_dropout")
    assert [getattr(with_dropout(config, 0.3), rate) for rate in rates] == [0.3] * 3
    assert with_dropout(config, None) is config


@pytest.mark.parametrize("family", FAMILIES)
def test_fresh_head_is_normal_with_std_002(family: str) -> None:
    """Over 500 keys the fresh weights are N(0, 0.02), all others stay, biases are 0, and no two keys agree."""
    folder = hf.make_folder(family)
    model, fresh = load_classifier(folder, read_config(folder)[0], 4)
    assert fresh == (BOTH_HEADS if family == "roberta" else BOTH_HEADS[1:])
    keys = jax.random.split(jax.random.key(0), 500)
    drawn = jax.jit(jax.vmap(lambda key: draw_fresh(model, fresh, key)))(keys)
    before = paths(model)
    for path, leaf in paths(drawn).items():
        module, name = path.rsplit("/", 1)
        if module not in fresh:
            np.testing.assert_array_equal(leaf[7], before[path], err_msg=path)
        elif name == "bias":
            assert not np.any(leaf), path
        else:
            values = np.asarray(leaf).ravel()
            assert len(np.unique(leaf, axis=0)) == len(keys)
            assert values.std() == pytest.approx(0.02, rel=5 / np.sqrt(2 * len(values)))
            assert scipy.stats.kstest(values / 0.02, "norm").pvalue > 1e-6
    assert np.any(before["head/pooler/kernel"]) == (family != "roberta")


def test_fresh_modules_have_keys_of_their_own() -> None:
    """Which other modules are fresh does not change a module's draw, and no two modules share one."""
    folder, key = hf.make_folder("bert"), jax.random.key(3)
    model, _ = load_classifier(folder, read_config(folder)[0], 32)
    alone, both = (draw_fresh(model, fresh, key).head for fresh in (BOTH_HEADS[1:], BOTH_HEADS))
    np.testing.assert_array_equal(alone.classifier.kernel[...], both.classifier.kernel[...])
    shared = np.corrcoef(np.ravel(both.classifier.kernel), np.ravel(both.pooler.kernel))[0, 1]
    assert abs(shared) < 5 / 32


@pytest.mark.parametrize("family", FAMILIES)
def test_num_parameters_is_torchs(family: str) -> None:
    for head in (CLASSIFICATION, MASKED_LM):
        folder = hf.make_folder(family, head)
        expected = sum(p.numel() for p in hf.load_torch(folder, head).parameters())
        assert num_parameters(hf.load_jax(folder, head)) == expected


def test_random_classifier_has_the_loaded_ones_structure() -> None:
    folder = hf.make_folder("roberta")
    config, _ = read_config(folder)
    (one, _), (two, _) = random_classifier(config, 3), load_classifier(folder, config, 3)
    assert jax.tree.structure(one) == jax.tree.structure(two)
    assert [x.shape for x in jax.tree.leaves(one)] == [x.shape for x in jax.tree.leaves(two)]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("jaxtune-tests/no-such-model", "could not be had from the hub"),
        ("/no/such/folder", "There is no folder"),
        ("./no-such-folder", "There is no folder"),
        ("a/b/c", "There is no folder"),
    ],
)
def test_unknown_model_is_a_user_error(model: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        locate(model)
    assert locate(str(tmp_path)) == tmp_path
