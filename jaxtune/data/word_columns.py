"""Which columns of a file in columns hold words and tags: by number, or by a line of names."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxtune.config.settings import SweepConfig
from jaxtune.core.entities import are_entities
from jaxtune.core.errors import UserError
from jaxtune.core.unseen import bare
from jaxtune.core.words import plural, quoted
from jaxtune.data.rows import check_column

UNIVERSAL = ".conllu"  # with comments, ten columns, and lines of words that are written as one
# Its columns, which no line names.
FIELDS = (
    *("id", "form", "lemma", "upos", "xpos"),
    *("feats", "head", "deprel", "deps", "misc"),
)
# What columns are called that nobody has named.
DEFAULTS = {*SweepConfig().text_columns, SweepConfig().label_column}
UNNAMED = {"", *DEFAULTS}
# What a column of words is commonly called.
NAMES_OF_WORDS = {"word", "words", "token", "tokens", "text", "form"}
# And one of tags.
NAMES_OF_TAGS = {
    *("tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "entity", "entities"),
    *("pos", "pos_tag", "pos_tags", "upos", "xpos", "bio", "iob"),
}


Line = tuple[int, list[str]]  # its number, from 1 on, and its cells


class Columns(NamedTuple):
    """Which columns are asked for: by number, from 1 on, or by name."""

    word: str
    tag: str  # empty where nothing is known of it
    # Whether a name must be in line 1; otherwise it may be of files of another form, and then means
    # the columns where word and tag commonly stand.
    must_be_there: bool = False

    @property
    def asked(self) -> tuple[str, str]:
        """That of the words and that of the tags."""
        return self.word, self.tag

    @property
    def named(self) -> list[str]:
        """Those that are names, and not the ones that nobody has given."""
        return [name for name in self.asked if _number(name) is None and name not in UNNAMED]


class Places(NamedTuple):
    """Where in a line word and tag stand, from 1 on."""

    word: int
    tag: int | None  # None where tags are not read


def header_of(path: Path, line: Line, columns: Columns, labelled: bool | None) -> tuple[str, ...]:
    """The names of the columns, where the first line holds them; UserError where it lacks one that
    it must have.

    Args:
        labelled: whether tags are read; None is where the lines have a column of them.
    """
    number, cells = line
    if _is_universal(path):
        for name in columns.named if columns.must_be_there else ():
            check_column(str(path), name.lower(), FIELDS, _advice(path, FIELDS, labelled))
        return ()
    names, given = tuple(map(bare, cells)), columns.named
    if not given:  # one of these names alone may well be a word
        return names if {*columns.asked} <= UNNAMED and {*names} >= DEFAULTS else ()
    found = [name for name in given if name in names]
    # In a single column words are found without a name.
    if found or (columns.must_be_there and len(names) > 1):
        needed = [name for name in given if labelled or name == columns.word]
        for name in (*needed, *found):
            check_column(f"{path}, line {number}", name, names, _advice(path, names, labelled))
    return names if found else ()


def _advice(path: Path, names: Sequence[str], labelled: bool | None) -> str:
    """What to do about a name that is not there."""
    word, tag = _common(path, len(names))
    if not labelled:
        return f"name another with --text_columns, or give its number, such as {word}"
    return (
        "name others with --text_columns and --label_column, or give their numbers, such as"
        f" {word} and {tag}"
    )


def places_of(
    path: Path, line: Line, columns: Columns, names: tuple[str, ...], labelled: bool | None
) -> Places:
    """The columns to read; UserError where a line has none such.

    Args:
        names: of the columns, where the file has them.
        labelled: as of `header_of`.
    """
    width = len(line[1])
    word, tag = (
        _place(asked.lower(), FIELDS, common)
        if _is_universal(path)
        else _place(asked, names, common)
        for asked, common in zip(columns.asked, _common(path, width), strict=True)
    )
    if labelled is None:
        is_lacking = bool(names) and columns.tag in columns.named and columns.tag not in names
        labelled = width > 1 and tag <= width and tag != word and not is_lacking
    places = Places(word, tag if labelled else None)
    _check_places(path, line, columns, places)
    return places


def _check_places(path: Path, line: Line, columns: Columns, places: Places) -> None:
    (number, cells), (word, tag) = line, places
    where, width = f"{path}, line {number}", len(cells)
    if tag == width == 1 and _number(columns.tag) is None:
        raise UserError(
            f"{where} has 1 column: write a word and its tag in each line, with a space or a tab"
            " between"
        )
    for flag, column in (("text_columns", word), ("label_column", tag)):
        if column is not None and not 0 < column <= width:
            raise UserError(
                f"{where} has {plural(width, 'column')}, and {flag} is {column}: give a number from"
                f" 1 to {width}"
            )
    if word == tag:
        raise UserError(
            f"{where} has {plural(width, 'column')}, and column {word} would be both words and"
            " tags: give different ones with --text_columns and --label_column"
        )


def _place(asked: str, names: Sequence[str], common: int) -> int:
    if asked in names:
        return names.index(asked) + 1
    number = _number(asked)
    return common if number is None else number


def _number(column: str) -> int | None:
    """The number that a column is asked for by; None where it is a name."""
    return int(column) if column.removeprefix("-").isdecimal() else None


def _common(path: Path, width: int) -> tuple[int, int]:
    """Where word and tag commonly stand."""
    return (2, 4) if _is_universal(path) else (1, width)


def _is_universal(path: Path) -> bool:
    return path.suffix.lower() == UNIVERSAL


def how_read(
    path: Path, line: Line, columns: Columns, names: Sequence[str], places: Places
) -> str | None:
    """A sentence on which columns were read; None where they are those that were asked for by
    number, or the only ones that there are.
    """
    width = len(line[1])
    if not names and (width == 1 or _number(columns.word) is not None):
        return None
    if not names and places.tag is not None and not columns.named:
        return None
    found = [("words", places.word), *([("tags", places.tag)] if places.tag else [])]
    said = ", its ".join(
        f"{what} are column {at} of {width}{f' ({names[at - 1]})' if names else ''}"
        for what, at in found
    )
    begins = "begins with a line" if names else "has no line"
    return f"{path} {begins} of column names: its {said}."


def check_first_word(path: Path, line: Line, columns: Columns, note: Callable[[str], None]) -> None:
    """Raises UserError where the first line, whose tags are not read, looks like the names of its
    columns; of a single column that may well be a word, which `note` is told.
    """
    number, cells = line[0], list(map(bare, line[1]))
    if _number(columns.word) is not None or cells[0].casefold() not in NAMES_OF_WORDS:
        return
    where = f"{path}, line {number}"
    # The tag is commonly the last.
    if len(cells) > 1 and cells[-1].casefold() in NAMES_OF_TAGS:
        raise UserError(
            f"{where} has {quoted(cells)}, which look like column names: take the line out if they"
            " are, or say --text_columns 1 if they are not"
        )
    if len(cells) == 1:
        note(f"{where} is {cells[0]!r}, which is read as a word: if it is a name, take it out.")


def check_no_header(path: Path, word: str, tags: Sequence[str]) -> None:
    """Raises UserError where the first word and its tag look like the names of their columns: no
    other word has the tag, and both are called so, or all other tags spell entities and this one is
    in small letters.

    Args:
        tags: of all words, the first one's first.
    """
    first, others = tags[0], {*tags[1:]}
    are_names = word.casefold() in NAMES_OF_WORDS and first.casefold() in NAMES_OF_TAGS
    is_name = are_names or (are_entities([*others]) and not first.isupper())
    if first in others or not is_name or are_entities([first, *others]):
        return
    raise UserError(
        f"{path} begins with the word {word!r} and the tag {first!r}, which no other word has and"
        f" which look like column names: say --text_columns {word} --label_column {first} if they"
        " are, or name every tag with --classes"
    )
