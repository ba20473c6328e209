"""A task of one's own: files in any of the forms that `jaxtune.data.tables` reads."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from jaxtune.core.errors import UserError
from jaxtune.core.unseen import bare
from jaxtune.core.words import plural
from jaxtune.data.csv_rows import BY_SUFFIX, Dialect
from jaxtune.data.examples import (
    ACCURACY,
    CORRELATION,
    Dataset,
    FurtherSet,
    Layout,
    Task,
    examples_of,
    further_set,
)
from jaxtune.data.labels import Label, classes_of
from jaxtune.data.rows import Row
from jaxtune.data.tables import read_table


def read_custom(
    train_file: Path,
    dev_file: Path,
    text_columns: Sequence[str],
    label_column: str,
    regression: bool,
    classes: Sequence[str] = (),
    dialect: Dialect = BY_SUFFIX,
    further_files: Mapping[str, Path] | None = None,
) -> Dataset:
    """Reads both files, and any further ones; labels lose the spaces around them, unseen ones too.

    Args:
        classes: in the order of the logits; without them the distinct train labels, numbers by
            value and words by spelling.
        further_files: by name; that called test may do without the label's column.
    """
    if len(text_columns) not in (1, 2):
        raise UserError(
            f"text_columns names {plural(len(text_columns), 'column')}: name one or two"
        )
    files = Path(train_file), Path(dev_file)
    layout = Layout(tuple(map(bare, text_columns)), bare(label_column), None)
    rows = [_labelled_rows(file, layout, dialect) for file in files]
    metrics = CORRELATION
    if not regression:
        labels = (
            [Label(f"{file}, {place}", row[layout.label]) for place, row in part]
            for file, part in zip(files, rows, strict=True)
        )
        names = tuple(map(bare, classes)) or classes_of(*labels)
        layout = replace(layout, labels=names)
        metrics = ("accuracy", "f1", "matthews") if len(names) == 2 else ACCURACY
    task = Task("custom", layout.text, layout.labels, metrics, layout)
    train, dev = (examples_of(str(f), r, layout) for f, r in zip(files, rows, strict=True))
    further = {
        name: read_further(file, layout, dialect, labelled=None if name == "test" else True)
        for name, file in (further_files or {}).items()
    }
    return Dataset(task, train, dev, files, further=further)


def read_further(
    path: Path, layout: Layout, dialect: Dialect = BY_SUFFIX, labelled: bool | None = None
) -> FurtherSet:
    """Texts to answer.

    Args:
        labelled: whether labels are read; None is where the file has a column of them.
    """
    columns, optional = layout.text, (layout.label,)
    if labelled is not None:
        columns, optional = layout.columns if labelled else columns, ()
    rows = read_table(path, columns, dialect, optional)
    return further_set(str(path), _with_bare_labels(rows, layout), layout, labelled)


def _labelled_rows(path: Path, layout: Layout, dialect: Dialect) -> list[Row]:
    return _with_bare_labels(read_table(path, layout.columns, dialect), layout)


def _with_bare_labels(rows: Sequence[Row], layout: Layout) -> list[Row]:
    label = layout.label
    return [
        (place, row | {label: bare(row[label])} if label in row else row) for place, row in rows
    ]
