"""A task and its labelled examples, checked as they are read, wherever they come from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jaxtune.core.errors import UserError
from jaxtune.core.unseen import bare, drawn_alike
from jaxtune.core.words import plural, quoted
from jaxtune.data.ids import ids_of, names_in
from jaxtune.data.label_sets import as_numbers
from jaxtune.data.labels import MISSING, check_apart, number
from jaxtune.data.rows import Row

ACCURACY = ("accuracy",)
CORRELATION = ("pearson", "spearman")
# The end of a message about a label that is none of the known ones, which nobody has named.
OF_TRAINING = ", which training examples have, or name every class with --classes"
HIDDEN = "-1"  # instead of a label
LABEL_SETS = ("micro_f1", "macro_f1", "auroc", "accuracy")


@dataclass(frozen=True)
class Layout:
    """How a source writes examples; `labels` in class order, None for regression."""

    text: tuple[str, ...]  # columns
    label: str  # column
    labels: tuple[str, ...] | None
    header: tuple[str, ...] | None = None  # where the file has none
    # QQP as published: rows broken by newlines are dropped, two empty questions kept, as others do.
    has_known_flaws: bool = False
    word: str | None = None  # column of a word that is asked about, put before the first text
    several: bool = False  # any number of labels in a cell, such as `a|b`
    label_columns: tuple[str, ...] = ()  # one of 0 and 1 per label, which become that cell
    # The end of a message about a label that is none of these; empty where they were named.
    unknown: str = ""

    @property
    def asked(self) -> tuple[str, ...]:
        """The columns of a text without a label."""
        return self.text if self.word is None else (*self.text, self.word)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return (*self.asked, *self.answered)

    @property
    def answered(self) -> tuple[str, ...]:
        """The columns of the labels."""
        return self.label_columns or (self.label,)


@dataclass(frozen=True)
class Task:
    """One task: its classes in GLUE's order, its metrics, and how hub and files spell it."""

    name: str
    text_columns: tuple[str, ...]  # on the hub
    label_names: tuple[str, ...] | None  # None: regression
    metrics: tuple[str, ...]  # primary first
    layout: Layout  # of the files
    folder: str = ""  # of the classic files; empty for a custom task
    dev_suffix: str = ""
    positive: int = 1  # of two classes the one that F1 is of
    jsonl: Layout | None = None  # of SuperGLUE's files
    several_labels: bool = False  # any number of them for a text
    token_classification: bool = False  # a class, which is called a tag, for every word of a text

    @property
    def num_labels(self) -> int:
        """Columns of the logits: the number of classes, 1 for regression."""
        return 1 if self.label_names is None else len(self.label_names)

    @property
    def primary_metric(self) -> str:
        """The metric that `final`, `best` and `trivial` are in."""
        return self.metrics[0]


@dataclass(frozen=True)
class Examples:
    """One split in file order; `labels` int32 `[example]`, float32 for regression, int32
    `[example, label]` of 0 and 1 where a text may have any number of them, int32 `[word]` of all
    sentences end to end where words have labels.
    """

    first: list[str]
    second: list[str] | None
    labels: np.ndarray
    words: list[list[str]] | None = None  # of `first`, where they have labels

    @property
    def texts(self) -> list[list[Any]]:
        """What a tokenizer cuts, one or two columns of it."""
        if self.words is not None:
            return [self.words]
        return [self.first] if self.second is None else [self.first, self.second]

    @property
    def answers(self) -> list[Any]:
        """The label of each example, that of several as a tuple."""
        if self.words is not None:
            ends = np.cumsum([len(words) for words in self.words])
            return [tuple(part.tolist()) for part in np.split(self.labels, ends[:-1])]
        labels = self.labels.tolist()
        return [tuple(own) for own in labels] if self.labels.ndim == 2 else labels

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True)
class FurtherSet:
    """Texts that a trial answers once, after its last step: a test file, another dev file."""

    examples: Examples  # with labels of 0 where it has none
    ids: tuple[str, ...]  # as the file has them, or numbers from 0 on
    labelled: bool
    notes: tuple[str, ...] = ()  # as of `Dataset`


