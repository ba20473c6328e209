"""Rows of CSV and TSV files: what quotes mean there is asked for, not guessed.

A quote that is text, read as one that holds a cell together, swallows rows; the other way round its
marks become words. Both leave a file that looks well, so what seems written the other way is
refused unless `quoting` says how it is meant.
"""

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from jaxtune.config.settings import DELIMITERS
from jaxtune.core.errors import UserError
from jaxtune.core.unseen import bare
from jaxtune.core.words import plural
from jaxtune.data.labels import MANY_CLASSES, number
from jaxtune.data.rows import Row, Wanted, examples_text, table

MARKS = (";", "\t", "|", ",")  # that other programs put between columns
_AFTER_QUOTES = re.compile(r'"(?:[^"]|"")*"([;\t|,])')
_IN_QUOTES = re.compile(r'"(?:[^"]|"")*"')  # as spreadsheets write a cell


class Dialect(NamedTuple):
    """How cells are written; None is as the suffix says: .csv has commas and quotes, .tsv tabs."""

    delimiter: str | None = None
    quoting: bool | None = None


BY_SUFFIX = Dialect()


class Record(NamedTuple):
    """The cells of a row, which quotes may hold together over several lines."""

    first: int  # lines, from 1
    last: int
    cells: list[str]


def csv_rows(path: Path, wanted: Wanted, dialect: Dialect = BY_SUFFIX) -> list[Row]:
    """Rows of a CSV or TSV file; blank lines are none, and of one column refused between rows.

    Raises UserError for what is no row, and, where `quoting` is left open, for quotes that seem
    meant in the other way.
    """
    is_csv = path.suffix.lower() == ".csv"
    given = dialect.delimiter or ("," if is_csv else "\t")
    delimiter = DELIMITERS.get(given, given)
    has_quotes = is_csv if dialect.quoting is None else dialect.quoting
    text = examples_text(path)
    records = _records(path, text, delimiter, has_quotes)
    _check_none_blank(path, records)
    if not has_quotes:
        _check_line_ends(path, text)
    if dialect.quoting is None and not has_quotes:
        joins = len(records[0].cells) == 1 and _joins_lines(path, text, delimiter)
        _check_written_in_quotes(path, records, joins)
    lines = ((record.first, record.cells) for record in records)
    rows = list(table(path, lines, wanted, advice=partial(_advice, records, wanted, dialect)))
    if dialect.quoting is None and has_quotes:
        _check_swallowed(path, text, records, wanted.labels, delimiter)
    if dialect.quoting is None:
        _check_quotes_left(path, rows, wanted.required, has_quotes)
    return rows


