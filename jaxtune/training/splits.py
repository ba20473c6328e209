"""A task's files as tokens: which examples are trained on, which are held out, and what is said of
them all.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError
from jaxtune.data.dataset import hold_out, subset
from jaxtune.data.doubts import doubts
from jaxtune.data.examples import Dataset, Examples
from jaxtune.data.fit import fit_sentences
from jaxtune.data.reading import count_words, reading_of
from jaxtune.data.token_table import TokenTable
from jaxtune.data.tokenizer_folder import load_tokenizer
from jaxtune.data.tokens import tokenize, were_cut
from jaxtune.models.encoder_config import EncoderConfig
from jaxtune.models.folder import CONFIG
from jaxtune.training.check_settings import about_order


def read_splits(
    config: SweepConfig, dataset: Dataset, folder: Path, encoder: EncoderConfig
) -> tuple[list[TokenTable], dict[str, TokenTable], dict[str, Any]]:
    """As tokens, the examples to train on, the dev set and, where there are any, the held-out
    examples; the further sets; and what is said about them all.
    """
    tokenizer = load_tokenizer(folder, config.token_classification)
    _check_padding(folder, encoder, tokenizer)
    max_length = min(config.max_length, encoder.max_length)
    types = encoder.type_vocab_size if config.use_token_types else 0
    parts = {name: asked.examples for name, asked in dataset.further.items()}
    train, dev, *others = (
        tokenize(tokenizer, part, max_length, encoder.vocab_size, types)
        for part in (dataset.train, dataset.dev, *parts.values())
    )
    _check_words(folder, dataset.train, train)
    drawn_by = train.drawn_by
    chosen, held_out = hold_out(config, subset(config, drawn_by), drawn_by)
    further = dict(zip(parts, others, strict=True))
    splits = {"train": (dataset.train, train), "dev": (dataset.dev, dev)}
    splits |= {name: (parts[name], table) for name, table in further.items()}
    cut = {n: were_cut(tokenizer, p, t.lengths, max_length) for n, (p, t) in splits.items()}
    of_split = {"train": chosen}
    if len(held_out):
        splits["held_out"], cut["held_out"] = splits["train"], cut["train"]
        of_split["held_out"] = held_out
    words = None
    if config.token_classification:
        words = {
            name: count_words(part, table.num_words, cut[name], of_split.get(name))
            for name, (part, table) in splits.items()
        }
    tables = [train.take(chosen), dev]
    warnings = doubts(dataset, chosen, config.classes)
    warnings += fit_sentences(tokenizer, {"train": tables[0], "dev": dev})
    warnings += about_order(config, tables[0])
    dataset = dataclasses.replace(dataset, notes=(*dataset.notes, *warnings))
    if len(held_out):
        tables.append(train.take(held_out))
    reading = reading_of(
        dataset,
        chosen,
        {name: int(lost[of_split.get(name, ...)].sum()) for name, lost in cut.items()},
        max_length,
        held_out if len(held_out) else None,
        words,
    )
    return tables, further, reading


def _check_padding(folder: Path, encoder: EncoderConfig, tokenizer: Any) -> None:
    """Raises UserError where model and tokenizer take different ids for padding."""
    if tokenizer.pad_token_id != encoder.pad_token_id:
        raise UserError(
            f"{folder / CONFIG} has padding by id {encoder.pad_token_id} (pad_token_id), but the"
            f" tokenizer there by id {tokenizer.pad_token_id} ({tokenizer.pad_token!r}); put the"
            f" tokenizer's id into {CONFIG}, if the two belong together."
        )


def _check_words(folder: Path, train: Examples, table: TokenTable) -> None:
    """Raises UserError for a training sentence without a labelled word: a batch of such has no
    loss.
    """
    if table.begins is None or table.num_words.all():
        return
    text = train.first[int(np.argmin(table.num_words))]
    raise UserError(
        f"The tokenizer in {folder} has no token for any word of the training sentence {text!r};"
        " take it out of the training file."
    )
