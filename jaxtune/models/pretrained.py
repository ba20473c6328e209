"""Hugging Face folders and hub ids to models, and back; safetensors only, no pickle."""

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxtune.core.errors import UserError
from jaxtune.core.shapes import Key
from jaxtune.data.miniature import MODEL_FOLDER
from jaxtune.models.architecture import ACTIVATIONS, check_architecture, without_type
from jaxtune.models.encoder_config import EncoderConfig
from jaxtune.models.families import FAMILIES
from jaxtune.models.folder import WEIGHTS, config_file, read_json
from jaxtune.models.heads import MaskedLM, SequenceClassifier
from jaxtune.models.names import (
    classifier_modules,
    masked_lm_modules,
    path_of,
    paths,
    tensor_name,
)
from jaxtune.models.weights import Tensors, fill, left_out, of_zeros, read_tensors


def locate(model: str, revision: str | None = None) -> Path:
    """The local folder of a model: itself, the packaged miniature, or a download from the hub.

    Args:
        revision: branch, tag or commit of a model of the hub; None is its main branch.

    Raises UserError where the hub cannot be reached and nothing is cached.
    """
    if model == "miniature" or Path(model).is_dir():
        if revision is not None:
            raise UserError(
                f"revision is {revision!r}, but the model {model!r} is a folder and not of the hub;"
                " leave revision out."
            )
        return MODEL_FOLDER if model == "miniature" else Path(model)
    if Path(model).is_file():
        raise UserError(f"{model} is a file; give the folder that it lies in.")
    if Path(model).is_absolute() or model.startswith(".") or model.count("/") > 1:
        raise UserError(
            f"There is no folder {model}; give a Hugging Face folder (config.json, *.safetensors,"
            " tokenizer) or a hub id."
        )
    name, at, asked = model.partition("@")
    if at:
        raise UserError(
            f"The model {model!r} is no local folder and no hub id; give a revision apart, as"
            f" --model {name} --revision {asked or 'main'}."
        )
    from huggingface_hub import snapshot_download

    # No code and no pickles: neither is read from anywhere.
    patterns = ["*.json", "*.safetensors", "*.txt", "*.model"]
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=patterns))
    except Exception as error:  # connections break in many ways
        page = f"https://huggingface.co/{model}" + (f"/tree/{revision}" if revision else "")
        raise UserError(
            f"The model {model!r} is no local folder and could not be had from the hub"
            f" ({_reason(error, revision)}); download its config.json, *.safetensors and tokenizer"
            f" files from {page} into a folder and give that folder as --model."
        ) from error


def _reason(error: Exception, revision: str | None) -> str:
    from huggingface_hub import constants, errors

    if isinstance(error, errors.HFValidationError):
        return "this is no hub id"
    if constants.HF_HUB_OFFLINE:
        of = f" of revision {revision!r}" if revision else ""
        return f"HF_HUB_OFFLINE is set, and the hub's cache does not hold it{of}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "the hub has no public model of this name"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"the hub has no revision {revision!r} of it"
    if isinstance(error, errors.LocalEntryNotFoundError):
        return "the hub cannot be reached"
    return type(error).__name__


def read_config(folder: Path) -> tuple[EncoderConfig, dict[str, Any]]:
    """The architecture, and the raw config.json for writing the folder back."""
    path = config_file(folder)
    raw = read_json(path)
    name = raw.get("model_type")
    if name is None:
        raise UserError(without_type(path, raw))
    if name not in tuple(FAMILIES):  # the tuple: what JSON holds may be no key
        raise UserError(f"{path} is of model type {name!r}; jaxtune has {', '.join(FAMILIES)}.")
    family = FAMILIES[name]
    check_architecture(path, raw, family)
    values = {field: raw.get(key, family.absent.get(field)) for field, key in family.keys.items()}
    values = dict(family.facts) | values | family.read(path, raw)
    values["activation"] = ACTIVATIONS[values["activation"]]
    if values.get("embedding_size") is None:
        values["embedding_size"] = values["hidden_size"]
    if values.get("classifier_dropout") is None:
        values["classifier_dropout"] = values["hidden_dropout"]
    if values["pad_token_id"] is None:
        values["pad_token_id"] = family.absent["pad_token_id"]
    return EncoderConfig(family=name, **values), raw


def config_json(config: EncoderConfig) -> dict[str, Any]:
    """What `read_config` reads this architecture from."""
    family = FAMILIES[config.family]
    plain = {key: getattr(config, field) for field, key in family.keys.items()}
    return {"model_type": config.family} | plain | family.write(config)


