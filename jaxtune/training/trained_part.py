"""Which part of a model a recipe trains."""

import functools
from typing import NamedTuple

import numpy as np

from jaxtune.config.field_groups import freezes
from jaxtune.config.settings import ADAPTED, SweepConfig
from jaxtune.config.trials import lora_scale
from jaxtune.core.errors import UserError
from jaxtune.models.adapters import SUFFIX, attach, is_adapter, merged
from jaxtune.models.encoder_config import AdapterConfig, EncoderConfig
from jaxtune.models.families import FAMILIES
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.names import paths, with_leaves
from jaxtune.models.parts import Parts, as_products_read, split
from jaxtune.models.pissa import Principal, beside_the_whole, principal_parts, rests, starts
from jaxtune.models.pretrained import (
    load_classifier,
    locate,
    of_tokens,
    random_classifier,
    read_config,
)

# What tells base models apart: model, revision, random weights, labels of tokens, number of labels.
_Base = tuple[str, str | None, bool, bool, int]


class PlainAdapters(NamedTuple):
    """Adapters as LoRA has them, beside frozen layers that are the base model's own, and a head."""

    params: dict[str, np.ndarray]
    rank: int
    alpha: float


def in_parts(model: SequenceClassifier, config: SweepConfig, rank: int) -> Parts:
    """The model with the adapters that the config asks for, split into what is trained and what is
    frozen; raises UserError where the model has no such layers.

    Args:
        rank: the largest of the trials.
    """
    if config.lora_rank:
        targets = _targets(config, model.encoder.config)
        how = AdapterConfig(rank, targets, config.lora_dropout, config.lora_init)
        model = attach(model, how)
        if config.lora_init == "pissa":
            model = with_leaves(model, starts(_principal_parts(paths(model), rank)))
    if config.train == "bias" and not any(path.endswith("/bias") for path in _of_blocks(model)):
        title = FAMILIES[model.encoder.config.family].title
        raise UserError(
            f"train is 'bias', but the blocks of {title} have no biases; give another, such as"
            " head."
        )
    trained, frozen = split(model, lambda path: is_trained(config, path))
    return Parts(trained, as_products_read(frozen, model.encoder.config))


def _principal_parts(params: dict[str, np.ndarray], rank: int) -> dict[str, Principal]:
    """Raises UserError where a layer has fewer singular values than the rank."""
    for path, kernel in params.items():
        beside = f"{path.removesuffix('/kernel')}{SUFFIX}/a/kernel" in params
        if beside and (most := min(kernel.shape[-2:])) < rank:
            raise UserError(
                f"lora_rank is {rank}, but lora_init pissa starts from singular values, of which a"
                f" layer of the model has {most}; give at most that."
            )
    return principal_parts(params, params, rank)


def is_trained(config: SweepConfig, path: str) -> bool:
    """Whether a recipe trains the parameter; the head always is, for a part of it is drawn anew."""
    if not freezes(config) or path.startswith("head/"):
        return True
    return is_adapter(path) or (config.train == "bias" and path.endswith("/bias"))


def whole_params(params: dict[str, np.ndarray], config: SweepConfig) -> dict[str, np.ndarray]:
    """The parameters of a whole model by path, every word's row among them, from those that a trial
    of this config has trained and its base model; adapters are merged.
    """
    if not freezes(config):
        return params
    base = _base(*_base_of(params, config))
    if config.lora_init == "pissa":
        base = base | rests(_parts_of(params, config))
    return merged(base | params, lora_scale(config))


def beside_the_base(params: dict[str, np.ndarray], config: SweepConfig) -> PlainAdapters:
    """The adapters of a trial, and its head, for a base model as it is."""
    if config.lora_init == "kaiming":
        return PlainAdapters(params, config.lora_rank, config.lora_alpha)
    whole = beside_the_whole(params, _parts_of(params, config), lora_scale(config))
    # Of twice the rank, and the scale is to stay.
    factor = 2**0.5 if config.use_rslora else 2
    return PlainAdapters(whole, 2 * config.lora_rank, config.lora_alpha * factor)


def _base_of(params: dict[str, np.ndarray], config: SweepConfig) -> _Base:
    assert config.model is not None
    labels = len(params["head/classifier/bias"])
    what = (config.random_weights, config.token_classification, labels)
    return (config.model, config.revision, *what)


def _parts_of(params: dict[str, np.ndarray], config: SweepConfig) -> dict[str, Principal]:
    """What a trial's adapters started from."""
    adapted = tuple(path for path in params if is_adapter(path))
    return _parts(_base_of(params, config), adapted, config.lora_rank)


@functools.lru_cache(1)  # of a large model it takes a minute
def _parts(base: _Base, adapted: tuple[str, ...], rank: int) -> dict[str, Principal]:
    return principal_parts(_base(*base), adapted, rank)


@functools.lru_cache(1)  # an ensemble's members have one
def _base(
    model: str, revision: str | None, random_weights: bool, tokens: bool, labels: int
) -> dict[str, np.ndarray]:
    folder = locate(model, revision)
    encoder, _ = read_config(folder)
    encoder = of_tokens(encoder) if tokens else encoder
    if random_weights:
        start = random_classifier(encoder, labels)
    else:
        start = load_classifier(folder, encoder, labels)
    return {path: np.asarray(leaf) for path, leaf in paths(start.model).items()}


def _of_blocks(model: SequenceClassifier) -> list[str]:
    return [path for path in paths(model) if path.startswith("encoder/layers/")]


def _targets(config: SweepConfig, encoder: EncoderConfig) -> tuple[str, ...]:
    """In the order of ADAPTED, whatever the order given: one program for one set."""
    own = [name for name in ADAPTED if encoder.gated or name != "gate"]
    if config.lora_targets == ("all",):
        return tuple(own)
    if missing := [name for name in config.lora_targets if name not in own]:
        title = FAMILIES[encoder.family].title
        raise UserError(
            f"lora_targets names {missing[0]}, which the blocks of {title} do not have; give some"
            f" of {', '.join(own)}, or all."
        )
    return tuple(name for name in own if name in config.lora_targets)
