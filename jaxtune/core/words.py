"""Words for counts and lists, the same in every message."""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MOST_LISTED = 10
ROUNDING = 1e-15  # what floats make of 0 and 1; a posterior chance may be 1e-12 and is none of them


def plural(number: int, noun: str) -> str:
    """Such as `1 trial`, `2 classes` and `1,000 examples`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}{'es' if noun.endswith('s') else 's'}"


def percent(share: float, places: int = 0) -> str:
    """Such as `12%`; 0% and 100% are those alone, and what lies near them is `<1%` or `>99%`."""
    shown, least = f"{share:.{places}%}", 10.0 ** -(places + 2)
    if shown == f"{0:.{places}%}" and share > ROUNDING:
        return f"<{least:.{places}%}"
    if shown == f"{1:.{places}%}" and share < 1 - ROUNDING:
        return f">{1 - least:.{places}%}"
    return shown


def quoted(names: Iterable[str]) -> str:
    """Names with their ends visible, such as `'text', ' label'`; a long list is cut."""
    return listed(map(repr, names))


def listed(words: Iterable[str], between: str = ", ") -> str:
    """Such as `a, b, c`; a long list ends in `and 17 more`."""
    shown = list(words)
    if (rest := len(shown) - MOST_LISTED) > 0:
        shown[MOST_LISTED:] = [f"and {rest:,} more"]
    return between.join(shown)


def any_of(words: Iterable[str]) -> str:
    """Such as `a, b or c`."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def spelled(value: Any) -> str:
    """A setting's value as a command line and YAML spell it, such as `null`, `true` or `2e-05`."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def on_one_line(error: BaseException) -> str:
    """What an error of a library says, for brackets in a sentence."""
    return " ".join(str(error).split()).rstrip(".")


def as_typed(path: Path) -> str:
    """A path in a command that a reader may copy into a shell."""
    return shlex.quote(str(path))
