"""Whether a config.json makes an encoder that jaxtune has; else why not, and what to do."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxtune.core.errors import UserError
from jaxtune.core.words import any_of
from jaxtune.models.encoder_config import Activation
from jaxtune.models.families import FAMILIES, Family

# The largest values taken seriously, far above any published encoder: a mistyped size is refused
# before memory for it is asked for.
_MOST = {
    "vocab_size": 10_000_000,
    "hidden_size": 100_000,
    "num_layers": 1000,
    "num_heads": 1000,
    "intermediate_size": 1_000_000,
    "max_positions": 1_000_000,
    "type_vocab_size": 1000,
    "embedding_size": 100_000,
}
_POOLINGS = ("cls", "mean")
# Variants of any encoder with other mathematics; a family's own are in its `only`.
_ONLY = {"is_decoder": False, "is_encoder_decoder": False, "add_cross_attention": False}
# Entries which say that the tensors are no plain weights, whatever their kind of number.
_NOT_PLAIN = {
    "quantization_config": "are quantised",
    "compression_config": "are compressed",
    "pruned_heads": "lack some attention heads",
    "adapters": "have adapters between them",
}
# Their names in transformers, and what they are here.
ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
    # The same with sqrt(2 / pi) to ten digits, which float32 has not.
    "gelu_fast": "gelu_new",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_rate(value: Any) -> bool:
    return _is_number(value) and 0 <= value < 1


_RATE = "{path} has {name} {value!r}; give a rate from 0 up to 1."
# What a field may be where a file has it, and what is said of any other value.
_VALUES: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (
    (("hidden_dropout", "attention_dropout", "inner_dropout"), _is_rate, _RATE),
    (("classifier_dropout",), lambda value: value is None or _is_rate(value), _RATE),
    (("pooler_dropout",), _is_rate, _RATE),
    (
        ("layer_norm_eps", "init_std"),
        lambda value: _is_number(value) and 0 < value < 10,
        "{path} has {name} {value!r}; give a small number above 0 and below 10.",
    ),
    (
        ("activation", "head.activation", "head.lm_activation"),
        lambda value: value in tuple(ACTIVATIONS),  # the tuple: what JSON holds may be no key
        f"{{path}} asks for {{name}} {{value!r}}; accepted are {', '.join(ACTIVATIONS)}.",
    ),
    (
        ("global_every", "window"),  # sizes that a file may leave out
        lambda value: type(value) is int and 1 <= value <= _MOST["max_positions"],
        f"{{path}} has {{name}} {{value!r}}; give a whole number, 1 to {_MOST['max_positions']}.",
    ),
    (
        ("rotary_base", "local_rotary_base"),
        lambda value: _is_number(value) and 1 <= value < 1e12,
        "{path} has {name} {value!r}; give a number of at least 1.",
    ),
    (
        ("attention_bias", "feed_forward_bias", "norm_bias", "head.bias", "head.decoder_bias"),
        lambda value: isinstance(value, bool),
        "{path} has {name} {value!r}; give true or false.",
    ),
)


def without_type(path: Path, raw: dict[str, Any]) -> str:
    """What to do about a config.json that does not say what it is of."""
    classes = str(raw.get("architectures"))
    named = [
        name
        for name, family in FAMILIES.items()
        if re.search(rf"\b{family.transformers}(For|Model)", classes)
    ]
    if not named:
        return (
            f"{path} has no model_type, so that nothing says which encoder this is; add"
            f' "model_type": {any_of(json.dumps(name) for name in FAMILIES)} to it.'
        )
    return (
        f'{path} has no model_type; add "model_type": "{named[0]}" to it, if it is what its'
        f" architectures {classes} say."
    )


def check_architecture(path: Path | str, raw: dict[str, Any], family: Family) -> None:
    """Raises UserError for a config.json that makes no encoder, or one that jaxtune has not.

    Args:
        path: the file, or other words for what has these values.
    """
    keys = family.keys
    sizes = {keys[field]: most for field, most in _MOST.items() if field in keys}
    absent = {keys[field]: value for field, value in family.absent.items() if field in keys}
    if lacking := sorted(sizes.keys() - raw.keys() - absent.keys()):
        raise UserError(f"{path} lacks {', '.join(lacking)}.")
    for name, most in sizes.items():
        # What may be absent may be what it then is, such as 0 token types.
        size, least = raw.get(name, absent.get(name)), 0 if absent.get(name) == 0 else 1
        if name in absent and size == absent[name]:
            continue
        if type(size) is not int or not least <= size <= most:
            raise UserError(f"{path} has {name} {size!r}; give a whole number, {least} to {most}.")
    hidden, heads = keys["hidden_size"], keys["num_heads"]
    if raw[hidden] % raw[heads]:
        raise UserError(
            f"{path} has {hidden} {raw[hidden]}, which {raw[heads]} attention heads do not divide."
        )
    _check_values(path, raw, family)
    for name, only in (_ONLY | dict(family.only)).items():
        if raw.get(name, only) != only:
            raise UserError(f"{path} has {name} {raw[name]!r}; jaxtune has encoders with {only!r}.")
    _check_plain(path, raw)


def _check_values(path: Path | str, raw: dict[str, Any], family: Family) -> None:
    """Raises UserError for a value, other than a size, that cannot be meant."""
    keys = family.keys
    padding = raw.get(keys["pad_token_id"])
    if padding is not None and not (type(padding) is int and 0 <= padding < raw["vocab_size"]):
        raise UserError(f"{path} has pad_token_id {padding!r}; give the id of a word.")
    for fields, allowed, sentence in _VALUES:
        for name in (keys[field] for field in fields if field in keys):
            if name in raw and not allowed(raw[name]):
                raise UserError(sentence.format(path=path, name=name, value=raw[name]))
    size = raw[keys["hidden_size"]] // raw[keys["num_heads"]]
    if "rotary_base" in keys and size % 2:
        raise UserError(
            f"{path} has heads of {size} numbers, which do not make pairs that could be turned;"
            f" {keys['hidden_size']} over {keys['num_heads']} must be even."
        )
    name = keys.get("head.pooling", "")
    if (pooling := raw.get(name, "cls")) not in _POOLINGS:
        raise UserError(f"{path} has {name} {pooling!r}; accepted are {', '.join(_POOLINGS)}.")


def _check_plain(path: Path | str, raw: dict[str, Any]) -> None:
    """Raises UserError where something was done to the weights, which float32 ones may not show."""
    for name, what in _NOT_PLAIN.items():
        if raw.get(name):
            raise UserError(
                f"{path} has a {name}, which says that the weights {what}; give the model as it was"
                f" before, or take {name} out of the file if its weights are plain ones all the"
                " same."
            )
