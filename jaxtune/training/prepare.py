"""A config to what the programs need: tokens, row shapes, weights, plan of the evaluation."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxtune.config.settings import SweepConfig
from jaxtune.data.class_weights import class_weights_of
from jaxtune.data.dataset import read_dataset
from jaxtune.data.examples import Dataset
from jaxtune.data.packing import choose_shape
from jaxtune.data.token_table import TokenTable, compact, compact_beside
from jaxtune.models.encoder_config import EncoderConfig, Remat, in_precision
from jaxtune.models.pretrained import (
    Start,
    load_classifier,
    locate,
    of_tokens,
    random_classifier,
    read_config,
    with_dropout,
)
from jaxtune.models.vocabulary import compact_embedding
from jaxtune.training.check_settings import check_attention, check_usable
from jaxtune.training.evaluation_plan import plan_evaluation
from jaxtune.training.prepared import Asked, Prepared, evaluated_of
from jaxtune.training.splits import read_splits
from jaxtune.training.trained_part import in_parts

MOST_WRITTEN_OUT = 12  # layers, by default


class _Tables(NamedTuple):
    """A task's examples. Words that training keeps are numbered first, then those of `further`."""

    dataset: Dataset
    train: TokenTable
    dev: TokenTable
    held_out: TokenTable | None
    further: Mapping[str, TokenTable]
    reading: dict[str, Any]
    kept_words: np.ndarray
    further_words: np.ndarray


def prepare(
    config: SweepConfig, platform: str | None = None, trials: Iterable[SweepConfig] = ()
) -> Prepared:
    """Everything that does not depend on a seed, as suits a platform (by default JAX's own).

    Raises UserError for input that cannot be used.

    Args:
        trials: configs with the traced values that `config` may lack, for what must fit the data.
    """
    assert config.model is not None
    trials = list(trials)
    platform = platform or jax.default_backend()
    folder = locate(config.model, config.revision)
    encoder = _encoder_config(config, folder, platform)
    tables = _read_tables(config, trials, folder, encoder)
    # A model knows padding by its id, which ModernBERT has behind all words.
    padding = int(np.searchsorted(tables.kept_words, encoder.pad_token_id))
    start = _load(
        config,
        folder,
        dataclasses.replace(encoder, pad_token_id=padding),
        tables.dataset.task.num_labels,
    )
    # On the host: a grid of eight programs would keep eight models on the first device.
    model, frozen = in_parts(
        jax.device_get(compact_embedding(start.model, tables.kept_words)),
        config,
        max((each.lora_rank for each in trials), default=config.lora_rank),
    )
    about_rows = (config.packing, platform == "cpu", config.attention == "kernel")
    width = encoder.hidden_size
    evaluated = evaluated_of(tables.dev, tables.held_out)
    eval_shape, eval_plan = plan_evaluation(evaluated, width, *about_rows)
    lengths = tables.train.lengths
    task = tables.dataset.task
    return Prepared(
        metrics=task.metrics,
        positive=task.positive,
        num_labels=task.num_labels,
        classes=task.label_names,
        reading=tables.reading,
        train=tables.train,
        dev=tables.dev,
        held_out=tables.held_out,
        shape=choose_shape(lengths, config.batch_size, width, *about_rows),
        eval_shape=eval_shape,
        eval_plan=eval_plan,
        model=model,
        frozen=frozen,
        fresh=start.fresh,
        notes=start.notes,
        full_embedding=np.asarray(jax.device_get(start.model.encoder.word.embedding[...])),
        kept_words=tables.kept_words,
        further=_asked(tables, width, about_rows),
        further_words=tables.further_words,
        dev_parts=tables.dataset.dev_parts,
    )


def _encoder_config(config: SweepConfig, folder: Path, platform: str) -> EncoderConfig:
    """The folder's, as a sweep computes with it."""
    encoder = with_dropout(read_config(folder)[0], config.dropout)
    encoder = dataclasses.replace(
        in_precision(encoder, config.precision, platform),
        remat=config.remat or remat_of(platform),
        attention=config.attention,
        scan_layers=in_loop(config, encoder, platform),
    )
    if config.token_classification:
        encoder = of_tokens(encoder)
    check_attention(encoder, platform)
    return encoder


def _read_tables(
    config: SweepConfig, trials: list[SweepConfig], folder: Path, encoder: EncoderConfig
) -> _Tables:
    dataset = read_dataset(config)
    splits, further, reading = read_splits(config, dataset, folder, encoder)
    check_usable(config, splits[0])
    for own in {(each.class_weights, each.label_smoothing): each for each in trials}.values():
        class_weights_of(own, splits[0].labels, dataset.task.label_names)
    kept_words = np.arange(encoder.vocab_size, dtype=np.int32)
    if config.compact_vocabulary:
        counted = encoder.positions == "counted"
        splits, kept_words = compact(splits, encoder.pad_token_id if counted else 0)
    further, further_words = compact_beside(further, kept_words)
    train, dev, *rest = splits
    held_out = rest[0] if rest else None
    return _Tables(dataset, train, dev, held_out, further, reading, kept_words, further_words)


def _load(config: SweepConfig, folder: Path, encoder: EncoderConfig, num_labels: int) -> Start:
    if config.random_weights:
        return random_classifier(encoder, num_labels)
    return load_classifier(folder, encoder, num_labels)


def _asked(tables: _Tables, width: int, about_rows: tuple[bool, bool, bool]) -> dict[str, Asked]:
    """The further sets, by name."""
    asked = {}
    for name, table in tables.further.items():
        _, plan = plan_evaluation(table, width, *about_rows)
        given = tables.dataset.further[name]
        # Of everything that has a row of logits.
        ids = given.ids if table.begins is None else tuple(table.word_names(given.ids))
        asked[name] = Asked(table, plan, ids, given.labelled)
    return asked


def in_loop(config: SweepConfig, encoder: EncoderConfig, platform: str) -> bool:
    """Whether one block is compiled and run in a loop over the layers, or each block by itself.

    On CPU steps without it are no longer, and often shorter; 24 layers would take a minute to
    compile, which a short sweep does not win back. Of a shared block there are no stacks to copy,
    and the sum of its gradients would round otherwise on several devices than on one.
    On an accelerator a card has yet to show what the model says of it (docs/performance.md).
    """
    if config.scan_layers is not None:
        return config.scan_layers
    return platform != "cpu" or encoder.shared_block or encoder.num_layers > MOST_WRITTEN_OUT


def remat_of(platform: str) -> Remat:
    """What the backward pass computes again by default.

    On a GPU or TPU, by the model, to keep less is faster (docs/performance.md); on CPU drawing
    masks again gained nothing (benchmarks/README.md).
    """
    return "none" if platform == "cpu" else "elementwise"
