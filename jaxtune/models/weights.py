"""Safetensors files to a model's leaves. A pickle is refused: reading one can run code.

What is noticed: a file that is cut, or whose header is damaged; a tensor that is missing,
misshapen, of another kind of number, or not finite. What cannot be: a flipped bit in a tensor's
data that leaves another finite number, for the format has no checksum. The manifest of a sweep
keeps the sha256 of every weight file, so such files can be told apart.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxtune.core.errors import UserError
from jaxtune.core.files import read_text
from jaxtune.models.encoder import EncoderConfig
from jaxtune.models.heads import MaskedLM, SequenceClassifier
from jaxtune.models.names import ALIASES, OTHER_HEADS, canonical, path_of, paths, tensor_name

Tensors = dict[str, np.ndarray]
Model = TypeVar("Model", SequenceClassifier, MaskedLM)
WEIGHTS = "model.safetensors"
MOST_LISTED = 20


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds one object; raises UserError for anything else."""
    text = read_text(path)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        reason = getattr(error, "msg", error)
        raise UserError(f"{path}{line} is no JSON ({reason}); fetch the file again.") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds no JSON object; fetch the file again.")
    return value


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, one or shards; raises UserError where there are none."""
    files = [folder / WEIGHTS]
    index = folder / f"{WEIGHTS}.index.json"
    if index.exists():
        shards = read_json(index).get("weight_map")
        if not isinstance(shards, dict) or not all(isinstance(s, str) for s in shards.values()):
            raise UserError(
                f"{index} has no weight_map from tensors to file names; fetch the file again."
            )
        # The name alone: an index points to nothing outside its folder.
        files = [folder / Path(shard).name for shard in sorted(set(shards.values()))]
    # os.path: pathlib raises for names that are too long to exist.
    if missing := [file.name for file in files if not os.path.isfile(file)]:
        pickles = sorted(p.name for p in folder.glob("*.bin"))
        convert = (
            f"; {pickles[0]} is a pickle, which can run code and is not read: convert it where you"
            " trust it with AutoModel.from_pretrained(folder).save_pretrained(folder,"
            " safe_serialization=True)"
            if pickles
            else "; download it too"
        )
        raise UserError(f"{folder} lacks {', '.join(missing)}{convert}.")
    return files


def read_tensors(folder: Path, config: EncoderConfig) -> Tensors:
    """All tensors of a folder by canonical name, floating-point ones as float32."""
    from safetensors import safe_open

    tensors: Tensors = {}
    for file in weight_files(folder):
        try:
            with safe_open(file, framework="numpy") as opened:
                stored = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        except Exception as error:  # its own error, the system's, or numpy's for a dtype it lacks
            reason = " ".join(str(error).split())
            raise UserError(
                f"{file} is no readable safetensors file ({reason}); fetch it again."
            ) from error
        for name, tensor in stored.items():
            known = canonical(name, config.family)
            if known in tensors:
                raise UserError(f"{file} holds {known} a second time, as {name}; keep one of them.")
            tensors[known] = _as_float32(tensor)
    return {name: tensor for name, tensor in tensors.items() if not ALIASES.search(name)}


def _as_float32(tensor: np.ndarray) -> np.ndarray:
    if not jnp.issubdtype(tensor.dtype, jnp.floating):
        return tensor
    with np.errstate(over="ignore"):  # to an infinity, which _misfit finds
        return tensor.astype(np.float32, copy=False)


class Source(NamedTuple):
    """Where a leaf comes from: a tensor of the file, or one per layer."""

    names: tuple[str, ...]
    shape: tuple[int, ...]  # of each tensor as it is stored
    transposed: bool
    stacked: bool


def fill(
    skeleton: Model,
    tensors: Tensors,
    modules: Mapping[str, str],
    fresh: tuple[str, ...],
    folder: Path,
) -> Model:
    """The skeleton filled from the tensors, zeros in `fresh` modules; one UserError for misfits."""
    layers = skeleton.encoder.config.num_layers
    sources = {
        path: _source(path, leaf.shape, dict(modules), layers)
        for path, leaf in paths(skeleton).items()
        if path.rsplit("/", 1)[0] not in fresh
    }
    _check_fit(sources.values(), tensors, folder)

    def leaf_value(key_path, leaf):
        source = sources.get(path_of(key_path))
        if source is None:
            return jnp.zeros(leaf.shape, leaf.dtype)
        arrays = [tensors[name].T if source.transposed else tensors[name] for name in source.names]
        return jnp.asarray(np.stack(arrays) if source.stacked else arrays[0])

    return jax.tree_util.tree_map_with_path(leaf_value, skeleton)


def _source(path: str, shape: tuple[int, ...], modules: dict[str, str], num_layers: int) -> Source:
    name = tensor_name(path, modules)
    stacked, transposed = "{layer}" in name, path.endswith("/kernel")
    names = [name.format(layer=i) for i in range(num_layers)] if stacked else [name]
    shape = shape[1:] if stacked else shape
    return Source(tuple(names), shape[::-1] if transposed else shape, transposed, stacked)


def _check_fit(sources: Iterable[Source], tensors: Tensors, folder: Path) -> None:
    """Names every missing, misshapen, damaged and extra tensor at once, before memory is taken."""
    wanted = {name: source.shape for source in sources for name in source.names}
    problems = [
        f"{name} {problem}"
        for name, shape in wanted.items()
        if (problem := _misfit(tensors.get(name), shape))
    ]
    problems += [
        f"{name} is not part of the model"
        for name in sorted(set(tensors) - set(wanted))
        if not OTHER_HEADS.match(name)
    ]
    if problems:
        more = len(problems) - MOST_LISTED
        listed = [*problems[:MOST_LISTED], *([f"and {more} more"] if more > 0 else [])]
        raise UserError(f"The weights in {folder} do not fit its config.json: {'; '.join(listed)}.")


def _misfit(tensor: np.ndarray | None, shape: tuple[int, ...]) -> str:
    """What is wrong with a tensor that should have this shape; empty where nothing is."""
    if tensor is None:
        return "is missing"
    if tensor.shape != shape:
        return f"has shape {tensor.shape}, not {shape}"
    if tensor.dtype != np.float32:
        return f"holds {tensor.dtype} values, not floating-point ones"
    if not np.isfinite(tensor).all():
        return f"holds {np.count_nonzero(~np.isfinite(tensor))} values that are not finite"
    return ""
