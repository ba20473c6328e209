"""What of the files is read as it stands and may be meant otherwise, a warning each."""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from jaxtune.core.entities import are_entities, are_nearly_entities, no_entities
from jaxtune.core.metrics import scorable
from jaxtune.core.unseen import bare
from jaxtune.core.words import plural, quoted
from jaxtune.data.examples import Dataset, Examples, FurtherSet, Task
from jaxtune.data.labels import MISSING
from jaxtune.data.reading import texts_of

_BETWEEN = re.compile(r"\s*[|,;]\s*")  # what files put between labels of one text
_MARKS = {"", "?"}  # of MISSING, which a text may well be, or is refused for


def doubts(dataset: Dataset, chosen: np.ndarray, classes: Sequence[str] = ()) -> list[str]:
    """The warnings about a sweep's data.

    Args:
        chosen: the training examples that are trained on, `[example]`.
        classes: those that were named, which are meant as they are.
    """
    task = dataset.task
    found = [] if classes else [*_joined_labels(task), *_tags_nearly_entities(dataset)]
    splits = {"train": dataset.train, "dev": dataset.dev}
    splits |= {name: asked.examples for name, asked in dataset.further.items()}
    if task.name == "custom" and dataset.train.words is None:
        found += _missing_texts(splits)
    trained_on = {*texts_of(dataset.train, chosen)}
    for name, asked in dataset.further.items():
        found += _trained_on(name, asked.examples, trained_on)
        found += _of_one_label(name, asked, task)
    return found


def _joined_labels(task: Task) -> Iterator[str]:
    """Classes of which some are made of others, as of texts with several labels."""
    names = () if task.several_labels or task.token_classification else task.label_names or ()
    joined = [n for n in names if ({*_BETWEEN.split(n)} - {n}) & {*names}]
    if joined:
        yield (
            f"Warning: the class {joined[0]!r} may be several labels: --several_labels true reads"
            " them, with | between."
        )


def _tags_nearly_entities(dataset: Dataset) -> Iterator[str]:
    tags = dataset.task.label_names or ()
    if not dataset.task.token_classification or are_entities(tags):
        return
    if odd := no_entities(tags):
        count = int(np.isin(dataset.train.labels, [tags.index(tag) for tag in odd]).sum())
        yield (
            f"Warning: among tags of entities {quoted(odd)} {_is(len(odd))} none"
            f" ({plural(count, 'train word')}), for which words are scored by accuracy: write O,"
            " B-PER, I-PER ... for entity F1."
        )
    elif are_nearly_entities(tags):
        yield (
            f"Warning: the tags {quoted(tags)} look like entities and are not spelled so, for which"
            " they are scored by accuracy: write O, B-PER, I-PER ... for entity F1."
        )


def _missing_texts(splits: Mapping[str, Examples]) -> Iterator[str]:
    """Texts that are but a word for a missing one."""
    words = MISSING - _MARKS
    for split, examples in splits.items():
        columns = [examples.first, examples.second or []]
        found = [t for texts in columns for t in texts if bare(t).casefold() in words]
        if found:
            yield (
                f"Warning: {plural(len(found), f'{split} text')} {_is(len(found))} nothing but"
                f" {found[0]!r}, or another word for a missing text: take such rows out if their"
                " text is missing."
            )


def _trained_on(name: str, examples: Examples, trained_on: set[tuple[str, ...]]) -> Iterator[str]:
    shared = sum(text in trained_on for text in texts_of(examples, np.arange(len(examples))))
    if shared:
        example = "a training example" if shared == 1 else "training examples"
        yield (
            f"Warning: {shared:,} of {plural(len(examples), f'{name} example')} {_is(shared)}"
            f" {example} too."
        )


def _of_one_label(name: str, asked: FurtherSet, task: Task) -> Iterator[str]:
    labels = asked.examples.labels
    left_out = [m for m in task.metrics if m not in scorable(task.metrics, labels)]
    if asked.labelled and left_out:
        which = "set of labels" if task.several_labels else "label"
        yield (
            f"Warning: all {name} examples have one {which}: {', '.join(left_out)} would say"
            " nothing there and are left out."
        )


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
