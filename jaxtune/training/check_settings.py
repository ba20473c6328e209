"""Settings against the model and the training examples that they are for."""

import dataclasses

import numpy as np

from jaxtune.config.field_groups import head_first, mitigations_of
from jaxtune.config.parse import Settings
from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError
from jaxtune.core.schedules import head_steps, stop_step
from jaxtune.core.words import plural
from jaxtune.data.token_table import TokenTable
from jaxtune.models.encoder_config import EncoderConfig
from jaxtune.models.families import FAMILIES
from jaxtune.models.pretrained import locate, read_config


def check_attention(encoder: EncoderConfig, platform: str) -> None:
    """Raises UserError where the attention kernel cannot be had."""
    if encoder.attention != "kernel":
        return
    if platform == "cpu":
        raise UserError("attention is 'kernel', which a CPU has not; leave it out there.")
    if not encoder.plain_scores:
        title = FAMILIES[encoder.family].title
        raise UserError(
            f"attention is 'kernel', which does not compute that of {title}; leave it out."
        )
    size = encoder.hidden_size // encoder.num_heads
    if size < 16 or size & (size - 1):  # the kernel's products are of blocks of a power of two
        raise UserError(
            f"attention is 'kernel', but the model's heads are {size} wide and it takes 16, 32, 64,"
            " ...; leave it out."
        )


def with_length_in_use(settings: Settings) -> Settings:
    """The settings with each max_length as the model has positions for it: what is recorded is what
    was done. Raises UserError where two swept lengths become the same.
    """
    assert settings.base.model is not None
    most = read_config(locate(settings.base.model, settings.base.revision))[0].max_length

    def fitted(config: SweepConfig) -> SweepConfig:
        return dataclasses.replace(config, max_length=min(config.max_length, most))

    grid = dict(settings.grid)
    if "max_length" in grid:
        grid["max_length"] = tuple(min(length, most) for length in grid["max_length"])
        if len(set(grid["max_length"])) < len(grid["max_length"]):
            swept = ", ".join(map(str, settings.grid["max_length"]))
            raise UserError(
                f"grid.max_length is {swept}, but the model has {most} positions, so that several"
                " would be the same; give at most that, once."
            )
    return Settings(fitted(settings.base), grid, tuple(map(fitted, settings.arms)))


def check_depth(config: SweepConfig, encoder: EncoderConfig) -> None:
    """Raises UserError where a mitigation counts blocks that the model does not have."""
    by_block = [m for m in mitigations_of(config) if m in ("layerwise_lr_decay", "reinit_layers")]
    if by_block and encoder.shared_block:
        raise UserError(
            f"{by_block[0]} is {getattr(config, by_block[0])}, but ALBERT's blocks share their"
            " weights; leave it out."
        )
    if config.reinit_layers > encoder.num_layers:
        raise UserError(
            f"reinit_layers is {config.reinit_layers}, but the model has"
            f" {plural(encoder.num_layers, 'block')}; give at most that."
        )


def check_steps(config: SweepConfig, num_steps: int) -> None:
    """Raises UserError where the mean is to be over more steps than there are, a part of the
    training that is asked for would have no step, or trials would be judged in the part before.
    """
    if config.average_last > num_steps:
        raise UserError(
            f"average_last is {config.average_last}, but a trial takes"
            f" {plural(num_steps, 'step')}; give at most that."
        )
    of_head = int(head_steps(config.head_ratio, num_steps)) if head_first(config) else 0
    stop = stop_step(config.early_stop, num_steps)
    if of_head >= num_steps:
        raise UserError(
            f"head_ratio is {config.head_ratio}, which leaves none of {plural(num_steps, 'step')}"
            " for the whole model; give a smaller share."
        )
    if config.early_stop is not None and stop is None:
        raise UserError(
            f"early_stop is {config.early_stop}, but a trial takes {plural(num_steps, 'step')}, and"
            " there is nothing to stop; leave it out."
        )
    if stop is not None and stop <= of_head:
        raise UserError(
            f"early_stop is {config.early_stop} and head_ratio {config.head_ratio}, so that trials"
            f" would be judged after {plural(stop, 'step')} of {num_steps}, while the head alone is"
            " trained; give a larger early_stop."
        )


def about_order(config: SweepConfig, train: TokenTable) -> list[str]:
    """Where the data order, whose effect is being measured, has none."""
    if config.batch_size < len(train):
        return []
    return [
        f"Warning: batch_size {config.batch_size} is all training examples, so that every step sees"
        " the same ones and their order has no effect."
    ]


def check_usable(config: SweepConfig, train: TokenTable) -> None:
    """Raises UserError for training examples that no trial learns anything from, or that leave
    nothing to order.

    A batch of fewer examples than asked for is legal mathematics, and the last one of an epoch is
    one. But where every batch is the whole set, the data order, whose effect is being measured, has
    none: more likely a slip.
    """
    if config.batch_size > len(train):
        raise UserError(
            f"batch_size {config.batch_size} is larger than the"
            f" {plural(len(train), 'training example')}; give at most that."
        )
    if len(np.unique(train.labels, axis=0)) < 2:
        raise UserError(
            f"The training examples that subset_seed {config.subset_seed} draws ({len(train)}) have"
            " a single label; give more train_examples or another subset_seed."
        )
