"""Which Hugging Face tensor holds which parameter: a table per family, used in both directions.

A parameter's path in our tree is `module/leaf`; the module's Hugging Face name comes from the
tables here, and the leaf tells the rest: kernels are stored transposed, scales and embeddings are
called `weight`.
"""

import re
from collections.abc import Iterable
from typing import Any

import jax

from jaxtune.models.encoder import Family

PREFIX: dict[Family, str] = {"bert": "bert.", "roberta": "roberta.", "albert": "albert."}

_EMBEDDINGS = {
    "encoder/word": "embeddings.word_embeddings",
    "encoder/position": "embeddings.position_embeddings",
    "encoder/token_type": "embeddings.token_type_embeddings",
    "encoder/norm": "embeddings.LayerNorm",
}
_BERT_LAYER = "encoder.layer.{layer}."
_BERT_BLOCK = {
    "encoder/layers/query": _BERT_LAYER + "attention.self.query",
    "encoder/layers/key": _BERT_LAYER + "attention.self.key",
    "encoder/layers/value": _BERT_LAYER + "attention.self.value",
    "encoder/layers/attention_output": _BERT_LAYER + "attention.output.dense",
    "encoder/layers/attention_norm": _BERT_LAYER + "attention.output.LayerNorm",
    "encoder/layers/intermediate": _BERT_LAYER + "intermediate.dense",
    "encoder/layers/output": _BERT_LAYER + "output.dense",
    "encoder/layers/output_norm": _BERT_LAYER + "output.LayerNorm",
}
_ALBERT_LAYER = "encoder.albert_layer_groups.0.albert_layers.0."
_ALBERT_BLOCK = {
    "encoder/projection": "encoder.embedding_hidden_mapping_in",
    "encoder/layers/query": _ALBERT_LAYER + "attention.query",
    "encoder/layers/key": _ALBERT_LAYER + "attention.key",
    "encoder/layers/value": _ALBERT_LAYER + "attention.value",
    "encoder/layers/attention_output": _ALBERT_LAYER + "attention.dense",
    "encoder/layers/attention_norm": _ALBERT_LAYER + "attention.LayerNorm",
    "encoder/layers/intermediate": _ALBERT_LAYER + "ffn",
    "encoder/layers/output": _ALBERT_LAYER + "ffn_output",
    "encoder/layers/output_norm": _ALBERT_LAYER + "full_layer_layer_norm",
}


def _prefixed(prefix: str, names: dict[str, str]) -> dict[str, str]:
    return {path: prefix + name for path, name in names.items()}


# Module path -> Hugging Face module, with the family's prefix where transformers writes one.
ENCODER: dict[Family, dict[str, str]] = {
    "bert": _prefixed("bert.", _EMBEDDINGS | _BERT_BLOCK),
    "roberta": _prefixed("roberta.", _EMBEDDINGS | _BERT_BLOCK),
    "albert": _prefixed("albert.", _EMBEDDINGS | _ALBERT_BLOCK),
}
CLASSIFIER: dict[Family, dict[str, str]] = {
    "bert": {"head/pooler": "bert.pooler.dense", "head/classifier": "classifier"},
    "roberta": {"head/pooler": "classifier.dense", "head/classifier": "classifier.out_proj"},
    "albert": {"head/pooler": "albert.pooler", "head/classifier": "classifier"},
}
MASKED_LM: dict[Family, dict[str, str]] = {
    "bert": {
        "head/dense": "cls.predictions.transform.dense",
        "head/norm": "cls.predictions.transform.LayerNorm",
        "head": "cls.predictions",
    },
    "roberta": {
        "head/dense": "lm_head.dense",
        "head/norm": "lm_head.layer_norm",
        "head": "lm_head",
    },
    "albert": {
        "head/dense": "predictions.dense",
        "head/norm": "predictions.LayerNorm",
        "head": "predictions",
    },
}
# A masked-LM head decodes with the word embeddings: one array under two names, of which a file may
# hold either.
TIED: dict[Family, dict[str, str]] = {
    family: {
        modules["head"] + ".decoder.weight": ENCODER[family]["encoder/word"] + ".weight",
        modules["head"] + ".decoder.bias": modules["head"] + ".bias",
    }
    for family, modules in MASKED_LM.items()
}
# Buffers, which are computed anew.
BUFFERS = re.compile(r"(position_ids|token_type_ids)$")
# In every file of an encoder once: what stands before it stands before all names.
_ANCHOR = "embeddings.position_embeddings.weight"
_LEAVES = {"kernel": "weight", "scale": "weight", "embedding": "weight", "bias": "bias"}


def wrapping(names: Iterable[str], family: Family) -> str:
    """What a wrapper has put before all names, such as `module.` or `0.auto_model.`; often nothing.

    Nothing too where two encoders lie in the file, or one of another family: which names are meant
    is then not clear.
    """
    before = {name.removesuffix(_ANCHOR) for name in names if name.endswith(_ANCHOR)}
    if len(before) != 1 or before <= {"", PREFIX[family]}:
        return ""
    parts = before.pop().split(".")[:-1]
    if parts[-1] == family:
        parts.pop()
    others = set(PREFIX) - {family}
    return "" if others & set(parts) else "".join(f"{part}." for part in parts)


def canonical(name: str, family: Family, wrapper: str = "") -> str:
    """A checkpoint's tensor name without its wrapper and legacy LayerNorm names, with the family's
    prefix.
    """
    name = name.removeprefix(wrapper)
    name = re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", name))
    bare = name.startswith(("embeddings.", "encoder.", "pooler."))
    return PREFIX[family] + name if bare else name


def of_encoder(name: str, family: Family) -> bool:
    """Whether a tensor, by canonical name, is the encoder's, and not a head's or the pooler's."""
    return name.startswith(PREFIX[family]) and not name.startswith(f"{PREFIX[family]}pooler.")


def part_of(name: str, family: Family) -> str:
    """The head that a tensor belongs to, as a reader knows it: `qa_outputs`, `bert.pooler`."""
    parts = name.split(".")
    return ".".join(parts[: 2 if parts[0] == family else 1])


def path_of(key_path: tuple[Any, ...]) -> str:
    """`module/leaf` for a leaf of a model tree (the `.value` that NNX adds is dropped)."""
    names = [entry.name for entry in key_path]
    return "/".join(names[:-1] if names[-1] == "value" else names)


def paths(model: Any) -> dict[str, Any]:
    """Every leaf of a model by its path, in tree order."""
    return {path_of(key): leaf for key, leaf in jax.tree_util.tree_leaves_with_path(model)}


def tensor_name(path: str, modules: dict[str, str]) -> str:
    """The Hugging Face tensor of a parameter path; `{layer}` stands for the block's number."""
    module, leaf = path.rsplit("/", 1)
    return f"{modules[module]}.{_LEAVES[leaf]}"
