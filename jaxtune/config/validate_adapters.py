"""Adapters, frozen parts and a head that is trained first: which of their settings are out of range
or contradict each other.
"""

import math

from jaxtune.config.field_groups import freezes, head_first
from jaxtune.config.settings import ADAPTED, SweepConfig
from jaxtune.core.errors import UserError

MOST_RANK = 4096  # far above any published one: a mistyped rank is refused before it fills memory
# Mitigations that change weights of the encoder which a frozen one keeps.
_OF_TRAINED = ("mixout", "pretrained_decay", "reinit_layers")


def check_adapters(config: SweepConfig) -> None:
    """Raises UserError for what makes no adapters, or nothing to train."""
    if not 0 <= config.lora_rank <= MOST_RANK:
        raise UserError(f"lora_rank is {config.lora_rank}; give 1 to {MOST_RANK}, or 0 for none.")
    for name in ("lora_alpha", "lora_b_lr_ratio"):
        value = getattr(config, name)
        if not 1e-30 < value < 1e30:  # as float32, too
            raise UserError(f"{name} is {value}; give a finite number above 0.")
    if not 0.0 <= config.lora_dropout < 1.0 or math.isnan(config.lora_dropout):
        raise UserError(
            f"lora_dropout is {config.lora_dropout}; give a rate from 0 up to, but not including,"
            " 1."
        )
    _check_targets(config)
    _check_head_first(config)
    if config.lora_rank and config.train is not None and not head_first(config):
        raise UserError(
            f"lora_rank and train {config.train!r} are both given; with adapters these and the head"
            " are trained: leave train out, or give head_then_all."
        )
    if not freezes(config):
        return
    for name in _OF_TRAINED:
        if getattr(config, name) != getattr(SweepConfig, name):
            raise UserError(
                f"{name} is {getattr(config, name)}, which changes weights that are frozen here;"
                " leave it out, or train all."
            )
    by_depth = config.layerwise_lr_decay != SweepConfig.layerwise_lr_decay
    if config.train == "head" and (by_depth or config.early_stop is not None):
        name = "layerwise_lr_decay" if by_depth else "early_stop"
        raise UserError(
            f"{name} is {getattr(config, name)}, which goes by the blocks, and with train head none"
            " is trained; leave it out."
        )


def _check_head_first(config: SweepConfig) -> None:
    if not 0.0 <= config.head_ratio < 1.0:
        raise UserError(
            f"head_ratio is {config.head_ratio}; give a share of all steps, from 0 up to, but not"
            " including, 1."
        )
    rate = config.head_learning_rate
    if rate is not None and not 1e-30 < rate < 1e30:  # as float32, too
        raise UserError(
            f"head_learning_rate is {rate}; give a finite number above 0, or null for"
            " learning_rate."
        )


def _check_targets(config: SweepConfig) -> None:
    targets = config.lora_targets
    if targets == ("all",):
        return
    unknown = [name for name in targets if name not in ADAPTED]
    if not targets or unknown or len(set(targets)) < len(targets):
        raise UserError(
            f"lora_targets is {' '.join(targets)!r}; give some of {', '.join(ADAPTED)}, each once,"
            " or all."
        )
