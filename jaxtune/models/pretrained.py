"""Hugging Face folders and hub ids to models, and back; safetensors only, no pickle."""

import dataclasses
import json
import math
import operator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtune.core.errors import UserError
from jaxtune.core.shapes import Key
from jaxtune.data.miniature import MODEL_FOLDER
from jaxtune.models.architecture import ACTIVATIONS, check_architecture, without_type
from jaxtune.models.encoder_config import EncoderConfig, HeadConfig
from jaxtune.models.families import FAMILIES
from jaxtune.models.folder import WEIGHTS, config_file, read_json
from jaxtune.models.heads import MaskedLM, SequenceClassifier, classifier_shapes
from jaxtune.models.names import (
    classifier_modules,
    head_modules,
    map_by_path,
    masked_lm_modules,
    paths,
    place_of,
)
from jaxtune.models.weights import Tensors, fill, left_out, of_zeros, read_tensors

_FLOATS = {f.name for f in dataclasses.fields(EncoderConfig) if f.type in (float, float | None)}


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
    family = FAMILIES[name].as_spelled(raw)
    spelled = raw if family.spelled is None else family.spelled(path, raw)
    check_architecture(path, spelled, family)
    values = {f: spelled.get(key, family.absent.get(f)) for f, key in family.keys.items()}
    values |= {f: ACTIVATIONS[name] for f, name in values.items() if f.endswith("activation")}
    # JSON has 160000 where 160000.0 is meant.
    values |= {f: float(v) for f, v in values.items() if f in _FLOATS and v is not None}
    values = dict(family.facts) | values | family.read(path, raw)
    if values.get("embedding_size") is None:
        values["embedding_size"] = values["hidden_size"]
    if values.get("classifier_dropout") is None:
        values["classifier_dropout"] = values["hidden_dropout"]
    if values["pad_token_id"] is None:
        values["pad_token_id"] = family.absent["pad_token_id"]
    return encoder_config(family=name, **values), raw


def encoder_config(**values: Any) -> EncoderConfig:
    """By its fields, those of the head with `head.` before them."""
    of_head = {f.removeprefix("head."): values.pop(f) for f in [*values] if f.startswith("head.")}
    head = dataclasses.replace(values.pop("head", HeadConfig()), **of_head)
    return EncoderConfig(head=head, **values)


def config_json(config: EncoderConfig) -> dict[str, Any]:
    """What `read_config` reads this architecture from."""
    family = FAMILIES[config.family]
    plain = {key: operator.attrgetter(field)(config) for field, key in family.keys.items()}
    return {"model_type": config.family} | plain | family.write(config)


def with_dropout(config: EncoderConfig, rate: float | None) -> EncoderConfig:
    """All dropout rates set to `rate`; None keeps the checkpoint's own.

    Dropout before the pooler is set too where the checkpoint has a rate for it that is not 0.
    """
    if rate is None:
        return config
    return dataclasses.replace(
        config,
        hidden_dropout=rate,
        attention_dropout=rate,
        classifier_dropout=rate,
        inner_dropout=None if config.inner_dropout is None else rate,
        pooler_dropout=rate if config.pooler_dropout else config.pooler_dropout,
    )


def of_tokens(config: EncoderConfig) -> EncoderConfig:
    """The architecture with a head that gives labels to every token."""
    return dataclasses.replace(config, head=dataclasses.replace(config.head, of_tokens=True))


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
    family, tokens, notes = stored.family, config.head.of_tokens, stored.notes
    head = head_modules(family, tokens)
    fresh, pooler = ("head/classifier",), config.head.pretrained_pooler and config.head.has_dense
    # One that is no pooler is of another task, if it is there.
    if not pooler or not stored.holds(head["head/pooler"]):
        fresh = tuple(head)
    if pooler and "head/pooler" in fresh:
        notes += ("The checkpoint has no pooler.",)
    modules = [name for path, name in head.items() if path not in fresh]
    notes += (*left_out(stored, modules), *of_zeros(stored))
    modules_of = classifier_modules(family, tokens)
    shapes = classifier_shapes(config, num_labels)
    return Start(fill(shapes, stored, modules_of, fresh), fresh, notes)


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
    """The named modules drawn anew, each from its own key: weights N(0, 0.02), biases 0, LayerNorms
    1; a classifier that is drawn by its width as transformers does it.
    """
    by_width = model.encoder.config.head.draw == "by_width"

    def draw(path, leaf):
        module, name = path.rsplit("/", 1)
        if module not in fresh:
            return leaf
        if name in ("bias", "scale"):
            return jnp.full(leaf.shape, float(name == "scale"), leaf.dtype)
        own_key = jax.random.fold_in(key, ("head/pooler", "head/classifier").index(module))
        if by_width and module == "head/classifier":
            drawn = jax.random.truncated_normal(own_key, -2.0, 2.0, leaf.shape, leaf.dtype)
            return drawn / math.sqrt(len(leaf))
        return 0.02 * jax.random.normal(own_key, leaf.shape, leaf.dtype)

    return map_by_path(draw, model)


def to_tensors(model: SequenceClassifier | MaskedLM) -> Tensors:
    """The model's parameters under their Hugging Face names and layouts."""
    family = FAMILIES[model.encoder.config.family]
    of_classifier = isinstance(model, SequenceClassifier)
    modules = masked_lm_modules(family)
    if of_classifier:
        modules = classifier_modules(family, model.encoder.config.head.of_tokens)
    parts: dict[str, dict[int, np.ndarray]] = {}
    for path, leaf in paths(model).items():
        place, array = place_of(path, modules), np.asarray(leaf)
        if path.endswith("/kernel"):
            array = np.swapaxes(array, -1, -2)
        each = array if "{layer}" in place.tensor else array[None]
        for name, part in zip(place.tensors(len(each), family), each, strict=True):
            if name is not None:
                parts.setdefault(name, {})[place.part] = part
    # In the order of its axes: a file is written as an array lies in memory.
    return {
        name: np.ascontiguousarray(np.concatenate([found[i] for i in sorted(found)]))
        for name, found in parts.items()
    }


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


def num_parameters(model: SequenceClassifier | MaskedLM) -> int:
    """Values that are trained, counted once (ALBERT's shared block once)."""
    encoder = model.encoder
    # The first block has a row of them that nothing reads.
    unread = encoder.layers.attention_norm if encoder.config.norms == "before" else None
    every = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(model))
    return every - sum(int(np.prod(leaf.shape[1:])) for leaf in jax.tree.leaves(unread))
