"""A task of one's own in which words have classes, called tags: entities, parts of speech."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxtune.core.entities import are_entities
from jaxtune.core.errors import UserError
from jaxtune.core.unseen import bare, drawn_alike
from jaxtune.core.words import plural, quoted
from jaxtune.data.conll import SUFFIXES, Sentence, conll_sentences
from jaxtune.data.csv_rows import BY_SUFFIX
from jaxtune.data.examples import (
    ACCURACY,
    OF_TRAINING,
    Dataset,
    Examples,
    FurtherSet,
    Layout,
    Task,
)
from jaxtune.data.ids import ids_of, names_in
from jaxtune.data.labels import Label, classes_of
from jaxtune.data.rows import Wanted
from jaxtune.data.tables import read_table
from jaxtune.data.values import MASKED, NOT_MASKED, list_of
from jaxtune.data.word_columns import Columns, check_no_header

ENTITIES = ("entity_f1", *ACCURACY)


def read_tagged(
    train_file: Path,
    dev_file: Path,
    words: str,
    tags: str,
    classes: Sequence[str] = (),
    further_files: Mapping[str, Path] | None = None,
) -> Dataset:
    """Reads both files, and any further ones.

    Args:
        words: the column of the words; in a file in columns its number, or its name in line 1.
        tags: the same of their tags.
        classes: in the order of the logits; without them the distinct tags of the training file.
        further_files: by name; that called test may do without tags.
    """
    files, others = (train_file, dev_file), further_files or {}
    layout, notes = Layout((words,), tags, tuple(map(bare, classes)) or None), []
    # Where another file holds lists, names may be of that one alone.
    by_name = all(map(is_in_columns, (*files, *others.values())))
    parts = [_read(file, layout, True, by_name, notes.append) for file in files]
    names = layout.labels or _tags(files, parts)
    layout = replace(layout, labels=names, unknown="" if layout.labels else OF_TRAINING)
    metrics = ENTITIES if are_entities(names) else ACCURACY
    task = Task("custom", layout.text, names, metrics, layout, token_classification=True)
    train, dev = (_split(file, part, layout) for file, part in zip(files, parts, strict=True))
    further = {
        name: read_further_tagged(file, layout, None if name == "test" else True, by_name)
        for name, file in others.items()
    }
    notes += [note for each in further.values() for note in each.notes]
    return Dataset(task, train, dev, files, tuple(notes), further)


def read_further_tagged(
    path: Path, layout: Layout, labelled: bool | None = None, by_name: bool = False
) -> FurtherSet:
    """Sentences to tag; `notes` say which columns they were read from, where that was not asked for
    by number.

    Args:
        labelled: whether tags are read; None is where the file has a column of them.
        by_name: whether a file in columns must have the names of the layout.
    """
    notes: list[str] = []
    found = _read(path, layout, labelled, by_name, notes.append)
    if layout.unknown:
        _check_no_numbers(path, found)
    ids, more_notes = ids_of(str(path), [each.name for each in found])
    has_tags = found[0].tags is not None
    return FurtherSet(_examples(path, found, layout), ids, has_tags, (*notes, *more_notes))


def is_in_columns(path: Path) -> bool:
    """Whether a file has a word a line, as the CoNLL tasks write them."""
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def _read(
    path: Path,
    layout: Layout,
    labelled: bool | None,
    by_name: bool,
    note: Callable[[str], None],
) -> list[Sentence]:
    (words,), tags = layout.text, layout.label
    if is_in_columns(path):
        return conll_sentences(path, Columns(words, tags, by_name), labelled, note)
    if path.suffix.lower() == ".csv":
        raise UserError(
            f"{path} is a CSV file, whose cells hold no lists of words: give columns as the CoNLL"
            f" tasks write them ({', '.join(SUFFIXES)}), or lists in .jsonl, .json or .parquet"
        )
    labels = () if labelled is False else (tags,)
    wanted = Wanted((words,), labels, labelled is None, classes=layout.labels or ())
    rows = read_table(path, wanted, BY_SUFFIX, list_of)
    if not rows:
        raise UserError(f"{path} has no sentences: give a file with words")
    has_tags = labelled is not False and any(tags in row for _, row in rows)
    names = names_in([row for _, row in rows])
    return [
        _sentence(path, place, row, words, tags if has_tags else None)._replace(name=name)
        for (place, row), name in zip(rows, names, strict=True)
    ]


def _sentence(
    path: Path, place: str, row: Mapping[str, str], words: str, tags: str | None
) -> Sentence:
    where, own = f"{path}, {place}", _texts(json.loads(row[words]))
    if not own or not all(word.strip() for word in own):
        what = "an empty word" if own else "no words"
        raise UserError(f"{where} has {what} in column {words!r}: fill it in or remove it")
    if tags is None:
        return Sentence(place, own, None)
    if tags not in row:
        raise UserError(f"{where} has no column {tags!r}, which others have: give all or none")
    found = json.loads(row[tags])
    if len(found) != len(own):
        raise UserError(
            f"{where} has {plural(len(own), 'word')} in column {words!r} and"
            f" {plural(len(found), 'tag')} in {tags!r}: give one for each word"
        )
    has_numbers = not all(isinstance(tag, str) for tag in found)
    return Sentence(place, own, _texts(found), has_numbers=has_numbers)


def _texts(values: Sequence[Any]) -> list[str]:
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


def _tags(files: Sequence[Path], parts: Sequence[Sequence[Sentence]]) -> tuple[str, ...]:
    """The distinct tags of the training file; UserError where they look like none."""
    for file, part in zip(files, parts, strict=True):
        _check_no_numbers(file, part)
    if is_in_columns(files[0]):
        tags = [tag for each in parts[0] for tag in each.tags or ()]
        check_no_header(files[0], parts[0][0].words[0], tags)
    return classes_of(
        *(
            [Label(f"{file}, {each.where}", bare(tag)) for each in part for tag in each.tags or ()]
            for file, part in zip(files, parts, strict=True)
        )
    )


def _check_no_numbers(path: Path, sentences: Sequence[Sentence]) -> None:
    """Raises UserError for tags by number, whose order nobody has given: that of the classes here
    is the alphabet's.
    """
    numbered = next((each for each in sentences if each.has_numbers), None)
    if numbered is None:
        return
    where = f"{path}, {numbered.where}"
    if str(MASKED) in (numbered.tags or ()):
        raise UserError(f"{where} has the tag '{MASKED}': {NOT_MASKED}")
    raise UserError(
        f"{where} has numbers as tags, and the file does not say what they are called: name them,"
        " that of 0 first, with --classes O B-PER ..."
    )


def _split(path: Path, sentences: Sequence[Sentence], layout: Layout) -> Examples:
    """The examples to train on, or the dev set."""
    examples = _examples(path, sentences, layout)
    if len(np.unique(examples.labels)) < 2:
        tag = (layout.labels or ())[examples.labels[0]]
        raise UserError(
            f"{path} has a single tag, {tag!r}, in its {plural(len(examples.labels), 'word')}: give"
            " a split with at least two distinct tags"
        )
    return examples


def _examples(path: Path, sentences: Sequence[Sentence], layout: Layout) -> Examples:
    """Tags are known by name, or, of classes that were named in their order, by number, as of
    `datasets`, if none is called so.
    """
    words, names = [each.words for each in sentences], layout.labels or ()
    known = {name: number for number, name in enumerate(names)}
    if not layout.unknown and not any(name.isdecimal() for name in names):
        known |= {str(number): number for number in range(len(names))}
    labels = []
    for each in sentences:
        if each.tags is None:
            labels += [0] * len(each.words)
            continue
        for tag in map(bare, each.tags):
            if tag not in known:
                one = drawn_alike(tag, names) or f"use one of {quoted(names)}{layout.unknown}"
                do = NOT_MASKED if tag == str(MASKED) else one
                raise UserError(f"{path}, {each.where} has the tag {tag!r}: {do}")
            labels.append(known[tag])
    return Examples([" ".join(own) for own in words], None, np.array(labels, np.int32), words)
