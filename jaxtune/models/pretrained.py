"""Hugging Face folders and hub ids to models, and back. Reads safetensors only: a pickle is refused."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxtune.errors import UserError
from jaxtune.models.encoder import EncoderConfig
from jaxtune.models.heads import MaskedLM, SequenceClassifier
from jaxtune.models.names import (
    ALIASES,
    CLASSIFIER,
    ENCODER,
    MASKED_LM,
    OTHER_HEADS,
    canonical,
    path_of,
    paths,
    tensor_name,
)
from jaxtune.shapes import Key

Tensors = dict[str, np.ndarray]
Model = TypeVar("Model", SequenceClassifier, MaskedLM)
WEIGHTS = "model.safetensors"
_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)
_ACTIVATIONS: dict[str, Literal["gelu", "gelu_new"]] = {
    "gelu": "gelu",
    "gelu_new": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
}


def locate(model: str) -> Path:
    """The local folder of a model: itself, the packaged miniature, or a download from the hub.

    Raises UserError where the hub cannot be reached and nothing is cached.
    """
    if model == "miniature":
        return Path(__file__).parents[1] / "miniature" / "model"
    if Path(model).is_dir():
        return Path(model)
    if Path(model).is_absolute() or model.startswith(".") or model.count("/") > 1:
        raise UserError(
            f"There is no folder {model}; give a Hugging Face folder (config.json, *.safetensors, tokenizer) or a hub id."
        )
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.safetensors", "*.txt", "*.model"]
    try:
        return Path(snapshot_download(model, allow_patterns=patterns))
    except Exception as error:
        raise UserError(
            f"The model {model!r} is no local folder and could not be had from the hub ({type(error).__name__}); download its "
            "config.json, *.safetensors and tokenizer files and give their folder as --model."
        ) from error


def read_config(folder: Path) -> tuple[EncoderConfig, dict[str, Any]]:
    """The architecture, and the raw config.json for writing the folder back."""
    path = folder / "config.json"
    if not path.exists():
        raise UserError(f"{folder} has no config.json; give a Hugging Face model folder.")
    raw = json.loads(path.read_text(encoding="utf-8"))
    family = raw.get("model_type")
    if family not in ENCODER:
        raise UserError(
            f"{path} is of model type {family!r}; jaxtune has bert, roberta and albert."
        )
    if lacking := sorted({*_SIZES, *(["embedding_size"] if family == "albert" else [])} - set(raw)):
        raise UserError(f"{path} lacks {', '.join(lacking)}.")
    activation = raw.get("hidden_act", "gelu_new" if family == "albert" else "gelu")
    if activation not in _ACTIVATIONS:
        raise UserError(
            f"{path} asks for hidden_act {activation!r}; accepted are {', '.join(_ACTIVATIONS)}."
        )
    if raw.get("num_hidden_groups", 1) != 1 or raw.get("inner_group_num", 1) != 1:
        raise UserError(
            f"{path} has several ALBERT layer groups; jaxtune has ALBERT's published form, with one."
        )
    # Absent values are the defaults of transformers' config classes.
    default_dropout = 0.0 if family == "albert" else 0.1
    hidden_dropout = raw.get("hidden_dropout_prob", default_dropout)
    classifier_dropout = raw.get("classifier_dropout")
    if family == "albert":
        classifier_dropout = raw.get("classifier_dropout_prob", 0.1)
    config = EncoderConfig(
        family=family,
        vocab_size=raw["vocab_size"],
        hidden_size=raw["hidden_size"],
        num_layers=raw["num_hidden_layers"],
        num_heads=raw["num_attention_heads"],
        intermediate_size=raw["intermediate_size"],
        max_positions=raw["max_position_embeddings"],
        type_vocab_size=raw["type_vocab_size"],
        embedding_size=raw["embedding_size"] if family == "albert" else raw["hidden_size"],
        activation=_ACTIVATIONS[activation],
        layer_norm_eps=raw.get("layer_norm_eps", 1e-12),
        hidden_dropout=hidden_dropout,
        attention_dropout=raw.get("attention_probs_dropout_prob", default_dropout),
        classifier_dropout=hidden_dropout if classifier_dropout is None else classifier_dropout,
        pad_token_id=raw.get("pad_token_id", 1 if family == "roberta" else 0),
        init_std=raw.get("initializer_range", 0.02),
    )
    return config, raw


def with_dropout(config: EncoderConfig, rate: float | None) -> EncoderConfig:
    """All three dropout rates set to `rate`; None keeps the checkpoint's own."""
    if rate is None:
        return config
    return dataclasses.replace(
        config, hidden_dropout=rate, attention_dropout=rate, classifier_dropout=rate
    )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, single or sharded; raises UserError where there are none."""
    index = folder / f"{WEIGHTS}.index.json"
    if index.exists():
        shards = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        files = [folder / Path(shard).name for shard in sorted(set(shards))]
    else:
        files = [folder / WEIGHTS]
    if missing := [file.name for file in files if not file.exists()]:
        pickles = sorted(p.name for p in folder.glob("*.bin"))
        convert = (
            f"; {pickles[0]} is a pickle, which can run code and is not read: convert it where you trust it with "
            "AutoModel.from_pretrained(folder).save_pretrained(folder, safe_serialization=True)"
            if pickles
            else ""
        )
        raise UserError(f"{folder} lacks {', '.join(missing)}{convert}.")
    return files


def read_tensors(folder: Path, config: EncoderConfig) -> Tensors:
    """All float tensors of a folder by canonical name, as float32."""
    from safetensors import SafetensorError, safe_open

    tensors: Tensors = {}
    for file in weight_files(folder):
        try:
            with safe_open(file, framework="numpy") as opened:
                for name in opened.keys():  # noqa: SIM118 (the handle is no mapping)
                    tensors[canonical(name, config.family)] = opened.get_tensor(name)
        except SafetensorError as error:
            raise UserError(
                f"{file} is no readable safetensors file ({error}); fetch it again."
            ) from error
    return {name: tensor for name, tensor in tensors.items() if not ALIASES.search(name)}


def load_classifier(
    folder: Path, config: EncoderConfig, num_labels: int
) -> tuple[SequenceClassifier, tuple[str, ...]]:
    """The encoder's weights (and the pooler's, where the folder has one) under a new classification head.

    Returns the model and the paths of the head's modules that hold no pre-trained weights: `draw_fresh` fills them.
    """
    tensors = read_tensors(folder, config)
    head = CLASSIFIER[config.family]
    fresh = ("head/classifier",)
    if config.family == "roberta" or f"{head['head/pooler']}.weight" not in tensors:
        fresh = ("head/pooler", "head/classifier")
    skeleton = jax.eval_shape(lambda: SequenceClassifier(config, num_labels, key=jax.random.key(0)))
    return _fill(skeleton, tensors, ENCODER[config.family] | head, fresh, folder), fresh


def load_masked_lm(folder: Path, config: EncoderConfig) -> MaskedLM:
    """The encoder with its pre-trained masked-LM head; raises UserError where the folder has no such head."""
    skeleton = jax.eval_shape(lambda: MaskedLM(config, key=jax.random.key(0)))
    tensors = read_tensors(folder, config)
    return _fill(skeleton, tensors, ENCODER[config.family] | MASKED_LM[config.family], (), folder)


def draw_fresh(model: SequenceClassifier, fresh: tuple[str, ...], key: Key) -> SequenceClassifier:
    """The named modules drawn anew: weights N(0, 0.02), biases 0 (Devlin et al.; PAPER b4), each from its own key."""

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


def _fill(
    skeleton: Model,
    tensors: Tensors,
    modules: Mapping[str, str],
    fresh: tuple[str, ...],
    folder: Path,
) -> Model:
    """The skeleton's leaves from the tensors; every missing, extra and misshapen tensor is listed in one error."""
    layers = skeleton.encoder.config.num_layers
    problems: list[str] = []
    used: set[str] = set()

    def take(name: str, shape: tuple[int, ...], transposed: bool) -> np.ndarray:
        used.add(name)
        stored = shape[::-1] if transposed else shape
        if name not in tensors:
            problems.append(f"{name} is missing")
        elif tensors[name].shape != stored:
            problems.append(f"{name} has shape {tensors[name].shape}, not {stored}")
        else:
            tensor = tensors[name].astype(np.float32)
            return tensor.T if transposed else tensor
        return np.zeros(shape, np.float32)

    def leaf_value(key_path, leaf):
        path = path_of(key_path)
        if path.rsplit("/", 1)[0] in fresh:
            return jnp.zeros(leaf.shape, leaf.dtype)
        name = tensor_name(path, dict(modules))
        transposed = path.endswith("/kernel")
        if "{layer}" not in name:
            return jnp.asarray(take(name, leaf.shape, transposed))
        stack = [take(name.format(layer=i), leaf.shape[1:], transposed) for i in range(layers)]
        return jnp.asarray(np.stack(stack))

    model = jax.tree_util.tree_map_with_path(leaf_value, skeleton)
    problems += [
        f"{name} is not part of the model"
        for name in sorted(set(tensors) - used)
        if not OTHER_HEADS.match(name)
    ]
    if problems:
        raise UserError(
            f"The weights in {folder} do not fit its config.json: {'; '.join(problems)}."
        )
    return model


def to_tensors(model: SequenceClassifier | MaskedLM) -> Tensors:
    """The model's parameters under their Hugging Face names and layouts."""
    config = model.encoder.config
    head = CLASSIFIER if isinstance(model, SequenceClassifier) else MASKED_LM
    modules = ENCODER[config.family] | head[config.family]
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
    """config.json and model.safetensors as transformers writes them (the tokenizer is the caller's)."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(to_tensors(model), folder / WEIGHTS, metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(raw_config, indent=2) + "\n", encoding="utf-8")


def random_classifier(
    config: EncoderConfig, num_labels: int
) -> tuple[SequenceClassifier, tuple[str, ...]]:
    """The architecture with random weights (the same every time), for speed and shape work without a checkpoint."""
    build = jax.jit(lambda: SequenceClassifier(config, num_labels, key=jax.random.key(0)))
    return build(), ("head/classifier",)


def num_parameters(model: nnx.Module) -> int:
    """Trained values, counted once (ALBERT's shared block once)."""
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(model))
