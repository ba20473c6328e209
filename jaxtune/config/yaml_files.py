"""Config files: YAML mappings whose every mistake is named by file, line and key."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from jaxtune.core.errors import UserError
from jaxtune.core.fields import choices, convert, is_list, shown, suggestion, what_to_give
from jaxtune.core.files import read_text
from jaxtune.core.words import on_one_line


class Entry(NamedTuple):
    """A given setting, and where it stands, for messages."""

    name: str
    value: Any
    place: str = ""  # `The config file F`; nothing for an argument of a call
    line: int = 0
    node: Any = None  # YAML's, which knows the lines of a mapping below

    @property
    def where(self) -> str:
        """The beginning of a message about it."""
        return f"{self.place}, line {self.line}: " if self.place else ""


def converted(entry: Entry, hints: Mapping[str, Any]) -> Any:
    """The entry's value as its field holds it; raises UserError for any other."""
    hint = hints[entry.name]
    several = isinstance(entry.value, list) and not is_list(hint)  # which is refused as it stands
    try:
        return convert(hint, entry.value if several else as_written(entry, hint).value)
    except ValueError as error:
        bad = error.args[0]  # of a list, the one that does not fit
        raise UserError(
            f"{entry.where}{entry.name} is {shown(bad)}; {what_to_give(hint, bad)}"
        ) from None


def as_written(entry: Entry, hint: Any) -> Entry:
    """What stands in the file, of texts and whole numbers: YAML reads the class `no` as false, `01`
    as 1, and of numbers 010 as 8, where a command line has 10.
    """
    node, value = entry.node, entry.value
    if isinstance(node, yaml.SequenceNode) and isinstance(value, list):
        pairs = zip(node.value, value, strict=True)
        return entry._replace(value=[_written(*pair, choices(hint)) for pair in pairs])
    return entry._replace(value=_written(node, value, choices(hint)))


def _written(node: Any, value: Any, accepted: Collection[Any]) -> Any:
    if not isinstance(node, yaml.ScalarNode) or value is None or isinstance(value, str):
        return value
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    is_text = str in accepted or Path in accepted
    is_number = is_whole and (int in accepted or float in accepted)
    return node.value if is_text or is_number or "_" in node.value else value


def read_file(file: Path, accepted: Iterable[str]) -> list[Entry]:
    """A config file's entries; raises UserError for an unknown or repeated name."""
    text = read_text(file)
    try:
        loaded, node = yaml.safe_load(text), yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"The config file {file}{line} is no YAML ({error.problem}).") from error
    except Exception as error:  # a tag on a wrong value raises what its constructor trips over
        raise UserError(f"The config file {file} cannot be read ({on_one_line(error)}).") from error
    if not isinstance(loaded or {}, dict):
        raise UserError(f"The config file {file} is no mapping of field names to values.")
    return list(entries(f"The config file {file}", loaded or {}, node, accepted))


def entries(
    place: str, loaded: Mapping[Any, Any], node: Any, accepted: Iterable[str], what: str = "field"
) -> Iterator[Entry]:
    """The entries of a mapping; every name is accepted, once."""
    accepted = list(accepted)
    pairs = node.value if loaded else []
    lines: dict[str, int] = {}
    for key, _ in pairs:
        line, name = key.start_mark.line + 1, key.value.replace("-", "_")
        where = f"{place}, line {line}: "
        if name not in accepted:
            raise UserError(f"{where}{key.value} is no {what}; {suggestion(name, accepted)}")
        if name in lines:
            raise UserError(f"{where}{name} is in line {lines[name]} already; keep one of them.")
        lines[name] = line
    for (name, line), value, (_, below) in zip(lines.items(), loaded.values(), pairs, strict=True):
        yield Entry(name, value, place, line, below)
