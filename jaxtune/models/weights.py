"""Safetensors files to a model's leaves. A pickle is refused: reading one can run code.

What is noticed: a file that is cut, or whose header is damaged; a tensor that is missing,
misshapen, of another kind of number, or not finite. What cannot be: a flipped bit in a tensor's
data that leaves another finite number, for the format has no checksum. The manifest of a sweep
keeps the sha256 of every weight file, so such files can be told apart.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import jax.numpy as jnp
import numpy as np

from jaxtune.core.errors import UserError
from jaxtune.core.files import check_no_pointer
from jaxtune.core.words import listed, plural, quoted
from jaxtune.models.encoder_config import EncoderConfig
from jaxtune.models.families import FAMILIES, Family
from jaxtune.models.folder import CONFIG, index_not_read, read_json, weight_files
from jaxtune.models.heads import MaskedLM, SequenceClassifier
from jaxtune.models.names import (
    BUFFERS,
    Place,
    canonical,
    map_by_path,
    of_encoder,
    part_of,
    paths,
    place_of,
    wrapping,
)

Tensors = dict[str, np.ndarray]
Model = TypeVar("Model", SequenceClassifier, MaskedLM)
# Those of numpy, and bfloat16. The others, such as F8_E4M3, are of quantised models.
_KINDS = {
    *("BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64"),
    *("F16", "BF16", "F32", "F64", "C64"),
}


class Stored(NamedTuple):
    """What the weight files of a folder hold."""

    folder: Path
    family: Family
    tensors: Tensors  # by canonical name, floating-point ones as float32
    own_names: dict[str, str]  # canonical name -> the file's
    notes: tuple[str, ...]  # sentences on how the files were understood
    untied: tuple[str, ...]  # tensors that differ from those they should be one array with

    def holds(self, module: str) -> bool:
        """Whether there is a tensor of this Hugging Face module."""
        return any(name.startswith(f"{module}.") for name in self.tensors)


def read_tensors(folder: Path, config: EncoderConfig) -> Stored:
    """All tensors of a folder; raises UserError for files that cannot be read or understood."""
    family, files = FAMILIES[config.family], weight_files(folder)
    stored = [(file, name, tensor) for file in files for name, tensor in _read_file(file).items()]
    wrapper = wrapping((name for _, name, _ in stored), family)
    renamed = _other_names(folder, family)
    tensors: Tensors = {}
    own_names: dict[str, str] = {}
    for file, name, tensor in stored:
        known = canonical(name, family, wrapper)
        module, _, leaf = known.rpartition(".")
        known = f"{renamed.get(module, module)}.{leaf}" if module else known
        if known in tensors:
            raise UserError(f"{file} holds {known} a second time, as {name}; keep one of them.")
        if not BUFFERS.search(known):
            tensors[known], own_names[known] = _as_float32(tensor), name
    tied, untied = _through_the_tie(tensors, folder, family)
    unused = _without_positions(tensors, config, family)
    taken_off = f"The names in the weights begin with {wrapper!r}, which is taken off."
    notes = [
        *_code_not_run(folder, family),
        *index_not_read(folder),
        *([taken_off] if wrapper else []),
        *tied,
        *unused,
    ]
    return Stored(folder, family, tensors, own_names, tuple(notes), untied)


def _read_file(file: Path) -> Tensors:
    from safetensors import safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            names = list(opened.keys())
            kinds = {name: opened.get_slice(name).get_dtype() for name in names}
            tensors = {name: opened.get_tensor(name) for name in names if kinds[name] in _KINDS}
    except Exception as error:  # its own error, the system's, or numpy's
        with file.open("rb") as opened:
            check_no_pointer(file, opened.read(100))
        reason = " ".join(str(error).split())
        raise UserError(
            f"{file} is no readable safetensors file ({reason}); fetch it again."
        ) from error
    if unknown := [name for name in names if name not in tensors]:
        raise UserError(
            f"{file} holds numbers of the kind {kinds[unknown[0]]} (in {unknown[0]!r}), as a"
            " quantised model does; give the model before it was quantised, in float32, float16 or"
            " bfloat16."
        )
    return tensors


def _code_not_run(folder: Path, family: Family) -> list[str]:
    """The sentence on a model of the folder's own making, if config.json asks for one."""
    if not read_json(folder / CONFIG).get("auto_map"):
        return []
    return [
        f"{CONFIG} names code of its own (auto_map), which is not run: this is a plain"
        f" {family.model_type}."
    ]


def _other_names(folder: Path, family: Family) -> Mapping[str, str]:
    """What modules are called otherwise in this folder, and their names in the family's tables."""
    key, value = family.other_names_where
    return family.other_names if read_json(folder / CONFIG).get(key) == value else {}


def _without_positions(tensors: Tensors, config: EncoderConfig, family: Family) -> list[str]:
    """Takes out a position table that no position is read from, and says so."""
    name = f"{family.encoder_modules.get('encoder/position')}.weight"
    if config.positions != "none" or tensors.pop(name, None) is None:
        return []
    return [f"{name} is left out of the weights: the model reads no positions in its embeddings."]


