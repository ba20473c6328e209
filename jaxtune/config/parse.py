"""Command line and YAML files to settings; both spell the fields of `jaxtune.config.settings`.

Later wins: defaults, then each `--config` in order, then flags. YAML is turned into flags, so types
and lists are checked by one parser (and `2e-5`, which YAML 1.1 reads as a string, becomes a
number). What is wrong with a flag is wrong usage, status 2; what is wrong with a file is a
UserError that names file, line and key.
"""

import contextlib
import dataclasses
import difflib
import io
import itertools
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from jaxtune.config.settings import COMMAND_FIELDS, NOT_SWEPT, SweepConfig
from jaxtune.config.validate import check
from jaxtune.core.errors import UserError
from jaxtune.core.files import read_text

QUICKSTART = Path(__file__).parents[1] / "data" / "miniature" / "quickstart.yaml"
# Flags take YAML's spelling of these, which tyro does not know.
YAML_WORDS = {"true": "True", "false": "False", "null": "None"}
FIELDS = tuple(field.name for field in dataclasses.fields(SweepConfig))
_KINDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    types.NoneType: "null",
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """A parsed command: the base settings, the swept values as given, and one config per arm."""

    base: SweepConfig
    grid: dict[str, tuple[Any, ...]]
    arms: tuple[SweepConfig, ...]

    def as_yaml(self) -> str:
        """The resolved config: `--config` of this text repeats the sweep."""
        values: dict[str, Any] = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self.base).items()
            if name not in COMMAND_FIELDS
        }
        if self.grid:
            values["grid"] = {name: list(swept) for name, swept in self.grid.items()}
        return yaml.safe_dump(values, sort_keys=False)


def parse(argv: Sequence[str]) -> Settings:
    """Command line to settings; raises UserError for contradictions and exits with status 2 on
    wrong usage.
    """
    argv, files = take_configs([_spelled(word) for word in argv])
    last = _take_grid(argv)
    if not files and not _names(last[0]) & {"model", "task"}:
        files = [QUICKSTART]
    flags: list[str] = []
    grid: dict[str, list[str]] = {}
    for more_flags, more_grid in [*map(_read_yaml, files), last]:
        flags += more_flags
        # Later wins: a plain value ends what an earlier source swept.
        grid = {name: grid[name] for name in grid if name not in _names(more_flags)} | more_grid
    base = _parse_flags(flags)
    swept = {
        name: tuple(dict.fromkeys(_parse_value(name, value) for value in values))
        for name, values in grid.items()
    }
    arms = tuple(
        dataclasses.replace(base, **dict(zip(swept, values, strict=True)))
        for values in itertools.product(*swept.values())
    )
    for arm in arms:
        check(arm)
    return Settings(base, swept, arms)


def _spelled(word: str) -> str:
    """A word of the command line with YAML's true, false and null as tyro spells them, after `=`
    too.
    """
    head, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return head + equals + YAML_WORDS.get(value, value)


def _names(flags: list[str]) -> set[str]:
    return {word[2:].split("=")[0].replace("-", "_") for word in flags if word.startswith("--")}


def _parse_flags(flags: list[str]) -> SweepConfig:
    import tyro

    return tyro.cli(
        SweepConfig,
        args=flags,
        prog="python -m jaxtune.sweep",
        use_underscores=True,
        config=(tyro.conf.FlagConversionOff,),
    )


def _parse_value(name: str, value: str) -> Any:
    return getattr(_parse_flags([f"--{name}={value}"]), name)


def take_configs(argv: list[str]) -> tuple[list[str], list[Path]]:
    """Splits `--config FILE ...` off (several files may follow one flag, and the flag may
    repeat).
    """
    rest: list[str] = []
    files: list[Path] = []
    taking = False
    for word in argv:
        if word.startswith("-"):
            taking = word == "--config"
            if word.startswith("--config="):
                files.append(Path(word.split("=", 1)[1]))
            elif not taking:
                rest.append(word)
        elif taking:
            files.append(Path(word))
        else:
            rest.append(word)
    if "--config" in argv and not files:
        raise UserError("--config has no file; give one or more YAML files after it.")
    return rest, files


