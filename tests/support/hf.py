"""Tiny random torch models in Hugging Face folders, and one ragged batch as both sides see it."""

import atexit
import dataclasses
import functools
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jaxtune.models.encoder import Rows
from jaxtune.models.families import FAMILIES as ALL
from jaxtune.models.folder import WEIGHTS
from jaxtune.models.heads import MaskedLM, SequenceClassifier
from jaxtune.models.names import classifier_modules, of_encoder
from jaxtune.models.pretrained import load_masked_lm, read_config, to_tensors
from jaxtune.models.weights import fill, read_tensors

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(1)  # the models are too small to share

# Those that compute something of their own, and RoBERTa by other names.
FIRST_FAMILIES = ("bert", "roberta", "albert")
FAMILIES = (*FIRST_FAMILIES, "distilbert", "electra", "mpnet", "modernbert", "deberta-v2")
NAMESAKES = ("xlm-roberta", "camembert")
# As the published ones have it; a sequence has distances with and without a bucket of their own.
OWN = {
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": "p2c|c2p",
        "position_buckets": 6,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "position_biased_input": False,
    }
}
CLASSIFICATION, MASKED_LM, BARE = "SequenceClassification", "MaskedLM", ""
NUM_LABELS = 3
LENGTHS = (7, 12, 5, 9, 3, 10)
SLOTS = 12
IGNORED = -100  # what torch's cross-entropy leaves out

_ROOT = Path(tempfile.mkdtemp(prefix="jaxtune-hf-"))
atexit.register(shutil.rmtree, _ROOT, ignore_errors=True)