def _records(path: Path, text: str, delimiter: str, has_quotes: bool) -> list[Record]:
    # Strict, for otherwise a quote that is never closed swallows the rest of the file.
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if has_quotes else csv.QUOTE_NONE,
        strict=True,
    )
    records: list[Record] = []
    line = 1
    limit = csv.field_size_limit(len(text))  # of the whole process: 131,072 unless lifted
    try:
        for cells in reader:
            if cells:
                records.append(Record(line, reader.line_num, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        do = "fix its quotes, or say --quoting false where they are part of the text"
        # Cells that all are in quotes, with another mark between them.
        if line == 1 and (mark := _AFTER_QUOTES.match(text)) and mark[1] != delimiter:
            do = _say_delimiter(mark[1])
        raise UserError(f"{path}, line {line} is no CSV ({error}): {do}") from error
    finally:
        csv.field_size_limit(limit)
    return records


def _check_none_blank(path: Path, records: Sequence[Record]) -> None:
    """Raises UserError for a blank line before a row of a file of one column: it may be a row whose
    text is empty, and rows behind it would be known by other numbers.
    """
    for before, after in itertools.pairwise(records if len(records[0].cells) == 1 else ()):
        if after.first > before.last + 1:
            line = before.last + 1
            raise UserError(f"{path}, line {line} is empty: fill it in or take the line out")


def _check_line_ends(path: Path, text: str) -> None:
    """Raises UserError for a carriage return alone where lines end in another way: it is of a text,
    and would end a row.
    """
    alone = re.search(r"\r(?![\r\n]|\Z)", text)
    if alone and "\n" in text:
        line = text.count("\n", 0, alone.start()) + 1
        raise UserError(
            f"{path}, line {line} has a carriage return within, where a row would end: take it out,"
            " or write the text in quotes and say --quoting true"
        )


def _check_written_in_quotes(path: Path, records: Sequence[Record], joins: bool) -> None:
    """Raises UserError for quotes that a table writer put around cells, where they were read as
    text.

    A sentence in quotes is no sign of it, nor is a quote at its beginning: GLUE has hundreds. Signs
    are quotes that are doubled within, quotes around a column's name, and a row that only quotes
    would hold together: it has another number of cells, or, of one column, the file can be read so.

    Args:
        joins: whether there is one column, and quotes may hold its lines together.
    """
    width = len(records[0].cells)
    for number_of_row, record in enumerate(records):
        for cell in record.cells:
            wrapped = _IN_QUOTES.fullmatch(cell)
            is_apart = len(record.cells) != width or (joins and not wrapped)
            open_quote = cell.startswith('"') and is_apart
            if is_doubled(cell) or open_quote or (wrapped and number_of_row == 0):
                raise quotes_in_doubt(f"{path}, line {record.first}", cell)


def _joins_lines(path: Path, text: str, delimiter: str) -> bool:
    """Whether the quotes of a file, read as a table writer means them, hold lines together; most
    files in which they are text cannot be read so.
    """
    try:
        records = _records(path, text, delimiter, has_quotes=True)
    except UserError:
        return False
    return any(record.first < record.last for record in records)


def quotes_in_doubt(where: str, cell: str) -> UserError:
    """Of a cell whose quotes may be meant in either way."""
    return UserError(
        f"{where} has {_shortened(cell)}, whose quotes may hold a cell together or be part of the"
        " text: say --quoting true or --quoting false"
    )


def is_doubled(cell: str) -> bool:
    """Whether a cell is in quotes, with quotes that are doubled within."""
    return _IN_QUOTES.fullmatch(cell) is not None and '""' in cell[1:-1]


def _check_quotes_left(
    path: Path, rows: Sequence[Row], columns: Sequence[str], has_quotes: bool
) -> None:
    """Raises UserError for a column most of whose cells are still in quotes: sentences that all are
    quotations are rarer than a file whose quotes were not understood.
    """
    for name in columns:
        cells = [bare(row[name]) for _, row in rows]
        marks = Counter(cell[0] for cell in cells if len(cell) > 1 and cell[0] == cell[-1])
        mark = max("\"'", key=lambda mark: marks[mark])
        wrapped = marks[mark]
        if wrapped <= len(cells) / 2:
            continue
        do = (
            "say --quoting true if they hold cells together, or --quoting false if not"
            if mark == '"' and not has_quotes
            else "take them out, or the spaces before them, or say --quoting"
            f" {str(has_quotes).lower()} if they belong there"
        )
        raise UserError(
            f"{path} has quotes around {wrapped:,} of {plural(len(cells), 'cell')} of the column"
            f" {name!r}, which are read as part of the text: {do}"
        )


def _check_swallowed(
    path: Path, text: str, records: Sequence[Record], labels: Sequence[str], delimiter: str
) -> None:
    """Raises UserError for a record of several lines of which two or more look like rows.

    Of a text of several lines one may: the line where its own label stands.
    """
    header, rows = list(map(bare, records[0].cells)), records[1:]
    label = next((header.index(name) for name in labels if name in header), None)
    is_row = _with_numbers(len(header), rows) if label is None else _with_a_label(label, rows)
    lines = list(io.StringIO(text, newline=""))
    for record in rows:
        if record.first == record.last:
            continue
        cells = [
            line.rstrip("\r\n").split(delimiter) for line in lines[record.first - 1 : record.last]
        ]
        if sum(len(own) == len(header) and is_row(own) for own in cells) > 1:
            raise UserError(
                f"{path}, line {record.first} opens a quote that closes in line {record.last}, and"
                " the lines between look like rows of their own: say --quoting false where quotes"
                " are part of the text, or --quoting true where they hold it together"
            )


def _with_a_label(place: int, rows: Sequence[Record]) -> Callable[[Sequence[str]], bool]:
    """Whether cells hold a label, as those of the rows do."""
    known = {record.cells[place].strip() for record in rows}
    # Of scores a row may well have one that no other row has; of classes it has not.
    are_scores = len(known) > MANY_CLASSES and None not in map(number, known)

    def is_row(cells: Sequence[str]) -> bool:
        cell = cells[place].strip()
        return cell in known or (are_scores and number(cell) is not None)

    return is_row


def _with_numbers(width: int, rows: Sequence[Record]) -> Callable[[Sequence[str]], bool]:
    """Whether cells, of which none is a label, are numbers where those of all one-line rows are; of
    one column, which is the label, that says nothing.
    """
    whole = [record.cells for record in rows if record.first == record.last]
    numeric = [
        i for i in range(width) if whole and all(number(own[i]) is not None for own in whole)
    ]
    return lambda cells: width > 1 and all(number(cells[i]) is not None for i in numeric)


def _advice(
    records: Sequence[Record], wanted: Wanted, dialect: Dialect, header: Sequence[str]
) -> str:
    """What to do about a header without a wanted column."""
    for record in records[1:]:
        if {*wanted.required} <= set(map(bare, record.cells)):
            return f"line {record.first} has the columns' names: take out what stands above it"
    marks = [mark for mark in MARKS if mark in header[0]]
    if len(header) == 1 and marks:
        same = "" if dialect.delimiter is None else "; all files are read with the same one"
        return f"{_say_delimiter(marks[0])}{same}"
    return (
        f"{wanted.advice}, or, where line 1 is an example, put a line with the columns' names"
        " above it"
    )


def _say_delimiter(mark: str) -> str:
    spelled = {mark: name for name, mark in DELIMITERS.items()}
    return f"say --delimiter {spelled.get(mark, repr(mark))} if that parts its columns"


def _shortened(cell: str) -> str:
    return cell if len(cell) <= 60 else f"{cell[:30]} ... {cell[-25:]}"