def _take_grid(argv: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Splits `--grid.FIELD v1 v2 ...` off."""
    rest: list[str] = []
    grid: dict[str, list[str]] = {}
    values: list[str] = rest
    for word in argv:
        if word.startswith("--grid."):
            name, _, value = word.removeprefix("--grid.").partition("=")
            values = grid.setdefault(_swept_field(name), [value] if value else [])
        elif word.startswith("--"):
            values = rest
            rest.append(word)
        else:
            values.append(word)
    _check_values(grid)
    return rest, grid


def _check_values(grid: dict[str, list[str]]) -> None:
    for name, values in grid.items():
        if not values:
            raise UserError(
                f"--grid.{name} has no values; give them after it, such as --grid.{name} 1 2."
            )


def _swept_field(name: str) -> str:
    name = name.replace("-", "_")
    if problem := _misnamed(name, swept=True):
        raise UserError(f"--grid.{name} {problem}")
    return name


def _misnamed(name: str, swept: bool) -> str:
    """Why a name is not accepted, with the one that may be meant; empty where it is."""
    accepted = [f for f in FIELDS if f not in NOT_SWEPT] if swept else [*FIELDS, "grid"]
    if name in accepted:
        return ""
    close = difflib.get_close_matches(name, accepted, n=1) if name not in FIELDS else []
    meant = f"did you mean {close[0]}?" if close else f"accepted are {', '.join(accepted)}."
    return f"is no field{' that can be swept' if swept else ''}; {meant}"


def _read_yaml(file: Path) -> tuple[list[str], dict[str, list[str]]]:
    """A config file as flags and a grid."""
    loaded, node = load_yaml(file)
    given: list[tuple[str, str, str | list[str]]] = []
    grid: dict[str, list[str]] = {}
    for where, name, value, under in _entries(file, loaded, node):
        if name == "grid":
            grid = _read_grid(file, where, value or {}, under)
        else:
            given.append((where, name, _flag_words(where, name, value)))
    flags = [flag for _, name, words in given for flag in _as_flags(name, words)]
    if not _are_usable(flags):  # all at once, for one parse takes milliseconds
        for entry in given:
            _check_type(*entry)
    return flags, grid


def _read_grid(file: Path, where: str, value: Any, node: Any) -> dict[str, list[str]]:
    """The swept values of a config file, as words."""
    if not isinstance(value, dict):
        raise UserError(f"{where}: grid is no mapping of field names to values.")
    grid: dict[str, list[str]] = {}
    for place, name, values, _ in _entries(file, value, node, swept=True):
        words = _words(place, name, values)
        grid[name] = [words] if isinstance(words, str) else words
        for word in grid[name]:
            _check_type(place, name, word)
    _check_values(grid)
    return grid


def load_yaml(file: Path) -> tuple[dict[Any, Any], Any]:
    """A file's mapping, and the nodes that know the lines."""
    text = read_text(file)
    try:
        loaded, node = yaml.safe_load(text), yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"The config file {file}{line} is no YAML ({error.problem}).") from error
    except (
        Exception
    ) as error:  # a tag on the wrong value raises whatever its constructor trips over
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(f"The config file {file} cannot be read ({reason}).") from error
    if not isinstance(loaded or {}, dict):
        raise UserError(f"The config file {file} is no mapping of field names to values.")
    return loaded or {}, node


def _entries(
    file: Path, loaded: dict[Any, Any], node: Any, swept: bool = False
) -> Iterator[tuple[str, str, Any, Any]]:
    """A mapping's entries: where each is, its name, its value and the value's node; every name is
    accepted, once.
    """
    pairs = node.value if loaded else []
    lines: dict[str, int] = {}
    for key, _ in pairs:
        line, name = key.start_mark.line + 1, key.value.replace("-", "_")
        where = f"The config file {file}, line {line}"
        if problem := _misnamed(name, swept):
            raise UserError(f"{where}: {key.value} {problem}")
        if name in lines:
            raise UserError(f"{where}: {name} is in line {lines[name]} already; keep one of them.")
        lines[name] = line
    for (name, line), value, (_, under) in zip(lines.items(), loaded.values(), pairs, strict=True):
        yield f"The config file {file}, line {line}", name, value, under


def _words(where: str, name: str, value: Any) -> str | list[str]:
    """A value as on the command line, or a list of them."""
    if not isinstance(value, list | dict | set):
        return str(value)
    if not isinstance(value, list) or any(isinstance(part, list | dict | set) for part in value):
        raise UserError(f"{where}: {name} is nested; give {_kind(name)}.")
    return [str(part) for part in value]


def _flag_words(where: str, name: str, value: Any) -> str | list[str]:
    """`_words` of a plain field: one, or a list of column names that cannot be taken for flags."""
    words = _words(where, name, value)
    if isinstance(words, list) and (
        name != "text_columns" or any(word.startswith("-") for word in words)
    ):
        raise UserError(f"{where}: {name} is {words}; give {_kind(name)}.")
    return words


def _as_flags(name: str, words: str | list[str]) -> list[str]:
    return [f"--{name}={words}"] if isinstance(words, str) else [f"--{name}", *words]


def _check_type(where: str, name: str, words: str | list[str]) -> None:
    """Raises UserError for words that spell no value of the field's type."""
    if not _are_usable(_as_flags(name, words)):
        raise UserError(f"{where}: {name} is {words!r}; give {_kind(name)}.")


def _are_usable(flags: list[str]) -> bool:
    silent = io.StringIO()
    with contextlib.redirect_stderr(silent), contextlib.redirect_stdout(silent):
        try:
            _parse_flags(flags)
        except SystemExit:
            return False
    return True


def _kind(name: str) -> str:
    """What a field takes, in words."""
    hint = typing.get_type_hints(SweepConfig)[name]
    parts = typing.get_args(hint) or (hint,)
    if typing.get_origin(hint) is tuple:
        return "a text, or a list of texts without a leading dash"
    return " or ".join(_KINDS.get(part) or str(part) for part in parts)
