"""Which Hugging Face tensor holds which parameter, by a family's tables, in both directions.

A parameter's path in our tree is `module/leaf`; the module's Hugging Face name comes from the
tables of `jaxtune.models.families`, and the leaf tells the rest: kernels are stored transposed,
scales and embeddings are called `weight`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax

from jaxtune.models.families import FAMILIES, Family

# Buffers, which are computed anew.
BUFFERS = re.compile(r"(position_ids|token_type_ids)$")
_LEAVES = {"kernel": "weight", "scale": "weight", "embedding": "weight", "bias": "bias"}


def head_modules(family: Family, of_tokens: bool) -> dict[str, str]:
    """Module path of a classifier's head -> Hugging Face module."""
    return dict(family.token_classifier if of_tokens else family.classifier)


def classifier_modules(family: Family, of_tokens: bool = False) -> dict[str, str]:
    """Module path of a SequenceClassifier -> Hugging Face module."""
    return family.encoder_modules | head_modules(family, of_tokens)


def masked_lm_modules(family: Family) -> dict[str, str]:
    """Module path of a MaskedLM -> Hugging Face module."""
    return family.encoder_modules | dict(family.masked_lm)


def wrapping(names: Iterable[str], family: Family) -> str:
    """What a wrapper has put before all names, such as `module.` or `0.auto_model.`; often nothing.

    Nothing too where two encoders lie in the file, or one of another family: which names are meant
    is then not clear.
    """
    anchor = family.anchor
    before = {name.removesuffix(anchor) for name in names if name.endswith(anchor)}
    if len(before) != 1 or before <= {"", family.prefix}:
        return ""
    parts = before.pop().split(".")[:-1]
    if f"{parts[-1]}." == family.prefix:
        parts.pop()
    # ModernBERT's `model.` tells nothing: wrappers are called so, too.
    others = {other.prefix[:-1] for other in FAMILIES.values()} - {family.prefix[:-1], "model"}
    return "" if others & set(parts) else "".join(f"{part}." for part in parts)


def canonical(name: str, family: Family, wrapper: str) -> str:
    """A checkpoint's tensor name without its wrapper and legacy LayerNorm names, with the family's
    prefix.
    """
    name = name.removeprefix(wrapper)
    name = re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", name))
    return family.prefix + name if name.startswith(family.bare_roots) else name


def of_encoder(name: str, family: Family) -> bool:
    """Whether a tensor, by canonical name, is the encoder's, and not a head's or the pooler's."""
    return name.startswith(family.prefix) and not name.startswith(f"{family.prefix}pooler.")


def part_of(name: str, family: Family) -> str:
    """The head that a tensor belongs to, as a reader knows it: `qa_outputs`, `bert.pooler`."""
    parts = name.split(".")
    return ".".join(parts[: 2 if name.startswith(family.prefix) else 1])


def path_of(key_path: tuple[Any, ...]) -> str:
    """`module/leaf` for a leaf of a model tree (the `.value` that NNX adds is dropped)."""
    names = [entry.name for entry in key_path]
    return "/".join(names[:-1] if names[-1] == "value" else names)


def is_stacked(path: str, ndim: int) -> bool:
    """Whether a tensor holds a slice per layer: kernels of 3 axes, biases and scales of 2."""
    return "/layers/" in path and ndim == (3 if path.endswith("kernel") else 2)


def paths(model: Any) -> dict[str, Any]:
    """Every leaf of a model by its path, in tree order."""
    return {path_of(key): leaf for key, leaf in jax.tree_util.tree_leaves_with_path(model)}


def map_by_path(function: Callable[..., Any], model: Any, *others: Any) -> Any:
    """The tree of `function(path, leaf, ...)` of every leaf, with those of other trees alike."""
    return jax.tree_util.tree_map_with_path(
        lambda key_path, *leaves: function(path_of(key_path), *leaves), model, *others
    )


def with_leaves(model: Any, leaves: Mapping[str, Any]) -> Any:
    """The model with the leaves at some paths replaced."""
    return map_by_path(leaves.get, model)


class Place(NamedTuple):
    """Where a parameter is stored: a tensor, or one of its equal parts along the first axis."""

    tensor: str  # `{layer}` stands for the block's number
    part: int = 0
    parts: int = 1

    def tensors(self, num_layers: int, family: Family) -> list[str | None]:
        """The tensor of each block, None where a file has none; of what is no block's a single
        one.
        """
        if "{layer}" not in self.tensor:
            return [self.tensor]
        names = [self.tensor.format(layer=layer) for layer in range(num_layers)]
        lacking = tuple(f"{family.prefix}{module}." for module in family.lacking)
        return [None if lacking and name.startswith(lacking) else name for name in names]


def place_of(path: str, modules: dict[str, str]) -> Place:
    """Where the Hugging Face file holds a parameter, by its path."""
    module, leaf = path.rsplit("/", 1)
    name, *part = re.split(r"\[(\d)/(\d)\]$", modules[module])[:3]
    return Place(f"{name}.{_LEAVES[leaf]}", *map(int, part))
