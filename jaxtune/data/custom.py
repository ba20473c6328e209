"""A task of one's own: files in any of the forms that `jaxtune.data.tables` reads."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from jaxtune.core.errors import UserError
from jaxtune.core.label_sets import BETWEEN_LABELS
from jaxtune.core.unseen import bare
from jaxtune.data.csv_rows import BY_SUFFIX, Dialect
from jaxtune.data.examples import (
    ACCURACY,
    CORRELATION,
    LABEL_SETS,
    OF_TRAINING,
    Dataset,
    FurtherSet,
    Layout,
    Task,
    examples_of,
    further_set,
)
from jaxtune.data.label_sets import joined, label_set
from jaxtune.data.labels import Label, classes_of
from jaxtune.data.rows import Row, Wanted
from jaxtune.data.tables import read_table
from jaxtune.data.values import labels_of, single_of, text_of


def read_custom(
    train_file: Path,
    dev_file: Path,
    text_columns: Sequence[str],
    label_column: str,
    regression: bool,
    classes: Sequence[str] = (),
    dialect: Dialect = BY_SUFFIX,
    further_files: Mapping[str, Path] | None = None,
    several_labels: bool = False,
    label_columns: Sequence[str] = (),
) -> Dataset:
    """Reads both files, and any further ones; labels lose the spaces around them, unseen ones too.

    Args:
        classes: in the order of the logits; without them the distinct train labels, numbers by
            value and words by spelling.
        further_files: by name; that called test may do without the label's column.
        several_labels: whether a text may have any number of labels.
        label_columns: one of 0 and 1 for each label, instead of `label_column`.
    """
    files = Path(train_file), Path(dev_file)
    columns = tuple(map(bare, label_columns))
    layout = Layout(
        tuple(map(bare, text_columns)),
        # A name that no other column has, for the cell that the columns become.
        BETWEEN_LABELS.join(columns) or bare(label_column),
        None if regression else tuple(map(bare, classes)) or None,
        several=several_labels,
        label_columns=columns,
    )
    wanted = Wanted(layout.text, layout.answered, classes=layout.labels or ())
    rows = [_rows(file, layout, dialect, wanted) for file in files]
    metrics = CORRELATION
    if not regression:
        names = layout.labels or layout.label_columns or _names(files, rows, layout)
        if several_labels and len(names) < 2:
            raise UserError(
                f"{files[0]} has {f'the label {names[0]!r} alone' if names else 'no labels'}: give"
                " two or more, or leave several_labels out"
            )
        unknown = "" if layout.labels or layout.label_columns else OF_TRAINING
        layout = replace(layout, labels=names, unknown=unknown)
        metrics = ("accuracy", "f1", "matthews") if len(names) == 2 else ACCURACY
        metrics = LABEL_SETS if several_labels else metrics
    task = Task(
        *("custom", layout.text, layout.labels, metrics, layout), several_labels=several_labels
    )
    train, dev = (examples_of(str(f), r, layout) for f, r in zip(files, rows, strict=True))
    further = {
        name: read_further(file, layout, dialect, labelled=None if name == "test" else True)
        for name, file in (further_files or {}).items()
    }
    notes = tuple(note for each in further.values() for note in each.notes)
    return Dataset(task, train, dev, files, notes, further)


def _names(files: Sequence[Path], rows: Sequence[Sequence[Row]], layout: Layout) -> tuple[str, ...]:
    """The distinct labels of the training file, in order."""
    parts = [
        [Label(f"{file}, {place}", row[layout.label]) for place, row in part]
        for file, part in zip(files, rows, strict=True)
    ]
    if layout.several:
        parts = [
            [Label(where, label) for where, cell in part for label in label_set(where, cell)]
            for part in parts
        ]
    return classes_of(*parts)


def read_further(
    path: Path, layout: Layout, dialect: Dialect = BY_SUFFIX, labelled: bool | None = None
) -> FurtherSet:
    """Texts to answer.

    Args:
        labelled: whether labels are read; None is where the file has a column of them.
    """
    labels = () if labelled is False else layout.answered
    by_flags = layout.word is None  # the column of a word that is asked about has none
    wanted = Wanted(layout.asked, labels, labelled is None, by_flags, layout.labels or ())
    return further_set(str(path), _rows(path, layout, dialect, wanted), layout, labelled)


def _rows(path: Path, layout: Layout, dialect: Dialect, wanted: Wanted) -> list[Row]:
    """The rows of a file, with bare labels in one column."""
    label, as_text = layout.label, text_of
    if layout.several:
        as_text = labels_of(label, wanted.optional)
    elif wanted.labels and wanted.by_flags:
        as_text = single_of(label, wanted.optional)
    rows = read_table(path, wanted, dialect, as_text)
    if layout.label_columns:
        return joined(str(path), rows, layout.label_columns, label)
    return [
        (place, row | {label: bare(row[label])} if label in row else row) for place, row in rows
    ]
