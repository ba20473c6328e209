"""By what a task is scored: its own metric, or another that fits it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jaxtune.core.entities import are_entities
from jaxtune.core.errors import UserError
from jaxtune.core.label_sets import without_curve
from jaxtune.core.metrics import METRICS, SKEWED, direction, fitting, same_labels_words
from jaxtune.core.unseen import bare
from jaxtune.core.words import any_of, percent, plural, quoted
from jaxtune.data.examples import Task

# Beside the primary metric, of classes: a model that never leaves the largest class shows in them.
BESIDE = ("accuracy", "macro_f1", "matthews")


def scored_by(task: Task, metric: str | None, positive_class: str | None) -> Task:
    """The task with all its metrics, the asked one first; UserError for what does not fit it."""
    primary = metric or task.primary_metric
    entities = task.token_classification and are_entities(task.label_names or ())
    fit = fitting(task.num_labels, task.several_labels, entities)
    if primary not in fit:
        raise UserError(
            f"The metric {primary!r} does not fit task {task.name}, which predicts {_what(task)};"
            f" give {any_of(fit)}."
        )
    # Of label sets a task's own metrics are all there are.
    beside = BESIDE if task.label_names and not task.several_labels else ()
    metrics = tuple(dict.fromkeys((primary, *task.metrics, *beside)))
    return replace(task, metrics=metrics, positive=_positive(task, positive_class))


def _what(task: Task) -> str:
    if task.several_labels:
        return f"any number of {plural(task.num_labels, 'label')}"
    if task.token_classification:
        return f"one of {plural(task.num_labels, 'tag')} for every word"
    return plural(task.num_labels, "class") if task.label_names else "a number"


def _positive(task: Task, name: str | None) -> int:
    if name is None:
        return task.positive
    if task.label_names is None or task.num_labels > 2 or task.several_labels:
        raise UserError(
            f"positive_class is {name!r}, but task {task.name} predicts {_what(task)}, and F1 is of"
            " one of two classes; leave it out."
        )
    if bare(name) not in task.label_names:
        names = " or ".join(map(repr, task.label_names))
        raise UserError(f"positive_class is {name!r}, which is no class; give {names}.")
    return task.label_names.index(bare(name))


def scoring_words(
    metrics: Sequence[str],
    positive: int,
    label_names: Sequence[str] | None,
    dev_labels: np.ndarray,
    floor: float,
    of_words: bool = False,
) -> str:
    """What the trials are scored by, of which class F1 is, and whether that says enough.

    Args:
        metrics: primary first.
        floor: what the best constant prediction scores.
        of_words: whether every word has a label, and not a text.
    """
    way = direction(METRICS[metrics[0]].higher_is_better)
    words = f"Scored by {metrics[0]}{way}; the best constant prediction scores {floor:.3f}."
    if label_names is None:
        return words
    if dev_labels.ndim == 2:
        return words + _label_set_words(metrics, label_names, dev_labels)
    if of_words:
        words += " A prediction is constant where every word gets the same tag."
    if "f1" in metrics:
        words += f" F1 is of the class {label_names[positive]!r} (--positive_class)."
    counts = np.bincount(dev_labels, minlength=len(label_names))
    share, largest = counts.max() / len(dev_labels), label_names[int(counts.argmax())]
    if metrics[0] == "accuracy" and share >= SKEWED:
        words += (
            f" Of the dev {'words' if of_words else 'examples'} {percent(share)} are {largest!r},"
            " so accuracy says little about the rest: think of --metric macro_f1, matthews or"
            " balanced_accuracy."
        )
    return words


def _label_set_words(
    metrics: Sequence[str], label_names: Sequence[str], dev_labels: np.ndarray
) -> str:
    """What is a constant prediction of label sets, and what some of the metrics leave out."""
    words = " A prediction is constant where every text gets the same labels, whichever these are."
    left_out = [n for n, out in zip(label_names, without_curve(dev_labels), strict=True) if out]
    if "auroc" in metrics and left_out:
        words += f" auroc leaves out {quoted(left_out)}, which all dev examples have or none."
    share = np.unique(dev_labels, axis=0, return_counts=True)[1].max() / len(dev_labels)
    if metrics[0] == "accuracy" and share >= SKEWED:
        words += f" {same_labels_words(share)}"
    return words