def _through_the_tie(
    tensors: Tensors, folder: Path, family: Family
) -> tuple[list[str], tuple[str, ...]]:
    """Takes second names out of `tensors`, and lets them stand in for a first one that is missing.

    Returns what there is to say, and the second names whose tensor is another one.
    """
    tied = read_json(folder / CONFIG).get("tie_word_embeddings", True) is not False
    notes, untied = [], []
    for second, first in family.tied.items():
        tensor = tensors.pop(second, None)
        if tensor is None:
            continue
        if first in tensors:
            if not np.array_equal(tensors[first], tensor):
                untied.append(second)
        elif tied:
            tensors[first] = tensor
            if of_encoder(first, family):
                notes.append(f"{first} is read from {second}, to which the model ties it.")
    return notes, tuple(untied)


def _as_float32(tensor: np.ndarray) -> np.ndarray:
    if not jnp.issubdtype(tensor.dtype, jnp.floating):
        return tensor
    with np.errstate(over="ignore"):  # to an infinity, which _misfit finds
        return tensor.astype(np.float32, copy=False)


class Source(NamedTuple):
    """Where a leaf comes from: a tensor of the file, or one per layer, whole or a part of it."""

    names: tuple[str | None, ...]  # None: there is none, and the leaf's is not read
    shape: tuple[int, ...]  # of each tensor as it is stored
    place: Place
    transposed: bool

    def value(self, name: str | None, tensors: Tensors) -> np.ndarray:
        """The leaf's own part of one of these tensors."""
        if name is None:
            return np.zeros(self.shape, np.float32)
        part = np.split(tensors[name], self.place.parts)[self.place.part]
        return part.T if self.transposed else part


def fill(
    skeleton: Model, stored: Stored, modules: Mapping[str, str], fresh: tuple[str, ...]
) -> Model:
    """The skeleton filled from the tensors, zeros in `fresh` modules; one UserError for misfits."""
    tensors = stored.tensors
    layers = skeleton.encoder.config.num_layers
    sources = {
        path: _source(path, leaf.shape, dict(modules), layers, stored.family)
        for path, leaf in paths(skeleton).items()
        if path.rsplit("/", 1)[0] not in fresh
    }
    _check_fit(sources.values(), stored)

    def leaf_value(path, leaf):
        source = sources.get(path)
        if source is None:
            return jnp.zeros(leaf.shape, leaf.dtype)
        arrays = [source.value(name, tensors) for name in source.names]
        stacked = "{layer}" in source.place.tensor
        return jnp.asarray(np.stack(arrays) if stacked else arrays[0])

    return map_by_path(leaf_value, skeleton)


def _source(
    path: str, shape: tuple[int, ...], modules: dict[str, str], num_layers: int, family: Family
) -> Source:
    place, transposed = place_of(path, modules), path.endswith("/kernel")
    shape = shape[1:] if "{layer}" in place.tensor else shape
    shape = shape[::-1] if transposed else shape
    whole = (shape[0] * place.parts, *shape[1:])
    return Source(tuple(place.tensors(num_layers, family)), whole, place, transposed)


def left_out(stored: Stored, modules: Iterable[str]) -> list[str]:
    """The sentence on heads that are none of these Hugging Face modules, if there are any."""
    kept = tuple(f"{module}." for module in modules)
    parts = {
        part_of(name, stored.family)
        for name in stored.tensors
        if not of_encoder(name, stored.family) and not name.startswith(kept)
    }
    named = listed(sorted(parts))
    return [f"Not of the encoder, and left out of the weights: {named}."] if parts else []


def of_zeros(stored: Stored) -> list[str]:
    """The sentence on matrices of the encoder's blocks that no training has left so, if any."""
    found = sorted(
        name
        for name, tensor in stored.tensors.items()
        if tensor.ndim == 2
        and of_encoder(name, stored.family)
        and not tensor.any()
        # Models without a second text have no types to tell apart.
        and "token_type" not in name
    )
    return [f"Warning: nothing but zeros in the weights {listed(found)}."] if found else []


def _check_fit(sources: Iterable[Source], stored: Stored) -> None:
    """Names every missing, misshapen, damaged and extra tensor at once, before memory is taken.

    Extra is what belongs to the encoder; heads of other tasks are left out.
    """
    tensors = stored.tensors
    wanted = {name: source.shape for source in sources for name in source.names if name}
    problems = [
        f"{name} {problem}"
        for name, shape in wanted.items()
        if (problem := _misfit(tensors.get(name), shape))
    ]
    unknown = sorted(set(tensors) - set(wanted))
    problems += [
        f"{name} is not part of the model" for name in unknown if of_encoder(name, stored.family)
    ]
    if not problems:
        return
    misfits = listed(problems, "; ")
    if len(wanted.keys() & tensors.keys()) < len(wanted) / 2 and unknown:
        # Names of another kind altogether: seen, they tell what the file is.
        names = quoted(stored.own_names.get(name, name) for name in unknown[:5])
        misfits += f"; the file's own names are such as {names}"
    raise UserError(f"The weights in {stored.folder} do not fit its config.json: {misfits}.")


def _misfit(tensor: np.ndarray | None, shape: tuple[int, ...]) -> str:
    """What is wrong with a tensor that should have this shape; empty where nothing is."""
    if tensor is None:
        return "is missing"
    if tensor.shape != shape:
        return f"has shape {tensor.shape}, not {shape}"
    if tensor.dtype != np.float32:
        return f"holds {tensor.dtype} values, not floating-point ones"
    if not np.isfinite(tensor).all():
        bad = int(np.count_nonzero(~np.isfinite(tensor)))
        return f"holds {plural(bad, 'infinite or NaN value')}"
    return ""
