"""Rows of tables and of classic GLUE files; what is wrong is one sentence that names the line."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxtune.core.errors import UserError
from jaxtune.core.fields import with_spaces
from jaxtune.core.files import read_text
from jaxtune.core.unseen import bare, drawn_alike
from jaxtune.core.words import plural, quoted

# Where in its file it is, such as `line 3`, from 1 on; the bare name of a column -> its text.
Row = tuple[str, dict[str, str]]
AS_PUBLISHED = "give the file as GLUE publishes it"


class Wanted(NamedTuple):
    """The columns to read, by their bare names."""

    text: tuple[str, ...]
    labels: tuple[str, ...] = ()
    optional: bool = False  # whether a file may lack the labels
    by_flags: bool = True  # named by the user, and not by GLUE
    classes: tuple[str, ...] = ()  # where they are known

    @property
    def required(self) -> tuple[str, ...]:
        """Those that must be there."""
        return self.text if self.optional else (*self.text, *self.labels)

    def of(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those to read of a file with columns of these names, which has all required ones."""
        return tuple(n for n in (*self.text, *self.labels) if n in self.required or n in names)

    def check(
        self, where: str, names: Sequence[str], advice: Callable[[Sequence[str]], str] | None = None
    ) -> None:
        """Raises UserError for names without a required one, with one twice, or with one that
        another may be meant by; `advice` takes the names and says what to do.
        """
        for name in (*self.text, *self.labels):
            do = ""
            if name in self.required and name not in names:
                do = advice(names) if advice else self.advice
            check_column(where, name, names, do)

    @property
    def advice(self) -> str:
        """What to do about a file without one of them."""
        if not self.by_flags:
            return AS_PUBLISHED
        several = with_spaces(self.text[0]) if len(self.text) == 1 else ""
        apart = f" {several}, with spaces between" if several else ""
        flag = "--label_columns" if len(self.labels) > 1 else "--label_column"
        label = f" and {flag}" if self.labels else ""
        return f"name others with --text_columns{apart}{label}"


def glue_rows(
    path: Path,
    columns: Sequence[str],
    header: tuple[str, ...] | None = None,
    drop_broken: bool = False,
    note: Callable[[str], None] = lambda text: None,
) -> Iterator[Row]:
    """Rows of a classic GLUE file: tab-separated, unquoted; without `header` its first line is it.

    A row with another number of fields than the header raises UserError, or is left out where
    `drop_broken`.

    Args:
        header: the columns of a file that has no header line. One that has all the same is read.
        note: is told what was left out, or read otherwise than GLUE's own files are.
    """
    # Sentences may hold U+2028 and bare quotes: only "\n" ends a row. Empty lines at the end are no
    # rows.
    lines = examples_text(path).rstrip("\r\n").split("\n")
    fields = [(n, line.removesuffix("\r").split("\t")) for n, line in enumerate(lines, 1)]
    if header is not None:
        first = fields[0][1]
        if set(columns) <= set(first):
            note(f"{path} begins with a header line, which GLUE's file does not have: it was read.")
            header = None
        elif columns[-1] in first:  # the label's: no sentence, and no label either
            raise UserError(
                f"{path}, line 1 is a header, which GLUE's file does not have, without the columns"
                f" {quoted(columns)}: take the line out"
            )
    width = len(header or fields[0][1])
    if drop_broken:
        whole = [row for row in fields if len(row[1]) == width]
        if len(whole) < len(fields):
            left = len(fields) - len(whole)
            note(
                f"Left out of {path}: {left:,} of {plural(len(fields), 'line')}, for not having"
                f" {width} columns."
            )
        fields = whole
    return table(path, fields, Wanted(tuple(columns), by_flags=False), header)


def table(
    path: Path,
    lines: Iterable[tuple[int, list[str]]],
    wanted: Wanted,
    header: tuple[str, ...] | None = None,
    advice: Callable[[Sequence[str]], str] | None = None,
) -> Iterator[Row]:
    """Lines to rows by the names of a header, the first line where none is given; what nobody sees
    at the ends of a name is no part of it.

    Args:
        advice: what to do about a header without one of the columns.
    """
    for line, fields in lines:
        if header is None:
            header = tuple(map(bare, fields))
            wanted.check(f"{path}, line {line}", header, advice)
        elif tuple(map(bare, fields)) == header:
            raise UserError(f"{path}, line {line} is the header once more: take the line out")
        elif len(fields) == len(header):
            yield f"line {line}", dict(zip(header, fields, strict=True))
        else:
            raise UserError(
                f"{path}, line {line} has {plural(len(fields), 'field')} instead of {len(header)}: "
                f"give one for each of {quoted(header)}"
            )


def check_column(where: str, name: str, names: Sequence[str], advice: str = "") -> None:
    """Raises UserError for a column that is there twice, or not, but under a name that differs in
    case alone, or in how Unicode writes it.

    Args:
        advice: what to do where it is not there at all; empty where it need not be.
    """
    if name not in names:
        near = [other for other in names if other.casefold() == name.casefold()]
        do = f"write {name!r} instead of {near[0]!r} there" if near else advice
        do = drawn_alike(name, names) or do
        if do:
            raise UserError(f"{where} has no column {name!r} but {quoted(names)}: {do}")
    if names.count(name) > 1:
        has = quoted(names)
        raise UserError(f"{where} has several columns {name!r}: rename all but one in {has}")


def examples_text(path: Path) -> str:
    """A file's text; raises UserError where it holds none."""
    text = read_text(path)
    if not text.strip():
        raise UserError(f"{path} is empty: give a file with examples")
    return text