def with_dropout(config: EncoderConfig, rate: float | None) -> EncoderConfig:
    """All three dropout rates set to `rate`; None keeps the checkpoint's own.

    Dropout before the pooler is set too where the checkpoint has a rate for it that is not 0.
    """
    if rate is None:
        return config
    return dataclasses.replace(
        config,
        hidden_dropout=rate,
        attention_dropout=rate,
        classifier_dropout=rate,
        pooler_dropout=rate if config.pooler_dropout else config.pooler_dropout,
    )


class Start(NamedTuple):
    """A classifier before a trial draws its part of it."""

    model: SequenceClassifier
    fresh: tuple[
        str, ...
    ]  # paths of the head's modules without pre-trained weights, for draw_fresh
    notes: tuple[str, ...] = ()  # sentences on how the checkpoint was understood


def load_classifier(folder: Path, config: EncoderConfig, num_labels: int) -> Start:
    """The encoder's weights, and the pooler's if the folder has one, under a new classifier."""
    stored = read_tensors(folder, config)
    head, notes = stored.family.classifier, stored.notes
    fresh, pooler = ("head/classifier",), config.head.pretrained_pooler
    # One that is no pooler is of another task, if it is there.
    if not pooler or not stored.holds(head["head/pooler"]):
        fresh = ("head/pooler", *fresh)
    if pooler and "head/pooler" in fresh:
        notes += ("The checkpoint has no pooler.",)
    modules = [name for path, name in head.items() if path not in fresh]
    notes += (*left_out(stored, modules), *of_zeros(stored))
    skeleton = jax.eval_shape(lambda: SequenceClassifier(config, num_labels, key=jax.random.key(0)))
    return Start(fill(skeleton, stored, classifier_modules(stored.family), fresh), fresh, notes)


def load_masked_lm(folder: Path, config: EncoderConfig) -> MaskedLM:
    """The encoder with its masked-LM head; raises UserError where the folder has none."""
    skeleton = jax.eval_shape(lambda: MaskedLM(config, key=jax.random.key(0)))
    stored = read_tensors(folder, config)
    if stored.untied:
        raise UserError(
            f"The weights in {folder} decode with {stored.untied[0]}, which is not their word"
            " embeddings; give a checkpoint whose masked-LM head is tied to them."
        )
    return fill(skeleton, stored, masked_lm_modules(stored.family), ())


def draw_fresh(model: SequenceClassifier, fresh: tuple[str, ...], key: Key) -> SequenceClassifier:
    """The named modules drawn anew, each from its own key: weights N(0, 0.02), biases 0."""

    def draw(key_path, leaf):
        path = path_of(key_path)
        module, name = path.rsplit("/", 1)
        if module not in fresh:
            return leaf
        if name == "bias":
            return jnp.zeros(leaf.shape, leaf.dtype)
        own_key = jax.random.fold_in(key, ("head/pooler", "head/classifier").index(module))
        return 0.02 * jax.random.normal(own_key, leaf.shape, leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, model)


def to_tensors(model: SequenceClassifier | MaskedLM) -> Tensors:
    """The model's parameters under their Hugging Face names and layouts."""
    family = FAMILIES[model.encoder.config.family]
    of_classifier = isinstance(model, SequenceClassifier)
    modules = classifier_modules(family) if of_classifier else masked_lm_modules(family)
    tensors: Tensors = {}
    for path, leaf in paths(model).items():
        name, array = tensor_name(path, modules), np.asarray(leaf)
        if path.endswith("/kernel"):
            array = np.swapaxes(array, -1, -2)
        if "{layer}" in name:
            tensors |= {name.format(layer=i): np.ascontiguousarray(a) for i, a in enumerate(array)}
        else:
            tensors[name] = np.ascontiguousarray(array)
    return tensors


def write_folder(
    folder: Path, model: SequenceClassifier | MaskedLM, raw_config: dict[str, Any]
) -> None:
    """config.json and model.safetensors as transformers writes them; no tokenizer."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(to_tensors(model), folder / WEIGHTS, metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(raw_config, indent=2) + "\n", encoding="utf-8")


def random_classifier(config: EncoderConfig, num_labels: int) -> Start:
    """The architecture with the same random weights every time: speed and shapes need no others."""
    build = jax.jit(lambda: SequenceClassifier(config, num_labels, key=jax.random.key(0)))
    return Start(build(), ("head/classifier",))


def num_parameters(model: nnx.Module) -> int:
    """Trained values, counted once (ALBERT's shared block once)."""
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(model))
