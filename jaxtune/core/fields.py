"""The fields of a settings class: what each takes, in words, and a given value turned into that."""

import contextlib
import difflib
import functools
import math
import numbers
import os
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtune.core.errors import UserError
from jaxtune.core.other_names import OTHER_NAMES
from jaxtune.core.words import any_of

_KINDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    Path: "a path",
    types.NoneType: "null",
}
MOST_LISTED = 4  # words that a message names although one of them is near


@functools.cache
def hints_of(settings: type) -> Mapping[str, Any]:
    """The type of every field, by name."""
    return typing.get_type_hints(settings)


def is_list(hint: Any) -> bool:
    """Whether a field takes several values."""
    return typing.get_origin(hint) is tuple


def choices(hint: Any) -> tuple[Any, ...]:
    """What one value may be: `float | None` is float and NoneType, Literal["a", "b"] is a and b."""
    if is_list(hint):
        return choices(typing.get_args(hint)[0])
    if typing.get_origin(hint) is typing.Literal:
        return typing.get_args(hint)
    inner = typing.get_args(hint)  # of a union, whose parts may be Literals
    return tuple(choice for part in inner for choice in choices(part)) or (hint,)


def kind(hint: Any) -> str:
    """What a field takes, in words: `a number or null`, `linear, cosine or constant`."""
    text = any_of(_KINDS.get(choice) or str(choice) for choice in choices(hint))
    return f"{text}, or a list of them" if is_list(hint) else text


def convert(hint: Any, value: Any) -> Any:
    """A value as its field holds it; raises ValueError where the field does not take it.

    Texts may spell numbers, for YAML reads `2e-5` as a text. A list field takes one value, too.
    """
    if is_list(hint):
        values = value if isinstance(value, list | tuple) else [value]
        return tuple(_convert_one(hint, one) for one in values)
    return _convert_one(hint, value)


def _convert_one(hint: Any, value: Any) -> Any:
    for choice in choices(hint):
        with contextlib.suppress(ValueError):
            return _as(choice, value)
    raise ValueError(value)


def _as(choice: Any, value: Any) -> Any:
    """`value` as this type, or as this word of a Literal."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if choice in (bool, types.NoneType):
        if isinstance(value, choice):
            return value
    elif choice is int:
        if isinstance(value, str) or (is_number and not isinstance(value, float)):
            return int(plain_number(value))
    elif choice is float:
        if isinstance(value, str) or is_number:
            # Through a text, for a huge whole number is infinite there.
            return float(plain_number(str(value)))
    elif choice in (str, Path):
        # Not "" either: as a path it would be the folder one is in.
        if isinstance(value, str | os.PathLike | numbers.Number) and value != "":
            text = str(value)
            return Path(os.path.expanduser(text)) if choice is Path else text
    elif value == choice:
        return value
    raise ValueError(value)


def plain_number(value: Any) -> Any:
    """The value for `int` or `float`; ValueError for 1_0, a slip elsewhere, which is 10 there."""
    if isinstance(value, str) and "_" in value:
        raise ValueError(value)
    return value


def shown(value: Any) -> str:
    """A refused value for a message: what is no plain one by its kind alone."""
    plain = str | os.PathLike | numbers.Number | list | tuple | dict | types.NoneType
    return repr(value) if isinstance(value, plain) else f"a {type(value).__name__}"


def each_given(settings: Any, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Field by field its value, of a list field each entry; null is none."""
    for name in names:
        value = getattr(settings, name)
        for one in value if isinstance(value, tuple) else (value,):
            if one is not None:
                yield name, one


def check_least(settings: Any, least: int, names: Iterable[str]) -> None:
    """Raises UserError for a field, or an entry of a list field, below `least`; null is none."""
    for name, value in each_given(settings, names):
        if not value >= least:  # so that nan is not accepted
            raise UserError(f"{name} is {value}; give a number of at least {least}.")


def check_between(settings: Any, low: int, high: int | float, names: Iterable[str]) -> None:
    """Raises UserError for a field, or an entry of a list field, that is not above and below."""
    for name, value in each_given(settings, names):
        if not low < value < high:
            wanted = f"a number above {low} and below {high}"
            if math.isinf(high):
                wanted = f"a finite number above {low}"
            raise UserError(f"{name} is {value}; give {wanted}.")


def nearest(name: str, accepted: Iterable[str]) -> list[str]:
    """The accepted names that may be meant: what transformers' name is called here, that of the
    nearest spelling, or up to two that begin or end with the word, as lora_rank with rank.
    """
    names, asked = {each.lower(): each for each in accepted}, name.lower()
    if OTHER_NAMES.get(asked) in names:
        return [OTHER_NAMES[asked]]
    # Stricter than difflib's 0.6, which takes num_seeds for num_epochs where it cannot be swept.
    found = difflib.get_close_matches(asked, names, n=1, cutoff=0.7)
    if not found:
        plain = (n for n in names if "." not in n)  # grid.FIELD are the same again
        found = [n for n in plain if n.startswith(f"{asked}_") or n.endswith(f"_{asked}")]
    return [names[each] for each in found] if len(found) <= 2 else []


def what_to_give(hint: Any, value: Any) -> str:
    """The end of a message about a value that a field does not take: of many words the nearest."""
    if is_list(hint) and isinstance(value, str) and (several := with_spaces(value)):
        return f"give several with spaces between: {several}"
    words = [choice for choice in choices(hint) if isinstance(choice, str)]
    many = len(words) > MOST_LISTED and isinstance(value, str)
    near = nearest(value, words) if many else []
    return f"did you mean {' or '.join(near)}?" if near else f"give {kind(hint)}."


def with_spaces(value: str) -> str:
    """A list that is written with commas or brackets as words; empty for any other text."""
    is_list = re.search(r"[\[,]", value)
    return " ".join(re.split(r"[\s,]+", value.strip("[](), "))) if is_list else ""


def said_of_commas(names: Sequence[str]) -> str:
    """What to do about several names in one word."""
    several = with_spaces(names[0]) if len(names) == 1 else ""
    return f", with spaces between: {several}" if several else ""


def suggestion(name: str, accepted: Iterable[str]) -> str:
    """The end of a message about an unknown name."""
    names = list(accepted)
    near = " or ".join(nearest(name, names))
    return f"did you mean {near}?" if near else f"accepted are {', '.join(names)}."
