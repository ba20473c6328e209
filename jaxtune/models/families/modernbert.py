"""ModernBERT (Warner et al., 2024), and models of its class such as mmBERT and Ettin: norms before,
rotary positions, a gated feed-forward network, and windows in most blocks.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtune.core.errors import UserError
from jaxtune.models.encoder_config import HeadConfig
from jaxtune.models.families.family import Family, blocks

_BLOCK = {
    "query": "attn.Wqkv[0/3]",
    "key": "attn.Wqkv[1/3]",
    "value": "attn.Wqkv[2/3]",
    "attention_output": "attn.Wo",
    "attention_norm": "attn_norm",
    "intermediate": "mlp.Wi[0/2]",
    "gate": "mlp.Wi[1/2]",
    "output": "mlp.Wo",
    "output_norm": "mlp_norm",
}
_BASES = {"full_attention": "global_rope_theta", "sliding_attention": "local_rope_theta"}
_EVERY = "global_attn_every_n_layers"
_WIDEST = 500_000  # of a window, on either side


def _spelled(path: Path, raw: Mapping[str, Any]) -> dict[str, Any]:
    """A config.json in the words of transformers 4, which its version 5 reads, too, but writes
    `layer_types` and `rope_parameters` instead; where both stand there, those count, as there.
    """
    spelled = dict(raw)
    if (types := raw.get("layer_types")) is not None:
        spelled[_EVERY] = _global_every(path, types, raw.get("num_hidden_layers"))
    if (given := raw.get("rope_parameters")) is not None:
        spelled |= _bases(path, given)
    if (window := raw.get("sliding_window")) is not None:
        spelled["local_attention"] = _both_sides(path, window)
    return spelled


def _both_sides(path: Path, window: Any) -> int:
    """How many tokens a window of `sliding_window` on either side has."""
    if type(window) is not int or not 1 <= window <= _WIDEST:
        raise UserError(
            f"{path} has sliding_window {window!r}; give a whole number, 1 to {_WIDEST}."
        )
    return 2 * window


def _read(path: Path, raw: Mapping[str, Any]) -> dict[str, Any]:
    """No field: `head_dim` must say what follows from the sizes, which are checked by now."""
    size = raw.get("head_dim")
    follows = raw["hidden_size"] // raw["num_attention_heads"]
    if size is not None and (type(size) is not int or size != follows):
        raise UserError(
            f"{path} has head_dim {size!r}; jaxtune has heads that share hidden_size evenly, of"
            f" {follows} numbers each here."
        )
    return {}


def _global_every(path: Path, types: Any, num_layers: Any) -> int:
    """Of how many blocks, from the first, one sees the whole sequence."""
    seen = [kind == "full_attention" for kind in types] if isinstance(types, list) else []
    known = isinstance(types, list) and {*map(str, types)} <= {*_BASES}
    for every in range(1, len(seen) + 1):
        pattern = [not number % every for number in range(len(seen))]
        if known and len(seen) == num_layers and seen == pattern:
            return every
    raise UserError(
        f"{path} has layer_types {types!r}; jaxtune has encoders with one name for each of the"
        " num_hidden_layers, full_attention for the first and every n-th after it and"
        " sliding_attention for the others."
    )


def _bases(path: Path, given: Any) -> dict[str, Any]:
    """The rotary bases of rope_parameters, which must say nothing else."""
    bases: dict[str, Any] = {}
    plain = isinstance(given, dict) and given.keys() <= _BASES.keys()
    for kind, values in given.items() if plain else ():
        values = {} if values is None else values
        plain &= isinstance(values, dict) and values.keys() <= {"rope_type", "rope_theta"}
        plain = plain and values.get("rope_type", "default") == "default"
        if plain and "rope_theta" in values:
            base = bases[_BASES[kind]] = values["rope_theta"]
            plain = type(base) in (int, float) and 1 <= base < 1e12
    if plain:
        return bases
    raise UserError(
        f"{path} has rope_parameters {given!r}; jaxtune has encoders with a rope_theta of at least"
        " 1 and rope_type 'default' for full_attention and sliding_attention each, and nothing"
        " else."
    )


_CLASSIFIER = {
    "head/pooler": "head.dense",
    "head/norm": "head.norm",
    "head/classifier": "classifier",
}

MODERNBERT = Family(
    model_type="modernbert",
    title="ModernBERT",
    transformers="ModernBert",
    prefix="model.",
    encoder={"encoder/word": "embeddings.tok_embeddings", "encoder/norm": "embeddings.norm"}
    | blocks("layers.{layer}.", _BLOCK)
    | {"encoder/final_norm": "final_norm"},
    # The first block's attention reads the embeddings, which are normalised.
    lacking=("layers.0.attn_norm",),
    classifier=_CLASSIFIER,
    token_classifier=_CLASSIFIER,
    masked_lm={"head/dense": "head.dense", "head/norm": "head.norm", "head": "decoder"},
    decoder="decoder",
    keys={
        "vocab_size": "vocab_size",
        "hidden_size": "hidden_size",
        "num_layers": "num_hidden_layers",
        "num_heads": "num_attention_heads",
        "intermediate_size": "intermediate_size",
        "activation": "hidden_activation",
        "hidden_dropout": "embedding_dropout",
        "attention_dropout": "attention_dropout",
        "inner_dropout": "mlp_dropout",
        "classifier_dropout": "classifier_dropout",
        "max_positions": "max_position_embeddings",
        "layer_norm_eps": "norm_eps",
        "init_std": "initializer_range",
        "pad_token_id": "pad_token_id",
        "rotary_base": "global_rope_theta",
        "local_rotary_base": "local_rope_theta",
        "global_every": "global_attn_every_n_layers",
        "window": "local_attention",
        "attention_bias": "attention_bias",
        "feed_forward_bias": "mlp_bias",
        "norm_bias": "norm_bias",
        "head.bias": "classifier_bias",
        "head.decoder_bias": "decoder_bias",
        "head.pooling": "classifier_pooling",
        "head.activation": "classifier_activation",
        "head.lm_activation": "classifier_activation",
    },
    absent={
        "activation": "gelu",
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
        "inner_dropout": 0.0,
        "classifier_dropout": 0.0,
        "layer_norm_eps": 1e-5,
        "init_std": 0.02,
        "pad_token_id": 50283,
        "rotary_base": 160_000.0,
        "local_rotary_base": 10_000.0,
        "global_every": 3,
        "window": 128,
        "attention_bias": False,
        "feed_forward_bias": False,
        "norm_bias": False,
        "head.bias": False,
        "head.decoder_bias": True,
        "head.pooling": "cls",
        "head.activation": "gelu",
        "head.lm_activation": "gelu",
    },
    facts={
        "type_vocab_size": 0,
        "positions": "rotary",
        "norms": "before",
        "gated": True,
        "head": HeadConfig(norm=True, draw="by_width"),
    },
    only={"rope_scaling": None},
    spelled=_spelled,
    read=_read,
    types_in_pretraining=0,
)
