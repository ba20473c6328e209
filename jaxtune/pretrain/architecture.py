"""The encoder that a pre-training's settings ask for, and whether its folder could be read."""

import dataclasses
import operator
from typing import Any

import jax

from jaxtune.models.architecture import check_architecture
from jaxtune.models.encoder_config import EncoderConfig, RelativeConfig, in_precision
from jaxtune.models.families import FAMILIES
from jaxtune.models.families.family import BERT_KEYS
from jaxtune.models.pretrained import encoder_config, with_dropout
from jaxtune.pretrain.settings import PretrainConfig

# Field of EncoderConfig -> what a message calls it: the flag that decides it.
_CALLED = {
    "hidden_size": "--hidden_size",
    "intermediate_size": "a feed-forward width (of --hidden_size)",
    "num_heads": "--num_heads",
    "num_layers": "--layers",
    "max_positions": "a number of positions (of --max_length)",
    "window": "a window (of --max_length)",
    "init_std": "--init_std",
}


def encoder_of(
    config: PretrainConfig, vocab_size: int, pad_token: int, num_layers: int
) -> EncoderConfig:
    """Of one stage."""
    family = FAMILIES[config.family]
    # None stands for a value that follows from another one.
    apart = {f: value for f, value in family.absent.items() if f not in BERT_KEYS}
    own = {field: value for field, value in apart.items() if value is not None}
    if "window" in own:  # with more tokens than that in most sequences, or no block were local
        own["window"] = config.max_length // 2
    values: dict[str, Any] = {
        "family": config.family,
        "vocab_size": vocab_size,
        "hidden_size": config.hidden_size,
        "num_layers": num_layers,
        "num_heads": config.num_heads,
        "intermediate_size": _inner_width(config),
        "max_positions": config.max_length,
        "type_vocab_size": family.types_in_pretraining,
        "embedding_size": config.hidden_size,
        "activation": "gelu",
        "layer_norm_eps": 1e-12,
        "hidden_dropout": config.dropout,
        "attention_dropout": config.dropout,
        "classifier_dropout": config.dropout,
        "pad_token_id": pad_token,
        "init_std": config.init_std,
    }
    encoder = with_dropout(encoder_config(**values | own | dict(family.facts)), config.dropout)
    encoder = in_precision(encoder, config.precision, jax.default_backend())
    if encoder.distance == "disentangled":
        relative = RelativeConfig.for_length(config.max_length)
        encoder = dataclasses.replace(encoder, relative=relative)
    # Where positions are counted, those up to the padding id stay unused.
    rows = config.max_length + encoder.position_offset
    return dataclasses.replace(encoder, max_positions=rows)


def _inner_width(config: PretrainConfig) -> int:
    if "gated" not in FAMILIES[config.family].facts:
        return 4 * config.hidden_size
    # A gate is a product more: a third less of width makes as many weights.
    return max(config.hidden_size // 3 * 8, 1)


def check_encoder(encoder: EncoderConfig) -> None:
    """Raises UserError where jaxtune would refuse the folder of this encoder, by its own check of a
    config.json, whose keys are called by the flags here.
    """
    family = FAMILIES[encoder.family]
    keys = {field: _CALLED.get(field, key) for field, key in family.keys.items()}
    raw = {key: operator.attrgetter(field)(encoder) for field, key in keys.items()}
    as_given = dataclasses.replace(family, keys=keys)
    check_architecture(f"The {family.title} of these flags", raw, as_given)
