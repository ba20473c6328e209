"""Rows of JSON lines: one object per line."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jaxtune.core.errors import UserError
from jaxtune.core.words import quoted
from jaxtune.data.rows import Row, examples_text, renaming

# What JSON calls the values that are neither text nor number.
_KINDS = {type(None): "null", list: "a list", dict: "an object"}


def json_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The columns of every object; numbers and truth values as JSON writes them."""
    for line, text in enumerate(examples_text(path).split("\n"), 1):
        if not text.strip():
            continue
        where = f"{path}, line {line}"
        try:
            record = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"{where} is not a JSON object ({getattr(error, 'msg', error)}): write one object"
                " per line, each name once"
            ) from error
        if not isinstance(record, dict):
            raise UserError(f"{where} is not a JSON object: write one object per line")
        yield line, {name: _text_of(where, name, record) for name in columns}


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuses a name that is given twice, of which JSON's readers keep the last."""
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise ValueError(f"{name!r} stands there {count} times")
    return dict(pairs)


def _text_of(where: str, name: str, record: dict[str, Any]) -> str:
    if name not in record:
        what = renaming(name, record) or "name a column that every object has"
        raise UserError(f"{where} has no column {name!r} but {quoted(record)}: {what}")
    value = record[name]
    if type(value) in _KINDS:
        raise UserError(
            f"{where} has {_KINDS[type(value)]} in column {name!r}: write a text or a number, or"
            " take the line out"
        )
    text = value if isinstance(value, str) else json.dumps(value)
    # Escapes can spell what no text file holds, and what tokenizers refuse or drop.
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text):
        raise UserError(
            f"{where} has a NUL or half a surrogate pair in column {name!r}: take it out"
        )
    return text
