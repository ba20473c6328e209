"""Adapters and a head under the names that peft (Hugging Face's library) reads them by.

There `base_model.model.` stands before the name of a module, and an adapter's matrices lie
transposed, A as [rank, in] and B as [out, rank]. Where our layers are parts of one module, as
ModernBERT's query, key and value are, their adapters are one of the sum of their ranks: A one above
the other, and B with zeros where a row is another layer's.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxtune.models.adapters import SUFFIX, is_adapter
from jaxtune.models.families import Family
from jaxtune.models.names import Place, classifier_modules, head_modules, place_of
from jaxtune.models.weights import Tensors

_BEFORE = "base_model.model."
# peft saves these of every classifier, whatever it is told; a part of one cannot be named beside.
_SAVED_WHOLE = "classifier"


class PeftAdapters(NamedTuple):
    """What a PEFT folder holds of adapters."""

    tensors: Tensors
    modules: dict[str, int]  # module of the base -> how many of our adapters are one there
    targets: tuple[str, ...]  # what tells them from the base's other modules
    saved: tuple[str, ...]  # modules beside them, which are saved whole


def to_peft(
    params: Mapping[str, np.ndarray], family: Family, rank: int, of_tokens: bool = False
) -> PeftAdapters:
    """Trained parameters by path, of adapters of this rank and a head; adapters that are wider lose
    what lies beyond it.
    """
    modules = classifier_modules(family, of_tokens)
    adapted = {p.removesuffix("/a/kernel") for p in params if p.endswith(f"{SUFFIX}/a/kernel")}
    tensors: Tensors = {}
    for path, array in params.items():
        if not is_adapter(path):
            name = place_of(path, modules).tensor
            tensors[_BEFORE + name] = array.T if path.endswith("/kernel") else array
    parts: dict[str, dict[Place, tuple[np.ndarray, np.ndarray]]] = {}
    for path in sorted(adapted):
        place = place_of(f"{path.removesuffix(SUFFIX)}/kernel", modules)
        pair = (params[f"{path}/a/kernel"], params[f"{path}/b/kernel"])
        stacked = "{layer}" in place.tensor
        for layer, (a, b) in enumerate(zip(*pair, strict=True) if stacked else [pair]):
            name = place.tensor.format(layer=layer).removesuffix(".weight")
            parts.setdefault(name, {})[place] = (a[:, :rank].T, b[:rank].T)
    for name, found in parts.items():
        places = sorted(found)
        downs, ups = zip(*(found[place] for place in places), strict=True)
        tensors[f"{_BEFORE}{name}.lora_A.weight"] = np.concatenate(downs)
        tensors[f"{_BEFORE}{name}.lora_B.weight"] = _block_diagonal(ups, places)
    saved = [_whole_head(name) for name in head_modules(family, of_tokens).values()]
    return PeftAdapters(
        {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()},
        {name: len(found) for name, found in parts.items()},
        _targets({path.removesuffix(SUFFIX) for path in adapted}, modules, parts),
        tuple(dict.fromkeys(saved)),
    )


def _whole_head(name: str) -> str:
    return _SAVED_WHOLE if name.startswith(f"{_SAVED_WHOLE}.") else name


def _targets(
    adapted: Iterable[str], modules: Mapping[str, str], names: Iterable[str]
) -> tuple[str, ...]:
    """The last words of the modules' names, or their whole names where another ends so, too."""
    whole = {path: re.sub(r"\[.*", "", name) for path, name in modules.items()}
    own = {whole[path] for path in adapted}
    ends = {name.rpartition(".")[2] for name in own}
    others = {name.rpartition(".")[2] for name in whole.values() if name not in own}
    return tuple(sorted(names if ends & others else ends))


def _block_diagonal(ups: Sequence[np.ndarray], places: Sequence[Place]) -> np.ndarray:
    """B of a module, [out, ranks], from those of its parts."""
    size, rank = ups[0].shape
    whole = np.zeros((places[0].parts * size, rank * len(ups)), ups[0].dtype)
    for number, (up, place) in enumerate(zip(ups, places, strict=True)):
        rows, columns = place.part * size, number * rank
        whole[rows : rows + size, columns : columns + rank] = up
    return whole


def peft_config(
    adapters: PeftAdapters,
    rank: int,
    alpha: float,
    rank_stabilised: bool,
    dropout: float,
    base: str | None,
    of_tokens: bool = False,
) -> dict[str, Any]:
    """What adapter_config.json says of them."""
    wider = {name: count for name, count in adapters.modules.items() if count > 1}
    # The scale of a module of k adapters stays theirs: alpha grows as what it is divided by does.
    power = 0.5 if rank_stabilised else 1.0
    return {
        "peft_type": "LORA",
        "task_type": "TOKEN_CLS" if of_tokens else "SEQ_CLS",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": dropout,
        "use_rslora": rank_stabilised,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": list(adapters.targets),
        "modules_to_save": list(adapters.saved),
        "rank_pattern": {re.escape(name): rank * count for name, count in wider.items()},
        "alpha_pattern": {re.escape(name): alpha * count**power for name, count in wider.items()},
    }
