"""Optimiser, averages, adapters and frozen parts: which of their settings contradict each other."""

from jaxtune.config.field_groups import changed, freezes, head_first
from jaxtune.config.settings import ADAPTED, SweepConfig
from jaxtune.core.errors import UserError
from jaxtune.core.fields import said_of_commas

# Mitigations that change weights of the encoder which a frozen one keeps.
_OF_TRAINED = ("mixout", "pretrained_decay", "reinit_layers")


def check_recipe(config: SweepConfig) -> None:
    """Raises UserError for what would do nothing, leave nothing to train, or has no formula."""
    _check_adapters(config)
    _check_links(config)
    _check_averages(config)


def _check_adapters(config: SweepConfig) -> None:
    targets = config.lora_targets
    are_known = bool(targets) and {*targets} <= {*ADAPTED} and len({*targets}) == len(targets)
    if targets != ("all",) and not are_known:
        raise UserError(
            f"lora_targets is {' '.join(targets)!r}; give some of {', '.join(ADAPTED)}, each once,"
            f" or all{said_of_commas(targets)}."
        )
    if config.lora_rank and config.train is not None and not head_first(config):
        raise UserError(
            f"lora_rank and train {config.train!r} are both given; with adapters these and the head"
            " are trained: leave train out, or give head_then_all."
        )
    if not freezes(config):
        return
    for name in changed(config, _OF_TRAINED):
        raise UserError(
            f"{name} is {getattr(config, name)}, which changes weights that are frozen here; leave"
            " it out, or train all."
        )
    for name in changed(config, ("layerwise_lr_decay", "early_stop")):
        if config.train == "head":
            raise UserError(
                f"{name} is {getattr(config, name)}, which goes by the blocks, and with train head"
                " none is trained; leave it out."
            )


def _check_links(config: SweepConfig) -> None:
    one = config.correct_moments
    if one != "both" and not config.bias_correction:
        raise UserError(
            f"correct_moments is {one!r}, but bias_correction false corrects none; leave one of"
            " them out."
        )
    if config.rectify and (one != "both" or not config.bias_correction):
        given = f"correct_moments is {one!r}" if one != "both" else "bias_correction is false"
        # Its r_t is the variance of 1 / sqrt(v / (1-b2^t)), and its first steps are m / (1-b1^t).
        raise UserError(
            f"rectify is given and {given}, but RAdam's formula is of both moments corrected; leave"
            " one of them out."
        )
    if config.update_clipping and config.compact_vocabulary and not freezes(config):
        # The mean is over every word's row, and words that are not there decay with the others.
        raise UserError(
            "update_clipping is given with compact_vocabulary, but it goes by the mean over whole"
            " tensors; give --compact_vocabulary false too."
        )


def _check_averages(config: SweepConfig) -> None:
    last = config.average_last
    if last and config.ema_decay:
        raise UserError(
            f"ema_decay is {config.ema_decay} and average_last is {last}, but a trial is evaluated"
            " by one average; leave the other out."
        )
    if last and config.patience is not None:
        raise UserError(
            f"average_last is {last} and patience is {config.patience}, which may end a trial"
            " before its last steps; give ema_decay instead, or leave patience out."
        )
