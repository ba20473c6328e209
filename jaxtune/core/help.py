"""What `--help` prints: a settings class, its fields and their docstrings."""

import ast
import dataclasses
import inspect
import itertools
import shutil
import sys
import textwrap
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

from jaxtune.core.fields import choices, hints_of, is_list
from jaxtune.core.words import spelled

WORDS = {int: "N", float: "NUMBER", str: "TEXT", Path: "PATH", bool: "true|false"}
INDENT = 26  # where the texts begin
WIDEST = 100
NARROWEST = 20  # of the texts


class Doc(NamedTuple):
    """What is written about a field."""

    text: str  # the docstring below it
    heading: str  # the comment above its part of the class, if any


def called(command: str) -> str:
    """The command as its user called it: `jaxtune sweep` or `python -m jaxtune.sweep`."""
    script = Path(sys.argv[0])
    if script.name == "__main__.py" and script.parent.name in (command, "jaxtune"):
        return f"python -m jaxtune{'.' if script.parent.name == command else ' '}{command}"
    return f"jaxtune {command}"


def positionals(settings: type) -> dict[str, str]:
    """The fields that are given without a name, and what help and messages call them."""
    fields = dataclasses.fields(settings)
    return {f.name: f.metadata["positional"] for f in fields if "positional" in f.metadata}


def docs_of(settings: type) -> dict[str, Doc]:
    """What is written about every field, in the order of the class."""
    docs: dict[str, Doc] = {}
    for owner in [c for c in reversed(settings.__mro__) if dataclasses.is_dataclass(c)]:
        source = textwrap.dedent(inspect.getsource(owner))
        lines, heading = source.splitlines(), ""
        body = ast.parse(source).body[0].body  # type: ignore[attr-defined]
        for field, text in itertools.pairwise(body):
            if not isinstance(field, ast.AnnAssign):
                continue
            above = lines[field.lineno - 2].strip()
            if above.startswith("#"):
                heading = above.removeprefix("# ")
            words = ast.literal_eval(text.value).split()  # type: ignore[attr-defined]
            docs[field.target.id] = Doc(" ".join(words), heading)  # type: ignore[union-attr]
    return docs


def help_text(command: str, settings: type) -> str:
    """The whole page, as wide as the terminal."""
    docs, hints = docs_of(settings), hints_of(settings)
    labels = {
        name: f"{label} ..." if is_list(hints[name]) else label
        for name, label in positionals(settings).items()
    }
    usage = " ".join([called(command), *labels.values(), "[--flag value ...]"])
    paragraphs = inspect.cleandoc(settings.__doc__ or "").split("\n\n")
    usage = textwrap.fill(f"usage: {usage}", _width(), subsequent_indent=" " * 6)
    page = [usage, *("\n" + textwrap.fill(text, _width()) for text in paragraphs), ""]
    heading = ""
    for field in dataclasses.fields(settings):
        if docs[field.name].heading != heading:
            heading = docs[field.name].heading
            page += ["", textwrap.fill(heading, _width())]
        name = labels.get(field.name) or _flag(field.name, hints[field.name], field.default)
        page.append(beside(name, docs[field.name].text + _default(field.default)))
    return "\n".join(page)


def beside(name: str, text: str) -> str:
    """A name and a text in two columns; the text begins below a name that is too long."""
    lines = textwrap.wrap(text, _width() - INDENT)
    indented = ("\n" + " " * INDENT).join(lines)
    first = f"  {name}"
    if len(first) + 2 > INDENT:
        return f"{_folded(first)}\n{' ' * INDENT}{indented}"
    return f"{first.ljust(INDENT)}{indented}"


def _folded(name: str) -> str:
    """Many choices in as many lines as they take, broken after a `|`."""
    spaced = name.strip().replace("|", "| ")
    lines = textwrap.wrap(spaced, _width(), initial_indent="  ", subsequent_indent=" " * 6)
    return "\n".join(lines).replace("| ", "|")


def _width() -> int:
    return max(INDENT + NARROWEST, min(shutil.get_terminal_size().columns, WIDEST))


def _flag(name: str, hint: Any, default: Any) -> str:
    """A flag with what follows it, such as `--max_grad_norm NUMBER`."""
    if hint is bool:
        return f"--{name}, --no_{name}" if default else f"--{name}"
    taken = [WORDS.get(choice, choice) for choice in choices(hint) if choice is not NoneType]
    return f"--{name} {'|'.join(taken)}{' ...' if is_list(hint) else ''}"


def _default(value: Any) -> str:
    if value is dataclasses.MISSING:
        return " (required)"
    if value is None or value is False or value == ():
        return ""
    shown = " ".join(map(str, value)) if isinstance(value, tuple) else spelled(value)
    return f" (default: {shown})"
