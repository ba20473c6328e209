"""A task of one's own: CSV, TSV or JSONL files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jaxtune.core.errors import UserError
from jaxtune.core.unseen import bare
from jaxtune.core.words import plural
from jaxtune.data.csv_rows import BY_SUFFIX, Dialect, csv_rows
from jaxtune.data.examples import ACCURACY, CORRELATION, Dataset, Layout, Task, examples_of
from jaxtune.data.json_rows import json_rows
from jaxtune.data.labels import Label, classes_of
from jaxtune.data.rows import Row


def read_custom(
    train_file: Path,
    dev_file: Path,
    text_columns: Sequence[str],
    label_column: str,
    regression: bool,
    classes: Sequence[str] = (),
    dialect: Dialect = BY_SUFFIX,
) -> Dataset:
    """Reads CSV or TSV, or JSONL, by suffix; labels lose the spaces around them, unseen ones too.

    Args:
        classes: in the order of the logits; without them the distinct train labels, numbers by
            value and words by spelling.
    """
    if len(text_columns) not in (1, 2):
        raise UserError(
            f"text_columns names {plural(len(text_columns), 'column')}: name one or two"
        )
    files = Path(train_file), Path(dev_file)
    layout = Layout(tuple(text_columns), label_column, None)
    rows = [_rows(file, layout, dialect) for file in files]
    metrics = CORRELATION
    if not regression:
        labels = (
            [Label(f"{file}, line {line}", row[label_column]) for line, row in part]
            for file, part in zip(files, rows, strict=True)
        )
        names = tuple(map(bare, classes)) or classes_of(*labels)
        layout = replace(layout, labels=names)
        metrics = ("accuracy", "f1", "matthews") if len(names) == 2 else ACCURACY
    task = Task("custom", layout.text, layout.labels, metrics, layout)
    train, dev = (examples_of(str(f), r, layout) for f, r in zip(files, rows, strict=True))
    return Dataset(task, train, dev, files)


def _rows(path: Path, layout: Layout, dialect: Dialect) -> list[Row]:
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".json"):
        rows = json_rows(path, layout.columns)
    elif suffix in (".csv", ".tsv"):
        rows = csv_rows(path, layout.columns, dialect)
    else:
        raise UserError(f"{path} has an unknown suffix: give a .csv, .tsv, .jsonl or .json file")
    label = layout.label
    return [(line, row | {label: bare(row[label])}) for line, row in rows]
