"""What contradicts what in the settings of a task of one's own."""

import re
from collections.abc import Sequence

from jaxtune.config.field_groups import changed, further_files
from jaxtune.config.settings import DELIMITERS, SweepConfig
from jaxtune.core.errors import UserError
from jaxtune.core.fields import said_of_commas
from jaxtune.core.label_sets import BETWEEN_LABELS
from jaxtune.core.unseen import bare
from jaxtune.core.words import plural

CUSTOM_FIELDS = (
    *("train_file", "dev_file", "more_dev_files", "test_file"),
    *("text_columns", "label_column", "regression", "several_labels", "label_columns"),
    "token_classification",
    *("classes", "delimiter", "quoting"),
)
TABLES = (".csv", ".tsv")
# Of further dev files; the names that a sweep gives itself are taken.
NAME = re.compile(r"[a-z0-9_]{1,100}", re.IGNORECASE)  # with more around it, of files
# Splits, and what begins the name of a column or a curve that is no score of a further set.
TAKEN = ("train", "dev", "test", "held_out", "predictions", "grad_norm")


def check_custom(config: SweepConfig) -> None:
    """What task custom lacks, or has that contradicts; UserError in one sentence each."""
    if not (config.train_file and config.dev_file):
        raise UserError("Task custom needs --train_file and --dev_file.")
    if config.data_dir is not None:
        raise UserError(
            "data_dir is given, but task custom reads train_file and dev_file as they are; leave it"
            " out."
        )
    if config.predict_test:
        raise UserError(
            "predict_test is given, which is for a benchmark's test split; give --test_file"
            " instead."
        )
    _check_more_dev_files(config)
    if len(config.text_columns) not in (1, 2):
        raise UserError(
            f"text_columns names {plural(len(config.text_columns), 'column')}: name one or two."
        )
    _check_several_labels(config)
    _check_token_classification(config)
    # Without several_labels they are refused for that, among the pairs.
    of_labels = config.label_columns if config.several_labels else ()
    labels = "label_columns" if of_labels else "label_column"
    own = of_labels or (config.label_column,)
    columns = tuple(map(bare, (*config.text_columns, *own)))
    if len(set(columns)) < len(columns):
        raise UserError(
            f"text_columns and {labels} name a column twice ({', '.join(columns)}); give"
            " different ones."
        )
    _check_classes(config)
    files = (config.train_file, config.dev_file, *further_files(config).values())
    check_dialect(config.delimiter, config.quoting, files)


def _check_more_dev_files(config: SweepConfig) -> None:
    names = []
    for entry in config.more_dev_files:
        name, equals, file = entry.partition("=")
        if not equals or not file or not NAME.fullmatch(name):
            raise UserError(
                f"more_dev_files has {entry!r}; give NAME=FILE, the name of at most 100 letters,"
                " digits and _."
            )
        if name.lower() in (*TAKEN, *map(str.lower, names)):
            raise UserError(
                f"more_dev_files has the name {name!r}, which is taken; give another one."
            )
        names.append(name)


def _check_several_labels(config: SweepConfig) -> None:
    if not config.several_labels:
        return
    apart = ("regression", "stratify", "positive_class", "class_weights", "label_smoothing")
    for name in changed(config, apart):
        raise UserError(
            f"{name} is given, which is not for texts with several labels; leave it or"
            " several_labels out."
        )
    columns = config.label_columns
    for name in changed(config, ("classes", "label_column")) if columns else ():
        raise UserError(
            f"{name} and label_columns are both given, and the columns are the labels; leave one of"
            " them out."
        )
    if columns and (len(columns) < 2 or "" in map(bare, columns)):
        raise UserError(
            f"label_columns names {', '.join(map(repr, columns))}; give a column for each of two or"
            f" more labels{said_of_commas(columns)}."
        )
    for name in (*config.classes, *columns):
        if BETWEEN_LABELS in name:
            raise UserError(
                f"The label {name!r} has a {BETWEEN_LABELS}, which parts labels; call it otherwise."
            )


def _check_token_classification(config: SweepConfig) -> None:
    if not config.token_classification:
        return
    apart = ("regression", "several_labels", "stratify", "positive_class", "delimiter", "quoting")
    for name in changed(config, apart):
        raise UserError(
            f"{name} is given, which is not for token classification; leave it or"
            " token_classification out."
        )
    if len(config.text_columns) != 1:
        raise UserError(
            f"text_columns names {plural(len(config.text_columns), 'column')}, and with"
            " token_classification a text is one column of words; name one."
        )


def _check_classes(config: SweepConfig) -> None:
    classes = config.classes
    if config.regression and (classes or config.stratify):
        given = "classes" if classes else "stratify"
        raise UserError(
            f"{given} is given, but with regression the labels are numbers; leave one of them out."
        )
    stripped = {bare(name) for name in classes}
    if classes and (len(classes) < 2 or len(stripped) < len(classes) or "" in stripped):
        raise UserError(
            f"classes are {', '.join(map(repr, classes))}; give at least two, each once, and none"
            f" that is empty{said_of_commas(classes)}."
        )


def check_dialect(delimiter: str | None, quoting: bool | None, files: Sequence[str]) -> None:
    """Raises UserError for a delimiter that is none, and for what none of the files has."""
    mark = DELIMITERS.get(delimiter or "", delimiter)
    if mark is not None and (len(mark) != 1 or mark in '"\r\n'):
        raise UserError(
            f"delimiter is {delimiter!r}; give one character, but no quote or line end, or the"
            " word tab."
        )
    if any(file.lower().endswith(TABLES) for file in files):
        return
    for name, value in (("delimiter", delimiter), ("quoting", quoting)):
        if value is not None:
            raise UserError(
                f"{name} is given, which only {' and '.join(TABLES)} files have; leave it out."
            )
