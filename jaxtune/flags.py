"""Command line and YAML files to settings; both spell the fields of `jaxtune.config`.

Later wins: defaults, then each `--config` in order, then flags. YAML is turned into flags, so types, unknown keys and
lists are checked by one parser (and `2e-5`, which YAML 1.1 reads as a string, becomes a number).
"""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from jaxtune.config import COMMAND_FIELDS, NOT_SWEPT, SweepConfig, check
from jaxtune.errors import UserError

QUICKSTART = Path(__file__).parent / "miniature" / "quickstart.yaml"
# Flags take YAML's spelling of these, which tyro does not know.
YAML_WORDS = {"true": "True", "false": "False", "null": "None"}


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
    """Command line to settings; raises UserError for contradictions and exits with status 2 on wrong usage."""
    argv, files = _take_configs([_spelled(word) for word in argv])
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
    choices = [[f"--{name}={value}" for value in values] for name, values in grid.items()]
    arms = tuple(_parse_flags([*flags, *choice]) for choice in itertools.product(*choices))
    swept = {name: tuple(dict.fromkeys(getattr(arm, name) for arm in arms)) for name in grid}
    settings = Settings(base, swept, tuple(dict.fromkeys(arms)))
    for arm in settings.arms:
        check(arm)
    return settings


def _spelled(word: str) -> str:
    """A word of the command line with YAML's true, false and null as tyro spells them, after `=` too."""
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


def _take_configs(argv: list[str]) -> tuple[list[str], list[Path]]:
    """Splits `--config FILE ...` off (several files may follow one flag, and the flag may repeat)."""
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
    fields = [field.name for field in dataclasses.fields(SweepConfig)]
    if name not in fields or name in NOT_SWEPT:
        accepted = ", ".join(field for field in fields if field not in NOT_SWEPT)
        raise UserError(f"--grid.{name} is no field that can be swept; accepted are {accepted}.")
    return name


def _read_yaml(file: Path) -> tuple[list[str], dict[str, list[str]]]:
    """A config file as flags and a grid."""
    try:
        loaded = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(
            f"The config file {file} cannot be read: {' '.join(str(error).split())}."
        ) from error
    if not isinstance(loaded, dict) or not isinstance(loaded.get("grid") or {}, dict):
        raise UserError(f"The config file {file} is no mapping of field names to values.")
    grid = {}
    for name, values in (loaded.pop("grid", None) or {}).items():
        words = map(str, values if isinstance(values, list) else [values])
        grid[_swept_field(str(name))] = list(words)
    _check_values(grid)
    flags: list[str] = []
    for name, value in loaded.items():
        several = isinstance(value, list)
        flags += [f"--{name}", *map(str, value)] if several else [f"--{name}={value}"]
    return flags, grid
