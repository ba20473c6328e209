"""Rows of JSON: one object per line, or a list of objects, alone or under the name `data`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxtune.core.errors import UserError
from jaxtune.core.files import each_name_once
from jaxtune.core.unseen import bare
from jaxtune.data.rows import Row, Wanted, examples_text
from jaxtune.data.values import AsText, id_texts, text_of

WHAT = "write one object per line, or a list of objects"
DATA = "data"  # what a list of examples is called in an object around it


def json_rows(path: Path, wanted: Wanted, as_text: AsText = text_of) -> Iterator[Row]:
    """The columns of every object, and what tells it apart; numbers and truth values as JSON writes
    them.

    Args:
        as_text: what a value is as a text.
    """
    text = examples_text(path)
    objects = _listed(path, text)
    for place, record in _by_line(path, text) if objects is None else objects:
        where = f"{path}, {place}"
        if not isinstance(record, dict):
            raise UserError(f"{where} is not a JSON object: {WHAT}")
        names = list(map(bare, record))
        wanted.check(where, names, lambda _: f"{wanted.advice}, that every object has")
        values = dict(zip(names, record.values(), strict=True))
        texts = {name: as_text(where, name, values[name]) for name in wanted.of(names)}
        yield place, id_texts(values) | texts


def _by_line(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    for line, part in enumerate(text.split("\n"), 1):
        if part.strip():
            try:
                yield f"line {line}", _parsed(part)
            except (ValueError, RecursionError) as error:
                raise UserError(
                    f"{path}, line {line} is not a JSON object ({_reason(error)}): write one object"
                    " per line, each name once"
                ) from error


def _listed(path: Path, text: str) -> Iterator[tuple[str, Any]] | None:
    """The values of one list, the whole file; None where the file is none and may be lines.

    What begins as a list is no line of an object; what begins as an object is one list only where
    the whole file is one object, and that has `data`.
    """
    is_list = text.lstrip().startswith("[")
    try:
        whole = _parsed(text)
    except (ValueError, RecursionError) as error:
        if not is_list:
            return None
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UserError(
            f"{path}{line} is not a JSON object ({_reason(error)}): {WHAT}, each name once"
        ) from error
    if isinstance(whole, dict) and isinstance(whole.get(DATA), list):
        whole = whole[DATA]
    if not isinstance(whole, list):
        return None
    return ((f"object {number}", value) for number, value in enumerate(whole, 1))


def _parsed(text: str) -> Any:
    return json.loads(text, parse_constant=_no_constant, object_pairs_hook=each_name_once)


def _reason(error: Exception) -> str:
    return str(getattr(error, "msg", error))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
