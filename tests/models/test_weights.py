"""Safetensors files in every published form, and what is refused with reasons (the rest is in
test_bad_input.py).
"""

import json
import re
from pathlib import Path
from typing import Any

import hf
import numpy as np
import pytest
import torch
from hf import BARE, MASKED_LM, assert_encoder_is, configured, edited
from safetensors.numpy import load_file

from jaxtune.core.errors import UserError
from jaxtune.models.families import FAMILIES
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


def test_a_matrix_of_zeros_is_said(tmp_path: Path) -> None:
    name = "bert.encoder.layer.1.output.dense.weight"

    def empty(tensors: dict[str, np.ndarray]) -> None:
        tensors[name] = np.zeros_like(tensors[name])

    folder = edited(hf.make_folder("bert"), tmp_path, empty)
    said = f"Warning: nothing but zeros in the weights {name}."
    assert load_classifier(folder, read_config(folder)[0], 2).notes[-1] == said


def test_code_of_its_own_is_said_not_to_be_run(tmp_path: Path) -> None:
    folder = edited(hf.make_folder("bert"), tmp_path, lambda tensors: None)
    config = json.loads((folder / "config.json").read_text())
    own = config | {"auto_map": {"AutoModel": "own.OwnModel"}}
    (folder / "config.json").write_text(json.dumps(own))
    said = "config.json names code of its own (auto_map), which is not run: this is a plain bert."
    assert said in load_classifier(folder, read_config(folder)[0], 2).notes


@pytest.mark.parametrize("parts", [1, 2])
def test_advice_for_pickles_keeps_the_files_own_tensors(tmp_path, monkeypatch, parts) -> None:
    """The code that the refusal names makes a file of the same tensors: a masked-LM checkpoint gets
    no pooler that counts as pre-trained.
    """
    model = hf.make_model("bert", MASKED_LM)
    model.config.save_pretrained(tmp_path)
    tensors = list(model.state_dict().items())
    for part in range(parts):
        name = "pytorch_model.bin" if parts == 1 else f"pytorch_model-{part}.bin"
        torch.save(dict(tensors[part::parts]), tmp_path / name)
    config, _ = read_config(tmp_path)
    with pytest.raises(UserError) as error:
        load_classifier(tmp_path, config, 2)
    advice = re.search(r'in that folder, with python -c "(.*)"\.$', str(error.value))
    assert advice, str(error.value)
    monkeypatch.chdir(tmp_path)
    exec(advice[1], {})
    stored = load_file(tmp_path / WEIGHTS)
    assert set(stored) == {name for name, _ in tensors}
    start = load_classifier(tmp_path, config, 2)
    assert start.fresh == ("head/pooler", "head/classifier")
    assert "The checkpoint has no pooler." in start.notes
    for name, tensor in to_tensors(hf.load_jax(tmp_path, MASKED_LM)).items():
        np.testing.assert_array_equal(tensor, dict(tensors)[name].numpy())


@pytest.mark.parametrize("shards_too", [True, False])
def test_a_whole_file_comes_before_an_index(tmp_path: Path, shards_too: bool) -> None:
    """As in transformers; an index that an older save left beside it is named."""
    hf.make_model("bert", seed=1).save_pretrained(tmp_path, max_shard_size="40KB")
    shards = list(tmp_path.glob("*.safetensors"))
    (tmp_path / WEIGHTS).write_bytes((hf.make_folder("bert") / WEIGHTS).read_bytes())
    if not shards_too:
        for shard in shards:
            shard.unlink()
    start = load_classifier(tmp_path, read_config(tmp_path)[0], 2)
    assert_encoder_is(start.model, hf.make_folder("bert"))
    theirs = hf.load_torch(tmp_path).state_dict()["bert.pooler.dense.weight"]
    np.testing.assert_array_equal(to_tensors(start.model)["bert.pooler.dense.weight"], theirs)
    expected = f"The weights are those of {WEIGHTS}; {WEIGHTS}.index.json beside it is not read."
    assert start.notes[0] == expected


HEADS = [
    ("bert", "QuestionAnswering", "qa_outputs"),
    ("bert", "MultipleChoice", "classifier"),
    ("bert", "TokenClassification", "classifier"),
    ("bert", "PreTraining", "cls"),
    ("bert", "NextSentencePrediction", "cls"),
    ("roberta", "QuestionAnswering", "qa_outputs"),
    ("roberta", "MultipleChoice", "classifier, roberta.pooler"),
    ("albert", "QuestionAnswering", "qa_outputs"),
    ("albert", "PreTraining", "predictions, sop_classifier"),
    ("distilbert", "MaskedLM", "vocab_layer_norm, vocab_projector, vocab_transform"),
    ("distilbert", "SequenceClassification", "classifier, pre_classifier"),
    ("electra", "PreTraining", "discriminator_predictions"),
    ("mpnet", "", "mpnet.pooler"),
    ("camembert", "MaskedLM", "lm_head"),
    ("deberta-v2", "MaskedLM", "cls"),
    ("deberta-v2", "SequenceClassification", "classifier, pooler"),
    ("deberta-v2", "MultipleChoice", "classifier, pooler"),
]


