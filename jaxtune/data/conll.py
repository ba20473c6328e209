"""Sentences in columns, as the CoNLL tasks write them: a word a line with its tag beside it, and a
blank line after each sentence.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from jaxtune.core.errors import UserError
from jaxtune.core.unseen import bare
from jaxtune.core.words import plural
from jaxtune.data.rows import examples_text

UNIVERSAL = ".conllu"  # with comments, ten columns, and lines of words that are written as one
SUFFIXES = (".conll", UNIVERSAL, ".txt", ".tsv", ".bio", ".iob", ".iob2")
DOCUMENT = "-DOCSTART-"  # a line that begins a document, and is no word


class Sentence(NamedTuple):
    """The words of a text, and their tags."""

    where: str  # in its file, such as `line 3` or `the sentence from line 3 on`
    words: list[str]
    tags: list[str] | None  # None where they are not read
    name: str | None = None  # what tells it apart


class Columns(NamedTuple):
    """Which columns hold word and tag, from 1 on."""

    word: int
    tag: int | None  # None is the last


Line = tuple[int, list[str]]  # its number, from 1 on, and its cells


def columns_of(path: Path, word: str, tag: str) -> Columns:
    """By numbers such as `2`; a name is of other forms of files, and means the columns where word
    and tag commonly stand.
    """
    first, last = (2, 4) if path.suffix.lower() == UNIVERSAL else (1, None)
    return Columns(int(word) if word.isdecimal() else first, int(tag) if tag.isdecimal() else last)


def conll_sentences(path: Path, columns: Columns, labelled: bool | None = True) -> list[Sentence]:
    """Raises UserError for a line that is no word with its tag.

    Args:
        labelled: whether tags are read; None is where the lines have a column of them.
    """
    groups = list(_groups(path))
    if not groups:
        raise UserError(f"{path} has no sentences: give a file with words")
    number, cells = groups[0][0]
    width = len(cells)
    tag = width if columns.tag is None else columns.tag
    _check_width(path, groups, width)
    if labelled is None:
        labelled = width > 1 and tag <= width
    if labelled and columns.tag is None and width == 1:
        raise UserError(
            f"{path}, line {number} has 1 column: write a word and its tag in each line, with a"
            " space or a tab between"
        )
    for name, column in (("text_columns", columns.word), ("label_column", tag)):
        if not 0 < column <= width and (labelled or name == "text_columns"):
            raise UserError(
                f"{path}, line {number} has {plural(width, 'column')}, and {name} is {column}: give"
                f" a number from 1 to {width}"
            )
    return [
        Sentence(
            f"the sentence from line {group[0][0]} on",
            [_cell(path, line, columns.word - 1, "word") for line in group],
            [_cell(path, line, tag - 1, "tag") for line in group] if labelled else None,
        )
        for group in groups
    ]


def _cell(path: Path, line: Line, at: int, what: str) -> str:
    number, cells = line
    if not cells[at]:
        raise UserError(f"{path}, line {number} has an empty {what}: fill it in")
    return cells[at]


def _groups(path: Path) -> Iterator[list[Line]]:
    """The lines of each sentence."""
    universal, group = path.suffix.lower() == UNIVERSAL, []
    for number, line in enumerate(examples_text(path).split("\n"), 1):
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) == 1:  # not at other spaces, which words may hold
            cells = [cell for cell in cells[0].split(" ") if cell]
        if not bare(line) or cells[0] == DOCUMENT:
            if group:
                yield group
            group = []
        elif not (universal and (line.startswith("#") or not cells[0].isdecimal())):
            group.append((number, cells))
    if group:
        yield group


def _check_width(path: Path, groups: list[list[Line]], width: int) -> None:
    for number, cells in (line for group in groups for line in group):
        if len(cells) != width:
            raise UserError(
                f"{path}, line {number} has {plural(len(cells), 'column')}, and line"
                f" {groups[0][0][0]} has {width}: give each word as many, and a blank line after a"
                " sentence"
            )
