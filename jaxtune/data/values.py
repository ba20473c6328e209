"""Values of files that know types, such as JSON and Parquet, as the texts that they stand for."""

import datetime
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from jaxtune.core.errors import UserError
from jaxtune.core.label_sets import BETWEEN_LABELS
from jaxtune.core.unseen import bare
from jaxtune.data.ids import ID_COLUMNS

# What the values that are neither text nor number are called.
_KINDS = {
    type(None): "null",
    list: "a list",
    dict: "an object",
    bytes: "bytes",
    datetime.datetime: "a time",
    datetime.date: "a date",
}


# What stands instead of a class: for the labels of GLUE's test split, and for what has no tag.
HIDDEN, MASKED = -1, -100
NOT_MASKED = "such a number masks pieces of words, so give whole words with a tag each"

# The way out where the values of one's own files show that a flag is missing.
TAGGED = "say --token_classification true, if every word has a tag"
SEVERAL = "say --several_labels true, if a text may have several labels"

# From where a value stands, the name of its column, and the value.
AsText = Callable[[str, str, Any], str]


def text_of(where: str, name: str, value: Any) -> str:
    """A text as it is, a number or truth value as JSON writes it; UserError for anything else."""
    is_number = isinstance(value, int | float)
    if not isinstance(value, str) and not is_number:
        kind = _KINDS.get(type(value), f"a {type(value).__name__}")
        raise _wrong(where, kind, name)
    if isinstance(value, float) and not math.isfinite(value):
        raise _wrong(where, str(value), name)
    text = value if isinstance(value, str) else json.dumps(value)
    # Escapes can spell what no text file holds, and what tokenizers refuse or drop.
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text):
        raise UserError(
            f"{where} has a NUL or half a surrogate pair in column {name!r}: take it out"
        )
    return text


def single_of(column: str, optional: bool) -> AsText:
    """As `text_of`; refuses a list and names the flag that reads one, which of labels, those in
    `column`, is another than of words.

    Args:
        optional: whether a file may lack that column.
    """

    def read(where: str, name: str, value: Any) -> str:
        if isinstance(value, list):
            raise _wrong(where, "a list", name, f"; {SEVERAL if name == column else TAGGED}")
        _check_there(where, name, value, column if optional else None)
        return text_of(where, name, value)

    return read


def labels_of(column: str, optional: bool) -> AsText:
    """As `text_of`, but in this column a list of labels is one, which becomes `a|b`.

    Args:
        optional: as of `single_of`.
    """

    def read(where: str, name: str, value: Any) -> str:
        _check_there(where, name, value, column if optional else None)
        if name != column or not isinstance(value, list):
            return text_of(where, name, value)
        return BETWEEN_LABELS.join(_label_of(where, name, each) for each in value)

    return read


def list_of(where: str, name: str, value: Any) -> str:
    """A list of texts or numbers as JSON, truth values as texts; UserError for anything else."""
    if not isinstance(value, list):
        kind = "a text" if isinstance(value, str) else _KINDS.get(type(value), repr(value))
        raise UserError(
            f"{where} has {kind} in column {name!r}: write a list, with an entry for each word"
        )
    texts = [text_of(where, name, each) for each in value]
    numbers = [isinstance(each, int | float) and not isinstance(each, bool) for each in value]
    return json.dumps([v if n else t for v, t, n in zip(value, texts, numbers, strict=True)])


def _label_of(where: str, name: str, value: Any) -> str:
    label = text_of(where, name, value)
    if not bare(label) or BETWEEN_LABELS in label:
        raise UserError(
            f"{where} has the label {label!r} in column {name!r}: write labels that are not empty,"
            f" without {BETWEEN_LABELS}, which parts them elsewhere"
        )
    return label


def _check_there(where: str, name: str, value: Any, optional: str | None) -> None:
    """Raises UserError for null in the column that a file may lack."""
    if value is None and name == optional:
        raise _wrong(where, "null", name, ", or the column where there are no labels")


def _wrong(where: str, kind: str, name: str, further: str = "") -> UserError:
    place = where.rpartition(", ")[2].partition(" ")[0]  # line, object or row
    return UserError(
        f"{where} has {kind} in column {name!r}: write a text or a number, or take the {place}"
        f" out{further}"
    )


def id_texts(values: Mapping[str, Any]) -> dict[str, str]:
    """What tells an example apart, whatever it is."""
    found = {name: values[name] for name in ID_COLUMNS if name in values}
    texts = {
        name: value if isinstance(value, str) else json.dumps(value, default=str)
        for name, value in found.items()
    }
    # Half a surrogate pair can be spelled there and written nowhere.
    return {name: t.encode(errors="backslashreplace").decode() for name, t in texts.items()}
