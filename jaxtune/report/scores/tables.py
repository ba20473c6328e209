"""Tables of runs, line by line: CSV, TSV, JSON lines and Parquet, whoever wrote them."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxtune.core.errors import UserError
from jaxtune.core.files import each_name_once, read_text
from jaxtune.core.words import plural, quoted

TABLES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
DELIMITERS = (",", "\t", ";")


class Line(NamedTuple):
    """A run as a table has it, and where: `scores.csv, line 3`."""

    where: str
    cells: Mapping[str, Any]  # by column; texts in CSV, numbers too elsewhere
    name: str | None = None  # of a run whose table has no seeds


def read_lines(file: Path) -> list[Line]:
    """The runs of a file, by its suffix; raises UserError where it is no table or has none."""
    suffix = file.suffix.lower()
    if suffix not in TABLES:
        raise UserError(
            f"{file} is no folder of a sweep and no table; give one of {', '.join(TABLES)}, or a"
            " folder."
        )
    readers = {".parquet": _parquet, ".jsonl": _json, ".json": _json}
    lines = readers.get(suffix, _csv)(file)
    if not lines:
        raise UserError(f"{file} holds no run; give a table with a line for each.")
    return lines


def _csv(file: Path) -> list[Line]:
    text = read_text(file)
    first = text.split("\n", 1)[0]
    # No column's name holds two of them, so the one that parts the header most often is it.
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: Sequence[str] | None = None
    lines: list[Line] = []
    try:
        for cells in reader:
            where = f"{file}, line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
                _check_header(where, header)
            elif len(cells) != len(header):
                raise UserError(
                    f"{where} has {plural(len(cells), 'cell')} instead of {len(header)}: give one"
                    f" for each of {quoted(header)}."
                )
            else:
                lines.append(Line(where, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        raise UserError(
            f"{file}, line {reader.line_num} is no CSV ({error}): write it anew as CSV."
        ) from error
    return lines


def _check_header(where: str, header: Sequence[str]) -> None:
    twice = [name for name in dict.fromkeys(header) if name and header.count(name) > 1]
    if twice:
        raise UserError(f"{where} has several columns {twice[0]!r}: rename all but one.")


def _json(file: Path) -> list[Line]:
    """An object per line, or one list of objects."""
    text = read_text(file)
    if text.lstrip().startswith("["):
        objects: Iterable[tuple[str, Any]] = (
            (f"{file}, entry {number}", each) for number, each in enumerate(_list(file, text), 1)
        )
    else:
        objects = (
            (where := f"{file}, line {number}", _object(where, line))
            for number, line in enumerate(text.split("\n"), 1)
            if line.strip()
        )
    lines = []
    for where, cells in objects:
        if not isinstance(cells, dict):
            raise UserError(f"{where} is no JSON object: write one for each run.")
        lines.append(Line(where, cells))
    return lines


def _list(file: Path, text: str) -> list[Any]:
    try:
        return json.loads(text, object_pairs_hook=each_name_once)
    except ValueError as error:
        raise UserError(
            f"{file} is no JSON ({error}): write an object for each run, each name once."
        ) from error


def _object(where: str, line: str) -> Any:
    try:
        return json.loads(line, object_pairs_hook=each_name_once)
    except ValueError as error:
        raise UserError(
            f"{where} is no JSON ({getattr(error, 'msg', error)}): write one object per line,"
            " each name once."
        ) from error


def _parquet(file: Path) -> list[Line]:
    import pyarrow.parquet as pq  # late: CSV does without

    try:
        rows = pq.read_table(file).to_pylist()
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        raise UserError(f"{file} cannot be read as Parquet ({error}): write it anew.") from error
    return [Line(f"{file}, row {number}", row) for number, row in enumerate(rows, 1)]


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: null, nan, or one of the words that stand for them."""
    return is_empty(value) or str(value).strip().lower() in ("null", "none", "na", "n/a")


def is_empty(value: Any) -> bool:
    """Whether a cell that names something has no name; `none` is one, of a recipe without."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return str(value).strip().lower() in ("", "nan")
