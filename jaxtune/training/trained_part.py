"""Which part of a model a recipe trains."""

import functools

import numpy as np

from jaxtune.config.field_groups import freezes
from jaxtune.config.settings import ADAPTED, SweepConfig
from jaxtune.config.trials import lora_scale
from jaxtune.core.errors import UserError
from jaxtune.models.adapters import attach, is_adapter, merged
from jaxtune.models.encoder_config import AdapterConfig, EncoderConfig
from jaxtune.models.families import FAMILIES
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.names import paths
from jaxtune.models.parts import Parts, as_products_read, split
from jaxtune.models.pretrained import (
    load_classifier,
    locate,
    of_tokens,
    random_classifier,
    read_config,
)


def in_parts(model: SequenceClassifier, config: SweepConfig, rank: int) -> Parts:
    """The model with the adapters that the config asks for, split into what is trained and what is
    frozen; raises UserError where the model has no such layers.

    Args:
        rank: the largest of the trials.
    """
    if config.lora_rank:
        targets = _targets(config, model.encoder.config)
        model = attach(model, AdapterConfig(rank, targets, config.lora_dropout))
    if config.train == "bias" and not any(path.endswith("/bias") for path in _of_blocks(model)):
        title = FAMILIES[model.encoder.config.family].title
        raise UserError(
            f"train is 'bias', but the blocks of {title} have no biases; give another, such as"
            " head."
        )
    trained, frozen = split(model, lambda path: is_trained(config, path))
    return Parts(trained, as_products_read(frozen, model.encoder.config))


def is_trained(config: SweepConfig, path: str) -> bool:
    """Whether a recipe trains the parameter; the head always is, for a part of it is drawn anew."""
    if not freezes(config) or path.startswith("head/"):
        return True
    return is_adapter(path) or (config.train == "bias" and path.endswith("/bias"))


def trains_embeddings(config: SweepConfig) -> bool:
    """Whether steps move rows of the word embeddings, those of words that they never meet too."""
    return is_trained(config, "encoder/word/embedding")


def whole_params(params: dict[str, np.ndarray], config: SweepConfig) -> dict[str, np.ndarray]:
    """The parameters of a whole model by path, every word's row among them, from those that a trial
    of this config has trained and its base model; adapters are merged.
    """
    if not freezes(config):
        return params
    assert config.model is not None
    labels = len(params["head/classifier/bias"])
    what = (config.random_weights, config.token_classification, labels)
    base = _base(config.model, config.revision, *what)
    return merged(base | params, lora_scale(config))


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
