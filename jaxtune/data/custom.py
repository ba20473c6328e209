"""A task of one's own: CSV, TSV or JSONL files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jaxtune.core.errors import UserError
from jaxtune.data.examples import ACCURACY, CORRELATION, Dataset, Layout, Task, examples_of
from jaxtune.data.rows import custom_rows


def read_custom(
    train_file: Path,
    dev_file: Path,
    text_columns: Sequence[str],
    label_column: str,
    regression: bool,
) -> Dataset:
    """Read quoted CSV or TSV, or JSONL, by suffix; classes are the sorted distinct train labels."""
    if len(text_columns) not in (1, 2):
        raise UserError(f"text_columns names {len(text_columns)} columns: name one or two")
    files = Path(train_file), Path(dev_file)
    layout = Layout(tuple(text_columns), label_column, None)
    rows = [list(custom_rows(file, layout.columns)) for file in files]
    metrics = CORRELATION
    if not regression:
        names = tuple(sorted({row[label_column] for _, row in rows[0]} - {""}))
        layout = replace(layout, labels=names)
        metrics = ("accuracy", "f1", "matthews") if len(names) == 2 else ACCURACY
    task = Task("custom", layout.text, layout.labels, metrics, layout)
    train, dev = (examples_of(str(f), r, layout) for f, r in zip(files, rows, strict=True))
    return Dataset(task, train, dev, files)
