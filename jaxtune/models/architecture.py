"""Whether a config.json makes an encoder that jaxtune has; else why not, and what to do."""

from pathlib import Path
from typing import Any, Literal

from jaxtune.core.errors import UserError
from jaxtune.models.names import ENCODER

# The largest values taken seriously, far above any published encoder: a mistyped size is refused
# before memory for it is asked for.
_MOST = {
    "vocab_size": 10_000_000,
    "hidden_size": 100_000,
    "num_hidden_layers": 1000,
    "num_attention_heads": 1000,
    "intermediate_size": 1_000_000,
    "max_position_embeddings": 1_000_000,
    "type_vocab_size": 1000,
}
_RATES = ("hidden_dropout_prob", "attention_probs_dropout_prob")
_HEAD_RATES = ("classifier_dropout", "classifier_dropout_prob")
# Variants of the published encoders with other mathematics.
_ONLY = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "is_encoder_decoder": False,
    "add_cross_attention": False,
    "num_hidden_groups": 1,
    "inner_group_num": 1,
}
# Entries which say that the tensors are no plain weights, whatever their kind of number.
_NOT_PLAIN = {
    "quantization_config": "are quantised",
    "compression_config": "are compressed",
    "pruned_heads": "lack some attention heads",
    "adapters": "have adapters between them",
}
ACTIVATIONS: dict[str, Literal["gelu", "gelu_new"]] = {
    "gelu": "gelu",
    "gelu_new": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
}


def without_type(path: Path, raw: dict[str, Any]) -> str:
    """What to do about a config.json that does not say what it is of."""
    classes = str(raw.get("architectures"))
    named = [family for family in ENCODER if family.capitalize() in classes]
    if not named:
        return (
            f"{path} has no model_type, so that nothing says which encoder this is; add"
            ' "model_type": "bert", "roberta" or "albert" to it.'
        )
    return (
        f'{path} has no model_type; add "model_type": "{named[0]}" to it, if it is what its'
        f" architectures {classes} say."
    )


def check_architecture(path: Path, raw: dict[str, Any], family: str) -> None:
    """Raises UserError for a config.json that makes no encoder, or one that jaxtune has not."""
    sizes = _MOST | ({"embedding_size": _MOST["hidden_size"]} if family == "albert" else {})
    if lacking := sorted(sizes.keys() - raw.keys()):
        raise UserError(f"{path} lacks {', '.join(lacking)}.")
    for name, most in sizes.items():
        if type(raw[name]) is not int or not 1 <= raw[name] <= most:
            raise UserError(f"{path} has {name} {raw[name]!r}; give a whole number, 1 to {most}.")
    if raw["hidden_size"] % raw["num_attention_heads"]:
        raise UserError(
            f"{path} has hidden_size {raw['hidden_size']}, which {raw['num_attention_heads']}"
            " attention heads do not divide."
        )
    padding = raw.get("pad_token_id")
    if padding is not None and not (type(padding) is int and 0 <= padding < raw["vocab_size"]):
        raise UserError(f"{path} has pad_token_id {padding!r}; give the id of a word.")
    given = {name: raw[name] for name in _RATES if name in raw}
    given |= {name: raw[name] for name in _HEAD_RATES if raw.get(name) is not None}
    for name, rate in given.items():
        if not _is_number(rate) or not 0 <= rate < 1:
            raise UserError(f"{path} has {name} {rate!r}; give a rate from 0 up to 1.")
    for name in ("layer_norm_eps", "initializer_range"):
        value = raw.get(name, 1)
        if not _is_number(value) or not 0 < value < 10:
            raise UserError(f"{path} has {name} {value!r}; give a small number above 0.")
    if (activation := raw.get("hidden_act", "gelu")) not in tuple(ACTIVATIONS):
        raise UserError(
            f"{path} asks for hidden_act {activation!r}; accepted are {', '.join(ACTIVATIONS)}."
        )
    for name, only in _ONLY.items():
        if raw.get(name, only) != only:
            raise UserError(f"{path} has {name} {raw[name]!r}; jaxtune has encoders with {only!r}.")
    _check_plain(path, raw)


def _check_plain(path: Path, raw: dict[str, Any]) -> None:
    """Raises UserError where something was done to the weights, which float32 ones may not show."""
    for name, what in _NOT_PLAIN.items():
        if raw.get(name):
            raise UserError(
                f"{path} has a {name}, which says that the weights {what}; give the model as it was"
                f" before, or take {name} out of the file if its weights are plain ones all the"
                " same."
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