@dataclass(frozen=True)
class Dataset:
    """Both splits of a task and the files they came from (none for the hub)."""

    task: Task
    train: Examples
    dev: Examples
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()  # what was read otherwise than it was written, in sentences
    further: Mapping[str, FurtherSet] = field(default_factory=dict)  # by name
    # Parts of the dev set that are scored by themselves after the last step: their examples.
    dev_parts: Mapping[str, np.ndarray] = field(default_factory=dict)


def examples_of(source: str, rows: Iterable[Row], layout: Layout) -> Examples:
    """The examples of a split; raises UserError for what is not one, with its line."""
    rows = list(rows)
    examples = _examples(source, rows, layout, labelled=True)
    # On a dev set of one class the best constant prediction is right everywhere: every trial would
    # count as failed.
    if len(np.unique(examples.labels, axis=0)) < 2:
        found, what = "no examples", "sets of labels" if layout.several else "labels"
        if rows:
            written, count = rows[-1][1][layout.label], plural(len(rows), "example")
            one = "set of labels" if layout.several else "label"
            found = f"a single {one}, {_quoted(written)}, in its {count}"
        raise UserError(f"{source} has {found}: give a split with at least two distinct {what}")
    return examples


def further_set(
    source: str, rows: Sequence[Row], layout: Layout, labelled: bool | None
) -> FurtherSet:
    """Texts to answer; any labels that are there are read too.

    Raises UserError for what is no text, or no label.

    Args:
        labelled: whether the label's column is to be read; None is where it is there.
    """
    if not rows:
        raise UserError(f"{source} has no examples: give a file with texts")
    without = [place for place, row in rows if layout.label not in row]
    otherwise = ""
    if labelled is None:
        labelled = len(without) < len(rows)
        otherwise = f", or take the column {layout.label!r} out where there are no labels"
    if labelled and without:
        raise UserError(
            f"{source}, {without[0]} has no column {layout.label!r}, which others have: give all or"
            " none"
        )
    ids, notes = ids_of(source, names_in([row for _, row in rows]))
    examples = _examples(source, rows, layout, labelled, otherwise)
    return FurtherSet(examples, ids, labelled, notes)


def _examples(
    source: str, rows: Sequence[Row], layout: Layout, labelled: bool, otherwise: str = ""
) -> Examples:
    """Args: otherwise: what else to do about a label that cannot be read."""
    texts, labels = [], []
    for place, row in rows:
        where = f"{source}, {place}"
        texts.append([row[name] for name in layout.text])
        if layout.word is not None:
            texts[-1][0] = f"{row[layout.word]}: {texts[-1][0]}"
        try:
            labels.append(_label(where, row[layout.label], layout) if labelled else 0)
        except UserError as error:
            raise UserError(f"{error}{otherwise}") from error
        if not (layout.has_known_flaws or all(map(bare, texts[-1]))):
            raise UserError(f"{where} has an empty sentence: fill it in or remove the row")
    if layout.labels is None and labelled:
        check_apart(source, labels)
    second = [text[1] for text in texts] if len(layout.text) == 2 else None
    dtype = np.float32 if layout.labels is None else np.int32
    return Examples([text[0] for text in texts], second, np.array(labels, dtype))


def _label(where: str, text: str, layout: Layout) -> int | float | list[int]:
    names = layout.labels
    if names is None:
        if (score := number(text)) is None:
            raise UserError(f"{where} has the score {text!r}: write a finite float32 number")
        return score
    if layout.several:
        return as_numbers(where, text, names, layout.unknown)
    if text in names:
        return names.index(text)
    more = "" if text.casefold() in (*MISSING, HIDDEN) else layout.unknown
    do = drawn_alike(text, names) or f"use one of {quoted(names)}{more}"
    raise UserError(f"{where} has the label {_quoted(text)}: {do}")


def _quoted(label: str) -> str:
    hint = " (-1 stands for the hidden labels of GLUE's test split)" if label == HIDDEN else ""
    return repr(label) + hint
