"""Which settings are alike: traced, compiled in where used, of the seeds, of the command alone."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from jaxtune.config.settings import SweepConfig
from jaxtune.core.schedules import HEAD_FIRST

# Of Adam's links a program holds the arithmetic where any of its trials uses one: a grid over them
# is one program, and off they change no bit of a trial on CPU (tests/training/test_links.py).
LINKS = (
    *("correct_moments", "correct_eps", "second_moment_init", "untuned_warmup"),
    *("update_clipping", "rectify"),
)
# What is evaluated in place of the last weights: a program has room for an average where any of its
# trials uses one, and without it a trial is evaluated by its own weights, to the bit.
AVERAGES = ("ema_decay", "average_last")
# Traced too, but a program holds the arithmetic of only those that its trials use: without them it
# is the plain one.
MITIGATIONS = ("mixout", "pretrained_decay", "layerwise_lr_decay", "reinit_layers")
# Of these a program holds the arithmetic where any of its trials uses it: a grid over them is one
# program, and off they change no bit of a trial on CPU (tests/training/test_loss.py).
LOSS_FIELDS = ("class_weights", "label_smoothing")
# Traced values: trials that differ only in these share one compiled program.
TRACED_FIELDS = (
    *("learning_rate", "bias_correction", "adam_b1", "adam_b2", "adam_eps", "weight_decay"),
    *("max_grad_norm", "warmup_ratio"),
    *(*MITIGATIONS, *LOSS_FIELDS, *LINKS, *AVERAGES),
    *("lora_rank", "lora_alpha", "use_rslora", "lora_b_lr_ratio"),
    *("head_ratio", "head_learning_rate"),
)
# Where model and data lie. Trials that differ only in these paths have read the same files if the
# checksums say so.
INPUT_FIELDS = ("model", "data_dir", "train_file", "dev_file")
PATH_FIELDS = ("out", *INPUT_FIELDS)
# What trials answer after their last step: no score that is judged comes of it.
FURTHER_FIELDS = ("more_dev_files", "test_file", "predict_test")
_CROSSED = ("init_seeds", "order_seeds", "dropout_seeds")
SEED_LISTS = ("seeds", *_CROSSED)  # a text each
SEED_FIELDS = ("num_seeds", "until_decided", "max_seeds", *SEED_LISTS)
# Fields that win over another, or contradict it, where both are given; a later source that names
# the other ends them.
OVERRIDDEN = {
    "num_epochs": ("max_steps",),
    "num_seeds": ("seeds", *_CROSSED),
    "seeds": _CROSSED,
    **dict.fromkeys(_CROSSED, ("seeds",)),
}
# Fields that mean something beside another one alone; a later source that switches that one off
# ends them.
OWNED = {
    "train_examples": ("subset_seed", "stratify"),
    "dev_fraction": ("dev_fraction_seed",),
    "until_decided": ("max_seeds",),
    "max_grad_norm": ("clip_per_tensor",),
    "lora_rank": (
        *("lora_alpha", "use_rslora", "lora_dropout", "lora_init", "lora_targets"),
        "lora_b_lr_ratio",
    ),
    "train": ("head_ratio", "head_learning_rate"),
    "early_stop": ("keep_trials",),
    "several_labels": ("label_columns",),
    "cluster": ("ray_address", "runtime_env"),
}
# About the command and not about the results: a resumed sweep may differ in them.
COMMAND_FIELDS = (
    *("out", "dry_run", "overwrite", "compile_cache", "checkpoint_every", "device"),
    *("track", "shard", "cluster", "ray_address", "runtime_env"),
)
_APART = (
    *("save_params", "trials_per_device", "model", "revision", "task"),
    *("text_columns", "classes", "delimiter", "quoting", "several_labels", "label_columns"),
    "token_classification",
    *("early_stop", "keep_trials", "patience", "metric", "positive_class", "lora_targets"),
    *FURTHER_FIELDS,
)
NOT_SWEPT = (*SEED_FIELDS, *COMMAND_FIELDS, *_APART)


def changed(config: SweepConfig, names: Iterable[str]) -> tuple[str, ...]:
    """Of these fields, those that do not have their defaults."""
    return tuple(name for name in names if getattr(config, name) != getattr(SweepConfig, name))


def plain(config: SweepConfig, names: Iterable[str]) -> SweepConfig:
    """The config with the defaults of these fields."""
    return dataclasses.replace(config, **{name: getattr(SweepConfig, name) for name in names})


def mitigations_of(config: SweepConfig) -> tuple[str, ...]:
    """The mitigations in use."""
    return changed(config, MITIGATIONS)


def switched_off(given: Mapping[str, Any]) -> set[str]:
    """The fields that mean nothing any more beside these values, by name."""
    off = [name for name in OWNED if name in given and not given[name]]
    if "train" in given and given["train"] != HEAD_FIRST:
        off.append("train")
    return {owned for name in off for owned in OWNED[name]}


def freezes(config: SweepConfig) -> bool:
    """Whether trials share a part of the model that none of them trains."""
    return config.lora_rank != 0 or config.train in ("bias", "head")


def head_first(config: SweepConfig) -> bool:
    """Whether trials train the head alone first, and then everything that they train."""
    return config.train == HEAD_FIRST


def further_files(config: SweepConfig) -> dict[str, str]:
    """The files that trials of task custom answer after their last step, by name."""
    named = (entry.partition("=") for entry in config.more_dev_files)
    files = {name: file for name, _, file in named}
    return files | ({} if config.test_file is None else {"test": config.test_file})
