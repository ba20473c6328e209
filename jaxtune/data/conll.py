"""Sentences as the CoNLL tasks write them: a word and its tag a line, blank lines between."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxtune.core.errors import UserError
from jaxtune.core.unseen import bare
from jaxtune.core.words import plural
from jaxtune.data.rows import examples_text
from jaxtune.data.word_columns import (
    UNIVERSAL,
    Columns,
    Line,
    check_first_word,
    header_of,
    how_read,
    places_of,
)

SUFFIXES = (".conll", UNIVERSAL, ".txt", ".tsv", ".bio", ".iob", ".iob2")
DOCUMENT = "-DOCSTART-"  # a line that begins a document, and is no word


class Sentence(NamedTuple):
    """The words of a text, and their tags."""

    where: str  # in its file, such as `line 3` or `the sentence from line 3 on`
    words: list[str]
    tags: list[str] | None  # None where they are not read
    name: str | None = None  # what tells it apart
    has_numbers: bool = False  # whether a tag is a number, which names nothing


def conll_sentences(
    path: Path,
    columns: Columns,
    labelled: bool | None,
    note: Callable[[str], None],
) -> list[Sentence]:
    """Raises UserError for a line that is no word with its tag.

    Args:
        labelled: whether tags are read; None is where the lines have a column of them.
        note: is told which columns were read, where a number has not said so.
    """
    groups = list(_groups(path))
    if not groups:
        raise UserError(f"{path} has no sentences: give a file with words")
    first = groups[0][0]
    _check_width(path, groups, len(first[1]))
    names = header_of(path, first, columns, labelled)
    word, tag = places = places_of(path, first, columns, names, labelled)
    if tag is None and not names:
        check_first_word(path, first, columns, note)
    if said := how_read(path, first, columns, names, places):
        note(said)
    return [
        Sentence(
            f"the sentence from line {group[0][0]} on",
            [_cell(path, line, word, "word") for line in group],
            None if tag is None else [_cell(path, line, tag, "tag") for line in group],
        )
        for group in (_without_header(path, groups) if names else groups)
    ]


def _without_header(path: Path, groups: Sequence[list[Line]]) -> list[list[Line]]:
    (_, header), *others = groups[0]
    left = [group for group in (others, *groups[1:]) if group]
    if not left:
        raise UserError(f"{path} has column names and no words: give a file with words")
    for number, cells in (line for group in left for line in group):
        if cells == header:
            raise UserError(
                f"{path}, line {number} has the columns' names once more: take the line out"
            )
    return left


def _cell(path: Path, line: Line, place: int, what: str) -> str:
    number, cells = line
    if not cells[place - 1]:
        raise UserError(f"{path}, line {number} has an empty {what}: fill it in")
    return cells[place - 1]


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
