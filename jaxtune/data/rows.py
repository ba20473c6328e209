"""Rows of TSV, CSV and JSONL files; what is wrong is one sentence that names the line."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jaxtune.core.errors import UserError
from jaxtune.core.files import read_text

Row = tuple[int, dict[str, str]]  # 1-based line number, column name -> text


def glue_rows(
    path: Path,
    columns: Sequence[str],
    header: tuple[str, ...] | None = None,
    drop_broken: bool = False,
) -> Iterator[Row]:
    """Rows of a classic GLUE file: tab-separated, unquoted; without `header` its first line is it.

    A row with another number of fields than the header raises UserError, or is left out where
    `drop_broken`.
    """
    # Sentences may hold U+2028 and bare quotes: only "\n" ends a row. Empty lines at the end are no
    # rows.
    lines = _examples_text(path).rstrip("\r\n").split("\n")
    fields = ((n, line.removesuffix("\r").split("\t")) for n, line in enumerate(lines, 1))
    return _table(path, fields, columns, header, drop_broken)


def custom_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """Rows of a CSV or TSV file with quoting, or of JSON lines, by suffix."""
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".json"):
        return _json_rows(path, columns)
    if suffix in (".csv", ".tsv"):
        return _table(path, _csv_lines(path, "," if suffix == ".csv" else "\t"), columns)
    raise UserError(f"{path} has an unknown suffix: give a .csv, .tsv, .jsonl or .json file")


def _table(
    path: Path,
    lines: Iterable[tuple[int, list[str]]],
    columns: Sequence[str],
    header: tuple[str, ...] | None = None,
    drop_broken: bool = False,
) -> Iterator[Row]:
    for line, fields in lines:
        if header is None:
            header = tuple(fields)
            for name in columns:
                _check_column(f"{path}, line {line}", name, header)
        elif len(fields) == len(header):
            yield line, dict(zip(header, fields, strict=True))
        elif not drop_broken:
            count = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
            raise UserError(
                f"{path}, line {line} has {count} instead of {len(header)}: "
                f"give one for each of {', '.join(header)}"
            )


def _check_column(where: str, name: str, header: tuple[str, ...]) -> None:
    has = ", ".join(header)
    if name not in header:
        raise UserError(f"{where} has no column {name!r}: it names {has}")
    if header.count(name) > 1:
        raise UserError(f"{where} has several columns {name!r}: rename all but one in {has}")


def _csv_lines(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    # Strict, for otherwise a quote that is never closed swallows the rest of the file.
    text = io.StringIO(_examples_text(path), newline="")
    reader, line = csv.reader(text, delimiter=delimiter, strict=True), 1
    try:
        for fields in reader:
            if fields:
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {line} is no CSV ({error}): fix its quotes") from error


def _json_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    for line, text in enumerate(_examples_text(path).split("\n"), 1):
        if not text.strip():
            continue
        where = f"{path}, line {line}"
        try:
            record = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"{where} is not a JSON object ({getattr(error, 'msg', error)}): write one object"
                " per line"
            ) from error
        if not isinstance(record, dict):
            raise UserError(f"{where} is not a JSON object: write one object per line")
        yield line, {name: _text_of(where, name, record) for name in columns}


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _text_of(where: str, name: str, record: dict[str, Any]) -> str:
    value = record.get(name)
    if not isinstance(value, str | int | float):
        has = ", ".join(record)
        raise UserError(f"{where} has no text or number in column {name!r}: it names {has}")
    text = value if isinstance(value, str) else json.dumps(value)
    # Escapes can spell what no text file holds, and what tokenizers refuse or drop.
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text):
        raise UserError(
            f"{where} has a NUL or half a surrogate pair in column {name!r}: take it out"
        )
    return text


def _examples_text(path: Path) -> str:
    text = read_text(path)
    if not text.strip():
        raise UserError(f"{path} is empty: give a file with examples")
    return text
