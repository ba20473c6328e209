"""The examples that a config names: of which task, and which of them are trained on."""

import dataclasses
from pathlib import Path

import numpy as np

from jaxtune.config.field_groups import further_files
from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError
from jaxtune.core.unseen import bare
from jaxtune.core.words import plural
from jaxtune.data.csv_rows import Dialect
from jaxtune.data.custom import read_custom
from jaxtune.data.examples import Dataset
from jaxtune.data.glue import GLUE_TASKS, read_glue_folder, read_glue_hub
from jaxtune.data.scoring import scored_by
from jaxtune.data.sentences import read_tagged


def read_dataset(config: SweepConfig) -> Dataset:
    """The task's examples, from wherever the config says they are, and what they are scored by."""
    dataset = _read_files(config)
    task = scored_by(dataset.task, config.metric, config.positive_class)
    return dataclasses.replace(dataset, task=task)


def _read_files(config: SweepConfig) -> Dataset:
    if config.task == "miniature":
        from jaxtune.data.miniature.task import read_miniature

        return read_miniature()
    if config.task in GLUE_TASKS:
        if config.data_dir is None:
            return read_glue_hub(config.task, config.predict_test)
        return read_glue_folder(config.task, Path(config.data_dir), config.predict_test)
    assert config.train_file is not None
    assert config.dev_file is not None
    further = {name: Path(file) for name, file in further_files(config).items()}
    if config.token_classification:
        return read_tagged(
            Path(config.train_file),
            Path(config.dev_file),
            bare(config.text_columns[0]),
            bare(config.label_column),
            config.classes,
            further,
        )
    return read_custom(
        Path(config.train_file),
        Path(config.dev_file),
        config.text_columns,
        config.label_column,
        config.regression,
        config.classes,
        Dialect(config.delimiter, config.quoting),
        further,
        config.several_labels,
        config.label_columns,
    )


def subset(config: SweepConfig, labels: np.ndarray) -> np.ndarray:
    """The training examples in use, in file order: all, or a random `train_examples` of them.

    Args:
        labels: an entry for each, as of `TokenTable.drawn_by`.
    """
    size, num_examples = config.train_examples, len(labels)
    if size is None:
        return np.arange(num_examples)
    if size > num_examples:
        raise UserError(
            f"train_examples is {size}, but there are {plural(num_examples, 'training example')};"
            " give at most that."
        )
    order = np.random.default_rng(config.subset_seed).permutation(num_examples)
    if config.stratify:
        order = order[_first_of_each_class(labels[order], size)]
    return np.sort(order[:size])


def hold_out(
    config: SweepConfig, chosen: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The examples in use parted into those to train on and those held out, in file order.

    Every class keeps its share in both, and one example to train on at least; examples with any
    number of labels are drawn whatever these are.
    """
    if config.dev_fraction is None:
        return chosen, chosen[:0]
    size, is_class = round(config.dev_fraction * len(chosen)), _are_classes(labels)
    given = f"dev_fraction is {config.dev_fraction}, which holds out {plural(size, 'example')}"
    if len(chosen) - size < (len(np.unique(labels[chosen])) if is_class else 1):
        raise UserError(f"{given} of {len(chosen):,} and leaves too few to train on; give less.")
    # A stream of its own: the same number may be the subset's seed.
    order = np.random.default_rng((1, config.dev_fraction_seed)).permutation(chosen)
    kept = np.arange(len(order) - size)
    if is_class:
        kept = _first_of_each_class(labels[order], len(order) - size)
    held_out = np.sort(np.delete(order, kept))
    if len(np.unique(labels[held_out], axis=0)) < 2:
        raise UserError(f"{given} with fewer than two distinct labels; give a larger share.")
    return np.sort(order[kept]), held_out


def _are_classes(labels: np.ndarray) -> bool:
    return labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)


def _first_of_each_class(labels: np.ndarray, size: int) -> np.ndarray:
    """Places of `size` labels that keep the classes' shares, the first of each class.

    Shares are rounded by largest remainder, and no class goes without an example.
    """
    if not _are_classes(labels):
        raise UserError("stratify is given, but the task's labels are numbers; leave it out.")
    classes, counts = np.unique(labels, return_counts=True)
    if size < len(classes):
        raise UserError(
            f"train_examples is {size}, but there are {len(classes)} classes to draw from; give at"
            " least that, or leave stratify out."
        )
    exact = counts * (size / len(labels))
    quota = np.maximum(1, np.floor(exact).astype(int))
    while quota.sum() != size:  # one example more, or less, where that is nearest to the share
        missing = int(np.sign(size - quota.sum()))
        can_change = quota > 1 if missing < 0 else quota < counts
        gain = np.where(can_change, missing * (exact - quota), -np.inf)
        quota[np.argmax(gain)] += missing
    places = [np.flatnonzero(labels == c)[:n] for c, n in zip(classes, quota, strict=True)]
    return np.concatenate(places)
