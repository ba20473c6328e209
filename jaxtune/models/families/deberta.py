"""DeBERTa-v2 and v3 (He et al., 2021 and 2023): attention that reads distances apart from words, no
positions in the embeddings, and a pooler that belongs to the task.

Version 3 is version 2 trained as ELECTRA is. Its discriminator's head is left out, as are heads of
other tasks.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from jaxtune.core.errors import UserError
from jaxtune.models.encoder_config import Activation, EncoderConfig, HeadConfig, RelativeConfig
from jaxtune.models.families.family import (
    BERT_ABSENT,
    BERT_BLOCK,
    BERT_EMBEDDINGS,
    BERT_KEYS,
    Family,
    blocks,
)

_BLOCK = BERT_BLOCK | {
    "query": "attention.self.query_proj",
    "key": "attention.self.key_proj",
    "value": "attention.self.value_proj",
    "distance_query": "attention.self.pos_query_proj",
    "distance_key": "attention.self.pos_key_proj",
}
# What transformers takes where a key is absent.
_ABSENT: dict[str, Any] = {
    "relative_attention": False,
    "position_biased_input": True,
    "pos_att_type": None,
    "share_att_key": False,
    "norm_rel_ebd": "none",
    "position_buckets": -1,
    "max_relative_positions": -1,
    "pooler_hidden_act": "gelu",
}
_TYPES = ("p2c", "c2p")
_NORMS = {"none": False, "layer_norm": True}
_ACTIVATIONS = {name: name for name in get_args(Activation)}  # transformers' names, too
_HEAD = HeadConfig("gelu", dropout_before=True, pretrained_pooler=False, token_dropout="hidden")
_MOST_DISTANCE = 1_000_000


def _read(path: Path, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of EncoderConfig that its own keys decide."""
    raw = dict[str, Any](_ABSENT) | dict(raw)
    if raw["relative_attention"] is not True:
        raise UserError(
            f"{path} has relative_attention {raw['relative_attention']!r}; jaxtune has DeBERTa with"
            " true."
        )
    for key, value in (
        ("pooler_hidden_size", raw["hidden_size"]),
        ("attention_head_size", raw["hidden_size"] // raw["num_attention_heads"]),
    ):
        if raw.get(key, value) != value:
            raise UserError(
                f"{path} has {key} {raw[key]!r}; with its hidden_size jaxtune has {value}."
            )
    for key in ("position_biased_input", "share_att_key"):
        if not isinstance(raw[key], bool):
            raise UserError(f"{path} has {key} {raw[key]!r}; give true or false.")
    activation = _choice(path, raw, "pooler_hidden_act", _ACTIVATIONS)
    return {
        "positions": "table" if raw["position_biased_input"] else "none",
        "relative": _relative(path, raw),
        "head": dataclasses.replace(_HEAD, activation=activation),
    }


def _relative(path: Path, raw: Mapping[str, Any]) -> RelativeConfig:
    types = raw["pos_att_type"]
    if isinstance(types, str):
        types = [part.strip() for part in types.lower().split("|")]
    if not isinstance(types, list) or not types or any(each not in _TYPES for each in types):
        raise UserError(
            f'{path} has pos_att_type {raw["pos_att_type"]!r}; give p2c, c2p, or both as "p2c|c2p".'
        )
    farthest, buckets = (_distance(path, raw, key) for key in _DISTANCES)
    farthest = farthest or raw["max_position_embeddings"]
    if buckets and not 4 <= buckets <= 2 * (farthest - 2):
        raise UserError(
            f"{path} has position_buckets {buckets} for distances up to {farthest}; give 4 to"
            f" {2 * (farthest - 2)}, or -1 for a row of the table for each distance."
        )
    return RelativeConfig(
        span=buckets or farthest,
        farthest=farthest,
        bucketed=buckets > 0,
        content_to_position="c2p" in types,
        position_to_content="p2c" in types,
        shared_projections=raw["share_att_key"],
        normalised=_choice(path, raw, "norm_rel_ebd", _NORMS),
    )


_DISTANCES = ("max_relative_positions", "position_buckets")


def _distance(path: Path, raw: Mapping[str, Any], key: str) -> int:
    """A number of distances; 0 where the key leaves it open."""
    value = raw[key]
    if type(value) is not int or value > _MOST_DISTANCE:
        raise UserError(
            f"{path} has {key} {value!r}; give a whole number up to {_MOST_DISTANCE:,}, or -1."
        )
    return max(value, 0)


def _choice(path: Path, raw: Mapping[str, Any], key: str, accepted: Mapping[str, Any]) -> Any:
    value = raw[key].lower() if isinstance(raw[key], str) else raw[key]
    if value not in tuple(accepted):
        raise UserError(f"{path} asks for {key} {raw[key]!r}; accepted are {', '.join(accepted)}.")
    return accepted[value]


def _write(config: EncoderConfig) -> dict[str, Any]:
    """The keys that `_read` reads those fields from."""
    relative = config.relative
    assert relative is not None
    types = (relative.position_to_content, relative.content_to_position)
    return {
        "relative_attention": True,
        "position_biased_input": config.positions == "table",
        "pos_att_type": [name for name, used in zip(_TYPES, types, strict=True) if used],
        "share_att_key": relative.shared_projections,
        "norm_rel_ebd": "layer_norm" if relative.normalised else "none",
        "position_buckets": relative.span if relative.bucketed else -1,
        "max_relative_positions": relative.farthest,
        "pooler_hidden_act": config.head.activation,
        "legacy": True,
    }


DEBERTA = Family(
    model_type="deberta-v2",
    title="DeBERTa",
    transformers="DebertaV2",
    prefix="deberta.",
    encoder=BERT_EMBEDDINGS
    | {
        "encoder/projection": "embeddings.embed_proj",
        "encoder/distance": "encoder.rel_embeddings",
        "encoder/distance_norm": "encoder.LayerNorm",
    }
    | blocks("encoder.layer.{layer}.", _BLOCK),
    classifier={"head/pooler": "pooler.dense", "head/classifier": "classifier"},
    masked_lm={
        "head/dense": "cls.predictions.transform.dense",
        "head/norm": "cls.predictions.transform.LayerNorm",
        "head": "cls.predictions",
    },
    decoder="cls.predictions.decoder",
    keys=BERT_KEYS
    | {
        "embedding_size": "embedding_size",
        "classifier_dropout": "cls_dropout",
        "pooler_dropout": "pooler_dropout",
    },
    absent=BERT_ABSENT
    | {
        "layer_norm_eps": 1e-7,
        "type_vocab_size": 0,
        "embedding_size": None,  # the hidden size
        "pooler_dropout": 0.0,
    },
    facts={
        "positions": "none",
        "distance": "disentangled",
        "projection_first": True,
        "pooler_dropout": 0.0,
        "head": _HEAD,
    },
    only={"conv_kernel_size": 0},
    read=_read,
    write=_write,
    # The head as DeBERTa's authors name it, where config.json has `legacy` false.
    other_names={
        "lm_predictions.lm_head.dense": "cls.predictions.transform.dense",
        "lm_predictions.lm_head.LayerNorm": "cls.predictions.transform.LayerNorm",
        "lm_predictions.lm_head": "cls.predictions",
    },
    other_names_where=("legacy", False),
    types_in_pretraining=0,
)