@pytest.mark.parametrize(("family", "head", "named"), HEADS)
def test_heads_of_other_tasks_are_left_out_and_named(family: str, head: str, named: str) -> None:
    folder = hf.make_folder(family, head)
    start = load_classifier(folder, read_config(folder)[0], 2)
    assert_encoder_is(start.model, folder)
    assert start.notes[-1] == f"Not of the encoder, and left out of the weights: {named}."


def test_an_unknown_tensor_of_the_encoder_is_no_head(tmp_path: Path) -> None:
    """Left out it would change what the encoder computes."""
    extra = {"bert.encoder.layer.0.adapter.weight": np.zeros(3, np.float32)}
    folder = edited(hf.make_folder("bert"), tmp_path, lambda tensors: tensors | extra)
    with pytest.raises(UserError, match=r"adapter\.weight is not part of the model\.$"):
        load_classifier(folder, read_config(folder)[0], 2)


WRAPPERS = ["module.", "_orig_mod.", "0.auto_model.", "encoder.", "model.", "module._orig_mod."]
# Every wrapper of three families, and two of each other one.
WRAPPED = [
    pytest.param(wrapper, family, marks=() if family == "bert" else pytest.mark.slow)
    for family in hf.FAMILIES
    for wrapper in [*WRAPPERS, "question_encoder.bert_model."]
    if family in hf.FIRST_FAMILIES or wrapper in ("0.auto_model.", "encoder.")
]


@pytest.mark.parametrize("head", [BARE, "QuestionAnswering"])
@pytest.mark.parametrize(("wrapper", "family"), WRAPPED)
def test_what_a_wrapper_put_before_the_names(tmp_path, wrapper, family, head) -> None:
    """Is taken off and said, and the heads behind it are still known as heads."""
    source = hf.make_folder(family, head, num_labels=2)
    folder = edited(source, tmp_path, lambda t: {wrapper + name: x for name, x in t.items()})
    start, plain = (load_classifier(f, read_config(f)[0], 2) for f in (folder, source))
    assert_encoder_is(start.model, source)
    assert start.fresh == plain.fresh
    said = f"The names in the weights begin with {wrapper!r}, which is taken off."
    assert start.notes == (said, *plain.notes)


def test_a_head_beside_what_a_wrapper_holds(tmp_path: Path) -> None:
    """As sentence-transformers writes it."""
    dense = {"2.linear.weight": np.zeros((3, 32), np.float32)}

    def wrap(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {f"0.auto_model.{name}": x for name, x in tensors.items()} | dense

    folder = edited(hf.make_folder("bert", BARE), tmp_path, wrap)
    start = load_classifier(folder, read_config(folder)[0], 2)
    assert_encoder_is(start.model, hf.make_folder("bert", BARE))
    assert start.notes[-1] == "Not of the encoder, and left out of the weights: 2."


def under_second_name(family: str) -> Any:
    """Keeps of each tied pair what the head calls it."""
    second = {first: second for second, first in FAMILIES[family].tied.items()}

    def rename(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {second.get(name, name): tensor for name, tensor in tensors.items()}

    return rename


@pytest.mark.parametrize("family", hf.FAMILIES)
def test_word_embeddings_are_read_through_the_tie(tmp_path: Path, family: str) -> None:
    """A file may keep either name of the pair, as torch's saving of shared tensors does."""
    source = hf.make_folder(family, MASKED_LM)
    folder = edited(source, tmp_path, under_second_name(family))
    start = load_classifier(folder, read_config(folder)[0], 2)
    assert_encoder_is(start.model, source)
    words = f"{FAMILIES[family].encoder_modules['encoder/word']}.weight"
    decoder = f"{FAMILIES[family].decoder}.weight"
    assert start.notes[0].startswith(f"{words} is read from {decoder},")
    for name, tensor in to_tensors(hf.load_jax(folder, MASKED_LM)).items():
        np.testing.assert_array_equal(tensor, load_file(source / WEIGHTS)[name])


def test_without_a_tie_the_decoder_is_no_embedding(tmp_path: Path) -> None:
    source = configured(
        hf.make_folder("bert", MASKED_LM), tmp_path / "a", tie_word_embeddings=False
    )
    folder = edited(source, tmp_path / "b", under_second_name("bert"))
    with pytest.raises(UserError, match=r"word_embeddings\.weight is missing"):
        load_classifier(folder, read_config(folder)[0], 2)


def test_a_masked_lm_head_with_a_decoder_of_its_own_is_refused(tmp_path: Path) -> None:
    """It would be taken for the word embeddings; a classifier has no use for it."""
    own = {"cls.predictions.decoder.weight": np.zeros((50, 32), np.float32)}
    folder = edited(hf.make_folder("bert", MASKED_LM), tmp_path, lambda tensors: tensors | own)
    load_classifier(folder, read_config(folder)[0], 2)
    with pytest.raises(UserError, match=r"decode with cls\.predictions\.decoder\.weight, which is"):
        hf.load_jax(folder, MASKED_LM)