def make_model(family: str, head: str = CLASSIFICATION, seed: int = 0, **changes: Any) -> Any:
    """A torch model whose every parameter is random, biases and LayerNorms too, in evaluation
    mode.
    """
    counted = ALL[family].facts.get("positions") == "counted"
    settings = {
        "vocab_size": 50,
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": SLOTS + 2 * counted,
        "type_vocab_size": ALL[family].types_in_pretraining,
    }
    own = {"embedding_size": 16} if "embedding_size" in ALL[family].keys else {}
    if "window" in ALL[family].keys:
        # Of four blocks the two in the middle see two tokens on each side.
        own |= {"num_hidden_layers": 4, "local_attention": 4, "pad_token_id": padding_id(family)}
    own |= {"num_labels": NUM_LABELS, "attn_implementation": "eager"}
    settings = _in_words_of(family, settings | own | OWN.get(family, {}) | changes)
    config = getattr(transformers, f"{ALL[family].transformers}Config")(**settings)
    suffix = f"For{head}" if head else "Model"
    model = getattr(transformers, ALL[family].transformers + suffix)(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            center = 1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0
            parameter.normal_(center, 0.15, generator=generator)
    return model


def _in_words_of(family: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings by BERT's keys of config.json under the family's, without those that it lacks."""
    keys = ALL[family].keys
    fields = {key: field for field, key in ALL["bert"].keys.items()}
    own = {name: keys.get(fields[name]) if name in fields else name for name in settings}
    return {own[name]: value for name, value in settings.items() if own[name]}


@functools.cache
def make_folder(family: str, head: str = CLASSIFICATION, **changes: Any) -> Path:
    """`make_model` saved once per session; tests must not write into it."""
    folder = Path(tempfile.mkdtemp(prefix=f"{family}-", dir=_ROOT))
    make_model(family, head, **changes).save_pretrained(folder)
    return folder


def load_torch(folder: Path, head: str = CLASSIFICATION) -> Any:
    """The folder's torch model, in evaluation mode; a missing or unexpected tensor is an error."""
    auto = getattr(transformers, f"AutoModelFor{head}" if head else "AutoModel")
    model, info = auto.from_pretrained(
        folder, attn_implementation="eager", output_loading_info=True
    )
    assert not any(info.values()), info
    return model.eval()


def load_jax(folder: Path, head: str = CLASSIFICATION) -> SequenceClassifier | MaskedLM:
    """The folder's model with the head that it stores."""
    config, _ = read_config(folder)
    if head == MASKED_LM:
        return load_masked_lm(folder, config)
    skeleton = jax.eval_shape(lambda: SequenceClassifier(config, NUM_LABELS, key=jax.random.key(0)))
    return fill(skeleton, read_tensors(folder, config), classifier_modules(ALL[config.family]), ())


def with_config(model: Any, **changes: Any) -> Any:
    """The model with another static configuration, which all of its modules hold."""
    config = dataclasses.replace(model.encoder.config, **changes)
    new = jax.eval_shape(lambda: type(model)(config, NUM_LABELS, key=jax.random.key(0)))
    return jax.tree.unflatten(jax.tree.structure(new), jax.tree.leaves(model))


class Batch(NamedTuple):
    """Sequences of several lengths with their labels and the places whose word is to be
    predicted.
    """

    ids: list[np.ndarray]
    types: list[np.ndarray]
    labels: np.ndarray
    masked: list[np.ndarray]


def has_types(family: str) -> bool:
    """Whether a second text has a token type of its own."""
    return ALL[family].types_in_pretraining > 1


def padding_id(family: str) -> int:
    """The word that pads, as the family's models have it by default, where that is one of fifty."""
    default = ALL[family].absent["pad_token_id"]
    return default if default < 50 else 0


def is_key_bias(name: str) -> bool:
    """Whether a tensor is the bias of attention's keys, whose gradient is 0. DeBERTa's keys meet
    the queries of distances too, and their bias has one.
    """
    return re.search(r"\b(key|k|k_lin)\.bias$", name) is not None


def make_batch(family: str, seed: int = 0, lengths: tuple[int, ...] = LENGTHS) -> Batch:
    """Random words that are no padding; a second segment where the family has one."""
    random = np.random.default_rng(seed)
    ids = [random.integers(3, 50, n) for n in lengths]
    types = [(np.arange(n) > n // 2) * has_types(family) for n in lengths]
    masked = [np.sort(random.choice(n, max(1, n // 4), replace=False)) for n in lengths]
    return Batch(ids, types, random.integers(0, NUM_LABELS, len(lengths)), masked)


def torch_inputs(batch: Batch, family: str) -> dict[str, Any]:
    """One sequence per row, padded to the longest, with an attention mask."""
    longest = max(map(len, batch.ids))

    def padded(parts: list[np.ndarray], value: int) -> Any:
        rows = [np.pad(part, (0, longest - len(part)), constant_values=value) for part in parts]
        return torch.tensor(np.stack(rows), dtype=torch.long)

    types = {"token_type_ids": padded(batch.types, 0)} if has_types(family) else {}
    return types | {
        "input_ids": padded(batch.ids, padding_id(family)),
        "attention_mask": padded([np.ones_like(part) for part in batch.ids], 0),
    }


def lm_labels(batch: Batch) -> Any:
    """torch's masked-LM labels: the word itself at the masked places, elsewhere ignored."""
    labels = np.full((len(batch.ids), max(map(len, batch.ids))), IGNORED)
    for i, (ids, places) in enumerate(zip(batch.ids, batch.masked, strict=True)):
        labels[i, places] = ids[places]
    return torch.tensor(labels)


def jax_rows(batch: Batch, layout: list[list[int]] | None = None, slots: int = SLOTS) -> Rows:
    """The sequences laid into rows: `layout` lists each row's sequences, by default one per row."""
    layout = layout or [[i] for i in range(len(batch.ids))]
    table = {name: np.zeros((len(layout), slots), np.int32) for name in Rows._fields[:4]}
    first = np.zeros(len(batch.ids), np.int32)
    for row, members in enumerate(layout):
        start = 0
        for segment, i in enumerate(members, 1):
            place = (row, slice(start, start + len(batch.ids[i])))
            table["token_ids"][place] = batch.ids[i]
            table["token_types"][place] = batch.types[i]
            table["positions"][place] = np.arange(len(batch.ids[i]))
            table["segments"][place] = segment
            first[i] = row * slots + start
            start += len(batch.ids[i])
    return Rows(
        **{name: jnp.asarray(value) for name, value in table.items()}, first=jnp.asarray(first)
    )


def lm_targets(batch: Batch, rows: Rows) -> tuple[jax.Array, jax.Array]:
    """Flat slots of the masked places and the words that belong there."""
    starts = np.asarray(rows.first)
    slots = [start + places for start, places in zip(starts, batch.masked, strict=True)]
    words = [ids[places] for ids, places in zip(batch.ids, batch.masked, strict=True)]
    return tuple(jnp.asarray(np.concatenate(part), jnp.int32) for part in (slots, words))


def gradients(model: Any) -> dict[str, np.ndarray]:
    """A torch model's gradients by name, tied parameters under each of their names."""
    named = model.named_parameters(remove_duplicate=False)
    return {name: p.grad.numpy() for name, p in named if p.grad is not None}


def deviation(ours: np.ndarray, reference: np.ndarray) -> float:
    """The largest difference over the largest reference value."""
    return float(np.abs(ours - reference).max() / np.abs(reference).max())


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
    stored = read_tensors(folder, read_config(folder)[0]).tensors
    family = ALL[model.encoder.config.family]
    ours = {n: t for n, t in to_tensors(model).items() if of_encoder(n, family)}
    assert len(ours) > 20
    for name, tensor in ours.items():
        np.testing.assert_array_equal(tensor, stored[name], err_msg=name)
