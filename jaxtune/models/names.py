"""Which Hugging Face tensor holds which parameter: a table per family, used in both directions.

A parameter's path in our tree is `module/leaf`; the module's Hugging Face name comes from the
tables here, and the leaf tells the rest: kernels are stored transposed, scales and embeddings are
called `weight`.
"""

import re
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
# Tensors of heads a model at hand may not have: present in many checkpoints, and no error.
OTHER_HEADS = re.compile(
    r"^((bert|albert|roberta)\.pooler|cls|classifier|lm_head|predictions|sop_classifier)\b"
)
# Buffers and aliases: recomputed, or the same array as another tensor.
ALIASES = re.compile(
    r"(position_ids|token_type_ids"
    r"|^(cls\.predictions|lm_head|predictions)\.decoder\.(weight|bias))$"
)
_LEAVES = {"kernel": "weight", "scale": "weight", "embedding": "weight", "bias": "bias"}


def canonical(name: str, family: Family) -> str:
    """A checkpoint's tensor name with the family's prefix and without legacy LayerNorm names."""
    name = re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", name))
    bare = name.startswith(("embeddings.", "encoder.", "pooler."))
    return PREFIX[family] + name if bare else name


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
