"""How texts of a file are read: as the sweep read its own, or in columns that flags name."""

import json
from collections.abc import Callable
from pathlib import Path

from jaxtune.config.settings import DELIMITERS, SweepConfig
from jaxtune.config.validate_custom import check_dialect
from jaxtune.core.errors import UserError
from jaxtune.core.unseen import bare
from jaxtune.core.words import plural
from jaxtune.data.csv_rows import Dialect
from jaxtune.data.custom import read_further
from jaxtune.data.examples import FurtherSet, Layout, Task
from jaxtune.data.glue import GLUE_TASKS, read_glue_further
from jaxtune.data.sentences import is_in_columns, read_further_tagged
from jaxtune.export.as_read import AsRead
from jaxtune.predict.settings import PredictConfig

NO_LABEL = ""  # the column of labels, which are not looked at
WORDS = "tokens"  # what a list of words is commonly called


def reader_of(
    own: AsRead | None, of_words: bool, config: PredictConfig
) -> Callable[[Path], FurtherSet]:
    """Raises UserError for flags that do not fit.

    Args:
        own: how the sweep read texts; None is not known.
        of_words: whether words have labels, and not texts.
    """
    _check_columns(own, of_words, config)
    own = own or AsRead("custom", (WORDS if of_words else "text",))
    given = tuple(map(bare, config.text_columns))
    if of_words:
        _check_no_dialect(config)
        return lambda path: read_further_tagged(
            path,
            Layout(given or (_words_column(own, path),), NO_LABEL, None),
            labelled=False,
            by_name=bool(given),
        )
    check_dialect(config.delimiter, config.quoting, [str(config.file)])
    quoting = own.quoting if config.quoting is None else config.quoting
    dialect = Dialect(config.delimiter or own.delimiter, quoting)
    task = GLUE_TASKS.get(own.task)

    def read(path: Path) -> FurtherSet:
        columns = given or _columns(own, task, path, dialect)
        # As GLUE publishes them, unless it is said otherwise, or the columns are the hub's.
        is_tsv = path.suffix.lower() == ".tsv" and not given and dialect.delimiter is None
        published = task is not None and is_tsv and columns == task.layout.text
        if task is not None and published and not dialect.quoting:
            return read_glue_further(path, task, quotes_are_text=dialect.quoting is False)
        word = task.layout.word if task is not None else None
        layout = Layout(columns, NO_LABEL, None, word=word)
        return read_further(path, layout, dialect, labelled=False)

    return read


def _columns(own: AsRead, task: Task | None, path: Path, dialect: Dialect) -> tuple[str, ...]:
    """A task's own files, in JSON lines those of SuperGLUE, may call their columns otherwise than
    the hub, whose names a file may have too.
    """
    published = {} if task is None else {".tsv": task.layout, ".jsonl": task.jsonl}
    layout = published.get(path.suffix.lower())
    if layout is None or {*own.text_columns} <= _first_names(path, dialect):
        return own.text_columns
    return layout.text


def _first_names(path: Path, dialect: Dialect) -> set[str]:
    """Of the columns, by the first line; none where it has no such, which is said on reading."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            line = file.readline()
        if path.suffix.lower() == ".tsv":
            cells = line.split(DELIMITERS.get(str(dialect.delimiter), dialect.delimiter or "\t"))
            return {bare(cell).strip('"') for cell in cells}
        first = json.loads(line)
    except (OSError, ValueError):
        return set()
    return {*map(bare, first)} if isinstance(first, dict) else set()


def _words_column(own: AsRead, path: Path) -> str:
    """A sweep on files in columns has not said what a list of words is called."""
    column = own.text_columns[0]
    is_said = column not in SweepConfig().text_columns and not column.isdecimal()
    return column if is_said or not own.in_columns or is_in_columns(path) else WORDS


def _check_columns(own: AsRead | None, of_words: bool, config: PredictConfig) -> None:
    names = tuple(map(bare, config.text_columns))
    count = plural(len(names), "column")
    if not names:
        return
    if of_words and len(names) != 1:
        raise UserError(
            f"text_columns names {count}, and a text whose words get tags is one column of words;"
            " name one."
        )
    if own is not None and len(names) != len(own.text_columns):
        raise UserError(
            f"text_columns names {count}, and the sweep read {len(own.text_columns)}"
            f" ({', '.join(own.text_columns)}); name as many."
        )
    if len(names) > 2:
        raise UserError(f"text_columns names {count}: name one or two.")
    if len(set(names)) < len(names):
        raise UserError(
            f"text_columns names a column twice ({', '.join(names)}); give different ones."
        )


def _check_no_dialect(config: PredictConfig) -> None:
    for flag in ("delimiter", "quoting"):
        if getattr(config, flag) is not None:
            raise UserError(f"{flag} is given, which files of words do not have; leave it out.")
