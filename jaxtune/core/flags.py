"""Words of a command line to the fields of a settings class; every command reads its own here.

`--name value`, `--name=value`, with dashes or underscores. A bare boolean flag is true, `--no_name`
false; a list takes every word up to the next flag, and grows where the flag is repeated.
"""

import dataclasses
import re
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, NoneType
from typing import Any, TypeVar

from jaxtune.core.errors import UsageError
from jaxtune.core.fields import choices, convert, hints_of, is_list, kind, nearest, what_to_give
from jaxtune.core.help import docs_of, help_text, positionals

T = TypeVar("T")
NO_HINTS: Mapping[str, Any] = MappingProxyType({})
NULL = "null"
# A text that is `null` itself, where the word alone means nothing; so YAML has it.
NULL_TEXT = f'"{NULL}"'
FLAG = re.compile(r"--?(?!(inf|infinity|nan)$)[a-z]", re.IGNORECASE)  # and not a negative number


def parse_flags(command: str, settings: type[T], words: Sequence[str]) -> T:
    """A command's settings; raises UsageError for words that spell none."""
    return build(settings, read_flags(command, settings, words))


def build(settings: type[T], values: Mapping[str, Any]) -> T:
    """The settings with these values; raises UsageError where one without a default is missing."""
    labels = positionals(settings)
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]
        if field.name not in values and field.default is dataclasses.MISSING:
            label, hint = labels.get(field.name, f"--{field.name}"), hints_of(settings)[field.name]
            text = docs_of(settings)[field.name].text
            raise UsageError(f"{label} is not given; give {kind(hint)}: {text}")
    return settings(**values)


def read_flags(
    command: str,
    settings: type,
    words: Sequence[str],
    more: Mapping[str, Any] = NO_HINTS,
    ending: Callable[[], str] = str,
) -> dict[str, Any]:
    """The fields that the words set; after `--help` prints it and exits with 0.

    Args:
        more: the types of flags that are no field, by name.
        ending: the last part of the help.
    """
    if {"--help", "-h"} & {*words}:
        print(help_text(command, settings) + ending(), flush=True)
        sys.exit(0)
    labels, hints = positionals(settings), {**hints_of(settings), **more}
    flags = {name: hint for name, hint in hints.items() if name not in labels}
    given: dict[str, Any] = {}
    rest, before = deque(words), ""
    while rest:
        word = rest.popleft()
        if FLAG.match(word):
            name, values = _take_flag(word, rest, flags)
            label = before = f"--{name}"
        else:
            free = [name for name in labels if name not in given or is_list(hints[name])]
            if not free:
                raise _one_too_many(word, before, hints)
            name, values, label = free[0], [word], labels[free[0]]
        value = _value(label, hints[name], values)
        given[name] = given.get(name, ()) + value if is_list(hints[name]) else value
    return given


def _take_flag(word: str, rest: deque[str], hints: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The field that a flag names, and the words that are its value, taken from `rest`."""
    flag, equals, value = word.partition("=")
    name = flag.lstrip("-").replace("-", "_")
    positive = name.removeprefix("no_")
    if hints.get(positive) is bool and name not in hints:
        if equals or (rest and rest[0].lower() in ("true", "false")):
            raise UsageError(f"{flag} takes no value; give --{positive} true or false.")
        return positive, ["false"]
    if name not in hints or not flag.startswith("--"):
        near = " or ".join(f"--{each}" for each in nearest(name, hints))
        meant = f"did you mean {near}?" if near else "--help lists all."
        raise UsageError(f"{flag} is no flag; {meant}")
    hint, values = hints[name], [value] if equals else []
    while rest and not FLAG.match(rest[0]) and (is_list(hint) or not values):
        if hint is bool and rest[0].lower() not in ("true", "false"):
            break  # a bare flag before a positional
        values.append(rest.popleft())
    if not values and hint is not bool:
        raise UsageError(f"--{name} has no value; give {kind(hint)}.")
    return name, values or ["true"]


def _value(label: str, hint: Any, words: list[str]) -> Any:
    """The words as the field takes them, with YAML's and Python's spelling of true, false, null.

    Of a field that takes texts `null` alone is null: a class may be called none.
    """
    accepted = choices(hint)

    def spoken(word: str) -> Any:
        if bool in accepted and word.lower() in ("true", "false"):
            return word.lower() == "true"
        if str in accepted:
            nothing = None if NoneType in accepted else NULL
            return {NULL: nothing, NULL_TEXT: NULL}.get(word, word)
        is_null = NoneType in accepted and word.lower() in (NULL, "none")
        return None if is_null and word not in accepted else word

    try:
        values = [spoken(word) for word in words]
        return convert(hint, values if is_list(hint) else values[0])
    except ValueError as error:
        bad = error.args[0]
        raise UsageError(f"{label} is {bad!r}; {what_to_give(hint, bad)}") from None


def _one_too_many(word: str, before: str, hints: Mapping[str, Any]) -> UsageError:
    if before:
        takes = kind(hints[before.removeprefix("--")])
        return UsageError(f"{word!r} after {before} is one word too many; {before} takes {takes}.")
    return UsageError(f"{word!r} is one word too many; values go after their flag, --name value.")
